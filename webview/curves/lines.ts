import type { AxisMap, Placing } from './axes.ts';
import { Column } from './column.ts';
import type { Line } from './decimate.ts';
import { Pyramid } from './pyramid.ts';
import { lowerBound } from './search.ts';

export interface Columns {
  readonly steps: Float64Array;
  readonly values: Float64Array;
  readonly epochs: Float64Array | undefined;
  readonly wallTimes: Float64Array | undefined;
  /** See `StoredSeries`. */
  readonly rewrites: number;
}

/** A line whose lowest and highest values are known for any stretch. */
export interface IndexedLine extends Line {
  pyramid(positive: boolean): Pyramid;
}

/** A line ready to be drawn, and what was left out of it. */
export interface DrawnLine extends IndexedLine {
  /** Points that a resumed run logged again, or later points of the same x replaced. */
  readonly superseded: number;
  /** NaN and infinities among the points: gaps. */
  readonly notFinite: number;
  /** Index of the lowest and of the highest finite value; -1 where there is none. */
  readonly lowest: number;
  readonly highest: number;
  /** What was logged before a run was resumed from an earlier step, each from the point where it parts from the line. */
  readonly earlier: readonly Line[];
}

/** More abandoned stretches than this are no picture any more. */
const MAX_EARLIER = 50;

/** The pyramids of a column that grows: for linear and for logarithmic axes, each made when it is first asked for. */
export class Pyramids {
  readonly #made: { readonly pyramid: Pyramid; readonly positive: boolean; upTo: number }[] = [];
  #y: Float64Array = new Float64Array(0);

