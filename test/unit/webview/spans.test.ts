import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seededRandom } from '../../../src/core/averaging/rng.ts';
import { Pyramids } from '../../../webview/curves/lines.ts';
import { Raster } from '../../../webview/curves/raster.ts';
import { Band, type Frame, pixelsX, pixelsY, Spans } from '../../../webview/curves/spans.ts';

const lineOf = (x: Float64Array, y: Float64Array) => {
  const pyramids = new Pyramids();
  pyramids.follow(y, 0);
  return { x, y, map: undefined, pyramid: (positive: boolean) => pyramids.get(positive) };
};
const frameOf = (extra: Partial<Frame> = {}): Frame => ({
  min: 0,
  max: 100,
  width: 50,
  height: 100,
  bottom: 0,
  top: 10,
  yLog: false,
  ...extra,
});

/** At irregular x, with gaps; the values stay between 0 and 10, or between 0.1 and 10. */
function rough(seed: number, length: number) {
  const random = seededRandom(seed, 'spans');
  const uniform = (): number => random() / 2 ** 32;
  const x = new Float64Array(length);
  const y = new Float64Array(length);
  let at = 1;
  for (let index = 0; index < length; index++) {
    at += uniform() * (uniform() < 0.01 ? 40 : 1);
    x[index] = at;
    y[index] = 10 ** (2 * uniform() - 1);
  }
  for (let gap = 0; gap < length / 100; gap++) {
    const start = Math.floor(uniform() * length);
    y.fill(NaN, start, start + 1 + Math.floor(uniform() * 30));
  }
  return { x, y };
}

/** Every point and every straight piece between two neighbours, cut at the edges of the columns. */
function bruteForce(
  { x, y }: { readonly x: Float64Array; readonly y: Float64Array },
  frame: Frame,
): { readonly top: readonly number[]; readonly bottom: readonly number[] } {
  const toX = pixelsX(frame);
  const toY = pixelsY(frame);
  // With many points per column one that stands alone is in its column like any other.
  const dense = x.filter((at) => at >= frame.min && at <= frame.max).length > 2 * frame.width;
  const top = Array.from({ length: frame.width }, () => Infinity);
  const bottom = Array.from({ length: frame.width }, () => -Infinity);
  const add = (column: number, value: number): void => {
    if (column < 0 || column >= frame.width) return;
    top[column] = Math.min(top[column]!, value);
    bottom[column] = Math.max(bottom[column]!, value);
  };
  for (let index = 0; index < x.length; index++) {
    const [x1, y1] = [toX(x[index]!), toY(y[index]!)];
    if (Number.isNaN(y1)) continue;
    const [x0, y0] = index === 0 ? [NaN, NaN] : [toX(x[index - 1]!), toY(y[index - 1]!)];
    if (x[index]! >= frame.min && x[index]! <= frame.max) {
      const lone = !dense && Number.isNaN(y0) && Number.isNaN(toY(y[index + 1] ?? NaN));
      if (!lone) add(Math.floor(x1), y1);
    }
    if (Number.isNaN(y0)) continue;
    for (let edge = Math.ceil(x0); edge <= x1; edge++) {
      const value = y0 + ((y1 - y0) * (edge - x0)) / (x1 - x0);
      add(edge, value);
      add(edge - 1, value);
    }
  }
  return { top, bottom };
}

describe('Spans against brute force', () => {
  for (const [title, length, extra] of [
    ['a few points', 60, {}],
    ['as many points as columns', 100, {}],
    ['many points per column', 4000, { max: 1500 }],
    ['zoomed in', 4000, { min: 700, max: 760, width: 200 }],
    ['a logarithmic y axis', 4000, { max: 1500, bottom: 0.1, yLog: true }],
    ['a logarithmic x axis', 1500, { min: 1, max: 600, log: true }],
    ['both', 600, { min: 1, max: 300, log: true, bottom: 0.1, yLog: true }],
  ] as const) {
    test(title, () => {
      const points = rough(length, length);
      const frame = frameOf(extra);
      const spans = new Spans();
      spans.trace(lineOf(points.x, points.y), frame);
      const expected = bruteForce(points, frame);
      for (let column = 0; column < frame.width; column++) {
        // float32 of numbers up to 100 px; and a column may have a neighbour's edge, where the line goes on.
        const empty = expected.top[column] === Infinity;
        assert.equal(spans.top[column] === Infinity, empty, `column ${column}`);
        if (empty) continue;
        assert.ok(Math.abs(spans.top[column]! - expected.top[column]!) < 1e-3, `top of column ${column}`);
        assert.ok(
          Math.abs(spans.bottom[column]! - expected.bottom[column]!) < 1e-3,
          `foot of column ${column}`,
        );
      }
    });
  }
});

