/**
 * Debiased exponential moving average: s_k = sum_{i<=k} w^(k-i) y_i / sum_{i<=k} w^(k-i), over finite y. So a
 * constant stays what it is from its first point on. A value that is not finite stays as it is and counts for nothing.
 *
 * @param weight w: 0 gives y itself, towards 1 smoother.
 */
export function smooth(y: Float64Array, weight: number): Float64Array {
  const out = new Float64Array(y.length);
  let sum = 0;
  let norm = 0;
  for (let index = 0; index < y.length; index++) {
    const value = y[index]!;
    if (Number.isFinite(value)) {
      sum = sum * weight + value;
      norm = norm * weight + 1;
      out[index] = sum / norm;
    } else {
      out[index] = value;
    }
  }
  return out;
}

/**
 * The weight that gives a sparser series the time constant (in x) of the densest one of the run: w^(spacing /
 * densest). A value per epoch beside a loss per step is then not smeared over many epochs.
 */
export function weightFor(weight: number, x: Float64Array, densest: number): number {
  const spacing = meanSpacing(x);
  return spacing > 0 && densest > 0 ? weight ** Math.max(1, spacing / densest) : weight;
}

/** Mean distance of neighbours; Infinity where there are none. */
export function meanSpacing(x: Float64Array): number {
  return x.length < 2 ? Infinity : (x.at(-1)! - x[0]!) / (x.length - 1);
}
