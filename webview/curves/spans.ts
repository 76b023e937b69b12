/**
 * A line as it falls on pixel columns: of each column the highest and the lowest pixel that the line touches. All of a
 * line's points go in, however many a column has, through the pyramid; a spike of one point stays, and a gap that is a
 * column wide stays open.
 */
import { inView, placeAt, scaled, type XView } from './decimate.ts';
import type { IndexedLine } from './lines.ts';
import { FAN, LEAF } from './pyramid.ts';

/** The window that is drawn, in device pixels. y grows downwards. */
export interface Frame extends XView {
  readonly width: number;
  readonly height: number;
  /** Values at the bottom and at the top; both above zero where `yLog`. */
  readonly bottom: number;
  readonly top: number;
  readonly yLog: boolean;
}

/** Points in a column from which on its edges are those of the pyramid's blocks. */
const MANY = 8 * LEAF;
/** Far outside of any picture, and still a number to count with. */
const FAR = 1e7;

export class Spans {
  /** Topmost and lowest pixel by column; Infinity and -Infinity where the line is not. */
  top: Float32Array = new Float32Array(0);
  bottom: Float32Array = new Float32Array(0);
  /** Columns in use. */
  get width(): number {
    return this.#width;
  }

  /** Points that no neighbour is joined to, as x and y by turns: a column shows them badly. */
  readonly lone: number[] = [];
  #width = 0;

  trace(line: IndexedLine, frame: Frame): void {
    const { width } = frame;
    this.clear(width);
    const { from, to } = inView(line, frame);
    if (to - from > 2 * width) this.#dense(line, frame, from, to);
    else this.#sparse(line, frame, from, to);
  }

  clear(width: number): void {
    if (this.top.length < width) {
      this.top = new Float32Array(width);
      this.bottom = new Float32Array(width);
    }
    this.#width = width;
    this.top.fill(Infinity, 0, width);
    this.bottom.fill(-Infinity, 0, width);
    this.lone.length = 0;
  }

  /** Every point for itself. */
  #sparse(line: IndexedLine, frame: Frame, from: number, to: number): void {
    const { y } = line;
    const toX = pixelsX(frame);
    const toY = pixelsY(frame);
    let beforeX = NaN;
    let beforeY = NaN;
    let joined = true;
    for (let index = from; index < to; index++) {
      const atX = toX(placeAt(line, index));
      const atY = toY(y[index]!);
      if (Number.isNaN(atY)) {
        if (!joined) this.lone.push(beforeX, beforeY);
        joined = true;
      } else if (Number.isNaN(beforeY)) {
        joined = false;
      } else {
        this.#segment(beforeX, beforeY, atX, atY);
        joined = true;
      }
      beforeX = atX;
      beforeY = atY;
    }
    if (!joined) this.lone.push(beforeX, beforeY);
  }

  /** Column by column: its points are found by search, its extremes by the pyramid. */
  #dense(line: IndexedLine, frame: Frame, from: number, to: number): void {
    const { x, y, map } = line;
    const { width } = frame;
    const toX = pixelsX(frame);
    const toY = pixelsY(frame);
    const pyramid = line.pyramid(frame.yLog);
    const start = scaled(frame.min, frame.log);
    const step = (scaled(frame.max, frame.log) - start) / width;
    let first = from;
    let count = 0;
    // What is left of the view counts to no column, but is joined to the first one.
    for (let column = -1; column <= width && first < to; column++) {
      let end = to;
      if (column < width) {
        const edge = columnEnd(start + (column + 1) * step, frame.log === true, map);
        end = advance(x, first, to, edge, first + count);
        count = end - first;
        // Whole blocks: with so many points the edge of a column moves by less than an eighth of its width.
        if (count > MANY && column < width - 1) {
          let block = LEAF;
          while (count > (MANY / LEAF) * FAN * block) block *= FAN;
          end -= end % block;
        }
      }
      if (end === first) continue;
      pyramid.query(first, end);
      if (pyramid.low <= pyramid.high && column >= 0 && column < width) {
        this.#add(column, toY(pyramid.high), toY(pyramid.low));
      }
      const before = first === from ? NaN : toY(y[first - 1]!);
      const here = toY(y[first]!);
      // A gap joins nothing.
      if (!Number.isNaN(before) && !Number.isNaN(here)) {
        this.#segment(toX(placeAt(line, first - 1)), before, toX(placeAt(line, first)), here);
      }
      first = end;
    }
  }

  /** The columns that a straight piece of the line goes through. */
  #segment(x0: number, y0: number, x1: number, y1: number): void {
    const last = this.#width - 1;
    const c0 = Math.floor(x0);
    const c1 = Math.floor(x1);
    if (c1 < 0 || c0 > last) return;
    if (c0 === c1) {
      this.#add(c0, Math.min(y0, y1), Math.max(y0, y1));
      return;
    }
    const slope = (y1 - y0) / (x1 - x0);
    for (let column = Math.max(0, c0); column <= Math.min(last, c1); column++) {
      const a = y0 + slope * (Math.max(x0, column) - x0);
      const b = y0 + slope * (Math.min(x1, column + 1) - x0);
      this.#add(column, Math.min(a, b), Math.max(a, b));
    }
  }

  #add(column: number, top: number, bottom: number): void {
    if (top < this.top[column]!) this.top[column] = top;
    if (bottom > this.bottom[column]!) this.bottom[column] = bottom;
  }
}

