/**
 * An orthonormal basis of the span of the checkpoints, from their Gram matrix alone: the rows of P that the ICLR
 * paper gets by Gram-Schmidt, without ever making them. Gram-Schmidt in float32 loses orthogonality as checkpoints
 * get closer; centring first and factoring in float64 does not.
 */
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { distancesFromMean } from './gram.ts';
import type { CentredGram } from './types.ts';

/**
 * With m the mean checkpoint and r_i = w_i - m, the basis vectors are
 *
 *     d_k = sum_i rows[i, k] r_i                             for k < centredRank, and then
 *     p   = (m - sum_k meanAlong[k] d_k) / meanLength        if meanLength > 0.
 *
 * They are kept in terms of m and r_i, not of w_i, because the coefficients of close checkpoints are large numbers
 * that cancel.
 */
export interface SpanBasis {
  readonly n: number;
  /** Dimension of the span of the differences between checkpoints. */
  readonly centredRank: number;
  /** Dimension of the span of the checkpoints: centredRank, or one more. */
  readonly rank: number;
  /** Row-major [n, centredRank]. */
  readonly rows: Float64Array;
  /** <d_k, r_i>. Row-major [n, centredRank]. */
  readonly rowCoordinates: Float64Array;
  /** <d_k, m>, [centredRank]. */
  readonly meanAlong: Float64Array;
  /** Length of the part of m outside the span of the differences; 0 if there is none. */
  readonly meanLength: number;
}

/**
 * Eigenvalues of the Gram matrix of *unit-length* rows below this, relative to the largest, are dropped: along such
 * a direction checkpoints differ by less than 1e-5 of their distances, gradients (float32, 1e-7 relative noise)
 * would be mostly rounding after division by it, and orthogonality in float64 would be worse than
 * n * 2e-16 / 1e-10. Scaling rows to unit length first keeps checkpoints that are close to the mean, next to others
 * far from it, from being taken for rounding.
 */
const RANK_TOLERANCE = 1e-10;

export function spanBasis(gram: CentredGram): SpanBasis {
  const { n, centred, withMean, meanSquared } = gram;
  const distances = distancesFromMean(gram);
  const inverse = distances.map((distance) => (distance === 0 ? 0 : 1 / distance));

  // Unit-length rows: D C D = U diag(lambda) U^T with D = diag(1/|r_i|). ...
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
  const centredRank = kept.length;
  const rows = new Float64Array(n * centredRank);
  const rowCoordinates = new Float64Array(n * centredRank);
  for (const [k, { eigenvalue, index }] of kept.entries()) {
    const root = Math.sqrt(eigenvalue);
    for (let i = 0; i < n; i++) {
      const u = eigenvectorMatrix.get(i, index);
      rows[i * centredRank + k] = (u * inverse[i]!) / root;
      rowCoordinates[i * centredRank + k] = u * root * distances[i]!;
    }
  }

  const meanAlong = transposeTimes(rows, withMean, centredRank);
  const outside = meanSquared - meanAlong.reduce((sum, value) => sum + value * value, 0);
  const meanLength = outside > RANK_TOLERANCE * meanSquared ? Math.sqrt(outside) : 0;
  const rank = centredRank + (meanLength > 0 ? 1 : 0);
  return { n, centredRank, rank, rows, rowCoordinates, meanAlong, meanLength };
}

/** beta = P w for w = sum_i coefficients_i w_i: its coordinates, [rank]. */
export function coordinatesOf(basis: SpanBasis, coefficients: Float64Array): Float64Array {
  const sum = coefficients.reduce((total, value) => total + value, 0);
  const along = transposeTimes(basis.rowCoordinates, coefficients, basis.centredRank);
  return withLast(
    basis,
    along.map((value, k) => value + sum * basis.meanAlong[k]!),
    sum * basis.meanLength,
  );
}

/** P g, [rank], from gradient_i = <w_i, g>, [n]. */
export function project(basis: SpanBasis, gradient: Float64Array): Float64Array {
  const withMean = mean(gradient);
  const along = transposeTimes(basis.rows, subtractMean(gradient), basis.centredRank);
  const inside = along.reduce((sum, value, k) => sum + value * basis.meanAlong[k]!, 0);
  return withLast(basis, along, (withMean - inside) / basis.meanLength);
}

/** Coefficients a, [n], with sum_i a_i w_i = P^T beta. */
export function coefficientsOf(basis: SpanBasis, beta: Float64Array): Float64Array {
  const ofMean = basis.meanLength > 0 ? beta[basis.centredRank]! / basis.meanLength : 0;
  const along = Float64Array.from(basis.meanAlong, (value, k) => beta[k]! - ofMean * value);
  // sum_i c_i r_i = sum_i (c_i - mean_j c_j) w_i
  return subtractMean(times(basis.rows, along, basis.n)).map((value) => value + ofMean / basis.n);
}

export function subtractMean(values: Float64Array): Float64Array {
  const centre = mean(values);
  return values.map((value) => value - centre);
}

function mean(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function withLast(basis: SpanBasis, along: Float64Array, last: number): Float64Array {
  return basis.meanLength > 0 ? Float64Array.of(...along, last) : along;
}

/** sum_k matrix[i, k] vector[k], for a row-major matrix [rows, vector.length]. */
function times(matrix: Float64Array, vector: Float64Array, rows: number): Float64Array {
  const columns = vector.length;
  return Float64Array.from({ length: rows }, (_, i) =>
    vector.reduce((sum, value, k) => sum + matrix[i * columns + k]! * value, 0),
  );
}

/** sum_i matrix[i, k] vector[i], for a row-major matrix [vector.length, columns]. */
function transposeTimes(matrix: Float64Array, vector: Float64Array, columns: number): Float64Array {
  return Float64Array.from({ length: columns }, (_, k) =>
    vector.reduce((sum, value, i) => sum + matrix[i * columns + k]! * value, 0),
  );
}
