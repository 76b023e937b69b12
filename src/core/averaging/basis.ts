/**
 * An orthonormal basis of the span of the checkpoints, from their Gram matrix alone: the rows of P that the ICLR
 * paper gets by Gram-Schmidt, without ever making them. Gram-Schmidt in float32 loses orthogonality as checkpoints
 * get closer; centring first and factoring in float64 does not.
 */
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { distancesFromMean } from './gram.ts';
import type { CentredGram } from './types.ts';

export interface SpanBasis {
  /** How many orthonormal vectors p_k there are. */
  readonly rank: number;
  /** How many of them lie in the span of the differences w_i - m; the rest (0 or 1) is the mean's own direction. */
  readonly centredRank: number;
  /** p_k = sum_i vectors[i, k] w_i. Row-major [n, rank]. */
  readonly vectors: Float64Array;
  /** <p_k, w_i>. Row-major [n, rank]. */
  readonly coordinates: Float64Array;
}

/**
 * Eigenvalues of the Gram matrix of *unit-length* rows below this, relative to the largest, are dropped: along such
 * a direction checkpoints differ by less than 1e-5 of their distances, gradients (float32, 1e-7 relative noise)
 * would be mostly rounding after division by it, and orthogonality in float64 would be worse than
 * n * 2e-16 / 1e-10. Scaling rows to unit length first keeps checkpoints that are close to the mean, next to others
 * far from it, from being taken for rounding.
 */
export const RANK_TOLERANCE = 1e-10;

export function spanBasis(gram: CentredGram): SpanBasis {
  const { n, centred, withMean, meanSquared } = gram;
  const distances = distancesFromMean(gram);
  const inverse = distances.map((distance) => (distance === 0 ? 0 : 1 / distance));

  // Unit-length rows: C' = D C D with D = diag(1/|r_i|) = U diag(lambda) U^T. ...
  const unit = new Matrix(n, n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      const symmetric = (centred[i * n + j]! + centred[j * n + i]!) / 2;
      unit.set(i, j, symmetric * inverse[i]! * inverse[j]!);
    }
  }
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(unit, { assumeSymmetric: true });
  const largest = Math.max(0, ...realEigenvalues);
  const kept = realEigenvalues
    .map((eigenvalue, index) => ({ eigenvalue, index }))
    .filter(({ eigenvalue }) => eigenvalue > 0 && eigenvalue > RANK_TOLERANCE * largest)
    .sort((a, b) => b.eigenvalue - a.eigenvalue);

  // ... so d_k = sum_i U_ik D_i r_i / sqrt(lambda_k) is orthonormal, and <d_k, r_i> = sqrt(lambda_k) U_ik / D_i.
  const columns = kept.map(({ eigenvalue, index }) => {
    const root = Math.sqrt(eigenvalue);
    const eigenvector = Float64Array.from({ length: n }, (_, i) => eigenvectorMatrix.get(i, index));
    const ofRows = eigenvector.map((value, i) => (value * inverse[i]!) / root);
    const withM = dot(ofRows, withMean);
    return {
      withMean: withM,
      // r_i = w_i - sum_j w_j / n turns coefficients of rows into coefficients of checkpoints.
      vector: subtractMean(ofRows),
      coordinates: eigenvector.map((value, i) => root * value * distances[i]! + withM),
    };
  });

  // The part of the mean outside the span of the differences, unless there is none.
  const inside = columns.reduce((sum, column) => sum + column.withMean ** 2, 0);
  const outside = meanSquared - inside;
  const centredRank = columns.length;
  if (outside > RANK_TOLERANCE * meanSquared) {
    const length = Math.sqrt(outside);
    const vector = new Float64Array(n).fill(1 / n);
    for (const column of columns) addScaled(vector, -column.withMean, column.vector);
    columns.push({
      withMean: length,
      vector: vector.map((value) => value / length),
      coordinates: new Float64Array(n).fill(length),
    });
  }

  const rank = columns.length;
  const vectors = new Float64Array(n * rank);
  const coordinates = new Float64Array(n * rank);
  for (const [k, column] of columns.entries()) {
    for (let i = 0; i < n; i++) {
      vectors[i * rank + k] = column.vector[i]!;
      coordinates[i * rank + k] = column.coordinates[i]!;
    }
  }
  return { rank, centredRank, vectors, coordinates };
}

/** sum_k matrix[i, k] vector[k], for a row-major matrix [rows, vector.length]. */
export function times(matrix: Float64Array, vector: Float64Array, rows: number): Float64Array {
  const columns = vector.length;
  return Float64Array.from({ length: rows }, (_, i) =>
    dot(matrix.subarray(i * columns, (i + 1) * columns), vector),
  );
}

/** sum_i matrix[i, k] vector[i], for a row-major matrix [vector.length, columns]. */
export function transposeTimes(matrix: Float64Array, vector: Float64Array, columns: number): Float64Array {
  const result = new Float64Array(columns);
  for (let i = 0; i < vector.length; i++) {
    addScaled(result, vector[i]!, matrix.subarray(i * columns, (i + 1) * columns));
  }
  return result;
}

export function subtractMean(values: Float64Array): Float64Array {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return values.map((value) => value - mean);
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function addScaled(target: Float64Array, scale: number, values: Float64Array): void {
  for (let i = 0; i < target.length; i++) target[i]! += scale * values[i]!;
}
