/**
 * Where checkpoints lie: everything that their centred Gram matrix tells without any data, for people and for drawing.
 * With m the mean checkpoint, w_i is m + r_i, and the matrix holds <r_i, r_j>.
 */
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { spanBasis } from './basis.ts';
import {
  describeGram,
  distanceBetween,
  distancesFromMean,
  duplicatesIn,
  outliersIn,
  requireFinite,
} from './gram.ts';
import type { CentredGram } from './types.ts';

type Rows = readonly (readonly number[])[];

export interface Geometry {
  /** <r_i, r_j>, [n, n]. */
  readonly gram: Rows;
  /** |w_i - w_j|, [n, n]; exactly 0 where weights cannot be told apart. */
  readonly distances: Rows;
  /** Cosines between w_i and w_j, [n, n]: close to 1 for checkpoints of one run. 0 beside all-zero weights. */
  readonly cosines: Rows;
  /** Cosines between r_i and r_j, [n, n]: -1 on opposite sides of the mean. 0 beside a checkpoint that is the mean. */
  readonly displacementCosines: Rows;
  /** |w_i|, [n]. */
  readonly norms: readonly number[];
  /** |r_i|, [n]. */
  readonly fromMean: readonly number[];
  /** Independent directions in which the checkpoints differ, at most n - 1. */
  readonly rank: number;
  /** Pairs with the same weights. */
  readonly duplicates: readonly (readonly [number, number])[];
  /** Checkpoints far from all others, and how many times the usual distance that is. */
  readonly outliers: readonly { readonly index: number; readonly times: number }[];
  /** All of that in sentences. */
  readonly notes: readonly string[];
  readonly map: GeometryMap;
  readonly path: TrainingPath;
}

/** Principal coordinates: the plane through the mean in which the checkpoints lie most apart. */
export interface GeometryMap {
  /** [n, 2], in the unit of the distances; the mean is at 0, 0. The last checkpoint is to the right and not below. */
  readonly points: readonly (readonly [number, number])[];
  /** How much of the squared distances from the mean each axis shows, 0..1. */
  readonly explained: readonly [number, number];
}

/** From the first checkpoint to the last, in the order given: that of training. */
export interface TrainingPath {
  /** |w_{i+1} - w_i|, [n - 1]. */
  readonly steps: readonly number[];
  /** Sum of the steps. */
  readonly length: number;
  /** |w_n - w_1|. */
  readonly displacement: number;
  /** displacement / length: 1 on a straight line, about 1 / sqrt(n - 1) for a random walk; 0 where nothing moves. */
  readonly straightness: number;
  /** Cosines between one step and the next, [n - 2]; 0 beside a step of no length. */
  readonly turns: readonly number[];
}

/**
 * @param names for the sentences, in the order of the matrix, which is that of training.
 * @throws TwaError `non-finite`.
 */
export function geometryOf(gram: CentredGram, names: readonly string[]): Geometry {
  requireFinite(gram);
  const { n, centred, withMean, meanSquared } = gram;
  const duplicates = duplicatesIn(gram);
  const fromMean = distancesFromMean(gram);
  const rank = spanBasis(gram).centredRank;
  const distances = square(n, (i, j) => distanceBetween(gram, i, j));
  for (const [i, j] of duplicates) distances[i]![j] = distances[j]![i] = 0;
  // <w_i, w_j>
  const product = (i: number, j: number): number =>
    meanSquared + withMean[i]! + withMean[j]! + centred[i * n + j]!;
  const norms = Array.from({ length: n }, (_, i) => Math.sqrt(Math.max(0, product(i, i))));
  return {
    gram: square(n, (i, j) => centred[i * n + j]!),
    distances,
    cosines: square(n, (i, j) => cosine(product(i, j), norms[i]!, norms[j]!)),
    displacementCosines: square(n, (i, j) => cosine(centred[i * n + j]!, fromMean[i]!, fromMean[j]!)),
    norms,
    fromMean: [...fromMean],
    rank,
    duplicates,
    outliers: outliersIn(gram),
    notes: describeGram(gram, rank, names),
    map: mapOf(gram, fromMean),
    path: pathOf(gram, distances),
  };
}

function square(n: number, entry: (i: number, j: number) => number): number[][] {
  return Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => entry(i, j)));
}

/** Rounding may leave a little more than 1. */
function cosine(product: number, a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : Math.min(1, Math.max(-1, product / a / b));
}

/** Classical scaling (Torgerson 1952): eigenvectors of the centred matrix times the roots of their eigenvalues. */
function mapOf({ n, centred }: CentredGram, fromMean: Float64Array): GeometryMap {
  const total = fromMean.reduce((sum, distance) => sum + distance ** 2, 0);
  if (total === 0) return { points: Array.from({ length: n }, () => [0, 0] as const), explained: [0, 0] };
  // Checkpoints that are the mean but for rounding stay there.
  const scaled = square(n, (i, j) =>
    fromMean[i]! * fromMean[j]! === 0 ? 0 : (centred[i * n + j]! + centred[j * n + i]!) / 2 / total,
  );
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(new Matrix(scaled), {
    assumeSymmetric: true,
  });
  const order = realEigenvalues
    .map((value, index) => ({ value, index }))
    .sort((a, b) => b.value - a.value)
    .slice(0, 2);
  const axes = order.map(({ value, index }) => {
    const root = Math.sqrt(Math.max(0, value) * total);
    const along = Array.from({ length: n }, (_, i) => eigenvectorMatrix.get(i, index) * root);
    return { share: Math.max(0, value), along: (along[n - 1] ?? 0) < 0 ? along.map((x) => -x) : along };
  });
  const [x, y] = axes;
  return {
    points: Array.from({ length: n }, (_, i) => [x?.along[i] ?? 0, y?.along[i] ?? 0] as const),
    explained: [x?.share ?? 0, y?.share ?? 0],
  };
}

function pathOf({ n, centred }: CentredGram, distances: Rows): TrainingPath {
  const entry = (i: number, j: number): number => centred[i * n + j]!;
  const steps = Array.from({ length: n - 1 }, (_, i) => distances[i]![i + 1]!);
  const length = steps.reduce((sum, step) => sum + step, 0);
  const displacement = distances[0]![n - 1]!;
  return {
    steps,
    length,
    displacement,
    straightness: length === 0 ? 0 : Math.min(1, displacement / length),
    turns: steps.slice(1).map((step, i) => {
      // <w_{i+1} - w_i, w_{i+2} - w_{i+1}>
      const along = entry(i + 1, i + 2) - entry(i + 1, i + 1) - entry(i, i + 2) + entry(i, i + 1);
      return cosine(along, steps[i]!, step);
    }),
  };
}
