import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bestOf } from '../../../src/core/live/reference.ts';
import { checkpoint, run } from '../extension/runs.ts';

const withMetric = (name: string, tag: string, ...values: number[]) =>
  run(name, 0, {
    checkpoints: values.map((value, i) =>
      checkpoint(`/w/${name}/e${i + 1}`, { epoch: i + 1, metrics: { [tag]: value } }),
    ),
  });

test('the best checkpoint of the other runs, by the metric that stands for this one', () => {
  const now = withMetric('now', 'val_accuracy', 0.99);
  const others = [
    withMetric('a', 'val_accuracy', 0.9, 0.95, 0.94),
    withMetric('b', 'val_accuracy', 0.97, 0.5),
    withMetric('c', 'val_loss', 0.01),
    withMetric('d', 'val_accuracy', NaN),
  ];
  assert.equal(bestOf(now, [now, ...others])?.path, '/w/b/e1', 'never its own');
  assert.equal(bestOf(withMetric('now', 'val_loss', 0.1), others)?.path, '/w/c/e1');
  assert.equal(bestOf(now, [others[2]!]), undefined);
  assert.equal(bestOf(run('unmeasured', 0), others), undefined);
});
