/** The best checkpoints by what training logged, for averages without a task. */
import path from 'node:path';
import type { CheckpointHeader } from '../checkpoints/types.ts';
import { TwaError } from '../errors.ts';
import { readSeries } from '../metrics/registry.ts';
import { metricGoal } from './goals.ts';
import { joinMetrics } from './join.ts';

/**
 * The `k` checkpoints with the best values of a logged metric, in the order given; equals, the newest. The log is
 * looked for in the run's directory and, for checkpoints in a folder of their own, one above. Throws `not-found` where
 * the metric is known at fewer checkpoints than that.
 */
export async function bestByLog(
  headers: readonly CheckpointHeader[],
  metric: string,
  k: number,
  signal?: AbortSignal,
): Promise<readonly CheckpointHeader[]> {
  const directory = path.dirname(headers[0]!.path);
  const series = await readSeries(directory, signal).catch((error: unknown) => {
    if (error instanceof TwaError && error.code !== 'cancelled')
      return readSeries(path.dirname(directory), signal);
    throw error;
  });
  const joined = joinMetrics(headers, series);
  const sign = metricGoal(metric) === 'minimize' ? 1 : -1;
  const known = headers.flatMap((header, at) => {
    const value = joined[at]![metric];
    return value !== undefined && Number.isFinite(value) ? [{ header, value, at }] : [];
  });
  if (known.length < k) {
    const tags = [...new Set(joined.flatMap((metrics) => Object.keys(metrics)))].sort();
    throw new TwaError(
      'not-found',
      `The log of ${directory} knows "${metric}" at ${known.length} of ${headers.length} checkpoints, and ${k} are ` +
        `wanted: ${tags.length === 0 ? 'it has no metric at any of them' : `it has ${tags.join(', ')}`}.`,
      { place: { path: directory } },
    );
  }
  const best = known.sort((a, b) => sign * (a.value - b.value) || b.at - a.at).slice(0, k);
  const chosen = new Set(best.map(({ header }) => header));
  return headers.filter((header) => chosen.has(header));
}
