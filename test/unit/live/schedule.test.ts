import assert from 'node:assert/strict';
import { test } from 'node:test';
import { duePass, MOST_OF_HALF, type LiveCheckpoint } from '../../../src/core/live/schedule.ts';

const epoch = (number: number, more: Partial<LiveCheckpoint> = {}): LiveCheckpoint => ({
  path: `/r/epoch-${number}`,
  state: 'complete',
  epoch: number,
  step: 10 * number,
  mtimeMs: number,
  ...more,
});
const run = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => epoch(from + i));
const before = (number: number) => ({ path: `/r/epoch-${number}`, epoch: number, step: 10 * number });
const epochs = (due: readonly LiveCheckpoint[] | undefined) => due?.map((one) => one.epoch);
const half = { every: 5, window: 0 };

test('the first pass comes with three checkpoints, the next ones after so many new ones each', () => {
  assert.equal(duePass(run(1, 2), undefined, half), undefined);
  assert.deepEqual(epochs(duePass(run(1, 3), undefined, half)), [1, 2, 3]);
  const made: number[] = [];
  let last: number | undefined;
  for (let newest = 1; newest <= 20; newest++) {
    const due = duePass(run(1, newest), last === undefined ? undefined : before(last), half);
    if (due === undefined) continue;
    last = due.at(-1)!.epoch!;
    made.push(last);
  }
  assert.deepEqual(made, [3, 8, 13, 18]);
  assert.equal(duePass(run(1, 3), before(3), { ...half, every: 1 }), undefined, 'nothing new');
  assert.deepEqual(epochs(duePass(run(1, 4), before(3), { ...half, every: 1 })), [2, 3, 4]);
});

test('the newer half, or the newest N', () => {
  assert.deepEqual(epochs(duePass(run(1, 9), undefined, half)), [5, 6, 7, 8, 9]);
  assert.deepEqual(epochs(duePass(run(1, 9), undefined, { every: 5, window: 4 })), [6, 7, 8, 9]);
  assert.deepEqual(epochs(duePass(run(1, 4), undefined, { every: 5, window: 40 })), [1, 2, 3, 4]);
  const long = epochs(duePass(run(1, 1000), undefined, half))!;
  assert.ok(long.length <= MOST_OF_HALF && long.length > MOST_OF_HALF / 2);
  assert.equal(long.at(-1), 1000);
  assert.ok(long[0]! < 520, 'and it still reaches over the whole half');
  assert.equal(new Set(long.slice(1).map((at, i) => at! - long[i]!)).size, 1, 'evenly');
});

test('what is not complete does not count, and copies of a checkpoint count once', () => {
  const unfinished = [...run(1, 2), epoch(3, { state: 'incomplete' })];
  assert.equal(duePass(unfinished, undefined, half), undefined);
  const nameless: LiveCheckpoint = { path: '/r/last', state: 'complete', mtimeMs: 9 };
  const copies = [...run(1, 3), epoch(3, { path: '/r/best' }), nameless];
  assert.deepEqual(
    duePass(copies, undefined, half)?.map(({ path }) => path),
    ['/r/epoch-1', '/r/epoch-2', '/r/epoch-3'],
  );
  const unnumbered = run(1, 4).map(({ path, state, mtimeMs }) => ({ path, state, mtimeMs }));
  assert.equal(
    duePass(unnumbered, undefined, { every: 1, window: 4 })?.length,
    4,
    'nothing to go by but time',
  );
});

test('a trainer that keeps its last few, and one that was begun anew', () => {
  // Epoch 8 was in the last pass and is gone.
  assert.equal(duePass(run(9, 12), before(8), half), undefined);
  assert.deepEqual(epochs(duePass(run(9, 13), before(8), { every: 5, window: 3 })), [11, 12, 13]);
  assert.deepEqual(epochs(duePass(run(1, 5), before(40), half)), [3, 4, 5], 'all of it is new');
});
