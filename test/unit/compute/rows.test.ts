import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { requireComplete } from '../../../src/core/checkpoints/registry.ts';
import { TwaError } from '../../../src/core/errors.ts';
import { rowLoops, type RoundedTensor } from '../../../src/compute/objective/rows.ts';
import {
  allocateRounded,
  allocateRows,
  roundedRowLoops,
  roundInto,
  simdRowLoops,
} from '../../../src/compute/objective/simd-rows.ts';
import { secondThread } from '../../../src/compute/objective/second-thread.ts';
import { centre, CheckpointStack, loadStack } from '../../../src/compute/objective/stack.ts';
import { noise, temporaryDirectory, writeSafetensors } from './files.ts';
import { relativeError } from './helpers.ts';

/** Lengths around the loops' block of 2048, row counts around their group of 4. */
for (const length of [1, 2047, 2048, 5001]) {
  for (const n of [1, 3, 4, 6, 9]) {
    test(`combine, project and products of ${n} rows of ${length}`, () => {
      const checkpoints = Array.from({ length: n }, (_, i) => noise(length, i + 1));
      const rows = checkpoints.map((values) => values.slice());
      const tensor = { mean: centre(rows), rows };
      const a = Float64Array.from(noise(n, 50));
      const g = noise(length, 60);
      const column = (k: number) => checkpoints.reduce((sum, values, i) => sum + a[i]! * values[k]!, 0);
      const dot = (left: ArrayLike<number>, right: ArrayLike<number>) =>
        Array.from(left).reduce((sum, value, k) => sum + value * right[k]!, 0);

      const mixed = new Float32Array(length);
      rowLoops.combine(tensor, a, mixed);
      // Centring and the result are rounded to float32 once each: 2^-24 of numbers up to n.
      for (let k = 0; k < length; k += 97) assert.ok(Math.abs(mixed[k]! - column(k)) < 2 ** -23 * (n + 1));

      const projected = new Float64Array(n).fill(0.5);
      rowLoops.project(tensor, g, projected);
      const expected = checkpoints.map((values) => 0.5 + dot(values, g));
      // Rows are rounded to float32 when centred: each product is off by up to 2^-25.
      projected.forEach((value, i) =>
        assert.ok(Math.abs(value - expected[i]!) < 2 ** -24 * Math.sqrt(length) + 1e-9),
      );

      const products = new Float64Array((n + 1) ** 2);
      rowLoops.products(tensor, products);
      const vectors = [...rows, tensor.mean];
      for (let i = 0; i <= n; i++) {
        for (let h = i; h <= n; h++) {
          // The same numbers summed in float64 in another order.
          assert.ok(Math.abs(products[i * (n + 1) + h]! - dot(vectors[i]!, vectors[h]!)) < 1e-12 * length);
        }
      }
    });
  }
}

/** Lengths around the SIMD loops' steps of 16 and block of 32768, one for each half; with the mean, groups of 2 to 7 rows. */
for (const length of [1, 15, 16, 17, 33, 20001, 65536, 65569]) {
  for (const n of [1, 2, 3, 4, 5, 6, 7, 20]) {
    test(`SIMD: combine and project of ${n} rows of ${length} are those of the plain loops`, () => {
      // Between two others, so that what runs over would show.
      const [before, tensor, after] = allocateRows(n, [33, length, 33]);
      for (const { mean, rows } of [before!, after!]) for (const values of [mean, ...rows]) values.fill(1e30);
      tensor!.rows.forEach((row, i) => row.set(noise(length, i + 1)));
      tensor!.mean.set(centre(tensor!.rows));
      const plain = { mean: tensor!.mean.slice(), rows: tensor!.rows.map((row) => row.slice()) };
      const a = Float64Array.from(noise(n, 50));
      const g = noise(length, 60);

      const [mixed, expected] = [new Float32Array(length), new Float32Array(length)];
      simdRowLoops.combine(tensor!, a, mixed);
      rowLoops.combine(plain, a, expected);
      // Sums of n + 1 products, each rounded to float32: 2^-24 of numbers up to n.
      mixed.forEach((value, k) => assert.ok(Math.abs(value - expected[k]!) <= 2 ** -23 * n, `element ${k}`));

      const [projected, wanted] = [new Float64Array(n).fill(0.5), new Float64Array(n).fill(0.5)];
      simdRowLoops.project(tensor!, g, projected);
      rowLoops.project(plain, g, wanted);
      // Products of numbers up to 2, of which 128 are summed in float32, a rounding of 2^-24 of numbers around 10 each:
      // they add up like a random walk.
      projected.forEach((value, i) =>
        assert.ok(Math.abs(value - wanted[i]!) <= 2e-6 * Math.sqrt(length), `row ${i}`),
      );
    });
  }
}