/** Of several lines: from the topmost to the lowest in every column, and the mean of those that are there. */
export class Band {
  readonly spans = new Spans();
  readonly mean = new Spans();
  readonly #one = new Spans();

  trace(lines: readonly IndexedLine[], frame: Frame): void {
    const { width } = frame;
    const { spans, mean } = this;
    spans.clear(width);
    mean.clear(width);
    const sums = new Float64Array(width);
    const counts = new Uint16Array(width);
    for (const line of lines) {
      const one = this.#one;
      one.trace(line, frame);
      for (let column = 0; column < width; column++) {
        const top = one.top[column]!;
        const bottom = one.bottom[column]!;
        if (top > bottom) continue;
        if (top < spans.top[column]!) spans.top[column] = top;
        if (bottom > spans.bottom[column]!) spans.bottom[column] = bottom;
        sums[column]! += (top + bottom) / 2;
        counts[column]! += 1;
      }
    }
    let before = NaN;
    for (let column = 0; column < width; column++) {
      const here = sums[column]! / counts[column]!;
      if (!Number.isNaN(here)) {
        // Half of the way from the column before is this one's.
        const from = Number.isNaN(before) ? here : (before + here) / 2;
        mean.top[column] = Math.min(from, here);
        mean.bottom[column] = Math.max(from, here);
      }
      before = here;
    }
  }
}

/** Where a column ends, in the line's own x. */
function columnEnd(at: number, log: boolean, map: { toColumn(at: number): number } | undefined): number {
  const place = log ? 10 ** at : at;
  return map === undefined ? place : map.toColumn(place);
}

/** Lower bound in `[from, to)`, sought from a guess on: columns have about as many points each. */
function advance(x: Float64Array, from: number, to: number, target: number, guess: number): number {
  let low = from;
  let high = to;
  let at = Math.min(guess, to);
  if (at > from && x[at - 1]! >= target) {
    high = at - 1;
    for (let stride = 1; ; stride *= 2) {
      at = high - stride;
      if (at <= from) break;
      if (x[at]! < target) {
        low = at + 1;
        break;
      }
      high = at;
    }
  } else {
    low = at;
    for (let stride = 1; low < to; stride *= 2) {
      at = Math.min(low + stride, to) - 1;
      if (x[at]! >= target) {
        high = at;
        break;
      }
      low = at + 1;
    }
  }
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (x[middle]! < target) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** From a place on the axis to pixels. */
export function pixelsX({ min, max, log = false, width }: Frame): (place: number) => number {
  const start = scaled(min, log);
  const perUnit = width / (scaled(max, log) - start);
  const clamp = (x: number): number => Math.min(FAR, Math.max(-FAR, x));
  return log
    ? (place) => clamp((scaled(place, true) - start) * perUnit)
    : (place) => clamp((place - start) * perUnit);
}

/** From a value to pixels; NaN for what cannot be drawn. */
export function pixelsY({ bottom, top, yLog, height }: Frame): (value: number) => number {
  const start = yLog ? Math.log10(bottom) : bottom;
  const perUnit = height / ((yLog ? Math.log10(top) : top) - start);
  return (value) => {
    if (!(value - value === 0) || (yLog && value <= 0)) return NaN;
    const y = height - ((yLog ? Math.log10(value) : value) - start) * perUnit;
    return Math.min(FAR, Math.max(-FAR, y));
  };
}
