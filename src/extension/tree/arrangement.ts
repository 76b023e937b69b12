/** Which runs and checkpoints the tree shows, and in which order. No VS Code here. */
import { matcher } from '../../core/filter.ts';
import { newestFirst } from '../../core/runs/status.ts';
import type { RunState } from '../../core/runs/status.ts';
import type { CheckpointEntry, Run } from '../../core/runs/types.ts';
import { runLabel } from './describe.ts';
import { byMetric } from './metric.ts';
import type { DisplayMetric } from './metric.ts';

export const ORDERS = ['newest', 'name', 'metric', 'size'] as const;
/** Of runs; their checkpoints stand in training order where it is `newest`. */
export type Order = (typeof ORDERS)[number];

export interface Arrangement {
  readonly order: Order;
  /** A regular expression, or any text that is none; empty shows everything. */
  readonly filter: string;
  /** Directories of the runs that stay on top. */
  readonly pinned: ReadonlySet<string>;
}

export const AS_FOUND: Arrangement = { order: 'newest', filter: '', pinned: new Set() };

export interface ArrangedRun {
  readonly run: Run;
  /** Checkpoints, then averages. */
  readonly entries: readonly CheckpointEntry[];
}

export interface Facts {
  readonly stateOf: (run: Run) => RunState;
  readonly metricOf: (run: Run) => DisplayMetric | undefined;
}

const collator = new Intl.Collator('en', { numeric: true });

export function arrange(
  runs: readonly Run[],
  { order, filter, pinned }: Arrangement,
  facts: Facts,
): readonly ArrangedRun[] {
  const matches = matcher(filter);
  return pinnedFirst(sortedRuns(runs, order, facts), pinned).flatMap((run) => {
    const all = [...sortedEntries(run, order, facts), ...run.averages];
    const entries = matches(runLabel(run)) ? all : all.filter(({ name }) => matches(name));
    return entries.length > 0 || matches(runLabel(run)) ? [{ run, entries }] : [];
  });
}

export function bytesOf(run: Run): number {
  return [...run.checkpoints, ...run.averages].reduce((sum, { bytes }) => sum + bytes, 0);
}

function pinnedFirst(runs: readonly Run[], pinned: ReadonlySet<string>): readonly Run[] {
  return runs.toSorted((a, b) => Number(pinned.has(b.directory)) - Number(pinned.has(a.directory)));
}

function sortedRuns(runs: readonly Run[], order: Order, { stateOf, metricOf }: Facts): readonly Run[] {
  switch (order) {
    case 'newest':
      return newestFirst(runs, stateOf);
    case 'name':
      return runs.toSorted((a, b) => collator.compare(runLabel(a), runLabel(b)));
    case 'size':
      return runs.toSorted((a, b) => bytesOf(b) - bytesOf(a));
    case 'metric':
      return runs
        .map((run) => ({ run, best: bestOf(run, metricOf(run)) }))
        .sort(
          (a, b) =>
            Number(a.best === undefined) - Number(b.best === undefined) ||
            // Numbers of different metrics cannot be compared: those of one stand together.
            collator.compare(a.best?.tag ?? '', b.best?.tag ?? '') ||
            (a.best?.cost ?? 0) - (b.best?.cost ?? 0),
        )
        .map(({ run }) => run);
  }
}

function sortedEntries(run: Run, order: Order, { metricOf }: Facts): readonly CheckpointEntry[] {
  switch (order) {
    case 'newest':
      return run.checkpoints;
    case 'name':
      return run.checkpoints.toSorted((a, b) => collator.compare(a.name, b.name));
    case 'size':
      return run.checkpoints.toSorted((a, b) => b.bytes - a.bytes);
    case 'metric': {
      const metric = metricOf(run);
      const ranked = metric === undefined ? [] : byMetric(run, metric);
      return [...ranked, ...run.checkpoints.filter((entry) => !ranked.includes(entry))];
    }
  }
}

function bestOf(
  run: Run,
  metric: DisplayMetric | undefined,
): { readonly tag: string; readonly cost: number } | undefined {
  const value = metric && byMetric(run, metric)[0]?.metrics[metric.tag];
  if (metric === undefined || value === undefined) return undefined;
  return { tag: metric.tag, cost: metric.goal === 'minimize' ? value : -value };
}