/** What the loops see of the rows: each is mixed alone, in float32, and its product with 1 is exact. */
function decoded(tensor: RoundedTensor): Float32Array[] {
  const { mean, rows } = tensor;
  const own = mean.slice();
  mean.fill(0);
  const result = rows.map((_, i) => {
    const values = new Float32Array(mean.length);
    roundedRowLoops.combine(tensor, new Float64Array(rows.length).fill(1, i, i + 1), values);
    return values;
  });
  mean.set(own);
  return result;
}

/** To nearest even, as IEEE 754 has it: half of the spacing is added where what is cut off is more, or the rest is odd. */
function toBfloat16(value: number): number {
  const bits = new DataView(new ArrayBuffer(4));
  bits.setFloat32(0, value);
  const [kept, cut] = [bits.getUint16(0), bits.getUint16(2)];
  const up = cut > 0x8000 || (cut === 0x8000 && kept % 2 === 1);
  bits.setUint16(0, kept + (up ? 1 : 0));
  bits.setUint16(2, 0);
  return bits.getFloat32(0);
}

/** Lengths around steps of 16, blocks of 4096 codes and of 32768 numbers; groups of 1 to 7 rows, the mean apart. */
for (const format of ['bf16', 'int8'] as const) {
  for (const length of [1, 15, 16, 17, 33, 4095, 4096, 4097, 8193, 20001, 65536, 65569]) {
    for (const n of [1, 2, 3, 4, 5, 6, 7, 20]) {
      test(`${format}: ${n} rows of ${length} are rounded, mixed and projected`, () => {
        // Between two others, so that what runs over would show: numbers of 3e38.
        const [before, tensor, after] = allocateRounded(n, [33, length, 33], format);
        for (const { mean, rows } of [before!, after!]) for (const each of [mean, ...rows]) each.fill(0x7f);
        const checkpoints = Array.from({ length: n }, (_, i) => noise(length, i + 1));
        const exact = { mean: noise(length, 70), rows: checkpoints };
        roundInto(tensor!, exact);
        const rows = decoded(tensor!);
        for (const [i, row] of rows.entries()) {
          const source = checkpoints[i]!;
          if (format === 'bf16') assert.deepEqual(row, source.map(toBfloat16));
          for (let start = 0; format === 'int8' && start < length; start += 4096) {
            const block = source.subarray(start, start + 4096);
            const largest = block.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
            // Half a code; the scale, the quotient and the product are rounded to float32.
            block.forEach((value, k) =>
              assert.ok(
                Math.abs(row[start + k]! - value) <= largest * (0.5 / 127 + 2 ** -22),
                `element ${start + k}`,
              ),
            );
          }
        }
        const a = Float64Array.from(noise(n, 50));
        const g = noise(length, 60);
        const total = a.reduce((sum, value) => sum + value, 0);

        const mixed = new Float32Array(length);
        roundedRowLoops.combine(tensor!, a, mixed);
        // Sums of n + 1 products of numbers up to 1 and, of the mean, n: of each the coefficient, the product and the
        // sum are rounded to float32.
        mixed.forEach((value, k) => {
          const sum = rows.reduce((so, row, i) => so + a[i]! * row[k]!, total * exact.mean[k]!);
          assert.ok(Math.abs(value - sum) <= 2 ** -22 * (n + 1), `element ${k}`);
        });

        const projected = new Float64Array(n).fill(0.5);
        roundedRowLoops.project(tensor!, g, projected);
        // As for float32 rows above.
        projected.forEach((value, i) => {
          const sum = rows[i]!.reduce((so, each, k) => so + (each + exact.mean[k]!) * g[k]!, 0.5);
          assert.ok(Math.abs(value - sum) <= 2e-6 * Math.sqrt(length), `row ${i}`);
        });
      });
    }
  }
}

