import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { placingOf, type RunAxis } from '../../../webview/curves/axes.ts';
import { placeAt } from '../../../webview/curves/decimate.ts';
import { epochScale, SeriesEpochs, type StepsAndEpochs } from '../../../webview/curves/epochs.ts';
import { LineCache } from '../../../webview/curves/lineCache.ts';
import { FollowedLine, valueAt } from '../../../webview/curves/lines.ts';
import { MAX_ROWS, tableRows } from '../../../webview/curves/rows.ts';
import { lowerBound, nearestIndex } from '../../../webview/curves/search.ts';
import { defaultSmoothing } from '../../../webview/curves/state.ts';
import { StoredSeries } from '../../../webview/curves/store.ts';

const columns = (points: readonly (readonly [step: number, epoch: number, value: number])[]) => ({
  steps: Float64Array.from(points, ([step]) => step),
  epochs: Float64Array.from(points, ([, epoch]) => epoch),
  values: Float64Array.from(points, ([, , value]) => value),
  wallTimes: Float64Array.from(points, ([step]) => 1000 * step),
  rewrites: 0,
});
const followed = (series: StepsAndEpochs): SeriesEpochs => {
  const epochs = new SeriesEpochs();
  epochs.follow(series);
  return epochs;
};
const scaleOf = (...series: readonly StepsAndEpochs[]) => epochScale(series.map(followed));
const lineOf = (series: ReturnType<typeof columns>, axis: Partial<RunAxis> = {}): FollowedLine => {
  const line = new FollowedLine(
    placingOf(followed(series).own, { axis: 'step', scale: undefined, start: undefined, ...axis }),
  );
  line.follow(series);
  return line;
};
const places = (line: FollowedLine): readonly number[] =>
  Array.from(line.x, (_, index) => placeAt(line, index));
const drawn = (x: readonly number[], y: readonly number[] = x): FollowedLine =>
  lineOf(columns(x.map((step, index) => [step, NaN, y[index]!])));

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

describe('FollowedLine', () => {
  test('a resumed run draws no line backwards: the new points replace the old ones, which are kept apart', () => {
    const line = drawn([1, 2, 3, 4, 3, 4, 5], [10, 20, 30, 40, 33, 44, 55]);
    assert.deepEqual([...line.x], [1, 2, 3, 4, 5]);
    assert.deepEqual([...line.y], [10, 20, 33, 44, 55]);
    assert.equal(line.superseded, 2);
    assert.deepEqual(
      line.earlier.map(({ x, y }) => [[...x], [...y]]),
      [
        [
          [2, 3, 4],
          [20, 30, 40],
        ],
      ],
    );
  });

  test('counts what is not finite and keeps it as gaps', () => {
    const line = drawn([1, 2, 3], [1, NaN, Infinity]);
    assert.deepEqual([...line.y], [1, NaN, Infinity]);
    assert.equal(line.notFinite, 2);
    // What gave way is not counted.
    assert.equal(drawn([1, 2, 3, 2], [1, NaN, Infinity, 5]).notFinite, 0);
  });

  test('is the columns themselves while they ascend', () => {
    const series = columns([
      [1, NaN, 5],
      [2, NaN, 6],
    ]);
    const line = lineOf(series);
    assert.equal(line.x, series.steps);
    assert.equal(line.y, series.values);
  });

  test('knows its lowest and highest value, whatever comes and goes', () => {
    const line = drawn([1, 2, 3, 4, 5, 4, 5], [3, NaN, -Infinity, -9, 9, 2, 4]);
    assert.deepEqual([line.lowest, line.highest], [3, 4]);
    assert.deepEqual([line.y[3], line.y[4]], [2, 4]);
    const none = drawn([1, 2], [NaN, Infinity]);
    assert.deepEqual([none.lowest, none.highest], [-1, -1]);
  });

  test('grown bit by bit it is the line of the whole', () => {
    const random = (index: number): number => Math.abs(Math.sin(index * 12.9898) * 43_758.5453) % 1;
    let step = 0;
    const all = columns(
      Array.from({ length: 3000 }, (_, index) => {
        step = random(index) < 0.004 ? Math.floor(step * random(index + 0.5)) : step + 1;
        return [step, NaN, random(index + 0.3) < 0.02 ? NaN : random(index + 0.7)];
      }),
    );
    const whole = lineOf(all);
    assert.ok(whole.superseded > 100);
    const grown = new FollowedLine({ column: 'steps', map: undefined });
    for (let length = 0; length <= 3000; length += 50) {
      grown.follow({
        ...all,
        steps: all.steps.subarray(0, length),
        values: all.values.subarray(0, length),
      });
    }
    for (const key of ['x', 'y', 'superseded', 'notFinite', 'lowest', 'highest', 'earlier'] as const) {
      assert.deepEqual(grown[key], whole[key], key);
    }
    const pyramid = grown.pyramid(false);
    pyramid.query(0, grown.y.length);
    assert.equal(pyramid.low, whole.y[whole.lowest]);
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
    const scale = scaleOf(perStep, perEpoch);
    assert.deepEqual(places(lineOf(perEpoch, { axis: 'epoch', scale })), [1, 2, 3]);
    assert.deepEqual(
      places(lineOf(perStep, { axis: 'epoch', scale })),
      Array.from({ length: 12 }, (_, index) => (index + 1) / 4),
    );
  });

  test('times: relative ones in seconds from the start; a clock that goes back leaves no point out', () => {
    const series = columns([
      [1, NaN, 1],
      [2, NaN, 2],
      [3, NaN, 3],
    ]);
    assert.deepEqual(places(lineOf(series, { axis: 'relative', start: 1000 })), [0, 1, 2]);
    assert.deepEqual(places(lineOf(series, { axis: 'wall' })), [1000, 2000, 3000]);
    series.wallTimes.set([5000, 4000, 6000]);
    const line = lineOf(series, { axis: 'wall' });
    assert.deepEqual([...line.x], [5000, 5000, 6000]);
    assert.equal(line.superseded, 0);
  });
});

