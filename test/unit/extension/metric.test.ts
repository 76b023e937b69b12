import assert from 'node:assert/strict';
import { test } from 'node:test';
import { byMetric, displayMetric, metricsOf } from '../../../src/extension/tree/metric.ts';
import { checkpoint, run } from './runs.ts';

const values = (accuracy: (number | undefined)[]) =>
  run('a', 0, {
    checkpoints: accuracy.map((value, i) =>
      checkpoint(`/w/a/e${i}`, {
        metrics: { lr: 0.1, ...(value === undefined ? {} : { val_accuracy: value }) },
      }),
    ),
  });
const names = (entries: readonly { name: string }[]): string[] => entries.map(({ name }) => name);

test('best first by the direction of the metric; what has no finite value is left out', () => {
  const found = values([0.5, NaN, 0.9, undefined, 0.7, Infinity]);
  assert.deepEqual(names(byMetric(found, { tag: 'val_accuracy', goal: 'maximize' })), ['e2', 'e4', 'e0']);
  assert.deepEqual(names(byMetric(found, { tag: 'val_accuracy', goal: 'minimize' })), ['e0', 'e4', 'e2']);
});

test('incomplete checkpoints are no candidates', () => {
  const found = run('a', 0, {
    checkpoints: [
      checkpoint('/w/a/e0', { metrics: { val_loss: 2 } }),
      checkpoint('/w/a/e1', { metrics: { val_loss: 1 }, state: 'incomplete' }),
    ],
  });
  assert.deepEqual(names(byMetric(found, { tag: 'val_loss', goal: 'minimize' })), ['e0']);
});

test('the setting wins where the run has that metric; else the run decides', () => {
  const found = values([0.5]);
  assert.deepEqual(displayMetric(found, 'lr')?.tag, 'lr');
  assert.deepEqual(displayMetric(found, 'no such')?.tag, 'val_accuracy');
  assert.deepEqual(displayMetric(found, ''), { tag: 'val_accuracy', goal: 'maximize' });
  assert.deepEqual(
    metricsOf(found, '').map(({ tag }) => tag),
    ['val_accuracy', 'lr'],
  );
});
