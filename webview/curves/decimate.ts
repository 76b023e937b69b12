import type { AxisMap } from './axes.ts';
import { lowerBound } from './search.ts';

/** `y` is NaN where the line has a gap. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** A line as it is known: x ascending, y NaN or infinite where the log had no finite number. */
export interface Line {
  /** A column of the series. */
  readonly x: Float64Array;
  readonly y: Float64Array;
  /** From x to the axis; undefined: x is the place on it. */
  readonly map: AxisMap | undefined;
}

/** What the x axis shows. */
export interface XView {
  readonly min: number;
  readonly max: number;
  /** Logarithmic; then `min` is above zero. */
  readonly log?: boolean;
}

/** Smallest and largest finite value of a stretch without gaps inside a pixel column, as indices. */
interface Extent {
  low: number;
  high: number;
}

/**
 * The points (with x on the axis) that draw a line as all of its points would: per pixel column of the view the smallest and the
 * largest value, in their order, and a gap wherever values that are not drawable (not finite; not positive where
 * `positive`) interrupt the line. Nothing averages a spike away, and a diverged stretch stays a hole. One point
 * beyond each edge keeps the line running to the edges. Gives at most 8 points per column; all points when there
 * are fewer than 2 per column.
 */
export function decimate(line: Line, view: XView, columns: number, positive = false): Point[] {
  const { y } = line;
  const { from, to } = inView(line, view);
  const points: Point[] = [];
  const put = (index: number): void => void points.push({ x: placeAt(line, index), y: y[index]! });
  const gap = (at: number): void => {
    if (points.length > 0 && !Number.isNaN(points.at(-1)!.y)) points.push({ x: at, y: NaN });
  };
  const drawable = (value: number): boolean => Number.isFinite(value) && (!positive || value > 0);

  if (to - from <= 2 * columns) {
    for (let index = from; index < to; index++) {
      if (drawable(y[index]!)) put(index);
      else gap(placeAt(line, index));
    }
    return points;
  }

  const putExtent = (extent: Extent | undefined): void => {
    if (extent === undefined) return;
    put(Math.min(extent.low, extent.high));
    if (extent.low !== extent.high) put(Math.max(extent.low, extent.high));
  };
  const include = (extent: Extent | undefined, index: number): Extent => {
    if (extent === undefined) return { low: index, high: index };
    if (y[index]! < y[extent.low]!) extent.low = index;
    if (y[index]! > y[extent.high]!) extent.high = index;
    return extent;
  };

  // Of one column: what comes before its first gap, after its last gap, and between (which is one pixel wide).
  let before: Extent | undefined;
  let between: Extent | undefined;
  let after: Extent | undefined;
  let gapAt: number | undefined;
  const flush = (): void => {
    putExtent(before);
    if (gapAt !== undefined) {
      gap(gapAt);
      if (between !== undefined) {
        putExtent(between);
        gap(gapAt);
      }
      putExtent(after);
    }
    before = between = after = gapAt = undefined;
  };

  const start = scaled(view.min, view.log);
  const scale = columns / (scaled(view.max, view.log) - start);
  let column = NaN;
  for (let index = from; index < to; index++) {
    const place = placeAt(line, index);
    const here = Math.floor((scaled(place, view.log) - start) * scale);
    if (here !== column) {
      flush();
      column = here;
    }
    if (drawable(y[index]!)) {
      if (gapAt === undefined) before = include(before, index);
      else after = include(after, index);
    } else {
      gapAt ??= place;
      if (after !== undefined) {
        between = include(include(between, after.low), after.high);
        after = undefined;
      }
    }
  }
  flush();
  return points;
}

interface Stretch {
  readonly from: number;
  readonly to: number;
}

/** Of each column of x the last stretch that was asked for: a line, its average and its axis all ask for the same. */
const lastAsked = new WeakMap<
  Float64Array,
  Stretch & { readonly left: number; readonly right: number; readonly length: number }
>();

/** The points `[from, to)` of a line that are in view, and one beyond each edge, to which the line runs. */
export function inView({ x, map }: Line, { min, max }: XView): Stretch {
  const left = map === undefined ? min : map.toColumn(min);
  const right = map === undefined ? max : map.toColumn(max);
  const last = lastAsked.get(x);
  if (last?.left === left && last.right === right && last.length === x.length) return last;
  const from = Math.max(0, lowerBound(x, left) - 1);
  const to = Math.min(x.length, lowerBound(x, right) + 1);
  const asked = { from, to, left, right, length: x.length };
  lastAsked.set(x, asked);
  return asked;
}

/** The place on the axis of a point of a line. */
export const placeAt = ({ x, map }: Line, index: number): number =>
  map === undefined ? x[index]! : map.toAxis(x[index]!);

/** Proportional to pixels. What a logarithm does not have lies far to the left. */
export function scaled(place: number, log = false): number {
  if (!log) return place;
  return place > 0 ? Math.log10(place) : -1e3;
}

/** Whether a point has no neighbour to be joined with: it needs a dot to be seen at all. */
export function isLone(points: readonly Point[], index: number): boolean {
  const isGap = (at: number): boolean => Number.isNaN(points[at]?.y ?? NaN);
  return !isGap(index) && isGap(index - 1) && isGap(index + 1);
}
