import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bestCheckpoint, defaultMetric, metricGoal } from '../../../src/core/runs/goals.ts';
import { entry, run, series } from './helpers.ts';

test('which way is better, by name', () => {
  const minimize =
    'loss val_loss train/loss valLoss eval_perplexity ppl error_rate top1_error WER rmse NLL reward_loss lr x';
  const maximize =
    'accuracy val_acc val/Accuracy eval_f1 macro-F1 AUC mIoU IoU BLEU metrics/mAP50(B) metrics/mAP50-95(B) ' +
    'precision recall top5 R2 psnr episode_reward valAccuracy exact_match';
  for (const tag of minimize.split(' ')) assert.equal(metricGoal(tag), 'minimize', tag);
  for (const tag of maximize.split(' ')) assert.equal(metricGoal(tag), 'maximize', tag);
});

test('the default metric: validation first, accuracy before loss', () => {
  const choose = (...tags: string[]): string | undefined =>
    defaultMetric(run({ series: tags.map((tag) => series(tag, { epochs: [1] }, [1])) }))?.tag;
  assert.equal(choose('loss', 'accuracy', 'val_loss', 'val_accuracy', 'lr'), 'val_accuracy');
  assert.equal(choose('accuracy', 'loss', 'val_loss'), 'val_loss');
  assert.equal(choose('val_loss', 'val_f1'), 'val_f1');
  assert.equal(choose('lr', 'loss'), 'loss');
  assert.equal(choose('lr', 'grad_norm'), undefined);
  const metric = defaultMetric(run({ checkpoints: [entry('a', { eval_loss: 1 })] }));
  assert.deepEqual(metric, { tag: 'eval_loss', goal: 'minimize' });
});

test('the best checkpoint: complete, finite, the earliest of equals', () => {
  const checkpoints = [
    entry('a', { acc: 0.8, loss: 0.3 }),
    entry('b', { acc: 0.9, loss: NaN }),
    entry('c', { acc: 0.9, loss: 0.2 }),
    entry('d', { acc: 0.99, loss: 0.1 }, 'incomplete'),
    entry('e', { acc: Infinity, loss: -Infinity }),
    entry('f', {}),
  ];
  const all = run({ checkpoints, averages: [entry('average', { acc: 1 })] });
  assert.equal(bestCheckpoint(all, 'acc', 'maximize')?.name, 'b');
  assert.equal(bestCheckpoint(all, 'loss', 'minimize')?.name, 'c');
  assert.equal(bestCheckpoint(all, 'f1', 'maximize'), undefined);
});
