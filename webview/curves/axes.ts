/** What the x axis counts, and how a series' own column is put on it without being copied. */
import type { EpochScale } from './epochs.ts';
import { lowerBound } from './search.ts';
import type { StoredSeries } from './store.ts';

export const AXES = ['step', 'epoch', 'relative', 'wall'] as const;
export type Axis = (typeof AXES)[number];

/** From a column of a series to the axis and back; both ascend. */
export interface AxisMap {
  toAxis(x: number): number;
  toColumn(at: number): number;
}

/** The column that a series is searched and drawn by, and the way from there to the axis; undefined: it is the axis. */
export interface Placing {
  readonly column: 'steps' | 'epochs' | 'wallTimes';
  readonly map: AxisMap | undefined;
}

const BY_STEP: Placing = { column: 'steps', map: undefined };
const BY_EPOCH: Placing = { column: 'epochs', map: undefined };
const BY_TIME: Placing = { column: 'wallTimes', map: undefined };

/** Of one run: what places all its series on an axis. */
export interface RunAxis {
  readonly axis: Axis;
  readonly scale: EpochScale | undefined;
  /** When the run's first point was logged, milliseconds since 1970. */
  readonly start: number | undefined;
}

/**
 * A value per epoch stands at its epoch; of many values with one epoch each has a place within it, by its step. A
 * series without epochs or times has no place on their axes.
 * @param ownEpochs every point of the series has an epoch of its own.
 */
export function placingOf(ownEpochs: boolean, { axis, scale, start }: RunAxis): Placing {
  switch (axis) {
    case 'step':
      return BY_STEP;
    case 'epoch':
      // Beside runs that do name their epochs.
      if (scale === undefined) return BY_EPOCH;
      return ownEpochs
        ? BY_EPOCH
        : { column: 'steps', map: { toAxis: scale.epochOf, toColumn: scale.stepOf } };
    case 'wall':
      return BY_TIME;
    case 'relative':
      return start === undefined ? BY_TIME : { column: 'wallTimes', map: secondsSince(start) };
  }
}

const secondsSince = (start: number): AxisMap => ({
  toAxis: (time) => (time - start) / 1000,
  toColumn: (seconds) => start + seconds * 1000,
});

/** Earliest time in the logs of a run. */
export function startOf(series: Iterable<StoredSeries>): number | undefined {
  let start: number | undefined;
  for (const { wallTimes } of series) {
    const first = wallTimes?.find((time) => !Number.isNaN(time));
    if (first !== undefined && !(first >= start!)) start = first;
  }
  return start;
}

/** When a step of a series was logged; undefined where the log does not say. */
export function timeOf({ steps, wallTimes }: StoredSeries, step: number): number | undefined {
  if (wallTimes === undefined || steps.length === 0) return undefined;
  const time = wallTimes[Math.min(lowerBound(steps, step), steps.length - 1)]!;
  return Number.isNaN(time) ? undefined : time;
}
