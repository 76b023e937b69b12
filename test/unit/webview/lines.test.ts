import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { epochScale } from '../../../webview/curves/epochs.ts';
import { LineCache } from '../../../webview/curves/lineCache.ts';
import { buildLine, valueAt } from '../../../webview/curves/lines.ts';
import { MAX_ROWS, tableRows } from '../../../webview/curves/rows.ts';
import { lowerBound, nearestIndex } from '../../../webview/curves/search.ts';
import { defaultSmoothing } from '../../../webview/curves/state.ts';
import { StoredSeries } from '../../../webview/curves/store.ts';

const columns = (points: readonly (readonly [step: number, epoch: number, value: number])[]) => ({
  steps: Float64Array.from(points, ([step]) => step),
  epochs: Float64Array.from(points, ([, epoch]) => epoch),
  values: Float64Array.from(points, ([, , value]) => value),
});
const drawn = (x: readonly number[], y: readonly number[] = x) => ({
  x: Float64Array.from(x),
  y: Float64Array.from(y),
  superseded: 0,
  notFinite: 0,
});

test('search agrees with a linear scan', () => {
  const x = Float64Array.from({ length: 50 }, (_, index) => index ** 1.5);
  for (let target = -3; target < 380; target += 0.7) {
    const bound = x.findIndex((value) => value >= target);
    assert.equal(lowerBound(x, target), bound === -1 ? x.length : bound);
    const distances = Array.from(x, (value) => Math.abs(value - target));
    assert.equal(nearestIndex(x, target), distances.indexOf(Math.min(...distances)));
  }
  assert.equal(nearestIndex(new Float64Array(0), 1), undefined);
});

describe('buildLine', () => {
  test('a resumed run draws no line backwards: the new points replace the old ones', () => {
    const line = buildLine(
      columns([
        [1, NaN, 10],
        [2, NaN, 20],
        [3, NaN, 30],
        [4, NaN, 40],
        [3, NaN, 33],
        [4, NaN, 44],
        [5, NaN, 55],
      ]),
      'step',
      undefined,
    );
    assert.deepEqual([...line.x], [1, 2, 3, 4, 5]);
    assert.deepEqual([...line.y], [10, 20, 33, 44, 55]);
    assert.equal(line.superseded, 2);
  });

  test('counts what is not finite and keeps it as gaps', () => {
    const line = buildLine(
      columns([
        [1, 0, 1],
        [2, 0, NaN],
        [3, 0, Infinity],
      ]),
      'step',
      undefined,
    );
    assert.deepEqual([...line.y], [1, NaN, Infinity]);
    assert.equal(line.notFinite, 2);
  });

  test('a value per epoch stands at its epoch, values per step within it', () => {
    const perStep = columns(
      Array.from({ length: 12 }, (_, index) => [index + 1, Math.floor(index / 4) + 1, index]),
    );
    const perEpoch = columns([
      [4, 1, 0],
      [8, 2, 0],
      [12, 3, 0],
    ]);
    const scale = epochScale([perStep, perEpoch]);
    assert.deepEqual([...buildLine(perEpoch, 'epoch', scale).x], [1, 2, 3]);
    assert.deepEqual(
      [...buildLine(perStep, 'epoch', scale).x],
      Array.from({ length: 12 }, (_, index) => (index + 1) / 4),
    );
  });
});

describe('epochScale', () => {
  const steps = (count: number, perEpoch: number, first = 0) =>
    columns(
      Array.from({ length: count }, (_, index) => [index + 1, Math.floor(index / perEpoch) + first, 0]),
    );

  test('there and back again', () => {
    const scale = epochScale([steps(100, 10)])!;
    for (let step = 1; step <= 100; step++) {
      assert.ok(Math.abs(scale.stepOf(scale.epochOf(step)) - step) < 1e-9);
    }
    assert.equal(scale.epochOf(10), 0);
    assert.equal(scale.epochOf(15), 0.5);
  });

  test('an epoch that has only begun is taken to be as long as the one before', () => {
    const scale = epochScale([steps(33, 10, 1)])!;
    assert.equal(scale.epochOf(30), 3);
    assert.ok(Math.abs(scale.epochOf(33) - 3.3) < 1e-12);
    assert.equal(scale.stepOf(4), 40);
  });

  test('knows nothing where no log names two epochs', () => {
    assert.equal(epochScale([]), undefined);
    assert.equal(epochScale([steps(5, 10)]), undefined);
    assert.equal(
      epochScale([
        columns([
          [1, NaN, 0],
          [2, NaN, 0],
        ]),
      ]),
      undefined,
    );
  });

  test('fractional epochs are taken as they are', () => {
    const scale = epochScale([
      columns([
        [10, 0.1, 0],
        [20, 0.2, 0],
        [30, 0.3, 0],
      ]),
    ])!;
    assert.ok(Math.abs(scale.epochOf(25) - 0.25) < 1e-12);
  });
});

