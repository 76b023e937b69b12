import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cancelled, throwIfAborted } from '../../../src/core/errors.ts';
import { JobQueue } from '../../../src/extension/averaging/jobQueue.ts';
import type { JobControl, QueueState } from '../../../src/extension/averaging/jobQueue.ts';
import { cancelJobs } from '../../../src/extension/commands/cancel.ts';
import { describeJob, jobIds } from '../../../src/extension/tree/jobs.ts';
import { overall, progressText } from '../../../src/extension/averaging/progress.ts';
import type { PassPhase } from '../../../src/core/averaging/types.ts';

/** A job that works until it is told to end, as a child process does. */
function work() {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const started = Promise.withResolvers<JobControl>();
  return {
    started: started.promise,
    finish: resolve,
    fail: reject,
    run: (control: JobControl): Promise<string> => {
      started.resolve(control);
      control.signal.addEventListener('abort', () => setImmediate(() => reject(cancelled())));
      return promise;
    },
  };
}

test('one at a time, in order, and a failure does not stop the next', async () => {
  const queue = new JobQueue();
  const states: QueueState[] = [];
  queue.onChange((state) => states.push(state));
  const [first, second] = [work(), work()];
  const a = queue.add('a', first.run);
  const b = queue.add('b', second.run);
  const control = await first.started;
  control.report(0.5, 'half');
  assert.deepEqual(queue.state, {
    current: { id: a.id, title: 'a', fraction: 0.5, message: 'half' },
    waiting: [{ id: b.id, title: 'b' }],
  });
  first.fail(new Error('broken'));
  await assert.rejects(a.result, /broken/);
  await second.started;
  assert.deepEqual(queue.state, { current: { id: b.id, title: 'b', fraction: 0, message: '' }, waiting: [] });
  second.finish('done');
  assert.equal(await b.result, 'done');
  assert.deepEqual(queue.state, { current: undefined, waiting: [] });
  assert.deepEqual(states.at(-1), { current: undefined, waiting: [] }, 'listeners hear of the end');
});

test('a job that yields makes room for the next one', async () => {
  const queue = new JobQueue();
  assert.ok(queue.isIdle);
  const [low, own] = [work(), work()];
  const a = queue.add('low', low.run, { yields: true });
  await low.started;
  assert.ok(!queue.isIdle);
  const b = queue.add('own', own.run);
  await assert.rejects(a.result, { code: 'cancelled' });
  assert.ok(a.hasYielded());
  await own.started;
  const waiting = queue.add('low again', work().run, { yields: true });
  assert.equal(queue.state.current?.title, 'own', 'and disturbs nobody itself');
  waiting.cancel();
  await assert.rejects(waiting.result, { code: 'cancelled' });
  assert.ok(!waiting.hasYielded() && !b.hasYielded());
  own.finish('done');
  assert.equal(await b.result, 'done');
});

test('cancel waits for a job in work to clean up', async () => {
  const queue = new JobQueue();
  const job = work();
  const { result, cancel } = queue.add('a', job.run);
  await job.started;
  cancel();
  assert.equal(queue.state.current?.title, 'a', 'it has not ended yet');
  await assert.rejects(result, { code: 'cancelled' });
  assert.equal(queue.state.current, undefined);
});

test('cancel takes a waiting job out at once, and it never starts', async () => {
  const queue = new JobQueue();
  const first = work();
  const a = queue.add('a', first.run);
  let started = false;
  const b = queue.add('b', () => {
    started = true;
    return Promise.resolve();
  });
  await first.started;
  b.cancel();
  await assert.rejects(b.result, { code: 'cancelled' });
  assert.deepEqual(queue.state.waiting, []);
  first.finish('done');
  await a.result;
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(started, false);
});

test('cancelAll ends the one in work and all that wait', async () => {
  const queue = new JobQueue();
  const first = work();
  const a = queue.add('a', first.run);
  const b = queue.add('b', ({ signal }) => {
    throwIfAborted(signal);
    return Promise.resolve();
  });
  await first.started;
  const ended = Promise.all([
    assert.rejects(a.result, { code: 'cancelled' }),
    assert.rejects(b.result, { code: 'cancelled' }),
  ]);
  await queue.cancelAll();
  await ended;
  assert.deepEqual(queue.state, { current: undefined, waiting: [] });
});

test('the rows of the queue say what works and what waits, and each can be cancelled', async () => {
  const queue = new JobQueue();
  const first = work();
  const a = queue.add('a', first.run, { reads: ['/w/e1'] });
  const [b, c] = ['b', 'c'].map((title) =>
    queue.add(title, () => Promise.resolve(title), { reads: ['/w/e2'] }),
  );
  const control = await first.started;
  control.report(0.42, 'epoch 3 of 10');
  const rows = () => jobIds(queue.state).map((id) => describeJob(id, queue.state)?.spoken);
  assert.deepEqual(rows(), ['a, 42 % · epoch 3 of 10', 'b, waits, next in line', 'c, waits, 2 before it']);
  assert.equal(queue.readerOf('/w/e1'), 'a');
  assert.equal(queue.readerOf('/w/e2'), 'b', 'one that waits will read it, too');
  assert.equal(queue.readerOf('/w/e3'), undefined);

  // From the tree: the row that was clicked, and all that are highlighted.
  const nobody = { pickMany: () => Promise.reject(new Error('nothing to ask')) };
  const rejected = assert.rejects(b!.result, { code: 'cancelled' });
  await cancelJobs({ kind: 'job', id: b!.id }, undefined, queue, nobody);
  await rejected;
  assert.deepEqual(rows(), ['a, 42 % · epoch 3 of 10', 'c, waits, next in line']);

  // From the palette: which one is asked where there are several.
  const asked = { pickMany: <T>(options: readonly { value: T }[]) => Promise.resolve([options[1]!.value]) };
  const gone = assert.rejects(c!.result, { code: 'cancelled' });
  await cancelJobs(undefined, undefined, queue, asked);
  await gone;
  const ended = assert.rejects(a.result, { code: 'cancelled' });
  await cancelJobs(undefined, undefined, queue, nobody);
  await ended;
  assert.deepEqual(rows(), []);
  assert.equal(queue.readerOf('/w/e1'), undefined);
});

test('one bar runs from left to right over all phases', () => {
  const phases: PassPhase[] = ['reading', 'backend', 'baselines', 'training', 'writing', 'evaluating'];
  const bar = phases.flatMap((phase) =>
    [0, 0.5, 1].map((fraction) => overall({ phase, fraction, message: '' })),
  );
  assert.equal(bar[0], 0);
  assert.deepEqual(
    bar,
    [...bar].sort((x, y) => x - y),
  );
  // The shares are decimal fractions: their sum is 1 up to rounding.
  assert.ok(Math.abs((bar.at(-1) ?? 0) - 1) < 1e-12);
  assert.equal(
    overall({ phase: 'reading', fraction: 7, message: '' }),
    overall({ phase: 'backend', fraction: 0, message: '' }),
  );
  assert.equal(
    progressText({ phase: 'training', fraction: 0, message: 'epoch 3 of 10' }),
    'Training the coefficients: epoch 3 of 10',
  );
});
