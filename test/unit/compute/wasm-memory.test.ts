/** What happens at the end of WebAssembly's 4 GB. Nothing is written to most of them, so they are not there. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startWasm } from '../../../src/compute/backends/wasm.ts';
import { tf } from '../../../src/compute/tf.ts';
import type { WasmBackend } from '../../../src/compute/backends/wasm-kernels/kernel.ts';
import { TwaError } from '../../../src/core/errors.ts';

const isFull = (error: unknown): boolean =>
  error instanceof TwaError &&
  error.code === 'no-backend' &&
  /^The backend wasm ran out of memory.*smaller "batchSize"/.test(error.message);

test('a full memory is one clear error; what is in it stays right, and there is room again afterwards', async () => {
  await startWasm();
  await startWasm();
  const backend = tf.backend() as unknown as WasmBackend & { disposeData(id: object): boolean };
  const first = tf.range(0, 1000);
  const large: object[] = [];
  // Blocks of 700 MB: the sixth does not fit, and there is room for small ones all the same.
  assert.throws(() => {
    for (let k = 0; k < 6; k++) large.push(backend.makeOutput([175 * 2 ** 20], 'float32').dataId);
  }, isFull);
  assert.equal(large.length, 5);
  assert.throws(() => tf.tidy(() => tf.fill([175 * 2 ** 20], 1)), isFull);
  assert.deepEqual(
    [...(await first.data())],
    Array.from({ length: 1000 }, (_, k) => k),
  );

  for (const id of large) backend.disposeData(id);
  const sum = tf.tidy(() => tf.sum(tf.add(first, tf.fill([1000], 1))));
  assert.equal((await sum.data())[0], 500_500);
  tf.dispose([first, sum]);
  assert.equal(tf.memory().numTensors, 0);
});

test('the module giving up is the same error', async () => {
  await startWasm();
  const { wasm } = tf.backend() as unknown as WasmBackend;
  assert.throws(() => wasm.onAbort!(), isFull);
});
