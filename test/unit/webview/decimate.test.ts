import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seededRandom } from '../../../src/core/averaging/rng.ts';
import { decimate, isLone, type Point } from '../../../webview/curves/decimate.ts';

const line = (values: readonly number[]) => ({
  x: Float64Array.from(values, (_, index) => index),
  y: Float64Array.from(values),
  map: undefined,
});
const isGap = ({ y }: Point): boolean => Number.isNaN(y);
const finite = (points: readonly Point[]): readonly Point[] => points.filter((point) => !isGap(point));

/** A rough walk with NaN and infinite stretches of many lengths, down to single ones, at irregular x. */
function roughLine(seed: number, length: number, gaps: number) {
  const random = seededRandom(seed, 'decimate');
  const uniform = (): number => random() / 2 ** 32;
  const x = new Float64Array(length);
  const y = new Float64Array(length);
  let at = 0;
  let value = 0;
  for (let index = 0; index < length; index++) {
    at += 0.05 + uniform() * (uniform() < 0.01 ? 50 : 1);
    value += uniform() - 0.5;
    x[index] = at;
    y[index] = value;
  }
  for (let gap = 0; gap < gaps; gap++) {
    const start = Math.floor(uniform() * length);
    const end = start + 1 + Math.floor(uniform() ** 4 * 60);
    y.fill([NaN, Infinity, -Infinity][gap % 3]!, start, Math.min(end, length));
  }
  return { x, y };
}

describe('decimate against brute force', () => {
  for (const [seed, gaps, positive] of [
    [1, 0, false],
    [2, 12, false],
    [3, 400, false],
    [4, 60, true],
    [5, 4000, false],
  ] as const) {
    test(`seed ${seed}, ${gaps} gaps${positive ? ', positive values only' : ''}`, () => {
      const { x, y } = roughLine(seed, 20_000, gaps);
      const drawable = (index: number): boolean => Number.isFinite(y[index]!) && (!positive || y[index]! > 0);
      const [min, max] = [x[1234]!, x[18_765]!];
      const columns = 300;
      const points = decimate({ x, y, map: undefined }, { min, max }, columns, positive);
      const indexOf = new Map(Array.from(x, (value, index) => [value, index]));
      const columnOf = (value: number): number => Math.floor(((value - min) * columns) / (max - min));

      // Every point is one of the line, in order.
      const indices = finite(points).map((point) => indexOf.get(point.x)!);
      assert.ok(indices.every((index, at) => y[index] === finite(points)[at]!.y && drawable(index)));
      assert.ok(indices.every((index, at) => at === 0 || index > indices[at - 1]!));

      // Each pixel column has its own smallest and largest value.
      const extents = (all: readonly number[]): Map<number, readonly [number, number]> => {
        const found = new Map<number, readonly [number, number]>();
        for (const index of all) {
          if (!drawable(index) || x[index]! < min || x[index]! >= max) continue;
          const column = columnOf(x[index]!);
          const [low, high] = found.get(column) ?? [Infinity, -Infinity];
          found.set(column, [Math.min(low, y[index]!), Math.max(high, y[index]!)]);
        }
        return found;
      };
      assert.deepEqual(extents(indices), extents(Array.from(x, (_, index) => index)));

      // Where the line is broken between two points of different columns, so is the drawing, and only there.
      let gap = true;
      let before: number | undefined;
      for (const point of points) {
        if (isGap(point)) {
          gap = true;
          continue;
        }
        const index = indexOf.get(point.x)!;
        if (before !== undefined && columnOf(x[before]!) !== columnOf(x[index]!)) {
          let broken = false;
          for (let between = before + 1; between < index; between++) broken ||= !drawable(between);
          assert.equal(gap, broken, `between x = ${x[before]!} and ${point.x}`);
        }
        gap = false;
        before = index;
      }

      // 8 per column, and the columns of the points beyond the edges.
      assert.ok(points.length <= 8 * (columns + 4), `${points.length} points`);
    });
  }
});

describe('decimate', () => {
  test('gives all points, and one gap for many NaN, when there are few', () => {
    const { x, y } = line([1, NaN, NaN, 2, Infinity, 3]);
    assert.deepEqual(decimate({ x, y, map: undefined }, { min: 0, max: 5 }, 100), [
      { x: 0, y: 1 },
      { x: 1, y: NaN },
      { x: 3, y: 2 },
      { x: 4, y: NaN },
      { x: 5, y: 3 },
    ]);
  });

  test('keeps one point beyond each edge, so that the line runs to them', () => {
    const points = decimate(line([0, 1, 2, 3, 4, 5, 6]), { min: 2.5, max: 3.5 }, 100);
    assert.deepEqual(
      points.map(({ x }) => x),
      [2, 3, 4],
    );
  });

  test('a spike of one point among a million is seen', () => {
    const y = new Float64Array(1_000_000);
    y[654_321] = 9;
    const x = Float64Array.from(y, (_, index) => index);
    const points = decimate({ x, y, map: undefined }, { min: 0, max: 999_999 }, 500);
    assert.ok(points.some((point) => point.x === 654_321 && point.y === 9));
    assert.ok(points.length <= 2 * 502);
  });

  test('a NaN of one point among a million breaks the line', () => {
    const y = new Float64Array(1_000_000);
    y[654_321] = NaN;
    const x = Float64Array.from(y, (_, index) => index);
    assert.equal(decimate({ x, y, map: undefined }, { min: 0, max: 999_999 }, 500).filter(isGap).length, 1);
  });

  test('an all-NaN line draws nothing', () =>
    assert.deepEqual(
      decimate(line(Array.from({ length: 5000 }, () => NaN)), { min: 0, max: 5000 }, 100),
      [],
    ));

  test('an empty line draws nothing', () =>
    assert.deepEqual(decimate(line([]), { min: 0, max: 1 }, 100), []));

  test('on a logarithmic axis zero and less are gaps', () => {
    const points = decimate(line([1, 0, 2, -1, 3]), { min: 0, max: 4 }, 100, true);
    assert.deepEqual(
      points.map(({ y }) => y),
      [1, NaN, 2, NaN, 3],
    );
  });
});

test('isLone finds points without a neighbour to be joined with', () => {
  const points = decimate(line([1, NaN, 2, 3, NaN, 4]), { min: 0, max: 5 }, 100);
  assert.deepEqual(
    points.map((_, index) => isLone(points, index)),
    [true, false, false, false, false, true],
  );
});
