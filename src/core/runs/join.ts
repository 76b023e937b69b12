/**
 * A run's metrics at a checkpoint.
 *
 * 1. By epoch where the checkpoint and the log both know it: the last point of the same epoch; of those, the last at
 *    or before the checkpoint's step where there is one (a checkpoint in the middle of an epoch). Keras numbers epochs
 *    from 1 in file names and from 0 in its log: see {@link epochShift}.
 * 2. Else by step where both know it: the nearest point at or before the checkpoint. A log whose x is the epoch knows
 *    no steps.
 * 3. Else the metric is not known there.
 *
 * Where several logs of a run have a tag, the one with fewer points is asked first: one value per epoch says more about
 * a checkpoint than one per batch.
 */
import type { Series } from '../metrics/types.ts';
import { groupBy } from './group.ts';

export interface Position {
  readonly step?: number;
  readonly epoch?: number;
}

/** What is looked up in a series, made once per series (they never change; a grown one is a new object). */
interface Index {
  /** Positions of the points by epoch, in file order. */
  readonly byEpoch: ReadonlyMap<number, readonly number[]>;
  /** Undefined when the log's x is not a step. */
  readonly byStep: { readonly steps: Float64Array; readonly positions: Int32Array } | undefined;
  readonly firstEpoch: number;
  readonly lastEpoch: number;
}

const indexes = new WeakMap<Series, Index>();

function indexOf(series: Series): Index {
  const known = indexes.get(series);
  if (known !== undefined) return known;
  const byEpoch = new Map<number, number[]>();
  let firstEpoch = Infinity;
  let lastEpoch = -Infinity;
  let knowsSteps = false;
  for (const [position, epoch] of series.epochs.entries()) {
    if (series.steps[position] !== epoch) knowsSteps = true;
    if (Number.isNaN(epoch)) continue;
    const same = byEpoch.get(epoch);
    if (same === undefined) byEpoch.set(epoch, [position]);
    else same.push(position);
    firstEpoch = Math.min(firstEpoch, epoch);
    lastEpoch = Math.max(lastEpoch, epoch);
  }
  const index = {
    byEpoch,
    byStep: knowsSteps ? sortedBySteps(series.steps) : undefined,
    firstEpoch,
    lastEpoch,
  };
  indexes.set(series, index);
  return index;
}

/** Logs of a training that was resumed may go back; the later of equal steps comes later. */
function sortedBySteps(steps: readonly number[]): { steps: Float64Array; positions: Int32Array } {
  const positions = Int32Array.from(steps.keys()).sort((a, b) => steps[a]! - steps[b]! || a - b);
  return { steps: Float64Array.from(positions, (position) => steps[position]!), positions };
}

/**
 * What to take from checkpoints' epochs to get those of a log: 1 for a log that begins at epoch 0 and whose last epoch
 * is one less than the newest checkpoint's, when no checkpoint is of epoch 0; otherwise 0. So it is only known while
 * the newest checkpoint is of the last epoch.
 * @param log all series of one file: some have no point in the first epochs.
 */
export function epochShift(checkpoints: readonly Position[], log: readonly Series[]): 0 | 1 {
  const epochs = checkpoints.flatMap(({ epoch }) => epoch ?? []);
  if (epochs.length === 0) return 0;
  const first = log.reduce((least, one) => Math.min(least, indexOf(one).firstEpoch), Infinity);
  const last = log.reduce((most, one) => Math.max(most, indexOf(one).lastEpoch), -Infinity);
  const oldest = epochs.reduce((a, b) => Math.min(a, b));
  const newest = epochs.reduce((a, b) => Math.max(a, b));
  return first === 0 && oldest >= 1 && newest === last + 1 ? 1 : 0;
}

/** By the rules above, for one series. */
export function valueAt(series: Series, at: Position, shift: 0 | 1 = 0): number | undefined {
  const { byEpoch, byStep } = indexOf(series);
  if (at.epoch !== undefined && byEpoch.size > 0) {
    const positions = byEpoch.get(at.epoch - shift);
    if (positions !== undefined) {
      const { step } = at;
      const upToStep =
        step === undefined ? undefined : positions.findLast((position) => series.steps[position]! <= step);
      return series.values[upToStep ?? positions.at(-1)!];
    }
  }
  if (at.step === undefined || byStep === undefined) return undefined;
  const found = lastAtOrBefore(byStep.steps, at.step);
  return found === -1 ? undefined : series.values[byStep.positions[found]!];
}

/** The last step that a series has in an epoch. */
export function stepAt(series: Series, epoch: number, shift: 0 | 1 = 0): number | undefined {
  const position = indexOf(series)
    .byEpoch.get(epoch - shift)
    ?.at(-1);
  return position === undefined ? undefined : series.steps[position];
}

function lastAtOrBefore(sorted: Float64Array, x: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! <= x) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** For each checkpoint of a run, its metrics by tag, in the order of the series. */
export function joinMetrics(
  checkpoints: readonly Position[],
  series: readonly Series[],
): Readonly<Record<string, number>>[] {
  const shifts = new Map(
    [...groupBy(series, (one) => one.source)].map(([source, log]) => [source, epochShift(checkpoints, log)]),
  );
  const byTag = [...groupBy(series, (one) => one.tag)].map(
    ([tag, alike]) => [tag, alike.toSorted((a, b) => a.values.length - b.values.length)] as const,
  );
  return checkpoints.map((checkpoint) => {
    const metrics: Record<string, number> = {};
    for (const [tag, alike] of byTag) {
      for (const one of alike) {
        const value = valueAt(one, checkpoint, shifts.get(one.source));
        if (value === undefined) continue;
        metrics[tag] = value;
        break;
      }
    }
    return metrics;
  });
}