describe('epochScale', () => {
  const steps = (count: number, perEpoch: number, first = 0) =>
    columns(
      Array.from({ length: count }, (_, index) => [index + 1, Math.floor(index / perEpoch) + first, 0]),
    );

  test('there and back again', () => {
    const scale = scaleOf(steps(100, 10))!;
    for (let step = 1; step <= 100; step++) {
      assert.ok(Math.abs(scale.stepOf(scale.epochOf(step)) - step) < 1e-9);
    }
    assert.equal(scale.epochOf(10), 0);
    assert.equal(scale.epochOf(15), 0.5);
  });

  test('an epoch that has only begun is taken to be as long as the one before', () => {
    const scale = scaleOf(steps(33, 10, 1))!;
    assert.equal(scale.epochOf(30), 3);
    assert.ok(Math.abs(scale.epochOf(33) - 3.3) < 1e-12);
    assert.equal(scale.stepOf(4), 40);
  });

  test('knows nothing where no log names two epochs', () => {
    assert.equal(scaleOf(), undefined);
    assert.equal(scaleOf(steps(5, 10)), undefined);
    assert.equal(
      scaleOf(
        columns([
          [1, NaN, 0],
          [2, NaN, 0],
        ]),
      ),
      undefined,
    );
  });

  test('fractional epochs are taken as they are', () => {
    const scale = scaleOf(
      columns([
        [10, 0.1, 0],
        [20, 0.2, 0],
        [30, 0.3, 0],
      ]),
    )!;
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
  const ON_STEPS: RunAxis = { axis: 'step', scale: undefined, start: undefined };
  const name = (tag: string) => ({ key: tag, tag, source: '/m' });
  const stored = (tag: string, steps: readonly number[]): StoredSeries => {
    const series = new StoredSeries('/run', name(tag));
    const columns = Float64Array.from(steps);
    series.put({ ...name(tag), from: 0, total: steps.length, steps: columns, values: columns });
    return series;
  };
  const dense = stored(
    'train/loss',
    Array.from({ length: 1000 }, (_, index) => index),
  );
  const sparse = stored('val/loss', [0, 250, 500, 750, 999]);

  test('smooths the dense series, and leaves a value per epoch alone', () => {
    const lines = new LineCache().lines([dense, sparse], ON_STEPS, 0.6);
    assert.notEqual(lines.get(dense)?.smoothed, undefined);
    assert.equal(lines.get(sparse)?.smoothed, undefined);
  });

  test('of an overview it takes the average that came with it, if that is what is wanted', () => {
    const tag = 'long';
    const all = Array.from({ length: 1000 }, (_, index) => index);
    const overview = {
      ...name(tag),
      total: all.length,
      steps: Float64Array.of(0, 499, 999),
      values: Float64Array.of(0, 499, 999),
      smoothing: 0.6,
      averages: Float64Array.of(0, 400, 900),
    };
    const series = new StoredSeries('/run', name(tag));
    series.glance(overview);
    const cache = new LineCache();
    const lineOf = (smoothing: number) => cache.lines([series, sparse], ON_STEPS, smoothing).get(series)!;
    assert.deepEqual([...lineOf(0.6).smoothed!.y], [0, 400, 900]);
    // The overview has few points, but the series is the dense one: the sparse one is not smeared.
    assert.equal(cache.lines([series, sparse], ON_STEPS, 0.6).get(sparse)?.smoothed, undefined);
    assert.equal(lineOf(0.9).smoothed, undefined);
    const columns = Float64Array.from(all);
    series.put({ ...name(tag), from: 0, total: all.length, steps: columns, values: columns });
    assert.deepEqual([lineOf(0.9).raw.y.length, lineOf(0.9).smoothed?.y.length], [1000, 1000]);
  });

  test('makes a line again only when something about it changed', () => {
    const cache = new LineCache();
    const first = cache.lines([dense, sparse], ON_STEPS, 0.6).get(dense)!;
    const { raw, smoothed } = first;
    const first06 = smoothed?.y[500];
    const again = cache.lines([dense, sparse], ON_STEPS, 0.6).get(dense)!;
    assert.equal(again.raw, raw);
    assert.equal(again.smoothed, smoothed);
    const smoother = cache.lines([dense, sparse], ON_STEPS, 0.9).get(dense)!;
    assert.equal(smoother.raw, raw);
    assert.notEqual(smoother.smoothed?.y[500], first06);
    const point = Float64Array.of(1000);
    dense.put({ ...name('train/loss'), from: 1000, total: 1001, steps: point, values: point });
    const grown = cache.lines([dense, sparse], ON_STEPS, 0.9).get(dense)!;
    assert.deepEqual([grown.raw.x.length, grown.smoothed?.y.length], [1001, 1001]);
  });
});

test('a run of few points is shown as logged, until somebody asks for more', () => {
  assert.equal(defaultSmoothing(30), 0);
  assert.ok(defaultSmoothing(1200) > 0);
});
