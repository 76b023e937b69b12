import assert from 'node:assert/strict';
import { test } from 'node:test';
import { axisOf, namesLog, parseNumber, parseWallTime } from '../../../src/core/metrics/columns.ts';

test('numbers as loggers print them, and nothing else', () => {
  const cases: [string, number | undefined][] = [
    ['0.25', 0.25],
    [' 12 ', 12],
    ['-1.5e-3', -0.0015],
    ['.5', 0.5],
    ['5.', 5],
    ['nan', NaN],
    ['NaN', NaN],
    ['-nan', NaN],
    ['inf', Infinity],
    ['-Infinity', -Infinity],
    ['', undefined],
    ['0x10', undefined],
    ['1_000', undefined],
    ['95%', undefined],
    ['tensor(0.5)', undefined],
    ['1,5', undefined],
    ['NA', undefined],
  ];
  for (const [text, expected] of cases) assert.deepEqual(parseNumber(text), expected, JSON.stringify(text));
});

test('wall times: seconds, milliseconds and ISO dates become milliseconds; durations are none', () => {
  assert.equal(parseWallTime(1_700_000_000.5), 1_700_000_000_500);
  assert.equal(parseWallTime(1_700_000_000_500), 1_700_000_000_500);
  assert.equal(parseWallTime('2023-11-14T22:13:20Z'), 1_700_000_000_000);
  assert.equal(parseWallTime(12.5), NaN);
  assert.equal(parseWallTime('soon'), NaN);
});

test('x columns are known by name, whatever the padding and case', () => {
  assert.equal(axisOf('  Epoch')?.axis, 'epoch');
  assert.equal(axisOf('trainer/global_step')?.axis, 'step');
  assert.equal(axisOf('_timestamp')?.axis, 'time');
  assert.equal(axisOf('train_loss'), undefined);
  assert.ok(axisOf('global_step')!.rank < axisOf('step')!.rank);
});

test('only names that say so are logs: datasets are CSV and JSONL files, too', () => {
  for (const name of ['metrics', 'train_log', 'trainLog', 'results-2', 'loss', 'training.history']) {
    assert.ok(namesLog(name), name);
  }
  for (const name of ['digits', 'train', 'catalog', 'dialogs', 'blog-posts', 'glossary']) {
    assert.ok(!namesLog(name), name);
  }
});
