/**
 * A long series at a glance: the points that a picture of the whole needs, so that it can be drawn before the others
 * have arrived. Made by the extension host, which has them all.
 */

/** A series as logged; a gap where a number says nothing. */
interface Logged {
  readonly steps: readonly number[];
  readonly values: readonly number[];
}

export interface Glance {
  /** Of the points, ascending. */
  readonly indices: readonly number[];
  /** At these points; absent where nothing is smoothed. */
  readonly averages: Float64Array | undefined;
}

/** Points of all overviews together, some megabytes, and stretches of one series: more than a chart is wide in pixels. */
const MOST_POINTS = 400_000;
const MOST_STRETCHES = 1024;
/** In charts with more lines than so many the values themselves are not drawn behind their averages. */
const SERIES_WITH_VALUES = 64;

/** Into how many stretches each of so many series is cut, and whether values are to be seen beside their averages. */
export function planOverviews(count: number): { readonly stretches: number; readonly values: boolean } {
  const values = count <= SERIES_WITH_VALUES;
  return { stretches: Math.min(MOST_STRETCHES, Math.floor(MOST_POINTS / count / (values ? 4 : 2))), values };
}

/** One for all: it is only used within a call. */
let scratch = new Float64Array(0);

/**
 * The smallest and the largest value of every stretch, and of its moving average; of a stretch without any finite value
 * one that is none, for the gap; the first point and the last. Undefined for a series that goes back or has points
 * without a place: which of its points count is decided by all of them.
 *
 * @param weight of the moving average, see `Smoother`; 0 for none.
 */
export function glanceAt(
  { steps, values }: Logged,
  weight: number,
  plan: { readonly stretches: number; readonly values: boolean },
): Glance | undefined {
  const { length } = values;
  const averaged = weight > 0;
  const drawsValues = plan.values || !averaged;
  if (averaged && scratch.length < length) scratch = new Float64Array(Math.ceil(1.5 * length));
  const averages = scratch;
  const size = Math.ceil(length / plan.stretches);
  const indices: number[] = [];
  let sum = 0;
  let norm = 0;
  let last = -Infinity;
  for (let from = 0; from < length; from += size) {
    const to = Math.min(length, from + size);
    let low = -1;
    let high = -1;
    let averageLow = -1;
    let averageHigh = -1;
    for (let index = from; index < to; index++) {
      const step = steps[index]!;
      if (!(step > last && step < Infinity)) return undefined;
      last = step;
      const value = values[index]!;
      if (value - value !== 0) {
        if (averaged) averages[index] = value;
        continue;
      }
      if (low < 0) low = high = index;
      else if (value < values[low]!) low = index;
      else if (value > values[high]!) high = index;
      if (!averaged) continue;
      sum = sum * weight + value;
      norm = norm * weight + 1;
      const average = (averages[index] = sum / norm);
      if (averageLow < 0) averageLow = averageHigh = index;
      else if (average < averages[averageLow]!) averageLow = index;
      else if (average > averages[averageHigh]!) averageHigh = index;
    }
    const begun = indices.length;
    if (from === 0) insert(indices, begun, 0);
    if (low < 0) insert(indices, begun, from);
    else {
      if (averaged) insertBoth(indices, begun, averageLow, averageHigh);
      if (drawsValues) insertBoth(indices, begun, low, high);
    }
    if (to === length) insert(indices, begun, length - 1);
  }
  return { indices, averages: averaged ? pick(averages, indices) : undefined };
}

function insertBoth(sorted: number[], from: number, a: number, b: number): void {
  insert(sorted, from, a);
  insert(sorted, from, b);
}

/** Into what stands in order from there on, unless it is there. */
function insert(sorted: number[], from: number, index: number): void {
  let at = sorted.length;
  while (at > from && sorted[at - 1]! > index) at -= 1;
  if (at > from && sorted[at - 1] === index) return;
  sorted.push(index);
  for (let last = sorted.length - 1; last > at; last--) sorted[last] = sorted[last - 1]!;
  sorted[at] = index;
}

/** NaN for what is not there. */
export function pick(numbers: ArrayLike<number>, indices: readonly number[]): Float64Array {
  const out = new Float64Array(indices.length);
  for (let at = 0; at < out.length; at++) out[at] = numbers[indices[at]!] ?? NaN;
  return out;
}
