/**
 * The percentile bootstrap (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13) of weighted
 * means. Examples are resampled jointly for all columns, so the difference of two columns' samples is the paired
 * bootstrap.
 */
import { below, seededRandom } from './rng.ts';
import type { Interval } from './types.ts';

/**
 * The ends of a 95 % interval from 2,000 resamples vary by about 0.06 standard errors from one seed to another:
 * sqrt(p (1 - p) / 2000) / density(1.96), with p = 0.025.
 */
const RESAMPLES = 2000;

/** sum_i weights_i values_i / sum_i weights_i; NaN without examples. */
export function weightedMean(values: Float64Array, weights: Float64Array): number {
  let sum = 0;
  let total = 0;
  for (let i = 0; i < values.length; i++) {
    sum += weights[i]! * values[i]!;
    total += weights[i]!;
  }
  return sum / total;
}

/**
 * Means of every column over the same random resamples of the examples.
 *
 * @param columns each [examples]
 * @param weights [examples]
 * @returns per column, [resamples], in the order they were drawn; all NaN for a single example
 */
export function resampleMeans(
  columns: readonly Float64Array[],
  weights: Float64Array,
  seed: number,
  resamples = RESAMPLES,
): Float64Array[] {
  const means = columns.map(() => new Float64Array(resamples));
  // All resamples of one number are that number, which would look like certainty.
  if (weights.length < 2) return means.map((samples) => samples.fill(NaN));
  const random = seededRandom(seed, 'bootstrap');
  const drawn = new Float64Array(weights.length);
  for (let resample = 0; resample < resamples; resample++) {
    // How often each example was drawn, times its weight: then every column is one dot product in memory order.
    drawn.fill(0);
    let total = 0;
    for (let draw = 0; draw < weights.length; draw++) {
      const example = below(random, weights.length);
      drawn[example]! += weights[example]!;
      total += weights[example]!;
    }
    for (let column = 0; column < columns.length; column++) {
      const values = columns[column]!;
      let sum = 0;
      for (let i = 0; i < values.length; i++) sum += drawn[i]! * values[i]!;
      means[column]![resample] = sum / total;
    }
  }
  return means;
}

/** The middle 95 % of samples; NaN ends when any of them is not a number. */
export function percentileInterval(samples: Float64Array): Interval {
  const sorted = samples.slice().sort();
  if (sorted.length === 0 || !Number.isFinite(sorted[0]) || !Number.isFinite(sorted.at(-1))) {
    return { low: NaN, high: NaN };
  }
  return { low: quantile(sorted, 0.025), high: quantile(sorted, 0.975) };
}

/** Interval of mean(a) - mean(b), from samples of one call of {@link resampleMeans}: the paired bootstrap. */
export function pairedInterval(a: Float64Array, b: Float64Array): Interval {
  return percentileInterval(a.map((mean, draw) => mean - b[draw]!));
}

/** Linear interpolation between order statistics (type 7 of Hyndman and Fan, NumPy's default). */
function quantile(sorted: Float64Array, p: number): number {
  const position = (sorted.length - 1) * p;
  const lower = Math.floor(position);
  const below = sorted[lower]!;
  const above = sorted[Math.min(lower + 1, sorted.length - 1)]!;
  return below + (position - lower) * (above - below);
}
