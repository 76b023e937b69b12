/** Ways of keeping the checkpoints: each against float32 in memory, and what rounding may cost. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { before, test } from 'node:test';
import { openStack } from '../../../src/compute/objective/open-stack.ts';
import type { Stack } from '../../../src/compute/objective/stack.ts';
import type { MemoryMode } from '../../../src/compute/protocol.ts';
import { requireComplete } from '../../../src/core/checkpoints/registry.ts';
import type { CheckpointHeader } from '../../../src/core/checkpoints/types.ts';
import { TwaError } from '../../../src/core/errors.ts';
import { noise, temporaryDirectory, writeSafetensors } from './files.ts';

const N = 5;
/** More than two blocks of 8-bit codes, and not a multiple of anything. */
const LENGTH = 2 * 4096 + 1237;
/** How far the checkpoints are from their mean, at most. */
const SPREAD = 0.02;
const coefficients = Float64Array.from([0.4, -0.3, 0.5, 0.2, 0.3]);
const gradient = noise(LENGTH, 77);
const directory = temporaryDirectory();
let headers: CheckpointHeader[];

before(async () => {
  const base = noise(LENGTH, 1);
  headers = [];
  for (let i = 0; i < N; i++) {
    const own = noise(LENGTH, 10 + i);
    const file = writeSafetensors(path.join(directory, `${i}.safetensors`), {
      w: { shape: [LENGTH], values: base.map((value, k) => value + (SPREAD / 2) * own[k]!) },
      b: { shape: [], values: [i] },
    });
    headers.push(await requireComplete(file));
  }
});

const open = (mode: MemoryMode, available?: number) => openStack(headers, ['w', 'b'], mode, {}, available);

async function results(stack: Stack, exact: boolean) {
  const mix = new Float32Array(LENGTH);
  await stack.combine('w', coefficients, mix, exact);
  const bias = new Float32Array(1);
  await stack.combine('b', coefficients, bias, exact);
  const projected = new Float64Array(N);
  await stack.project('w', gradient, projected);
  const { centred } = await stack.gram(['w', 'b']);
  return { mix, bias, projected, centred };
}

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let most = 0;
  for (let k = 0; k < a.length; k++) most = Math.max(most, Math.abs(a[k]! - b[k]!));
  return most;
}

// Of a difference: half the spacing of bfloat16, and half a code of 127 to the largest in its block.
const total = coefficients.reduce((sum, value) => sum + Math.abs(value), 0);
for (const [mode, bytes, rounding] of [
  ['files', 0, 0],
  ['bf16', 4 + 2 * N, SPREAD * 2 ** -8],
  ['int8', 4 + N, SPREAD / 127 / 2],
] as const) {
  test(`${mode} keeps to its memory and its rounding`, async () => {
    const whole = await open('f32');
    const expected = await results(whole.stack, false);
    const { stack, mode: chosen } = await open(mode);
    try {
      assert.equal(chosen, mode);
      assert.equal(stack.lossy, rounding > 0);
      // What is kept, and one block of 3 x 4096 elements for each checkpoint and the mean; scales are a thousandth.
      assert.ok(stack.bytes < 1.01 * bytes * LENGTH + 4 * (N + 1) * 3 * 4096 + 1000, String(stack.bytes));

      const found = await results(stack, false);
      assert.ok(largestDifference(found.mix, expected.mix) <= total * rounding + 1e-7);
      const most = gradient.reduce((sum, value) => sum + Math.abs(value), 0) * rounding + 1e-9;
      assert.ok(largestDifference(found.projected, expected.projected) <= most);
      // The pass's geometry, and whatever is evaluated, is of the checkpoints themselves.
      assert.ok(largestDifference(found.centred, expected.centred) < 1e-12 * expected.centred[0]!);
      const exact = await results(stack, true);
      assert.deepEqual(exact.mix, expected.mix);
      assert.deepEqual(exact.bias, expected.bias);
      if (rounding > 0) assert.notDeepEqual(found.mix, expected.mix);
    } finally {
      await stack.close();
    }
  });
}

test('more than a block of a tensor is kept block by block', async () => {
  // 64 MiB of 121 float32 for each element are 33 x 4096 elements.
  const [n, length] = [120, 33 * 4096 + 1003];
  const pair: CheckpointHeader[] = [];
  for (const i of [0, 1]) {
    const values = noise(length, 20 + i).map((value) => SPREAD * value);
    pair.push(
      await requireComplete(
        writeSafetensors(path.join(directory, `long-${i}.safetensors`), { w: { shape: [length], values } }),
      ),
    );
  }
  const many = Array.from({ length: n }, (_, i) => pair[i % 2]!);
  const a = noise(n, 5).map((value) => value / n);
  const g = noise(length, 6);
  const products = async (mode: MemoryMode) => {
    const { stack } = await openStack(many, ['w'], mode);
    try {
      const [mix, projected] = [new Float32Array(length), new Float64Array(n)];
      await stack.combine('w', Float64Array.from(a), mix);
      await stack.project('w', g, projected);
      return { mix, projected };
    } finally {
      await stack.close();
    }
  };
  const expected = await products('f32');
  for (const [mode, rounding] of [
    ['files', 0],
    ['bf16', SPREAD * 2 ** -8],
    ['int8', SPREAD / 127 / 2],
  ] as const) {
    const { mix, projected } = await products(mode);
    // Sums of |a| below 1; beside the rounding of rows, that of float32 as in rows.test.ts.
    assert.ok(largestDifference(mix, expected.mix) <= rounding + 1e-7, mode);
    const most = g.reduce((sum, value) => sum + Math.abs(value), 0) * rounding + 2e-6 * Math.sqrt(length);
    assert.ok(largestDifference(projected, expected.projected) <= most, mode);
  }
});

test('auto takes the most exact way that fits, down to none at all', async () => {
  const needed = LENGTH * 4 * (N + 1);
  for (const [available, expected] of [
    [needed / 0.5, 'f32'],
    [needed * 0.1, 'files'],
  ] as const) {
    const { stack, mode } = await open('auto', available);
    await stack.close();
    assert.equal(mode, expected);
  }
});

test('what does not fit is refused with what would', async () => {
  await assert.rejects(open('f32', 1000), (error) => {
    assert.ok(error instanceof TwaError);
    assert.match(error.message, /5 checkpoints as f32 takes .* choose --memory files or auto/);
    return true;
  });
  await assert.rejects(open('sharded'), /for engine tfjs choose one of f32, bf16, int8, files/);
});

test('a number that is not finite is named, whatever keeps it', async () => {
  const bad = writeSafetensors(path.join(directory, 'bad.safetensors'), {
    w: { shape: [LENGTH], values: noise(LENGTH, 3).fill(NaN, 5000, 5001) },
    b: { shape: [], values: [1] },
  });
  headers = [...headers, await requireComplete(bad)];
  await assert.rejects(open('int8'), /bad\.safetensors has NaN in w at index 5000/);
});