/** One row, which begins with these numbers and is otherwise 1, as the loops see it. */
function rounded(format: 'bf16' | 'int8', length: number, values: readonly number[], rest = 1): Float32Array {
  const tensor = allocateRounded(1, [length], format)[0]!;
  const row = new Float32Array(length).fill(rest);
  row.set(values);
  roundInto(tensor, { mean: new Float32Array(length), rows: [row] });
  return decoded(tensor)[0]!;
}

test('bf16: infinity, NaN, ties and what is too large', () => {
  const tie = 1 + 2 ** -8;
  const largest = 3.4028234663852886e38;
  const values = [
    Infinity,
    -Infinity,
    NaN,
    largest,
    -largest,
    tie,
    tie + 2 ** -7,
    -tie,
    -0,
    2 ** -149,
    2 ** -133,
  ];
  const expected = [Infinity, -Infinity, NaN, Infinity, -Infinity, 1, 1 + 2 ** -6, -1, 0, 0, 2 ** -133, 1];
  // Adding the mean's zero makes +0 of -0.
  assert.deepEqual([...rounded('bf16', 20, values)].slice(0, 12), expected);
});

test('int8: a block with a number that is not finite is NaN, and no other', () => {
  for (const value of [Infinity, -Infinity, NaN]) {
    const row = rounded('int8', 2 * 4096 + 7, [0.5, value]);
    assert.ok(row.subarray(0, 4096).every(Number.isNaN));
    assert.ok(row.subarray(4096).every((each) => each === 1));
  }
});

test('int8: zeros, and numbers so small that their scale is rounded', () => {
  assert.ok(rounded('int8', 40, [], 0).every((value) => value === 0));
  // The scale, 190 / 127 of the smallest float32, is rounded to one of it.
  const [smallest, other] = [2 ** -149, 100 * 2 ** -149];
  const row = rounded('int8', 20, [190 * smallest, -190 * smallest, other], 0);
  assert.deepEqual([...row.subarray(0, 4)], [127 * smallest, -127 * smallest, other, 0]);
});

for (const format of ['bf16', 'int8'] as const) {
  test(`${format}: NaN in a coefficient or a gradient is not lost`, () => {
    const tensor = allocateRounded(3, [50], format)[0]!;
    roundInto(tensor, { mean: noise(50, 1), rows: [noise(50, 2), noise(50, 3), noise(50, 4)] });
    const mixed = new Float32Array(50);
    roundedRowLoops.combine(tensor, Float64Array.of(0.5, NaN, 0.5), mixed);
    assert.ok(mixed.every(Number.isNaN));
    const projected = new Float64Array(3);
    roundedRowLoops.project(tensor, noise(50, 5).fill(NaN, 49), projected);
    assert.ok(projected.every(Number.isNaN));
  });
}

