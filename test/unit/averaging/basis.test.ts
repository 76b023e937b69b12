import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  coefficientsOf,
  coordinatesOf,
  project,
  spanBasis,
  type SpanBasis,
} from '../../../src/core/averaging/basis.ts';
import {
  describeGram,
  distanceBetween,
  distancesFromMean,
  requireFinite,
  typicalDistance,
} from '../../../src/core/averaging/gram.ts';
import { seededRandom } from '../../../src/core/averaging/rng.ts';
import { TwaError } from '../../../src/core/errors.ts';
import { dot, gramOf, meanOf, mix, randomVector, sgdRun, LogisticProblem } from './logistic.ts';

const DIMENSION = 300;

function randomRows(n: number, seed = 1): Float64Array[] {
  const random = seededRandom(seed, 'rows');
  return Array.from({ length: n }, () => randomVector(random, DIMENSION));
}

/** Fine-tuning: n checkpoints that differ from one of them by `relative` of its length. */
function closeRows(n: number, relative: number): Float64Array[] {
  const [base, ...noise] = randomRows(n + 1);
  return noise.map((row) => base!.map((value, d) => value + relative * row[d]!));
}

/** The basis vectors in full, by their definition. */
function expand(basis: SpanBasis, checkpoints: readonly Float64Array[]): Float64Array[] {
  const mean = meanOf(checkpoints);
  const centred = checkpoints.map((row) => row.map((value, d) => value - mean[d]!));
  const vectors = Array.from({ length: basis.centredRank }, (_, k) =>
    mix(
      centred,
      checkpoints.map((_, i) => basis.rows[i * basis.centredRank + k]!),
    ),
  );
  if (basis.meanLength === 0) return vectors;
  const own = mix([mean, ...vectors], [1, ...basis.meanAlong.map((value) => -value)]);
  return [...vectors, own.map((value) => value / basis.meanLength)];
}

function orthogonalityError(vectors: readonly Float64Array[]): number {
  return Math.max(
    ...vectors.flatMap((a, j) => vectors.map((b, k) => Math.abs(dot(a, b) - (j === k ? 1 : 0)))),
  );
}

describe('spanBasis', () => {
  for (const relative of [1, 1e-2, 1e-4, 1e-6]) {
    test(`is orthonormal for checkpoints that differ by ${relative} of their length`, () => {
      const rows = closeRows(20, relative);
      const basis = spanBasis(gramOf(rows));
      assert.equal(basis.rank, 20);
      assert.equal(basis.centredRank, 19);
      // Float64 leaves 2e-16 * |m| / |r| = 2e-10 at worst, between the mean and a difference. Gram-Schmidt in
      // float32 is off by 1 at 1e-4 already.
      assert.ok(orthogonalityError(expand(basis, rows)) < 1e-10);
    });
  }

  test('keeps checkpoints near the mean next to others far away', () => {
    const [m, a, b, c] = randomRows(4) as [Float64Array, Float64Array, Float64Array, Float64Array];
    const around = (direction: Float64Array, scale: number): Float64Array[] => [
      mix([m, direction], [1, scale]),
      mix([m, direction], [1, -scale]),
    ];
    // The last two are 1e-6 of the others' distance away: 1e-12 in the Gram matrix, where rounding could hide it.
    const rows = [...around(a, 1), ...around(b, 1), ...around(c, 1e-6)];
    const basis = spanBasis(gramOf(rows));
    assert.equal(basis.centredRank, 3);
    // The short rows carry the rounding of m: 2e-16 * |m| / 1e-6 |m|.
    assert.ok(orthogonalityError(expand(basis, rows)) < 1e-9);
  });

  test('duplicates and linear combinations lower the rank and give no NaN', () => {
    const [a, b, c] = randomRows(3) as [Float64Array, Float64Array, Float64Array];
    const rows = [a, b, a.slice(), c, mix([a, b], [0.25, 0.75])];
    const basis = spanBasis(gramOf(rows));
    assert.equal(basis.centredRank, 2);
    assert.equal(basis.rank, 3);
    assert.ok(basis.rows.every(Number.isFinite));
    assert.ok(orthogonalityError(expand(basis, rows)) < 1e-12);
  });

  test('identical checkpoints leave only their own direction, for any rounding of their mean', () => {
    // The mean of 7 equal numbers is not always that number in float64.
    const rows = Array.from({ length: 7 }, () => randomRows(1, 5)[0]!);
    const gram = gramOf(rows);
    assert.ok(
      gram.centred.some((value) => value !== 0),
      'the test needs rounding in the mean',
    );
    const basis = spanBasis(gram);
    assert.equal(basis.centredRank, 0);
    assert.equal(basis.rank, 1);
    assert.ok(orthogonalityError(expand(basis, rows)) < 1e-12);
  });

  test('one checkpoint; two opposite ones, whose mean is nothing; and all zeros', () => {
    const [a] = randomRows(1) as [Float64Array];
    assert.equal(spanBasis(gramOf([a])).rank, 1);
    const opposite = spanBasis(gramOf([a, a.map((value) => -value)]));
    assert.equal(opposite.rank, 1);
    assert.equal(opposite.centredRank, 1);
    assert.equal(spanBasis(gramOf([new Float64Array(5), new Float64Array(5)])).rank, 0);
  });

  test('a mean inside the span of the differences is not counted twice', () => {
    const [a, b] = randomRows(2) as [Float64Array, Float64Array];
    const rows = [a, a.map((value) => 2 * value), b];
    const basis = spanBasis(gramOf(rows));
    assert.equal(basis.rank, 2);
    assert.ok(orthogonalityError(expand(basis, rows)) < 1e-12);
  });
});

