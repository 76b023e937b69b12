/** The jobs that describe a checkpoint's numbers: in a process of their own, cancellable, without a GPU library. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { runJob } from '../../../src/compute/client.ts';
import { compare, statistics } from '../../../src/compute/jobs/tensors.ts';
import type { PassProgress } from '../../../src/core/averaging/types.ts';
import { temporaryDirectory, writeSafetensors } from './files.ts';

const computePath = path.resolve(import.meta.dirname, '../../../src/compute/main.ts');
const directory = temporaryDirectory();
const write = (name: string, values: ArrayLike<number>) =>
  writeSafetensors(path.join(directory, `${name}.safetensors`), {
    w: { shape: [values.length], values },
    b: { shape: [1], values: [values.length] },
  });
const a = write('a', [3, 4]);
const b = write('b', [3, 0]);

test('statistics and comparison come back from the process', async () => {
  const { rows } = await runJob('tensorStatistics', { checkpoint: a, tensors: ['w'] }, { computePath });
  assert.deepEqual(rows, [{ name: 'w', min: 3, max: 4, mean: 3.5, std: 0.5, nan: 0, infinite: 0 }]);
  const { changes } = await runJob('compareTensors', { a, b }, { computePath });
  assert.deepEqual(changes[0], {
    ...{ name: 'w', normA: 5, normB: 3, distance: 4, dot: 9, largest: 4, notFinite: 0 },
  });
});

test('a checkpoint that is not there is said as such', async () => {
  const missing = path.join(directory, 'c.safetensors');
  await assert.rejects(runJob('compareTensors', { a, b: missing }, { computePath }), { code: 'not-found' });
});

test('cancelled in the middle', async () => {
  const large = write('large', new Float32Array(4 << 20));
  const controller = new AbortController();
  const seen: PassProgress[] = [];
  const context = {
    signal: controller.signal,
    log: () => undefined,
    onProgress: (progress: PassProgress) => {
      seen.push(progress);
      controller.abort();
    },
  };
  await assert.rejects(statistics({ checkpoint: large }, context), { code: 'cancelled' });
  assert.equal(seen.length, 1);
  assert.ok(seen[0]!.fraction > 0 && seen[0]!.fraction < 1);
  await assert.rejects(compare({ a, b }, context), { code: 'cancelled' });
});

test('tfjs was not loaded by any of this', () => {
  assert.equal('_tfengine' in globalThis, false);
});