for (const format of ['f32', 'bf16', 'int8'] as const) {
  test(`${format}: a second thread does half of it, and makes no difference to any bit`, async (context) => {
    if (availableParallelism() === 1) {
      context.skip('one processor');
      return;
    }
    const [n, length] = [6, 400_003];
    const tensor = allocateRows(n, [17, length])[1]!;
    for (const [i, row] of tensor.rows.entries()) row.set(noise(length, i + 1));
    tensor.mean.set(centre(tensor.rows));
    const [a, g] = [Float64Array.from(noise(n, 50)), noise(length, 60)];
    const small = format === 'f32' ? undefined : allocateRounded(n, [17, length], format)[1]!;
    if (small !== undefined) roundInto(small, tensor);
    const compute = (): readonly [Float32Array, Float64Array] => {
      const [mixed, projected] = [new Float32Array(length), new Float64Array(n)];
      if (small === undefined) {
        simdRowLoops.combine(tensor, a, mixed);
        simdRowLoops.project(tensor, g, projected);
      } else {
        roundedRowLoops.combine(small, a, mixed);
        roundedRowLoops.project(small, g, projected);
      }
      return [mixed, projected];
    };
    const thread = secondThread()!;
    while (!thread.ready) await new Promise((resolve) => setTimeout(resolve, 10));
    const { started } = thread;
    // As before it is ready, or where it never is.
    Object.defineProperty(thread, 'ready', { value: false, configurable: true });
    const alone = compute();
    assert.equal(thread.started, started);
    Reflect.deleteProperty(thread, 'ready');
    assert.deepEqual(compute(), alone);
    assert.equal(thread.started, started + 2);
  });
}

test('the Gram matrix keeps differences of a millionth between checkpoints', async () => {
  const length = 3000;
  const n = 5;
  const base = noise(length, 1);
  const checkpoints = Array.from({ length: n }, (_, i) =>
    base.map((value, k) => value + 1e-6 * noise(length, 10 + i)[k]!),
  );
  const rows = checkpoints.map((values) => values.slice());
  const stack = new CheckpointStack(
    checkpoints.map((_, i) => `checkpoint ${i}`),
    [{ name: 'w', shape: [length], mean: centre(rows), rows }],
  );
  const { centred, withMean, meanSquared } = await stack.gram(['w']);

  const mean = Float64Array.from(
    base,
    (_, k) => checkpoints.reduce((sum, values) => sum + values[k]!, 0) / n,
  );
  const expected = new Float64Array(n * n);
  const expectedWithMean = new Float64Array(n);
  for (let k = 0; k < length; k++) {
    for (let i = 0; i < n; i++) {
      const left = checkpoints[i]![k]! - mean[k]!;
      expectedWithMean[i] = expectedWithMean[i]! + left * mean[k]!;
      for (let h = 0; h < n; h++) {
        expected[i * n + h] = expected[i * n + h]! + left * (checkpoints[h]![k]! - mean[k]!);
      }
    }
  }
  // Elements of the matrix are near 1e-9. Without centring first, float64 sums of products near 1 would be off by
  // 1e-13, a ten-thousandth of them; float32 storage of uncentred rows would lose them altogether.
  assert.ok(relativeError(centred, expected) < 1e-9);
  assert.ok(relativeError(withMean, expectedWithMean) < 1e-6);
  assert.ok(Math.abs(meanSquared / mean.reduce((sum, value) => sum + value * value, 0) - 1) < 1e-12);
});

test('identical checkpoints have a Gram matrix of zeros', async () => {
  const rows = [noise(100, 3), noise(100, 3), noise(100, 3)];
  const stack = new CheckpointStack(['a', 'b', 'c'], [{ name: 'w', shape: [100], mean: centre(rows), rows }]);
  const { centred } = await stack.gram(['w']);
  assert.deepEqual([...centred], new Array(9).fill(0));
});

test('a NaN in a checkpoint is named with file, tensor and index', async () => {
  const directory = temporaryDirectory();
  const good = writeSafetensors(path.join(directory, 'a.safetensors'), {
    w: { shape: [4], values: [1, 2, 3, 4] },
  });
  const bad = writeSafetensors(path.join(directory, 'b.safetensors'), {
    w: { shape: [4], values: [1, 2, NaN, 4] },
  });
  const headers = [await requireComplete(good), await requireComplete(bad)];
  await assert.rejects(loadStack(headers, ['w']), (error) => {
    assert.ok(error instanceof TwaError);
    assert.equal(error.code, 'non-finite');
    assert.equal(error.place.path, bad);
    assert.match(error.message, /NaN in w at index 2/);
    return true;
  });
});
