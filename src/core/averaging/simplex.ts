/** The set of coefficients of at least 0 that sum to 1, and of vectors made of several such blocks. */

/**
 * The nearest point of the simplex (Held, Wolfe and Crowder, "Validation of subgradient optimization", 1974): what is
 * subtracted from every entry, before entries below 0 are cut off, is found by sorting.
 */
export function projectToSimplex(values: Float64Array): Float64Array {
  // A shift of all entries changes nothing, and keeps the digits of a point that is far away.
  const largest = values.reduce((most, value) => Math.max(most, value), -Infinity);
  const shifted = values.map((value) => value - largest);
  const sorted = shifted.toSorted().reverse();
  let sum = 0;
  let shift = 0;
  for (const [index, value] of sorted.entries()) {
    sum += value;
    const candidate = (sum - 1) / (index + 1);
    if (value > candidate) shift = candidate;
  }
  return shifted.map((value) => Math.max(0, value - shift));
}

/** Each run of n entries by itself. */
export function projectBlocks(values: Float64Array, n: number): Float64Array {
  const projected = new Float64Array(values.length);
  for (let begin = 0; begin < values.length; begin += n) {
    projected.set(projectToSimplex(values.subarray(begin, begin + n)), begin);
  }
  return projected;
}
