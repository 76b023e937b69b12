/** `twa watch` beside a training of the digits example. Needs `dist/compute.mjs`: `node scripts/build.mjs`. */
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import test from 'node:test';
import type { LiveLine } from '../../../src/core/live/line.ts';
import { makeWorkspace } from '../../workspace.ts';
import { directoryWith } from '../task/temporary.ts';
import { start, twa } from './cli.ts';

/** The command at work, and what it prints, line by line as it comes. */
function watch(directory: string, ...args: string[]) {
  const child = start(['watch', 'runs/now', '--every', '2', '--json', ...args], directory);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const said: string[] = [];
  createInterface({ input: child.stderr }).on('line', (text) => said.push(text));
  const ended = once(child, 'close') as Promise<[number | null]>;
  return {
    said,
    stop: () => child.kill('SIGINT'),
    /** Exit code. */
    ended: ended.then(([code]) => code),
    next: async (): Promise<LiveLine> => {
      const { value, done } = await lines.next();
      assert.ok(done !== true, said.join('\n'));
      return JSON.parse(value) as LiveLine;
    },
  };
}

test('watch keeps a run averaged while its checkpoints come, and ends with it', async (context) => {
  const directory = directoryWith(context);
  await makeWorkspace(directory, 8);
  const run = path.join(directory, 'runs/now');
  const train = (...epochs: number[]): void => {
    for (const epoch of epochs) {
      const name = `epoch-00${epoch}`;
      cpSync(path.join(directory, 'runs/digits', name), path.join(run, name), { recursive: true });
    }
  };
  mkdirSync(run);
  writeFileSync(path.join(run, 'args.json'), '{"epochs": 8}');

  const first = watch(directory);
  train(1, 2, 3);
  const three = await first.next();
  assert.deepEqual(
    [three.epochs, three.epoch, three.step, three.method, three.examples],
    [[1, 3], 3, 39, 'twa', 240],
  );
  assert.deepEqual(three.checkpoints, ['epoch-001', 'epoch-002', 'epoch-003']);
  train(4);
  train(5);
  const five = await first.next();
  assert.deepEqual(five.epochs, [3, 5]);
  first.stop();
  assert.equal(await first.ended, 130, first.said.join('\n'));

  // Another one goes on where it was, and compares with a finished run.
  const reference = path.join(directory, 'runs/digits/epoch-004');
  const second = watch(directory, '--until-finished', '--reference', reference, '--last', '3');
  train(6);
  train(7);
  const seven = await second.next();
  assert.deepEqual([seven.epochs, seven.reference?.path], [[5, 7], reference]);
  train(8);
  const eight = await second.next();
  assert.deepEqual(
    eight.epochs,
    [6, 8],
    'the end of the training is a pass, with one new checkpoint as well',
  );
  assert.equal(await second.ended, 0, second.said.join('\n'));

  const log = path.join(run, 'averages/twa-live.jsonl');
  const logged = readFileSync(log, 'utf8')
    .trim()
    .split('\n')
    .map((text) => JSON.parse(text) as LiveLine);
  assert.deepEqual(
    logged.map(({ epoch }) => epoch),
    [3, 5, 7, 8],
  );
  assert.deepEqual(readdirSync(path.dirname(log)), ['twa-live.jsonl'], 'no checkpoint is written');
  // The finished run's epoch 4 is worse than what eight epochs give, so this is no close call.
  assert.ok(!seven.reference!.isWorse && !eight.reference!.isWorse, JSON.stringify([seven, eight]));
  assert.ok(
    second.said.some((text) => /^stop now: TWA of epochs 6-8 is within noise of your best run/.test(text)),
    second.said.join('\n'),
  );
});

test('watch says what is missing', async (context) => {
  const directory = directoryWith(context, { 'run/epoch-1.npz': '' });
  const outcome = await twa(['watch', 'run'], directory);
  assert.equal(outcome.code, 1);
  assert.match(
    outcome.stderr,
    /^twa: There is no twa\.json in .*run or above, so nothing can be measured: name one/,
  );
  assert.ok(!existsSync(path.join(directory, 'run/averages')));
});
