import assert from 'node:assert/strict';
import { once } from 'node:events';
import { EventEmitter } from 'node:events';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { lineOf } from '../../../src/core/live/compose.ts';
import type { LiveLine } from '../../../src/core/live/line.ts';
import { appendLine, liveLogOf } from '../../../src/core/live/log.ts';
import { cancelled, TwaError } from '../../../src/core/errors.ts';
import type { RunState } from '../../../src/core/runs/status.ts';
import type { Run, RunsSnapshot } from '../../../src/core/runs/types.ts';
import { JobQueue } from '../../../src/extension/averaging/jobQueue.ts';
import { Keeper } from '../../../src/extension/live/keeper.ts';
import { reference, result } from '../live/help.ts';
import { directoryWith } from '../task/temporary.ts';
import { checkpoint, run as runOf, snapshot } from './runs.ts';

/** A run in a folder of its own, and a keeper whose passes the test ends. */
function keeping(context: TestContext) {
  const directory = directoryWith(context);
  const jobs = new JobQueue();
  const listeners = new Set<(snapshot: RunsSnapshot) => void>();
  const memory = new Map<string, unknown>();
  const happened = new EventEmitter();
  const told: string[] = [];
  const world = {
    directory,
    jobs,
    memory,
    told,
    trusted: true,
    state: 'training' as RunState,
    runs: snapshot([]),
    /** What the next pass comes to. */
    measured: { ...result } as LiveLine | typeof result,
    /** Checkpoints of the pass at work. */
    passes: [] as string[][],
    train(epochs: number): void {
      const run: Run = runOf('r', 0, {
        directory,
        checkpoints: Array.from({ length: epochs }, (_, i) =>
          checkpoint(path.join(directory, `e${i + 1}`), { epoch: i + 1, step: i + 1 }),
        ),
      });
      world.runs = snapshot([run]);
      for (const listener of listeners) listener(world.runs);
    },
    /** Resolves with the pass that begins next. */
    begun: async () => (await once(happened, 'pass')) as [Passing],
    keeper: (): Keeper => {
      const keeper = new Keeper({
        runs: {
          get snapshot() {
            return world.runs;
          },
          onChange: (listener) => {
            listeners.add(listener);
            return () => listeners.delete(listener);
          },
        },
        jobs,
        memory: {
          get: (key) => memory.get(key),
          update: (key, value) => Promise.resolve(void memory.set(key, value)),
        },
        isTrusted: () => world.trusted,
        stateOf: () => world.state,
        planOf: () => ({ every: 2, window: 0 }),
        pass: (run, averaged) =>
          Promise.resolve(
            jobs.add(
              'live',
              async ({ signal }) => {
                world.passes.push(averaged.map((entry) => path.basename(entry.path)));
                await new Promise<void>((finish, fail) => {
                  signal.addEventListener('abort', () => setImmediate(() => fail(cancelled())));
                  happened.emit('pass', { finish, fail } satisfies Passing);
                });
                const line = lineOf(run, {
                  averaged,
                  result: world.measured,
                  task: '/t',
                  seed: 1,
                  now: Date.now(),
                });
                await appendLine(liveLogOf(run.directory), line);
                return line;
              },
              { yields: true },
            ),
          ),
        onFailure: (_run, error) => told.push(`failed: ${(error as Error).message}`),
        onVerdict: (_run, { line }) => told.push(`stop after epoch ${line.epoch ?? ''}`),
      });
      context.after(() => keeper.dispose());
      return keeper;
    },
  };
  return world;
}

interface Passing {
  finish(): void;
  fail(error: unknown): void;
}

test('passes as checkpoints come, one at a time, and after a reload where it was', async (context) => {
  const world = keeping(context);
  const keeper = world.keeper();
  world.train(2);
  let begun = world.begun();
  await keeper.start(world.directory);
  world.train(3);
  const [first] = await begun;
  // What comes meanwhile is for the next pass.
  world.train(4);
  world.train(5);
  begun = world.begun();
  first.finish();
  (await begun)[0].finish();
  await keeper.look();
  assert.deepEqual(world.passes, [
    ['e1', 'e2', 'e3'],
    ['e3', 'e4', 'e5'],
  ]);
  keeper.dispose();

  const again = world.keeper();
  assert.deepEqual([...again.kept], [world.directory]);
  world.train(6);
  await again.look();
  assert.equal(world.passes.length, 2, 'one new checkpoint is too few');
  begun = world.begun();
  world.state = 'finished';
  void again.look();
  (await begun)[0].finish();
  await again.look();
  assert.deepEqual(world.passes[2], ['e4', 'e5', 'e6'], 'the end of a training is worth a pass');
  await again.stop(world.directory);
  world.train(9);
  await again.look();
  assert.equal(world.passes.length, 3);
  assert.deepEqual(world.told, []);
});