describe('Spans', () => {
  test('with very many points every spike is there, at most an eighth of a pixel off', () => {
    const y = new Float64Array(1_000_000).fill(5);
    const spikes = [12_345, 654_321, 999_998];
    for (const spike of spikes) y[spike] = 9;
    const spans = new Spans();
    const frame = frameOf({ max: 999_999, width: 500 });
    spans.trace(
      lineOf(
        Float64Array.from(y, (_, index) => index),
        y,
      ),
      frame,
    );
    for (const spike of spikes) {
      const place = pixelsX(frame)(spike);
      const columns = [place - 0.125, place + 0.125].map(Math.floor);
      assert.ok(
        columns.some((column) => spans.top[column] === 10),
        `spike at ${spike}`,
      );
    }
    assert.equal(spans.top.filter((top) => top < 49).length, 3);
  });

  test('a gap that is a column wide is open, a NaN among many in a column breaks no column', () => {
    const y = new Float64Array(5000).fill(5);
    y.fill(NaN, 2500, 2700);
    y[100] = NaN;
    const spans = new Spans();
    spans.trace(
      lineOf(
        Float64Array.from(y, (_, index) => index),
        y,
      ),
      frameOf({ max: 5000 }),
    );
    const open = [...spans.top.keys()].filter((column) => spans.top[column] === Infinity);
    assert.deepEqual(open, [25, 26]);
  });

  test('a point without neighbours is told apart', () => {
    const spans = new Spans();
    spans.trace(lineOf(Float64Array.of(10, 20, 30, 40, 50), Float64Array.of(1, NaN, 5, NaN, NaN)), frameOf());
    assert.deepEqual(spans.lone, [5, 90, 15, 50]);
  });
});

test('Band goes from the topmost to the lowest of its lines, with the mean of those that are there', () => {
  const x = Float64Array.of(0, 100);
  const half = Float64Array.of(0, 50);
  const band = new Band();
  const flat = (at: Float64Array, value: number) => lineOf(at, new Float64Array(2).fill(value));
  band.trace([flat(x, 2), flat(x, 4), flat(half, 9)], frameOf());
  // 10 px per unit from the foot at 100.
  assert.deepEqual([band.spans.top[5], band.spans.bottom[5]], [10, 80]);
  assert.deepEqual([band.spans.top[40], band.spans.bottom[40]], [60, 80]);
  assert.deepEqual([band.mean.top[5], band.mean.top[40]], [50, 70]);
});

describe('Raster', () => {
  const brush = { color: [200, 100, 0], alpha: 1, width: 2, dash: [], phase: 0 } as const;
  const pixel = (raster: Raster, column: number, row: number): readonly number[] => [
    ...raster.bytes.subarray(4 * (row * raster.width + column), 4 * (row * raster.width + column) + 4),
  ];
  const flat = (y: number): Spans => {
    const spans = new Spans();
    spans.trace(
      lineOf(Float64Array.of(0, 100), new Float64Array(2).fill(10 - y / 10)),
      frameOf({ width: 20, height: 100 }),
    );
    return spans;
  };

  test('is full inside and takes its share at the edges', () => {
    const raster = new Raster(20, 100);
    raster.paint(flat(50.25), brush);
    // From 49.25 to 51.25.
    assert.deepEqual(pixel(raster, 7, 48), [0, 0, 0, 0]);
    assert.deepEqual(pixel(raster, 7, 49), [200, 100, 0, 191]);
    assert.deepEqual(pixel(raster, 7, 50), [200, 100, 0, 255]);
    assert.deepEqual(pixel(raster, 7, 51), [200, 100, 0, 64]);
    assert.deepEqual(pixel(raster, 7, 52), [0, 0, 0, 0]);
  });

  test('has dashes along x, and lies over what was painted before', () => {
    const raster = new Raster(20, 100);
    raster.paint(flat(50), { ...brush, alpha: 0.25 });
    raster.paint(flat(50), { ...brush, color: [0, 0, 255], dash: [3, 2] });
    const colors = Array.from({ length: 10 }, (_, column) => pixel(raster, column, 50));
    const over = [0, 0, 255, 255];
    const under = [200, 100, 0, 64];
    assert.deepEqual(colors, [over, over, over, under, under, over, over, over, under, under]);
    const moved = new Raster(20, 100);
    moved.paint(flat(50), { ...brush, dash: [3, 2], phase: 4 });
    const isOn = (column: number): boolean => pixel(moved, column, 50)[3] === 255;
    assert.deepEqual([0, 1, 2, 3, 4, 5].map(isOn), [false, true, true, true, false, false]);
  });

  test('paints nothing outside', () => {
    const raster = new Raster(20, 100);
    raster.paint(flat(-30), brush);
    raster.paint(flat(900), brush);
    assert.ok(raster.bytes.every((byte) => byte === 0));
  });
});
