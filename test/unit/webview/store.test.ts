import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CurvesRun, SeriesPart, ToCurves } from '../../../webview/protocol.ts';
import { CurvesStore, type StoredSeries } from '../../../webview/curves/store.ts';

const part = (from: number, values: readonly number[]): SeriesPart => ({
  key: 'k',
  tag: 'loss',
  source: '/m.csv',
  from,
  total: from + values.length,
  steps: Float64Array.from(values, (_, index) => from + index),
  values: Float64Array.from(values),
});
const run = (series: readonly SeriesPart[]): CurvesRun => ({
  directory: '/run',
  name: 'run',
  series,
  checkpoints: [],
  averages: [],
});
const snapshot = (number: number, ...shown: readonly CurvesRun[]): ToCurves => ({
  kind: 'snapshot',
  number,
  more: false,
  scanning: false,
  runs: [],
  wanted: null,
  shown,
});
const increment = (
  number: number,
  series: readonly SeriesPart[],
  removed: readonly string[] = [],
): ToCurves => ({
  kind: 'increment',
  number,
  more: false,
  changed: [{ directory: '/run', name: 'run', series, removed }],
  gone: [],
});
const seriesOf = (store: CurvesStore): StoredSeries | undefined => store.shown.get('/run')?.series.get('k');
const values = (store: CurvesStore): readonly number[] => [...(seriesOf(store)?.values ?? [])];

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
    assert.equal(store.shown.get('/run')?.series.size, 0);
  });

  test('a run that is no longer shown is dropped, another one is added, the first stays as it is', () => {
    const store = new CurvesStore();
    store.apply(snapshot(1, run([part(0, [1])]), { ...run([part(0, [5])]), directory: '/other' }));
    const kept = seriesOf(store);
    store.apply({
      kind: 'increment',
      number: 2,
      more: false,
      changed: [{ directory: '/third', name: 'third', series: [part(0, [7])], removed: [] }],
      gone: ['/other'],
      wanted: ['/run', '/third'],
    });
    assert.deepEqual([...store.shown.keys()], ['/run', '/third']);
    assert.deepEqual(store.wanted, ['/run', '/third']);
    assert.equal(seriesOf(store), kept);
    // The same key in two runs is two series.
    assert.equal(new Set(store.series.map(({ key }) => key)).size, 2);
  });

  test('epochs and times may begin late, and be silent for a while', () => {
    const store = new CurvesStore();
    store.apply(snapshot(1, run([part(0, [1, 2])])));
    assert.equal(seriesOf(store)?.epochs, undefined);
    store.apply(increment(2, [{ ...part(2, [3]), epochs: Float64Array.of(1) }]));
    store.apply(increment(3, [part(3, [4])]));
    assert.deepEqual([...seriesOf(store)!.epochs!], [NaN, NaN, 1, NaN]);
    assert.equal(seriesOf(store)?.wallTimes, undefined);
  });

  test('a series that comes in parts has its room from the first on; what came whole is not copied', () => {
    const whole = part(0, [1, 2, 3]);
    const store = new CurvesStore();
    store.apply(snapshot(1, run([whole])));
    assert.equal(seriesOf(store)!.values.buffer, whole.values.buffer);
    const begun = { ...part(0, [1, 2]), total: 1000 };
    store.apply(snapshot(2, run([begun])));
    const { buffer } = seriesOf(store)!.values;
    store.apply(
      increment(3, [
        part(
          2,
          Array.from({ length: 998 }, (_, index) => index),
        ),
      ]),
    );
    assert.equal(seriesOf(store)!.values.buffer, buffer);
    assert.equal(seriesOf(store)!.length, 1000);
  });

  test('an overview stands for a series until all of its points are there', () => {
    const store = new CurvesStore();
    const overview = {
      ...part(0, [1, 9]),
      steps: Float64Array.of(0, 3),
      total: 4,
      smoothing: 0,
      wallTimes: Float64Array.of(1000, 4000),
    };
    store.apply(snapshot(1, { ...run([]), overviews: [overview] }));
    const series = seriesOf(store)!;
    assert.deepEqual(
      [values(store), [...series.steps], series.length, series.timed],
      [[1, 9], [0, 3], 4, true],
    );
    const { version } = series;
    store.apply(increment(2, [{ ...part(0, [1, 2]), total: 4 }]));
    assert.deepEqual([values(store), series.version], [[1, 9], version], 'nothing else is shown yet');
    const { rewrites } = series;
    store.apply(increment(3, [{ ...part(2, [3, 9]), total: 4 }]));
    assert.deepEqual([values(store), [...series.steps], series.timed], [[1, 2, 3, 9], [0, 1, 2, 3], false]);
    assert.ok(series.version > version && series.rewrites > rewrites, 'lines are made anew');
    store.apply(increment(4, [part(4, [5])]));
    assert.deepEqual([values(store), series.length], [[1, 2, 3, 9, 5], 5]);
  });

  test('points that are only added are told from points that changed', () => {
    const store = new CurvesStore();
    store.apply(snapshot(1, run([part(0, [1, 2])])));
    const { rewrites } = seriesOf(store)!;
    store.apply(increment(2, [part(2, [3])]));
    assert.equal(seriesOf(store)!.rewrites, rewrites);
    store.apply(increment(3, [part(1, [9])]));
    assert.notEqual(seriesOf(store)!.rewrites, rewrites);
  });
});
