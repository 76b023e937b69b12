import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { geometryOf, type Geometry } from '../../../src/core/averaging/geometry.ts';
import { seededRandom } from '../../../src/core/averaging/rng.ts';
import { TwaError } from '../../../src/core/errors.ts';
import { dot, gramOf, meanOf, mix, randomVector } from './logistic.ts';

const namesOf = (rows: readonly unknown[]) => rows.map((_, i) => `epoch-${i + 1}`);
const look = (rows: readonly Float64Array[]): Geometry => geometryOf(gramOf(rows), namesOf(rows));

function randomRows(n: number, seed = 1): Float64Array[] {
  const random = seededRandom(seed, 'geometry');
  return Array.from({ length: n }, () => randomVector(random, 200));
}

const length = (a: Float64Array): number => Math.sqrt(dot(a, a));
const minus = (a: Float64Array, b: Float64Array): Float64Array => mix([a, b], [1, -1]);

/** Sums of 200 products in float64, and square roots of differences of them. */
const TOLERANCE = 1e-12;
function close(actual: number, expected: number, what: string): void {
  assert.ok(
    Math.abs(actual - expected) <= TOLERANCE * Math.max(1, Math.abs(expected)),
    `${what}: ${actual}, not ${expected}`,
  );
}

function numbersIn(geometry: Geometry): number[] {
  const { map, path, outliers, duplicates } = geometry;
  const { gram, distances, cosines, displacementCosines, norms, fromMean, rank } = geometry;
  const { steps, displacement, straightness, turns } = path;
  return [
    ...[...gram, ...distances, ...cosines, ...displacementCosines, ...map.points, ...duplicates].flat(),
    ...[...norms, ...fromMean, ...map.explained, ...steps, ...turns, ...outliers.map(({ times }) => times)],
    ...[rank, path.length, displacement, straightness],
  ];
}

test('distances, lengths, cosines and steps by their definitions', () => {
  const rows = randomRows(6);
  const mean = meanOf(rows);
  const geometry = look(rows);
  for (const [i, a] of rows.entries()) {
    close(geometry.norms[i]!, length(a), 'length');
    close(geometry.fromMean[i]!, length(minus(a, mean)), 'distance from the mean');
    for (const [j, b] of rows.entries()) {
      close(geometry.distances[i]![j]!, length(minus(a, b)), 'distance');
      close(geometry.cosines[i]![j]!, dot(a, b) / length(a) / length(b), 'cosine');
      const [r, s] = [minus(a, mean), minus(b, mean)];
      close(geometry.gram[i]![j]!, dot(r, s), 'product');
      close(geometry.displacementCosines[i]![j]!, dot(r, s) / length(r) / length(s), 'displacement');
    }
  }
  const steps = rows.slice(1).map((row, i) => minus(row, rows[i]!));
  for (const [i, step] of steps.entries()) {
    close(geometry.path.steps[i]!, length(step), 'step');
    if (i === 0) continue;
    const before = steps[i - 1]!;
    close(geometry.path.turns[i - 1]!, dot(before, step) / length(before) / length(step), 'turn');
  }
  const total = steps.reduce((sum, step) => sum + length(step), 0);
  close(geometry.path.length, total, 'length of the path');
  close(geometry.path.straightness, length(minus(rows[5]!, rows[0]!)) / total, 'straightness');
  assert.equal(geometry.rank, 5);
});

