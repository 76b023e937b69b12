import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NodeCache } from '../../../src/extension/tree/nodes.ts';
import {
  changedRuns,
  checkedRuns,
  isRunChecked,
  pruned,
  toggled,
} from '../../../src/extension/tree/selection.ts';
import { RunIndex } from '../../../src/extension/watching/runIndex.ts';
import { checkpoint, run, snapshot } from './runs.ts';

const growing = checkpoint('/w/a/e4', { state: 'incomplete', reason: 'still being written' });
const a = run('a', 3);
const withMore = {
  ...a,
  checkpoints: [...a.checkpoints, growing],
  averages: [checkpoint('/w/a/averages/twa-1')],
};
const now = snapshot([withMore, run('b', 2)]);
const index = new RunIndex(now);
const nodes = new NodeCache();
const node = (name: string) => nodes.checkpoint(nodes.run('/w/a'), `/w/a/${name}`);

test('a run checks all its complete checkpoints, and only those', () => {
  const checked = toggled(new Set(), index, [[nodes.run('/w/a'), true]], []);
  assert.deepEqual([...checked], ['/w/a/e1', '/w/a/e2', '/w/a/e3']);
  assert.equal(isRunChecked(withMore, checked), true);
  const fewer = toggled(checked, index, [[node('e2'), false]], []);
  assert.equal(isRunChecked(withMore, fewer), false);
  assert.deepEqual([...toggled(fewer, index, [[nodes.run('/w/a'), false]], [])], []);
});

test('incomplete checkpoints and averages cannot be checked', () => {
  const clicks = [
    [node('e4'), true],
    [node('averages/twa-1'), true],
  ] as const;
  assert.equal(toggled(new Set(), index, clicks, []).size, 0);
});

test('a click on one of several highlighted rows counts for all of them, a click elsewhere does not', () => {
  const highlighted = [node('e1'), node('e2'), node('e4')];
  assert.deepEqual([...toggled(new Set(), index, [[node('e1'), true]], highlighted)], ['/w/a/e1', '/w/a/e2']);
  assert.deepEqual([...toggled(new Set(), index, [[node('e3'), true]], highlighted)], ['/w/a/e3']);
});

test('a run without complete checkpoints is not checked', () => {
  assert.equal(isRunChecked(run('c', 0), new Set()), false);
});

test('checks survive a rescan and a rewrite, and go with the file', () => {
  const checked = new Set(['/w/a/e1', '/w/a/e4', '/w/gone/e1']);
  assert.equal(pruned(checked, snapshot([], true)), checked, 'nothing is known to be gone while scanning');
  assert.deepEqual([...pruned(checked, now)], ['/w/a/e1', '/w/a/e4']);
  const kept = pruned(checked, now);
  assert.equal(pruned(kept, now), kept, 'the same set where nothing changed');
  assert.deepEqual(
    checkedRuns(kept, now).map(({ run: { name }, entries }) => [name, entries.length]),
    [['a', 1]],
    'an incomplete one does not count',
  );
});

test('only the runs in which a check changed are drawn again', () => {
  const changes = (before: string[], after: string[]) =>
    changedRuns(new Set(before), new Set(after), now).map(({ name }) => name);
  assert.deepEqual(changes(['/w/a/e1'], ['/w/a/e1', '/w/b/e2']), ['b']);
  assert.deepEqual(changes(['/w/a/e1', '/w/b/e2'], []), ['a', 'b']);
  assert.deepEqual(changes(['/w/a/e1'], ['/w/a/e1']), []);
});
