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
  /** By epoch, its stretches of points in file order: one, unless a training was resumed. */
  readonly byEpoch: ReadonlyMap<number, readonly Stretch[]>;
  /** Undefined when the log's x is not a step. */
  readonly bySteps: BySteps | undefined;
  readonly firstEpoch: number;
  readonly lastEpoch: number;
}

/** Positions `[from, to)`. */
interface Stretch {
  readonly from: number;
  to: number;
}

/** Steps in ascending order, and whose they are; undefined: in file order they are ascending. */
interface BySteps {
  readonly steps: ArrayLike<number>;
  readonly positions: Int32Array | undefined;
}

const indexes = new WeakMap<Series, Index>();

function indexOf(series: Series): Index {
  const known = indexes.get(series);
  if (known !== undefined) return known;
  const { epochs, steps } = series;
  const byEpoch = new Map<number, Stretch[]>();
  let firstEpoch = Infinity;
  let lastEpoch = -Infinity;
  let knowsSteps = false;
  let stretch: Stretch | undefined;
  let before = NaN;
  // A log of a million points gets a new index with every point: what is the same for many is done once.
  for (let position = 0; position < epochs.length; position++) {
    const epoch = epochs[position]!;
    if (steps[position] !== epoch) knowsSteps = true;
    if (epoch === before) {
      stretch!.to = position + 1;
      continue;
    }
    before = epoch;
    if (Number.isNaN(epoch)) continue;
    stretch = { from: position, to: position + 1 };
    const others = byEpoch.get(epoch);
    if (others === undefined) byEpoch.set(epoch, [stretch]);
    else others.push(stretch);
    firstEpoch = Math.min(firstEpoch, epoch);
    lastEpoch = Math.max(lastEpoch, epoch);
  }
  const index = { byEpoch, bySteps: knowsSteps ? sortedBySteps(steps) : undefined, firstEpoch, lastEpoch };
  indexes.set(series, index);
  return index;
}

/** Logs of a training that was resumed may go back; the later of equal steps comes later. */
function sortedBySteps(steps: readonly number[]): BySteps {
  let ascending = true;
  for (let position = 1; ascending && position < steps.length; position++) {
    ascending = steps[position]! >= steps[position - 1]!;
  }
  if (ascending) return { steps, positions: undefined };
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
  const { byEpoch, bySteps } = indexOf(series);
  if (at.epoch !== undefined && byEpoch.size > 0) {
    const stretches = byEpoch.get(at.epoch - shift);
    if (stretches !== undefined) {
      const upToStep = at.step === undefined ? undefined : lastUpTo(at.step, stretches, series.steps);
      return series.values[upToStep ?? stretches.at(-1)!.to - 1];
    }
  }
  if (at.step === undefined || bySteps === undefined) return undefined;
  const { steps, positions } = bySteps;
  const found = lastAtOrBefore(steps, at.step);
  return found === -1 ? undefined : series.values[positions?.[found] ?? found];
}

/** Of the points in these stretches the last one, in file order, that is not beyond a step. */
function lastUpTo(step: number, stretches: readonly Stretch[], steps: readonly number[]): number | undefined {
  for (const { from, to } of stretches.toReversed()) {
    for (let position = to - 1; position >= from; position--) {
      if (steps[position]! <= step) return position;
    }
  }
  return undefined;
}

/** The last step that a series has in an epoch. */
export function stepAt(series: Series, epoch: number, shift: 0 | 1 = 0): number | undefined {
  const last = indexOf(series)
    .byEpoch.get(epoch - shift)
    ?.at(-1);
  return last === undefined ? undefined : series.steps[last.to - 1];
}

function lastAtOrBefore(sorted: ArrayLike<number>, x: number): number {
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
