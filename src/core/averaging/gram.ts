/**
 * What the centred Gram matrix of the checkpoints says by itself. With m the mean checkpoint and r_i = w_i - m its
 * rows, entry (i, j) is <r_i, r_j>. Centring before multiplying is what keeps this accurate when checkpoints are
 * close together: their common part would otherwise use up the digits.
 */
import { TwaError } from '../errors.ts';
import type { CentredGram } from './types.ts';

/** Throws `non-finite` when the matrix has a NaN or infinity, which only a checkpoint with one can cause. */
export function requireFinite(gram: CentredGram): void {
  const values = [...gram.centred, ...gram.withMean, gram.meanSquared];
  if (!values.every(Number.isFinite)) {
    throw new TwaError(
      'non-finite',
      'The checkpoints have weights that are not finite, or too large to square: leave those checkpoints out.',
    );
  }
}

/**
 * |r_i|: how far each checkpoint is from the mean. Exactly 0 for a checkpoint that *is* the mean to within rounding
 * (frozen weights, identical checkpoints): in float64 the mean of n rows is off by up to n half-ulps, so a distance
 * of n ulps of |m| is noise, and dividing by it would blow that noise up to a direction.
 */
export function distancesFromMean(gram: CentredGram): Float64Array {
  const { n, centred, meanSquared } = gram;
  const noise = n * Number.EPSILON * Math.sqrt(meanSquared);
  return Float64Array.from({ length: n }, (_, i) => {
    const distance = Math.sqrt(Math.max(0, centred[i * n + i]!));
    return distance <= noise ? 0 : distance;
  });
}

/** Root mean square of the distances from the mean. */
export function typicalDistance(gram: CentredGram): number {
  return Math.hypot(...distancesFromMean(gram)) / Math.sqrt(gram.n);
}

/** |w_i - w_j|, never NaN. */
export function distanceBetween(gram: CentredGram, i: number, j: number): number {
  const { n, centred } = gram;
  const squared = centred[i * n + i]! + centred[j * n + j]! - centred[i * n + j]! - centred[j * n + i]!;
  return Math.sqrt(Math.max(0, squared));
}

/**
 * |w_i - w_j|^2 is a difference of numbers of the size of |r|^2, each good to about n ulps, so distances below
 * sqrt(n * 2.2e-16) |r|, about 1e-7, cannot be told from 0. Ten times that is called the same.
 */
const SAME_WEIGHTS = 1e-6;

/**
 * A checkpoint this many times further from the others than is typical deserves a look. Along a straight line of
 * equally spaced checkpoints the ends are only 2 times further than the middle.
 */
const OUTLIER = 4;

/** Sentences about rank, duplicates and outliers, for people who wonder what went into their average. */
export function describeGram(gram: CentredGram, rank: number, names: readonly string[]): string[] {
  const { n } = gram;
  if (n === 1) return ['There is only one checkpoint, so every average is that checkpoint.'];
  const distances = distancesFromMean(gram);
  const largest = Math.max(...distances);
  if (largest === 0) return [`All ${n} checkpoints have the same weights, so every average is the same.`];

  const notes = [`The ${n} checkpoints differ in ${rank} independent directions (at most ${n - 1}).`];
  const duplicates = duplicatesIn(gram).map(([i, j]) => `${names[i]!} = ${names[j]!}`);
  if (duplicates.length > 0) notes.push(`Checkpoints with the same weights: ${few(duplicates)}.`);
  const outliers = outliersIn(gram).map(
    ({ index, times }) => `${names[index]!} (${times.toPrecision(2)} times the usual distance)`,
  );
  if (outliers.length > 0) notes.push(`Far from the other checkpoints: ${few(outliers)}.`);
  return notes;
}

/** Pairs of checkpoints whose weights cannot be told apart. */
export function duplicatesIn(gram: CentredGram): (readonly [number, number])[] {
  const { n } = gram;
  const distances = distancesFromMean(gram);
  const pairs: (readonly [number, number])[] = [];
  for (let i = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++) {
      const scale = Math.max(distances[i]!, distances[j]!);
      if (distanceBetween(gram, i, j) <= SAME_WEIGHTS * scale) pairs.push([i, j]);
    }
  }
  return pairs;
}

/** Checkpoints far from all others, and how many times the usual distance that is; of fewer than four, none. */
export function outliersIn(gram: CentredGram): { readonly index: number; readonly times: number }[] {
  const { n } = gram;
  if (n < 4) return [];
  const typical = Array.from({ length: n }, (_, i) =>
    median(Array.from({ length: n }, (_, j) => distanceBetween(gram, i, j)).filter((_, j) => j !== i)),
  );
  const usual = median(typical);
  return typical.flatMap((distance, index) =>
    usual > 0 && distance > OUTLIER * usual ? [{ index, times: distance / usual }] : [],
  );
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2;
}

function few(items: readonly string[], limit = 5): string {
  return items.length <= limit
    ? items.join(', ')
    : `${items.slice(0, limit).join(', ')} and ${items.length - limit} more`;
}

/**
 * The Gram matrix from products of rows that were centred on a mean that had been rounded, as it is kept: they are off
 * centre by a little, r, their own mean.
 *
 * @param product of rows i and h of [R_1, ..., R_n, m], for all 0 <= i, h <= n
 */
export function centredGram(n: number, product: (i: number, h: number) => number): CentredGram {
  const withR = Float64Array.from({ length: n + 1 }, (_, i) => {
    let sum = 0;
    for (let h = 0; h < n; h++) sum += product(i, h);
    return sum / n;
  });
  let rr = 0;
  for (let h = 0; h < n; h++) rr += withR[h]! / n;
  const mr = withR[n]!;
  const centred = new Float64Array(n * n);
  const withMean = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    for (let h = 0; h < n; h++) centred[i * n + h] = product(i, h) - withR[i]! - withR[h]! + rr;
    // <R_i - r, m + r>
    withMean[i] = product(i, n) - mr + withR[i]! - rr;
  }
  return { n, centred, withMean, meanSquared: product(n, n) + 2 * mr + rr };
}
