import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { describeTimes, fastestBackend } from '../../../src/compute/backends/fastest.ts';
import type { BackendName } from '../../../src/compute/protocol.ts';
import { temporaryDirectory } from './files.ts';

const candidates = [
  { name: 'tensorflow', detail: 'TensorFlow 2.21, CPU' },
  { name: 'wasm', detail: '1 thread, SIMD' },
] as const;

/** A measurement that writes down what it was asked for. */
function measuring(times: Readonly<Partial<Record<BackendName, number | Error>>>) {
  const asked: BackendName[] = [];
  const measure = (name: BackendName): Promise<number> => {
    asked.push(name);
    const time = times[name];
    return time instanceof Error ? Promise.reject(time) : Promise.resolve(time!);
  };
  return { asked, measure };
}

test('the faster one is taken, and remembered for this model and these backends', async () => {
  const file = path.join(temporaryDirectory(), 'home', 'backends.json');
  const first = measuring({ tensorflow: 80, wasm: 20.04 });
  const found = await fastestBackend(candidates, 'a model', first.measure, file);
  assert.equal(found.name, 'wasm');
  assert.equal(describeTimes(found), 'wasm 20.0 ms, tensorflow 80.0 ms');
  assert.deepEqual(first.asked, ['tensorflow', 'wasm']);

  const again = measuring({});
  const known = await fastestBackend(candidates, 'a model', again.measure, file);
  assert.deepEqual([known.name, known.remembered, again.asked], ['wasm', true, []]);
  assert.equal(describeTimes(known), describeTimes(found));

  // Another model, and another version of a backend, are measured anew.
  const other = measuring({ tensorflow: 1, wasm: 2 });
  assert.equal((await fastestBackend(candidates, 'another', other.measure, file)).name, 'tensorflow');
  const newer = [{ name: 'tensorflow', detail: 'TensorFlow 2.22, CPU' }, candidates[1]] as const;
  assert.equal((await fastestBackend(newer, 'a model', other.measure, file)).name, 'tensorflow');
  assert.equal(other.asked.length, 4);
});

test('a backend that cannot do the model is out of the race; if none can, the first reason is told', async () => {
  const file = path.join(temporaryDirectory(), 'backends.json');
  const one = measuring({ tensorflow: new Error('no kernel'), wasm: 500 });
  const found = await fastestBackend(candidates, 'm', one.measure, file);
  assert.equal(found.name, 'wasm');
  const known = await fastestBackend(candidates, 'm', one.measure, file);
  assert.equal(describeTimes(known), 'wasm 500 ms, tensorflow fails');
  const none = measuring({ tensorflow: new Error('no kernel'), wasm: new Error('nor here') });
  await assert.rejects(fastestBackend(candidates, 'n', none.measure, file), /no kernel/);
});

test('one candidate is not measured, and a file of another kind is no obstacle', async () => {
  const file = path.join(temporaryDirectory(), 'backends.json');
  const none = measuring({});
  assert.equal((await fastestBackend([candidates[1]], 'm', none.measure, file)).name, 'wasm');
  assert.deepEqual(none.asked, []);
  writeFileSync(file, '{"x": 3, "y": ');
  const times = measuring({ tensorflow: 5, wasm: 6 });
  assert.equal((await fastestBackend(candidates, 'm', times.measure, file)).name, 'tensorflow');
  assert.match(readFileSync(file, 'utf8'), /"tensorflow": 5/);
});