test('what the user asks for goes first, and the pass is made after it', async (context) => {
  const world = keeping(context);
  const keeper = world.keeper();
  world.train(3);
  let begun = world.begun();
  await keeper.start(world.directory);
  await begun;
  begun = world.begun();
  const own = Promise.withResolvers<string>();
  const started = Promise.withResolvers<number>();
  const job = world.jobs.add('own', () => {
    started.resolve(world.passes.length);
    return own.promise;
  });
  assert.equal(await started.promise, 1, 'the pass made room');
  own.resolve('done');
  assert.equal(await job.result, 'done');
  (await begun)[0].finish();
  await keeper.look();
  assert.equal(world.passes.length, 2);
});

test('a pass that is cancelled waits for another checkpoint, and so does one whose checkpoint is gone', async (context) => {
  const world = keeping(context);
  const keeper = world.keeper();
  world.train(3);
  let begun = world.begun();
  await keeper.start(world.directory);
  await begun;
  world.jobs.cancel(world.jobs.state.current!.id);
  await keeper.look();
  await keeper.look();
  assert.equal(world.passes.length, 1);
  begun = world.begun();
  world.train(4);
  (await begun)[0].fail(new TwaError('not-found', 'e2 is gone.'));
  await keeper.look();
  assert.deepEqual([world.passes.length, world.told, keeper.kept.size], [2, [], 1]);
});

test('any other failure is told once and ends it', async (context) => {
  const world = keeping(context);
  const keeper = world.keeper();
  world.train(3);
  const begun = world.begun();
  await keeper.start(world.directory);
  (await begun)[0].fail(new TwaError('bad-task', 'No.'));
  await keeper.look();
  world.train(9);
  await keeper.look();
  assert.deepEqual([world.passes.length, world.told, keeper.kept.size], [1, ['failed: No.'], 0]);
});

test('nothing runs in a workspace that is not trusted', async (context) => {
  const world = keeping(context);
  world.trusted = false;
  world.memory.set('keptAveraged', [world.directory, 7]);
  const keeper = world.keeper();
  world.train(3);
  await keeper.look();
  assert.deepEqual([world.passes, [...keeper.kept]], [[], [world.directory]]);
  const begun = world.begun();
  world.trusted = true;
  keeper.look();
  await begun;
  world.jobs.cancel(1);
});

test('that a run can stop is told once, and shown as long as it holds', async (context) => {
  const world = keeping(context);
  const keeper = world.keeper();
  const pass = async (epochs: number, isWorse: boolean): Promise<void> => {
    world.measured = { ...result, reference: reference({ isWorse }) };
    const begun = world.begun();
    world.train(epochs);
    (await begun)[0].finish();
    await keeper.look();
  };
  await keeper.start(world.directory);
  await pass(3, false);
  assert.equal(keeper.outcome(world.directory)?.verdict, undefined, 'one pass may be lucky');
  await pass(5, false);
  assert.equal(keeper.outcome(world.directory)?.verdict?.line.epoch, 5);
  await pass(7, true);
  assert.equal(keeper.outcome(world.directory)?.verdict, undefined);
  await pass(9, false);
  await pass(11, false);
  assert.equal(keeper.outcome(world.directory)?.verdict?.line.epoch, 11);
  assert.deepEqual(world.told, ['stop after epoch 5']);

  keeper.dispose();
  const again = world.keeper();
  await again.look();
  assert.equal(again.outcome(world.directory)?.verdict?.line.epoch, 11, 'the log knows');
  assert.equal(world.told.length, 1, 'a reload is no news');
});

test('of a run that has ended it is not told', async (context) => {
  const world = keeping(context);
  world.state = 'finished';
  for (const epoch of [3, 4]) {
    const averaged = [{ path: path.join(world.directory, `e${epoch}`), epoch }];
    const measured = {
      averaged,
      result: { ...result, reference: reference() },
      task: '/t',
      seed: 1,
      now: epoch,
    };
    await appendLine(
      liveLogOf(world.directory),
      lineOf(runOf('r', 0, { directory: world.directory }), measured),
    );
  }
  const keeper = world.keeper();
  await keeper.start(world.directory);
  world.train(4);
  await keeper.look();
  assert.ok(keeper.outcome(world.directory)?.verdict !== undefined);
  assert.deepEqual(world.told, []);
});