describe('coordinates', () => {
  for (const [name, rows] of [
    ['independent checkpoints', randomRows(6)],
    ['duplicates', [...randomRows(3), randomRows(3)[1]!]],
    ['no mean', [randomRows(1)[0]!, randomRows(1)[0]!.map((value) => -value)]],
  ] as const) {
    const basis = spanBasis(gramOf(rows));
    const vectors = expand(basis, rows);
    const random = seededRandom(3, 'test');
    // Sums of 300 products of size 1 in float64 are good to 300 * 2e-16 at worst.
    const isClose = (a: Float64Array, b: Float64Array): boolean =>
      a.length === b.length && a.every((value, d) => Math.abs(value - b[d]!) < 1e-12);

    test(`${name}: of a mix are its products with the basis, and give the mix back`, () => {
      const coefficients = randomVector(random, rows.length);
      const w = mix(rows, coefficients);
      const beta = coordinatesOf(basis, coefficients);
      assert.ok(
        isClose(
          beta,
          Float64Array.from(vectors, (vector) => dot(vector, w)),
        ),
      );
      assert.ok(isClose(mix(rows, coefficientsOf(basis, beta)), w));
    });

    test(`${name}: the projected gradient is its product with the basis`, () => {
      const gradient = randomVector(random, DIMENSION);
      const projected = project(
        basis,
        Float64Array.from(rows, (row) => dot(row, gradient)),
      );
      assert.ok(
        isClose(
          projected,
          Float64Array.from(vectors, (vector) => dot(vector, gradient)),
        ),
      );
    });
  }
});

describe('what the Gram matrix says', () => {
  test('distances equal those of the weights', () => {
    const rows = new LogisticProblem().rows;
    const gram = gramOf(rows);
    const mean = meanOf(rows);
    const length = (a: Float64Array, b: Float64Array): number =>
      Math.hypot(...a.map((value, d) => value - b[d]!));
    for (const [i, distance] of distancesFromMean(gram).entries()) {
      assert.ok(Math.abs(distance - length(rows[i]!, mean)) < 1e-12 * distance);
    }
    // A difference of three squares: digits are lost, but not many at this distance.
    assert.ok(Math.abs(distanceBetween(gram, 0, 5) - length(rows[0]!, rows[5]!)) < 1e-12);
    const squares = rows.map((row) => length(row, mean) ** 2);
    const expected = Math.sqrt(squares.reduce((sum, square) => sum + square, 0) / rows.length);
    assert.ok(Math.abs(typicalDistance(gram) - expected) < 1e-12);
  });

  const describeRows = (rows: readonly Float64Array[]): string =>
    describeGram(
      gramOf(rows),
      spanBasis(gramOf(rows)).centredRank,
      rows.map((_, i) => `e${i}`),
    ).join(' ');

  test('duplicates and rank are named', () => {
    const rows = randomRows(5);
    assert.equal(describeRows(rows), 'The 5 checkpoints differ in 4 independent directions (at most 4).');
    rows[3] = rows[1]!.slice();
    assert.equal(
      describeRows(rows),
      'The 5 checkpoints differ in 3 independent directions (at most 4). Checkpoints with the same weights: e1 = e3.',
    );
  });

  test('an outlier is named, and a straight line has none', () => {
    const rows = randomRows(6);
    rows[4] = rows[4]!.map((value) => 10 * value);
    assert.match(describeRows(rows), /Far from the other checkpoints: e4 \(7\.\d times the usual distance\)/);
    const [a, b] = randomRows(2) as [Float64Array, Float64Array];
    const line = Array.from({ length: 30 }, (_, i) => mix([a, b], [1, i]));
    assert.doesNotMatch(describeRows(line), /Far/);
  });

  test('a training run has no false alarms', () => {
    const problem = new LogisticProblem();
    const rows = sgdRun(problem.data.train, {
      learningRate: 0.05,
      batchSize: 8,
      every: 5,
      count: 30,
      seed: 2,
    });
    assert.doesNotMatch(describeRows(rows), /Far|same/);
  });

  test('one checkpoint and equal checkpoints', () => {
    const [a] = randomRows(1) as [Float64Array];
    assert.match(describeRows([a]), /^There is only one checkpoint/);
    assert.match(describeRows([a, a.slice(), a.slice()]), /^All 3 checkpoints have the same weights/);
  });

  test('weights that are not finite are refused', () => {
    const rows = randomRows(3);
    rows[1]![7] = Infinity;
    assert.throws(
      () => requireFinite(gramOf(rows)),
      (error) => error instanceof TwaError && error.code === 'non-finite',
    );
  });
});
