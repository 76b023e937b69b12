/** What a live average is compared with: the best that the user's finished runs have reached. Pure. */
import { bestCheckpoint, defaultMetric } from '../runs/goals.ts';
import type { CheckpointEntry, Run } from '../runs/types.ts';

/**
 * The checkpoint with the best logged value, among the runs, of the metric that stands for this one; undefined where
 * none of them has it.
 *
 * @param finished runs of the same task
 */
export function bestOf(run: Run, finished: readonly Run[]): CheckpointEntry | undefined {
  const metric = defaultMetric(run);
  if (metric === undefined) return undefined;
  const { tag, goal } = metric;
  const sign = goal === 'maximize' ? 1 : -1;
  return finished
    .filter(({ directory }) => directory !== run.directory)
    .flatMap((other) => bestCheckpoint(other, tag, goal) ?? [])
    .reduce<CheckpointEntry | undefined>(
      (best, one) =>
        best === undefined || sign * one.metrics[tag]! > sign * best.metrics[tag]! ? one : best,
      undefined,
    );
}
