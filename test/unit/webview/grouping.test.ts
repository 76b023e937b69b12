import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { lineStyles } from '../../../webview/curves/style.ts';
import { groupSeries, parseTag } from '../../../webview/curves/grouping.ts';

const series = (...tags: readonly string[]) =>
  tags.map((tag) => ({ key: tag, tag, source: '/run/metrics.csv' }));

/** "loss: train=train/loss validation=val/loss" */
const shown = (entries: readonly { key: string; tag: string; source: string }[]): readonly string[] =>
  groupSeries(entries).map(
    ({ key, members }) => `${key}: ${members.map(({ role, series: { tag } }) => `${role}=${tag}`).join(' ')}`,
  );

describe('parseTag', () => {
  const cases: readonly (readonly [string, string, string | undefined])[] = [
    ['train/loss', 'loss', 'train'],
    ['val/loss', 'loss', 'validation'],
    ['val_loss', 'loss', 'validation'],
    ['eval_loss', 'loss', 'validation'],
    ['loss', 'loss', undefined],
    ['Loss/train', 'loss', 'train'],
    ['Accuracy/test', 'accuracy', 'test'],
    ['train_acc', 'accuracy', 'train'],
    ['val_accuracy', 'accuracy', 'validation'],
    ['valLoss', 'loss', 'validation'],
    // Lightning logs one quantity per step and per epoch; Keras' TensorBoard callback says epoch_ in front.
    ['train_loss_step', 'loss', 'train'],
    ['train_loss_epoch', 'loss', 'train'],
    ['epoch_loss', 'loss', undefined],
    // ultralytics
    ['train/box_loss', 'box loss', 'train'],
    ['metrics/precision(B)', 'precision(b)', undefined],
    // Of averages that were made while training went on, by the name that the task has for the metric.
    ['averaged/accuracy', 'accuracy', 'averaged'],
    ['averaged/val_loss', 'loss', 'averaged'],
    ['averaged', 'averaged', undefined],
    ['lr', 'learning rate', undefined],
    ['lr-AdamW', 'lr-adamw'.replace('-', ' ').replace('lr', 'learning rate'), undefined],
    // A name is never used up: these are quantities, not splits or ways of gathering.
    ['train', 'train', undefined],
    ['epoch', 'epoch', undefined],
    // A split's name inside a word, or in the middle, is no split.
    ['trained_tokens', 'trained tokens', undefined],
    ['time_val_ms', 'time val ms', undefined],
  ];
  for (const [tag, quantity, role] of cases) {
    test(tag, () => assert.deepEqual(parseTag(tag), { quantity, role }));
  }
});

describe('groupSeries', () => {
  test('puts training and validation of a quantity together, training first', () => {
    assert.deepEqual(shown(series('val_loss', 'loss', 'train_acc', 'val_acc')), [
      'loss: train=loss validation=val_loss',
      'accuracy: train=train_acc validation=val_acc',
    ]);
  });

  test('shows loss first, what was validated next, and bookkeeping last', () => {
    assert.deepEqual(
      groupSeries(series('lr', 'aux', 'val_f1', 'train_loss', 'epoch', 'zeta')).map(({ key }) => key),
      ['loss', 'f1', 'aux', 'zeta', 'epoch', 'learning rate'],
    );
  });

  test('takes the split from the folder or the file where the tag does not say', () => {
    const inFolder = (source: string) => ({ key: source, tag: 'epoch_loss', source });
    assert.deepEqual(
      shown([
        inFolder('/logs/validation/events.out.tfevents.1'),
        inFolder('/logs/train/events.out.tfevents.1'),
        inFolder('/logs/metrics-test.csv'),
      ]),
      ['loss: train=epoch_loss validation=epoch_loss test=epoch_loss'],
    );
  });

  test('keeps two series of one split in one chart', () => {
    assert.deepEqual(shown(series('train_loss_step', 'train_loss_epoch', 'val_loss')), [
      'loss: train=train_loss_epoch train=train_loss_step validation=val_loss',
    ]);
  });

  test('an average made meanwhile shares the chart, above the others and told from them by dashes', () => {
    const tags = series('averaged/loss', 'val_loss', 'train_loss', 'train_loss_step');
    assert.deepEqual(shown(tags), [
      'loss: train=train_loss train=train_loss_step validation=val_loss averaged=averaged/loss',
    ]);
    const [{ members }] = groupSeries(tags) as [ReturnType<typeof groupSeries>[0]];
    for (const highContrast of [false, true]) {
      const theme = { series: ['blue', 'orange', 'green', 'purple', 'red'], highContrast, dark: true };
      const styles = lineStyles(members, theme);
      assert.equal(new Set(styles.map(({ color }) => color)).size, 4, 'no colour twice');
      assert.ok(styles.at(-1)!.dash.length > 0 && styles[0]!.dash.length === 0);
    }
    const alone = lineStyles(members.slice(-1), {
      series: ['a', 'b', 'c', 'purple'],
      highContrast: false,
      dark: true,
    });
    assert.equal(alone[0]?.color, 'purple', 'in every chart');
  });

  test('has nothing to show for nothing', () => assert.deepEqual(groupSeries([]), []));
});

test('figures of the machine: all GPUs in one chart, behind the curves of the model', () => {
  const groups = groupSeries(
    series(
      'system/gpu.0.temp',
      'system/gpu.1.temp',
      'system/gpu.0.memory',
      'eval_runtime',
      'eval_samples_per_second',
      'step_time',
      'val/f1',
      'train/loss',
      'layer.0.norm',
      'layer.1.norm',
    ),
  );
  assert.deepEqual(
    groups.map(({ key, members }) => [key, members.length]),
    [
      ['loss', 1],
      ['f1', 1],
      ['layer 0 norm', 1],
      ['layer 1 norm', 1],
      ['runtime', 1],
      ['samples per second', 1],
      ['system gpu memory', 1],
      ['system gpu temp', 2],
      ['time', 1],
    ],
  );
});
