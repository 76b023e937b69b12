/** How far written statistics are from the newest checkpoint's and from the mix, against numbers worked out by hand. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { bufferMoves, runningStatistics } from '../../../src/compute/jobs/running-statistics.ts';
import { requireComplete } from '../../../src/core/checkpoints/registry.ts';
import { temporaryDirectory, writeSafetensors } from './files.ts';

const directory = temporaryDirectory();
const MEAN = 'bn.running_mean';
const VARIANCE = 'bn.running_var';

async function headers() {
  const files = [
    { weight: [7, 7], mean: [0, 0], variance: [1, 1] },
    { weight: [9, 9], mean: [6, 8], variance: [3, 1] },
  ].map(({ weight, mean, variance }, index) =>
    writeSafetensors(path.join(directory, `step-${index}.safetensors`), {
      'bn.weight': { shape: [2], values: weight },
      [MEAN]: { shape: [2], values: mean },
      [VARIANCE]: { shape: [2], values: variance },
    }),
  );
  return await Promise.all(files.map((file) => requireComplete(file)));
}

test('statistics that are written move by their distance over the length of what they are held against', async () => {
  const checkpoints = await headers();
  const running = runningStatistics(checkpoints[1]!);
  assert.deepEqual(running.map(({ name }) => name).toSorted(), [MEAN, VARIANCE]);
  // The mix is 1/4 of the first and 3/4 of the second: (4.5, 6), of length 7.5; the newest is (6, 8), of length 10.
  const written = new Map([[MEAN, Float32Array.of(6, 6)]]);
  const moves = await bufferMoves(checkpoints, running, [0.25, 0.75], written, new AbortController().signal);
  const of = (name: string) => moves.find((move) => move.name === name);
  assert.deepEqual(of(MEAN), { name: MEAN, fromNewest: 2 / 10, fromAverage: 1.5 / 7.5 });
  // What is not written anew is the mix: (2.5, 1), from the newest (3, 1) of length √10 half a unit away.
  const variance = of(VARIANCE)!;
  assert.equal(variance.fromAverage, 0);
  assert.ok(Math.abs(variance.fromNewest - 0.5 / Math.sqrt(10)) < 1e-15);
});

test('nothing moved is 0 for zeros, too; something from nothing has no relative size', async () => {
  const [zeros] = await headers();
  const running = runningStatistics(zeros!).filter(({ name }) => name === MEAN);
  const signal = new AbortController().signal;
  const same = new Map([[MEAN, Float32Array.of(0, 0)]]);
  assert.equal((await bufferMoves([zeros!], running, [1], same, signal))[0]?.fromNewest, 0);
  const other = new Map([[MEAN, Float32Array.of(1, 0)]]);
  assert.ok(Number.isNaN((await bufferMoves([zeros!], running, [1], other, signal))[0]?.fromNewest));
});