  /** The column as it is now; before `from` it is as it was. */
  follow(y: Float64Array, from: number): void {
    this.#y = y;
    for (const one of this.#made) one.upTo = Math.min(one.upTo, from);
  }

  get(positive: boolean): Pyramid {
    let one = this.#made.find((made) => made.positive === positive);
    if (one === undefined) {
      one = { pyramid: new Pyramid(positive), positive, upTo: -1 };
      this.#made.push(one);
    }
    if (one.upTo < this.#y.length || one.upTo === -1) {
      one.pyramid.update(this.#y, Math.max(0, one.upTo));
      one.upTo = this.#y.length;
    }
    return one.pyramid;
  }

  get bytes(): number {
    return this.#made.reduce((sum, { pyramid }) => sum + pyramid.bytes, 0);
  }
}

/**
 * A series on an axis, followed while it grows. x comes out ascending (strictly but for times): where a run was
 * resumed from an earlier step, the points it had already logged beyond that step give way to the new ones, so that no
 * line runs backwards; they are kept apart. Points without a place on the axis are left out. As long as nothing of that
 * happens the columns of the series are the line, without a copy.
 */
export class FollowedLine implements DrawnLine {
  /** Another one when the run's epochs are known better. */
  map: AxisMap | undefined;
  x: Float64Array = new Float64Array(0);
  y: Float64Array = new Float64Array(0);
  superseded = 0;
  notFinite = 0;
  lowest = -1;
  highest = -1;
  earlier: Line[] = [];
  readonly #column: Placing['column'];
  readonly #pyramids = new Pyramids();
  /** Points of the series that are in the line. */
  #seen = 0;
  #rewrites: number | undefined;
  #copy: { readonly x: Column; readonly y: Column } | undefined;

  constructor({ column, map }: Placing) {
    this.#column = column;
    this.map = map;
  }

  pyramid(positive: boolean): Pyramid {
    return this.#pyramids.get(positive);
  }

  /** Gives the index of the first point of the line that is new or another one than before. */
  follow(series: Columns): number {
    const { values } = series;
    const places = series[this.#column];
    let from = this.y.length;
    if (series.rewrites !== this.#rewrites) {
      this.#rewrites = series.rewrites;
      this.#seen = this.superseded = this.notFinite = 0;
      this.earlier = [];
      this.#copy = undefined;
      from = 0;
    }
    if (places === undefined) return from;
    const start = this.#copy === undefined ? this.#skim(places, values) : this.#seen;
    for (let index = start; index < values.length; index++) {
      from = Math.min(from, this.#add(index, places, values));
    }
    this.#seen = values.length;
    this.x = this.#copy?.x.view ?? places;
    this.y = this.#copy?.y.view ?? values;
    this.#pyramids.follow(this.y, from);
    this.#findExtremes(from);
    return from;
  }

  /** The first of several that are equal. */
  #findExtremes(from: number): void {
    const { y } = this;
    if (Math.max(this.lowest, this.highest) >= from) {
      this.lowest = this.highest = -1;
      from = 0;
    }
    let low = this.lowest < 0 ? Infinity : y[this.lowest]!;
    let high = this.highest < 0 ? -Infinity : y[this.highest]!;
    for (let index = from; index < y.length; index++) {
      const value = y[index]!;
      if (value < low && value > -Infinity) {
        low = value;
        this.lowest = index;
      }
      if (value > high && value < Infinity) {
        high = value;
        this.highest = index;
      }
    }
  }

  /** Goes over what needs no copy, which is nearly always all. Gives the index of the first point that does. */
  #skim(places: Float64Array, values: Float64Array): number {
    let index = this.#seen;
    let last = index === 0 ? -Infinity : places[index - 1]!;
    let notFinite = 0;
    for (; index < values.length; index++) {
      const at = places[index]!;
      const value = values[index]!;
      if (!(at > last && at < Infinity)) break;
      if (value - value !== 0) notFinite += 1;
      last = at;
    }
    this.notFinite += notFinite;
    return index;
  }

  /** Gives the first index of the line that changed. */
  #add(index: number, places: Float64Array, values: Float64Array): number {
    const isTime = this.#column === 'wallTimes';
    let at = places[index]!;
    const value = values[index]!;
    if (this.#copy === undefined) {
      const last = index === 0 ? -Infinity : places[index - 1]!;
      if (at > last ? at < Infinity : isTime && at === last) {
        if (!Number.isFinite(value)) this.notFinite += 1;
        return Infinity;
      }
      this.#copy = { x: new Column(values.length), y: new Column(values.length) };
      this.#copy.x.put(0, places.subarray(0, index));
      this.#copy.y.put(0, values.subarray(0, index));
    }
    const { x, y } = this.#copy;
    if (!Number.isFinite(at)) return Infinity;
    let changed = Infinity;
    const { length } = x;
    if (length > 0 && at <= x.at(length - 1)) {
      // A clock that was put back is no resumption: time goes on.
      if (isTime) at = x.at(length - 1);
      else {
        changed = lowerBound(x.view, at);
        this.#abandon(changed);
      }
    }
    if (!Number.isFinite(value)) this.notFinite += 1;
    x.push(at);
    y.push(value);
    return changed;
  }

  /** Takes the points from `kept` on out of the line. */
  #abandon(kept: number): void {
    const { x, y } = this.#copy!;
    this.superseded += x.length - kept;
    for (let index = kept; index < y.length; index++) if (!Number.isFinite(y.at(index))) this.notFinite -= 1;
    if (x.length - kept > 1 && this.earlier.length < MAX_EARLIER) {
      const from = Math.max(0, kept - 1);
      this.earlier.push({ x: x.view.slice(from), y: y.view.slice(from), map: this.map });
    }
    x.truncate(kept);
    y.truncate(kept);
  }
}

/** The value of a line at a place of its axis: of the point there, else between its neighbours; undefined outside and beside gaps. */
export function valueAt({ x, y, map }: Line, place: number): number | undefined {
  const at = map === undefined ? place : map.toColumn(place);
  const above = lowerBound(x, at);
  if (above === x.length) {
    // Back from the axis a number may come out beside itself.
    const last = above - 1;
    return last >= 0 && at - x[last]! <= Math.abs(at) * 1e-12 && Number.isFinite(y[last]!)
      ? y[last]!
      : undefined;
  }
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
