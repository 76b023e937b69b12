/** How long a pass will take, from those that were measured here before. No VS Code here. */
import type { AverageReport, Method, PassPhase, TwaRule } from '../../core/averaging/types.ts';

export interface Wanted {
  readonly method: Method;
  readonly rule: TwaRule | undefined;
  /** Absolute path of the twa.json. */
  readonly task: string | undefined;
  /** Of each checkpoint that goes in. */
  readonly sizes: readonly number[];
}

export interface Estimate {
  readonly milliseconds: number;
  /** The report that it was measured in. */
  readonly from: AverageReport;
}

/**
 * From the newest of `reports` that says what a pass with this method on this task takes; undefined where none does.
 * Reading and writing take time by the byte, the baselines by the checkpoint, a step of training by the size of one.
 * Rough: how many steps there are (patience, options) is taken as it was.
 */
export function estimate(wanted: Wanted, reports: readonly AverageReport[]): Estimate | undefined {
  const from = reports
    .filter((report) => isAlike(report, wanted))
    .sort((a, b) => Date.parse(b.provenance.createdAt) - Date.parse(a.provenance.createdAt))[0];
  if (from === undefined) return undefined;
  const before = from.provenance.sources.map(({ size }) => size);
  const total = ratio(sum(wanted.sizes), sum(before));
  const each = ratio(mean(wanted.sizes), mean(before));
  const factors: Readonly<Record<PassPhase, number>> = {
    reading: total,
    backend: 1,
    baselines: (wanted.sizes.length / before.length) * each,
    training: each,
    // Written is one checkpoint, but read for it are all.
    writing: total,
    evaluating: each,
  };
  const milliseconds = (Object.keys(factors) as PassPhase[]).reduce(
    (all, phase) => all + (from.timings[phase] ?? 0) * factors[phase],
    0,
  );
  return milliseconds > 0 ? { milliseconds, from } : undefined;
}

function isAlike({ provenance: { method, options, task, sources } }: AverageReport, wanted: Wanted): boolean {
  if (task !== wanted.task || sources.length === 0) return false;
  // Without a task nothing is evaluated: all of them only read and write.
  return task === undefined || (method === wanted.method && options?.rule === wanted.rule);
}

const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);
const mean = (values: readonly number[]): number => sum(values) / values.length;
const ratio = (a: number, b: number): number => (b > 0 ? a / b : 1);