test('valueAt interpolates between neighbours, and knows nothing outside and beside gaps', () => {
  const line = drawn([1, 2, 4, 5], [10, 20, 40, NaN]);
  assert.equal(valueAt(line, 2), 20);
  assert.equal(valueAt(line, 3), 30);
  assert.equal(valueAt(line, 4.5), undefined);
  assert.equal(valueAt(line, 0.5), undefined);
  assert.equal(valueAt(line, 6), undefined);
});

describe('tableRows', () => {
  test('has a row per point of the sparsest line, with the latest value of the others', () => {
    const { total, rows } = tableRows([drawn([1, 2, 3, 4, 5, 6]), drawn([2.5, 5], [7, 8])]);
    assert.equal(total, 2);
    assert.deepEqual(rows, [
      { x: 2.5, values: [2, 7] },
      { x: 5, values: [5, 8] },
    ]);
  });

  test('thins long lines evenly and keeps both ends', () => {
    const { total, rows } = tableRows([drawn(Array.from({ length: 10_001 }, (_, index) => index))]);
    assert.equal(total, 10_001);
    assert.equal(rows.length, MAX_ROWS);
    assert.equal(rows[0]!.x, 0);
    assert.equal(rows.at(-1)!.x, 10_000);
  });

  test('is empty without points', () => assert.deepEqual(tableRows([drawn([])]), { total: 0, rows: [] }));
});

describe('LineCache', () => {
  const name = (tag: string) => ({ key: tag, tag, source: '/m' });
  const stored = (tag: string, steps: readonly number[]): StoredSeries => {
    const series = new StoredSeries(name(tag));
    const columns = Float64Array.from(steps);
    series.put({ ...name(tag), from: 0, steps: columns, epochs: columns.map(() => NaN), values: columns });
    return series;
  };
  const dense = stored(
    'train/loss',
    Array.from({ length: 1000 }, (_, index) => index),
  );
  const sparse = stored('val/loss', [0, 250, 500, 750, 999]);

  test('smooths the dense series, and leaves a value per epoch alone', () => {
    const lines = new LineCache().lines([dense, sparse], 'step', undefined, 0.6);
    assert.notEqual(lines.get(dense)?.smoothed, undefined);
    assert.equal(lines.get(sparse)?.smoothed, undefined);
  });

  test('makes a line again only when something about it changed', () => {
    const cache = new LineCache();
    const first = cache.lines([dense, sparse], 'step', undefined, 0.6).get(dense)!;
    const { raw, smoothed } = first;
    const again = cache.lines([dense, sparse], 'step', undefined, 0.6).get(dense)!;
    assert.equal(again.raw, raw);
    assert.equal(again.smoothed, smoothed);
    const smoother = cache.lines([dense, sparse], 'step', undefined, 0.9).get(dense)!;
    assert.equal(smoother.raw, raw);
    assert.notEqual(smoother.smoothed, smoothed);
    const point = Float64Array.of(1000);
    dense.put({ ...name('train/loss'), from: 1000, steps: point, epochs: point, values: point });
    assert.equal(cache.lines([dense, sparse], 'step', undefined, 0.9).get(dense)!.raw.x.length, 1001);
  });
});

test('a run of few points is shown as logged, until somebody asks for more', () => {
  assert.equal(defaultSmoothing(30), 0);
  assert.ok(defaultSmoothing(1200) > 0);
});
