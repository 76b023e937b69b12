/** What a report says of the pass that made it, as the beginning of another. No VS Code here. */
import path from 'node:path';
import type { AverageReport } from '../../core/averaging/types.ts';
import { inspectPath } from '../../core/checkpoints/registry.ts';
import type { Engine } from '../../core/task/types.ts';
import type { Unfit } from './fitting.ts';
import { planOptions, QUESTIONS, withoutTaskOptions } from './plans.ts';
import type { Plan } from './plans.ts';

/**
 * The plan with every option that the report names; undefined where it cannot be had any more: the task is gone, or
 * there is no longer one coefficient for each checkpoint. What no report says is to be asked: the options of a search,
 * and from which coefficients of the user's own a fit started, where those it ended with are proposed.
 */
export function planAgain(
  report: AverageReport,
  now: { readonly engine: Engine | undefined; readonly headers: readonly unknown[] },
): Plan | undefined {
  const { method, options, settings, coefficients, sources, task, buffers } = report.provenance;
  const possible =
    now.engine === undefined
      ? withoutTaskOptions().flatMap(({ value }) => (value === 'create' ? [] : [value.method]))
      : planOptions(now.engine !== 'command').map(({ value }) => value.method);
  if (!possible.includes(method)) return undefined;
  if (method === 'manual' && now.headers.length !== sources.length) return undefined;
  const k = settings?.k === undefined ? {} : { k: Math.min(settings.k, now.headers.length) };
  const isSaid = method !== 'search' && options?.start !== 'given';
  const ask = isSaid ? undefined : QUESTIONS[method];
  return {
    method,
    ...(options === undefined ? {} : { options }),
    ...(settings === undefined ? {} : { settings: { ...settings, ...k } }),
    ...(method === 'manual' || ask !== undefined ? { coefficients } : {}),
    // Without a task there was no choice.
    ...(task === undefined || now.engine === undefined || buffers === 'none' ? {} : { buffers }),
    ...(ask === undefined ? {} : { ask }),
  };
}

/**
 * The checkpoints of an average that can be averaged again, oldest first, and those that cannot. Where a project was
 * moved, they are looked for where they lay seen from the average.
 * @param reportPath of the report, which may have been moved with the average
 */
export async function sourcesOf(
  report: AverageReport,
  reportPath: string,
): Promise<{ readonly found: readonly string[]; readonly missing: readonly Unfit[] }> {
  const found: string[] = [];
  const missing: Unfit[] = [];
  // The report of a directory lies in it, that of a file beside it.
  const isInside = path.basename(reportPath) === 'twa-report.json';
  const here = isInside ? path.dirname(path.dirname(reportPath)) : path.dirname(reportPath);
  for (const source of report.provenance.sources) {
    const moved = path.resolve(here, path.relative(path.dirname(report.output), source.path));
    const reasons: string[] = [];
    for (const candidate of new Set([source.path, moved])) {
      try {
        const inspection = await inspectPath(candidate);
        if (inspection.state === 'complete') {
          found.push(inspection.header.path);
          reasons.length = 0;
          break;
        }
        reasons.push(inspection.reason);
      } catch (error) {
        reasons.push(error instanceof Error ? error.message : String(error));
      }
    }
    if (reasons.length > 0) missing.push({ path: source.path, reasons: reasons.slice(0, 1) });
  }
  return { found, missing };
}