describe('the map', () => {
  test('of checkpoints in a plane shows all distances as they are', () => {
    const [m, a, b] = randomRows(3) as [Float64Array, Float64Array, Float64Array];
    const places = [
      [0, 0],
      [1, 0.2],
      [2, 1],
      [2.5, 2],
      [4, 2.2],
    ] as const;
    const { map, distances, rank } = look(places.map(([x, y]) => mix([m, a, b], [1, x, y])));
    assert.equal(rank, 2);
    for (const [i, p] of map.points.entries()) {
      for (const [j, q] of map.points.entries()) {
        close(Math.hypot(p[0] - q[0], p[1] - q[1]), distances[i]![j]!, 'distance on the map');
      }
    }
    close(map.explained[0] + map.explained[1], 1, 'explained');
    assert.ok(map.explained[0] > map.explained[1]);
    const last = map.points.at(-1)!;
    assert.ok(last[0] > 0 && last[1] >= 0, 'the last is to the right and not below');
  });

  test('shows the directions in which most happens: shares of the squared distances', () => {
    // Independent directions of lengths 3, 2 and 1, along and back.
    const m = new Float64Array(4);
    const rows = [3, 2, 1].flatMap((size, axis) =>
      [size, -size].map((value) => m.map((_, d) => (d === axis ? value : 0))),
    );
    const { map } = look(rows);
    close(map.explained[0], 9 / 14, 'first');
    close(map.explained[1], 4 / 14, 'second');
    assert.deepEqual(
      map.points.map(([x, y]) => [Math.abs(Math.round(x * 1e9) / 1e9), Math.abs(Math.round(y * 1e9) / 1e9)]),
      [
        [3, 0],
        [3, 0],
        [0, 2],
        [0, 2],
        [0, 0],
        [0, 0],
      ],
    );
  });

  test('is the same every time, and does not depend on the unit', () => {
    const rows = randomRows(7);
    assert.deepEqual(look(rows), look(rows));
    const large = look(rows.map((row) => row.map((value) => value * 2 ** 20)));
    for (const [i, [x, y]] of look(rows).map.points.entries()) {
      close(large.map.points[i]![0] / 2 ** 20, x, 'x');
      close(large.map.points[i]![1] / 2 ** 20, y, 'y');
    }
  });
});

test('a straight line at one speed, and back', () => {
  const [m, a] = randomRows(2) as [Float64Array, Float64Array];
  const at = (x: number): Float64Array => mix([m, a], [1, x]);
  const straight = look([0, 1, 2, 3, 4].map(at));
  close(straight.path.straightness, 1, 'straight');
  for (const turn of straight.path.turns) close(turn, 1, 'no turn');
  close(straight.map.explained[0], 1, 'one axis says all');
  assert.equal(straight.rank, 1);
  const back = look([0, 1, 2, 1, 0].map(at));
  assert.equal(back.path.straightness, 0);
  close(back.path.turns[1]!, -1, 'turned');
  assert.deepEqual(back.duplicates, [
    [0, 4],
    [1, 3],
  ]);
});

describe('in words', () => {
  test('rank, duplicates and outliers', () => {
    const rows = randomRows(6);
    const far = randomRows(1, 9)[0]!.map((value) => 30 * value);
    const { notes, duplicates, outliers, distances } = look([...rows, rows[2]!.slice(), far]);
    assert.deepEqual(duplicates, [[2, 6]]);
    assert.equal(distances[2]![6], 0);
    assert.deepEqual(
      outliers.map(({ index }) => index),
      [7],
    );
    assert.match(notes[0]!, /^The 8 checkpoints differ in 6 independent directions \(at most 7\)\.$/);
    assert.match(notes[1]!, /^Checkpoints with the same weights: epoch-3 = epoch-7\.$/);
    assert.match(notes[2]!, /^Far from the other checkpoints: epoch-8 \(\d+ times the usual distance\)\.$/);
    assert.equal(notes.length, 3);
  });

  test('one checkpoint, and only the same one', () => {
    const [row] = randomRows(1) as [Float64Array];
    assert.match(look([row]).notes[0]!, /only one checkpoint/);
    assert.match(look([row, row, row]).notes[0]!, /^All 3 checkpoints have the same weights/);
  });
});

test('no NaN: identical, all zeros, one, two, and a checkpoint that is the mean', () => {
  const [a, b] = randomRows(2) as [Float64Array, Float64Array];
  const zeros = new Float64Array(200);
  for (const rows of [
    [a],
    [zeros],
    [a, a],
    [a, a, a, a, a],
    [zeros, zeros, zeros],
    [a, b],
    [a, zeros],
    [a, b, mix([a, b], [0.5, 0.5])],
    [a, a, b, b],
  ]) {
    const geometry = look(rows);
    assert.ok(numbersIn(geometry).every(Number.isFinite), `${rows.length}`);
    assert.equal(geometry.map.points.length, rows.length);
    assert.equal(geometry.path.steps.length, rows.length - 1);
    assert.equal(geometry.path.turns.length, Math.max(0, rows.length - 2));
  }
});

test('a matrix that is none is refused', () => {
  const gram = gramOf(randomRows(3));
  gram.centred[4] = NaN;
  assert.throws(
    () => geometryOf(gram, ['a', 'b', 'c']),
    (error) => error instanceof TwaError && error.code === 'non-finite',
  );
});
