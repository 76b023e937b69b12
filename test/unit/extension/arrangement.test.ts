import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matcher } from '../../../src/core/filter.ts';
import { arrange, AS_FOUND } from '../../../src/extension/tree/arrangement.ts';
import type { Arrangement } from '../../../src/extension/tree/arrangement.ts';
import { displayMetric } from '../../../src/extension/tree/metric.ts';
import { everyKth, inRanges, rangeUnit, wholeRange } from '../../../src/extension/tree/ranges.ts';
import { checkpoint, run } from './runs.ts';

const facts = {
  stateOf: () => 'finished' as const,
  metricOf: (one: Parameters<typeof displayMetric>[0]) => displayMetric(one, ''),
};
const begun = (startedMs: number) => ({ training: { startedMs, activeMs: startedMs } });
const runs = [
  run('seed-10', 2, begun(3)),
  run('seed-2', 4, { ...begun(2), averages: [checkpoint('/w/seed-2/averages/twa-1')] }),
  run('baseline', 3, begun(1)),
];
const shown = (how: Partial<Arrangement>): unknown =>
  arrange(runs, { ...AS_FOUND, ...how }, facts).map(({ run: { name } }) => name);

test('orders: newest, name by its numbers, metric, size; pinned runs stay on top', () => {
  assert.deepEqual(shown({}), ['seed-10', 'seed-2', 'baseline']);
  assert.deepEqual(shown({ order: 'name' }), ['baseline', 'seed-2', 'seed-10']);
  // val_loss of the last of n is 1/n.
  assert.deepEqual(shown({ order: 'metric' }), ['seed-2', 'baseline', 'seed-10']);
  assert.deepEqual(shown({ order: 'size' }), ['seed-2', 'baseline', 'seed-10']);
  assert.deepEqual(shown({ pinned: new Set(['/w/baseline']) }), ['baseline', 'seed-10', 'seed-2']);
});

test('checkpoints in the same order, averages behind them', () => {
  const [first] = arrange(runs, { ...AS_FOUND, order: 'metric' }, facts);
  assert.deepEqual(
    first?.entries.map(({ name }) => name),
    ['e4', 'e3', 'e2', 'e1', 'twa-1'],
  );
});

test('the filter: of runs all that is in them, else the checkpoints it matches', () => {
  assert.deepEqual(shown({ filter: 'SEED' }), ['seed-10', 'seed-2']);
  assert.deepEqual(shown({ filter: '^seed-2$' }), ['seed-2']);
  const found = arrange(runs, { ...AS_FOUND, filter: 'e4|twa' }, facts);
  assert.deepEqual(
    found.map(({ run: { name }, entries }) => [name, entries.map((entry) => entry.name)]),
    [['seed-2', ['e4', 'twa-1']]],
  );
  assert.deepEqual(shown({ filter: 'nothing' }), []);
  assert.ok(matcher('lr=1e-3 (')('x-LR=1e-3 (a)'), 'what is no expression is looked for as it stands');
  assert.ok(matcher('  ')('anything'));
});

test('ranges by epoch, else by step, else by place', () => {
  const byEpoch = run('a', 10).checkpoints;
  const names = (text: string, entries = byEpoch) => inRanges(entries, text)?.map(({ name }) => name);
  assert.equal(rangeUnit(byEpoch), 'epoch');
  assert.equal(wholeRange(byEpoch), '1-10');
  assert.deepEqual(names('3-5'), ['e3', 'e4', 'e5']);
  assert.deepEqual(names(' 9 - '), ['e9', 'e10']);
  assert.deepEqual(names('-2, 7, 9..10'), ['e1', 'e2', 'e7', 'e9', 'e10']);
  assert.deepEqual(names('20-30'), []);
  for (const text of ['', 'x', '1-2-3', '-', '1,,2']) assert.equal(names(text), undefined, text);
  const bySteps = [checkpoint('/a', { step: 500 }), checkpoint('/b', { step: 1000, epoch: 2 })];
  assert.equal(rangeUnit(bySteps), 'step');
  assert.deepEqual(names('600-', bySteps), ['b']);
  const byPlace = [checkpoint('/a'), checkpoint('/b', { step: 3 }), checkpoint('/c')];
  assert.equal(rangeUnit(byPlace), 'position');
  assert.deepEqual(names('2-3', byPlace), ['b', 'c']);
});

test('every k-th holds the newest', () => {
  const all = run('a', 7).checkpoints;
  assert.deepEqual(
    everyKth(all, 3).map(({ name }) => name),
    ['e1', 'e4', 'e7'],
  );
  assert.equal(everyKth(all, 1).length, 7);
  assert.deepEqual(
    everyKth(all, 7).map(({ name }) => name),
    ['e7'],
  );
});
