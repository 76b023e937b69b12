/** Means over seeds with their 95 % intervals. */

/** Two-sided 95 % points of Student's t, by degrees of freedom from 1. */
const T = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262];

export interface Estimate {
  readonly mean: number;
  /** Half the width of the interval; NaN for a single value. */
  readonly half: number;
  readonly count: number;
}

export function estimate(values: readonly number[]): Estimate {
  const count = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1);
  const t = T[count - 2] ?? 2;
  return { mean, half: count < 2 ? NaN : t * Math.sqrt(variance / count), count };
}

export function shown({ mean, half }: Estimate, digits = 4): string {
  return Number.isNaN(half) ? mean.toFixed(digits) : `${mean.toFixed(digits)} ± ${half.toFixed(digits)}`;
}
