/** Searches in sorted columns. */

/** Index of the first entry >= target; `x.length` when there is none. `x` ascends and holds no NaN. */
export function lowerBound(x: Float64Array, target: number, length = x.length): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (x[middle]! < target) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Index of the entry closest to target (the lower one of two as close); undefined for an empty column. */
export function nearestIndex(x: Float64Array, target: number): number | undefined {
  if (x.length === 0) return undefined;
  const above = lowerBound(x, target);
  if (above === 0) return 0;
  if (above === x.length) return x.length - 1;
  return target - x[above - 1]! <= x[above]! - target ? above - 1 : above;
}
