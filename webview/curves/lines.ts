import type { Line } from './decimate.ts';
import type { EpochScale, StepsAndEpochs } from './epochs.ts';
import { lowerBound } from './search.ts';
import type { Axis } from './state.ts';

export interface Columns extends StepsAndEpochs {
  readonly values: Float64Array;
}

/** A line ready to be drawn, and what was left out of it. */
export interface DrawnLine extends Line {
  /** Points that a resumed run logged again, or later points of the same x replaced. */
  readonly superseded: number;
  /** NaN and infinities among the points: gaps. */
  readonly notFinite: number;
}

/**
 * Puts a series on an axis. x comes out strictly ascending: where a run was resumed from an earlier step, the points
 * it had already logged beyond that step give way to the new ones, so that no line runs backwards. Points without a
 * place on the axis are left out.
 */
export function buildLine(columns: Columns, axis: Axis, scale: EpochScale | undefined): DrawnLine {
  const { values } = columns;
  const place = placer(columns, axis, scale);
  const x = new Float64Array(values.length);
  const y = new Float64Array(values.length);
  let length = 0;
  let superseded = 0;
  for (let index = 0; index < values.length; index++) {
    const at = place(index);
    if (!Number.isFinite(at)) continue;
    if (length > 0 && at <= x[length - 1]!) {
      const kept = lowerBound(x, at, length);
      superseded += length - kept;
      length = kept;
    }
    x[length] = at;
    y[length] = values[index]!;
    length += 1;
  }
  let notFinite = 0;
  for (let index = 0; index < length; index++) if (!Number.isFinite(y[index]!)) notFinite += 1;
  return { x: x.subarray(0, length), y: y.subarray(0, length), superseded, notFinite };
}

function placer(
  { steps, epochs }: Columns,
  axis: Axis,
  scale: EpochScale | undefined,
): (index: number) => number {
  if (axis === 'step' || scale === undefined) return (index) => steps[index]!;
  // A value per epoch stands at its epoch; of many values with one epoch each has a place within it.
  const shared = epochs.some((epoch, index) => index > 0 && epoch === epochs[index - 1]);
  return (index) => {
    const epoch = epochs[index]!;
    return shared || Number.isNaN(epoch) ? scale.epochOf(steps[index]!) : epoch;
  };
}

/** The value of a line at x: of the point there, else between its neighbours; undefined outside and beside gaps. */
export function valueAt({ x, y }: Line, at: number): number | undefined {
  const above = lowerBound(x, at);
  if (above === x.length) return undefined;
  let value: number;
  if (x[above] === at) {
    value = y[above]!;
  } else {
    if (above === 0) return undefined;
    const share = (at - x[above - 1]!) / (x[above]! - x[above - 1]!);
    value = y[above - 1]! + share * (y[above]! - y[above - 1]!);
  }
  return Number.isFinite(value) ? value : undefined;
}
