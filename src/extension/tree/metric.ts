/** Which metric stands beside a checkpoint, and the checkpoints in its order. */
import { defaultMetric, metricGoal } from '../../core/runs/goals.ts';
import type { CheckpointEntry, Goal, Run } from '../../core/runs/types.ts';
import { checkable } from './selection.ts';

export interface DisplayMetric {
  readonly tag: string;
  readonly goal: Goal;
}

/** The metrics known at any complete checkpoint of the run: the one shown first, then by name. */
export function metricsOf(run: Run, preferred: string): readonly DisplayMetric[] {
  const shown = displayMetric(run, preferred)?.tag;
  const tags = new Set(checkable(run).flatMap((entry) => Object.keys(entry.metrics)));
  return [...tags]
    .sort((a, b) => Number(b === shown) - Number(a === shown) || a.localeCompare(b))
    .map((tag) => ({ tag, goal: metricGoal(tag) }));
}

/** `preferred` (a setting) wins where the run has it. */
export function displayMetric(run: Run, preferred: string): DisplayMetric | undefined {
  return run.checkpoints.some((entry) => preferred in entry.metrics)
    ? { tag: preferred, goal: metricGoal(preferred) }
    : defaultMetric(run);
}

/** Complete checkpoints, best first; those without a finite value are left out. Equals stay in training order. */
export function byMetric(run: Run, { tag, goal }: DisplayMetric): readonly CheckpointEntry[] {
  const sign = goal === 'minimize' ? 1 : -1;
  return checkable(run)
    .flatMap((entry) => {
      const value = entry.metrics[tag];
      return value !== undefined && Number.isFinite(value) ? [{ entry, value }] : [];
    })
    .sort((a, b) => sign * (a.value - b.value))
    .map(({ entry }) => entry);
}
