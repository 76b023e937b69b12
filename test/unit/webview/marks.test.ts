import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Axis } from '../../../webview/curves/axes.ts';
import { carrier, type MarkedRun, placeAverages, placeCheckpoints } from '../../../webview/curves/marks.ts';
import { groupSeries } from '../../../webview/curves/grouping.ts';
import type { AverageMark, CheckpointMark } from '../../../webview/protocol.ts';

const scale = { epochOf: (step: number) => step / 10, stepOf: (epoch: number) => epoch * 10 };
const line = (axis: Axis) => ({
  x: axis === 'epoch' ? Float64Array.of(1, 2, 3) : Float64Array.of(10, 20, 30),
  y: Float64Array.of(0.5, 0.4, 0.3),
  map: undefined,
});
const run = (axis: Axis): MarkedRun => ({
  directory: '/run',
  color: undefined,
  axis: { axis, scale, start: 5000 },
  timeOf: (step) => 5000 + 100 * step,
});
const checkpoint = (extra: Partial<CheckpointMark>): CheckpointMark => ({
  path: '/c',
  name: 'c',
  complete: true,
  metrics: {},
  ...extra,
});
const group = (...tags: readonly string[]) =>
  groupSeries(tags.map((tag) => ({ key: tag, tag, source: '/m.csv' })))[0]!;

test('validation carries the marks where there is one', () => {
  assert.equal(carrier(group('loss', 'val_loss', 'test_loss').members)?.series.tag, 'val_loss');
  assert.equal(carrier(group('loss', 'test_loss').members)?.series.tag, 'test_loss');
  assert.equal(carrier(group('loss').members)?.series.tag, 'loss');
});

describe('placeCheckpoints', () => {
  const place = (mark: CheckpointMark, axis: Axis) =>
    placeCheckpoints([mark], 'val_loss', line(axis), run(axis)).map(({ x, y }) => [x, y]);

  test('at its epoch, on the line', () =>
    assert.deepEqual(place(checkpoint({ epoch: 2, step: 999 }), 'epoch'), [[2, 0.4]]));

  test('by its step where it has no epoch, and the other way round', () => {
    assert.deepEqual(place(checkpoint({ step: 20 }), 'epoch'), [[2, 0.4]]);
    assert.deepEqual(place(checkpoint({ epoch: 2, metrics: { val_loss: 1 } }), 'step'), [[20, 1]]);
  });

  test('what was joined to it counts more than the line beside it', () =>
    assert.deepEqual(place(checkpoint({ epoch: 2, metrics: { val_loss: 0.45 } }), 'epoch'), [[2, 0.45]]));

  test('at the foot where the line has nothing', () =>
    assert.deepEqual(place(checkpoint({ epoch: 9 }), 'epoch'), [[9, undefined]]));

  test('on axes of time where its step was logged', () => {
    assert.deepEqual(place(checkpoint({ step: 20 }), 'wall'), [[7000, undefined]]);
    assert.deepEqual(place(checkpoint({ epoch: 2 }), 'relative'), [[2, undefined]]);
  });

  test('nowhere without step and epoch', () => assert.deepEqual(place(checkpoint({}), 'epoch'), []));
});

describe('placeAverages', () => {
  const average: AverageMark = {
    path: '/a',
    name: 'a',
    reportPath: '/a.json',
    method: 'twa',
    epoch: 3,
    sources: [],
    measured: [
      { name: 'accuracy', value: 0.97, interval: { low: 0.95, high: 0.99 } },
      { name: 'loss', value: 0.1 },
    ],
    recommendation: '',
  };
  const heights = (...tags: readonly string[]) =>
    placeAverages([average], group(...tags), run('epoch')).map(({ y }) => y);

  test('in the chart of each quantity that it has a number for, by whatever name', () => {
    assert.deepEqual(heights('val_acc', 'train_acc'), [0.97]);
    assert.deepEqual(heights('train/loss', 'val/loss'), [0.1]);
    assert.deepEqual(heights('lr'), []);
  });
});
