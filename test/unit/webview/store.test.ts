import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CurvesRun, SeriesPart, ToCurves } from '../../../webview/protocol.ts';
import { CurvesStore } from '../../../webview/curves/store.ts';

const part = (from: number, values: readonly number[]): SeriesPart => ({
  key: 'k',
  tag: 'loss',
  source: '/m.csv',
  from,
  steps: Float64Array.from(values, (_, index) => from + index),
  epochs: Float64Array.from(values, () => NaN),
  values: Float64Array.from(values),
});
const run = (series: readonly SeriesPart[]): CurvesRun => ({
  directory: '/run',
  name: 'run',
  series,
  checkpoints: [],
  averages: [],
});
const snapshot = (number: number, shown?: CurvesRun): ToCurves => ({
  kind: 'snapshot',
  number,
  scanning: false,
  runs: [],
  wanted: null,
  ...(shown === undefined ? {} : { run: shown }),
});
const increment = (
  number: number,
  series: readonly SeriesPart[],
  removed: readonly string[] = [],
): ToCurves => ({
  kind: 'increment',
  number,
  series,
  removed,
});
const values = (store: CurvesStore): readonly number[] => [...(store.run?.series.get('k')?.values ?? [])];

describe('CurvesStore', () => {
  test('grows by increments', () => {
    const store = new CurvesStore();
    assert.equal(store.apply(snapshot(7, run([part(0, [1, 2])]))), true);
    for (let index = 0; index < 100; index++) {
      assert.equal(store.apply(increment(8 + index, [part(2 + index, [index])])), true);
    }
    assert.deepEqual(values(store), [1, 2, ...Array.from({ length: 100 }, (_, index) => index)]);
  });

  test('an earlier start replaces the rest', () => {
    const store = new CurvesStore();
    store.apply(snapshot(1, run([part(0, [1, 2, 3, 4])])));
    store.apply(increment(2, [part(1, [9])]));
    assert.deepEqual(values(store), [1, 9]);
  });

  test('a missing number is noticed, and only a snapshot mends it', () => {
    const store = new CurvesStore();
    store.apply(snapshot(1, run([part(0, [1])])));
    assert.equal(store.apply(increment(3, [part(1, [2])])), false);
    assert.deepEqual(values(store), [1]);
    assert.equal(store.apply(increment(4, [part(1, [2])])), false);
    assert.equal(store.apply(snapshot(5, run([part(0, [1, 2, 3])]))), true);
    assert.equal(store.apply(increment(6, [part(3, [4])])), true);
    assert.deepEqual(values(store), [1, 2, 3, 4]);
  });

  test('a hole in a series is noticed', () => {
    const store = new CurvesStore();
    store.apply(snapshot(1, run([part(0, [1])])));
    assert.equal(store.apply(increment(2, [part(5, [2])])), false);
  });

  test('an increment before any snapshot is not taken', () =>
    assert.equal(new CurvesStore().apply(increment(1, [])), false));

  test('a series that is gone is dropped', () => {
    const store = new CurvesStore();
    store.apply(snapshot(1, run([part(0, [1])])));
    store.apply(increment(2, [], ['k']));
    assert.equal(store.run?.series.size, 0);
  });
});
