import assert from 'node:assert/strict';
import { appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { bytesPerElement, encodeFromFloat64, floatComponents } from '../../../src/core/checkpoints/dtype.ts';
import { streamGram } from '../../../src/core/checkpoints/gram.ts';
import { requireComplete } from '../../../src/core/checkpoints/registry.ts';
import type { CheckpointHeader, DType } from '../../../src/core/checkpoints/types.ts';
import { FIXTURES, safetensorsBytes, temporaryDirectory, twaError } from './help.ts';

const directory = await temporaryDirectory();

interface Stored {
  readonly dtype: DType;
  /** Components: a complex tensor has two per element. */
  readonly values: Float64Array;
}

let files = 0;
async function checkpoint(tensors: Readonly<Record<string, Stored>>): Promise<CheckpointHeader> {
  const entries: Record<string, unknown> = {};
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const [name, { dtype, values }] of Object.entries(tensors)) {
    const components = floatComponents(dtype);
    const shape = [values.length / (components?.perElement ?? 1)];
    const bytes = new Uint8Array(shape[0]! * bytesPerElement(dtype));
    if (components === undefined) bytes.fill(255);
    else encodeFromFloat64(values, components.dtype, bytes);
    entries[name] = { dtype, shape, data_offsets: [at, at + bytes.length] };
    parts.push(bytes);
    at += bytes.length;
  }
  const path = join(directory, `epoch-${++files}.safetensors`);
  await writeFile(path, safetensorsBytes(entries, Buffer.concat(parts)));
  return requireComplete(path);
}

/** Small integers by a fixed rule, evenly spread: an LCG's high bits. */
function integers(seed: number, length: number, below: number): Float64Array {
  let state = seed * 7919 + 1;
  return Float64Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below) - Math.floor(below / 2);
  });
}

/** Of integers times a power of two, without any rounding but the last. */
function exactGram(rows: readonly Float64Array[], unit = 1) {
  const n = BigInt(rows.length);
  const whole = rows.map((row) => Array.from(row, BigInt));
  const sums = whole[0]!.map((_, k) => whole.reduce((sum, row) => sum + row[k]!, 0n));
  // n times the mean, and n times what is left of every row.
  const centred = whole.map((row) => row.map((value, k) => n * value - sums[k]!));
  const product = (a: readonly bigint[], b: readonly bigint[]): number =>
    (Number(a.reduce((sum, value, k) => sum + value * b[k]!, 0n)) / Number(n * n)) * unit * unit;
  return {
    centred: centred.map((a) => centred.map((b) => product(a, b))),
    withMean: centred.map((a) => product(a, sums)),
    meanSquared: product(sums, sums),
  };
}

type Gram = ReturnType<typeof exactGram>;

async function check(headers: readonly CheckpointHeader[], expected: Gram) {
  const { gram, elements } = await streamGram({ headers });
  const n = headers.length;
  assert.equal(gram.n, n);
  const lengths = expected.centred.map((row, i) => Math.sqrt(row[i]!));
  const meanLength = Math.sqrt(expected.meanSquared);
  // A block's sum (of some 5000 numbers, in two lanes) rounds once per number and lane, seldom all in one direction;
  // sums over blocks of a chunk, and over rows, a few times more.
  const tolerance = (4 * n + Math.min(elements, 5000) / 4) * 2 ** -53;
  const close = (value: number, wanted: number, scale: number) =>
    Math.abs(value - wanted) <= tolerance * scale;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      const [value, wanted] = [gram.centred[i * n + j]!, expected.centred[i]![j]!];
      // However long the mean: not even one checkpoint, which is its own mean, is off.
      assert.ok(close(value, wanted, lengths[i]! * lengths[j]!), `${i}, ${j}: ${value}, not ${wanted}`);
      assert.equal(value, gram.centred[j * n + i], 'symmetric');
    }
    assert.ok(close(gram.withMean[i]!, expected.withMean[i]!, meanLength * lengths[i]!));
  }
  assert.ok(close(gram.meanSquared, expected.meanSquared, expected.meanSquared));
  return elements;
}

describe('against sums of whole numbers without rounding', () => {
  for (const [dtype, below, unit] of [
    ['F64', 2 ** 30, 2 ** -20],
    ['F32', 2 ** 24, 2 ** -30],
    ['F16', 2 ** 11, 2 ** -24],
    ['BF16', 2 ** 8, 2 ** -20],
    ['F8_E4M3', 16, 2 ** -6],
    ['F8_E5M2', 8, 2 ** -4],
    ['C64', 2 ** 24, 2 ** -30],
    ['C128', 2 ** 30, 2 ** -20],
  ] as const) {
    test(`${dtype}: 1 to 8 checkpoints of 1 to 1002 numbers`, async () => {
      for (let n = 1; n <= 8; n++) {
        const length = [2, 8, 14, 64, 500, 1002][n % 6]!;
        const rows = Array.from({ length: n }, (_, i) => integers(i + 1, length, below));
        const headers = [];
        for (const row of rows) {
          headers.push(await checkpoint({ w: { dtype, values: row.map((value) => value * unit) } }));
        }
        assert.equal(await check(headers, exactGram(rows, unit)), length);
      }
    });
  }

  for (const [where, long] of [
    ['in this thread', 300_001],
    ['on threads of their own', 1_700_001],
  ] as const) {
    test(`many chunks, several tensors of several types, ${where}`, () => manyChunks([long, 7, 140_000]));
  }

  async function manyChunks(lengths: readonly [number, number, number]): Promise<void> {
    const types = ['F32', 'F16', 'BF16'] as const;
    const parts = [1, 2, 3, 4, 5].map((i) => lengths.map((length, k) => integers(i * 10 + k, length, 256)));
    const headers = [];
    for (const [w, b, v] of parts) {
      headers.push(
        await checkpoint({
          w: { dtype: types[0], values: w! },
          steps: { dtype: 'I64', values: new Float64Array(3) },
          b: { dtype: types[1], values: b! },
          v: { dtype: types[2], values: v! },
        }),
      );
    }
    // Numbers so small that float64 holds their sums exactly, which BigInt takes long for.
    const rows = parts.map((list) => Float64Array.from(list.flatMap((part) => [...part])));
    const sums = rows[0]!.map((_, k) => rows.reduce((sum, row) => sum + row[k]!, 0));
    const centred = rows.map((row) => row.map((value, k) => 5 * value - sums[k]!));
    const product = (a: Float64Array, b: Float64Array): number => {
      const sum = a.reduce((total, value, k) => total + value * b[k]!, 0);
      assert.ok(Math.abs(sum) < 2 ** 52);
      return sum / 25;
    };
    const elements = await check(headers, {
      centred: centred.map((a) => centred.map((b) => product(a, b))),
      withMean: centred.map((a) => product(a, sums)),
      meanSquared: product(sums, sums),
    });
    assert.equal(
      elements,
      lengths.reduce((sum, length) => sum + length),
    );
  }
});

test('checkpoints that differ by 1e-7 of their numbers: the matrix of the differences is as right as any', async () => {
  const length = 20_000;
  const base = integers(1, length, 2 ** 22);
  // Float32 with one more unit in the last place or two: exact numbers.
  const rows = [1, 2, 3, 4, 5].map((i) => {
    const change = integers(i + 50, length, 3);
    return base.map((value, k) => 2 * value + change[k]!);
  });
  const headers = [];
  for (const values of rows) headers.push(await checkpoint({ w: { dtype: 'F32', values } }));
  const { centred } = exactGram(rows);
  assert.ok(centred[0]![0]! < 1e-12 * Math.hypot(...rows[0]!) ** 2);
  await check(headers, exactGram(rows));
});

test('equal checkpoints, also next to others: exactly the same rows and columns, and no NaN', async () => {
  const [a, b] = [1, 2].map((seed) => integers(seed, 5000, 2 ** 24).map((value) => value / 3e7));
  const tensors = (values: Float64Array) => ({
    w: { dtype: 'F32', values } as const,
    frozen: { dtype: 'F32', values: new Float64Array(9).fill(0.1) } as const,
  });
  const headers = [];
  for (const values of [a!, b!, a!, a!]) headers.push(await checkpoint(tensors(values)));
  const { gram } = await streamGram({ headers });
  const entry = (i: number, j: number) => gram.centred[i * 4 + j];
  for (let k = 0; k < 4; k++) {
    assert.equal(entry(0, k), entry(2, k));
    assert.equal(entry(k, 0), entry(k, 3));
  }
  assert.ok([...gram.centred, ...gram.withMean, gram.meanSquared].every(Number.isFinite));
  const same = await streamGram({ headers: [headers[0]!, headers[2]!, headers[3]!] });
  // The mean of three equal numbers is off by an ulp at most.
  assert.ok(same.gram.centred.every((value) => Math.abs(value) <= 1e-30 * same.gram.meanSquared));
});

test('what counts is chosen; tied tensors count once, integers never', async () => {
  const mixed = await Promise.all(
    [1, 2, 3].map((k) => requireComplete(join(FIXTURES, `mixed/epoch-00${k}.safetensors`))),
  );
  const all = await streamGram({ headers: mixed });
  const some = await streamGram({ headers: mixed, counts: ({ dtype }) => dtype === 'F16' });
  assert.ok(some.tensors < all.tensors && some.elements < all.elements);
  assert.ok(all.gram.meanSquared > some.gram.meanSquared);
  await assert.rejects(
    streamGram({ headers: mixed, counts: ({ dtype }) => dtype === 'I64' }),
    twaError('usage', /no weights that are floating-point/),
  );
  await assert.rejects(streamGram({ headers: [] }), twaError('usage', /at least one/));
});

test('two checkpoints: the mean lies half way', async () => {
  const values = integers(3, 64, 100);
  const a = await checkpoint({ w: { dtype: 'F32', values } });
  const b = await checkpoint({ w: { dtype: 'F32', values: values.map((value) => value + 1) } });
  const { gram } = await streamGram({ headers: [a, b] });
  // Every element of a row is a half.
  assert.deepEqual([...gram.centred], [16, -16, -16, 16]);
});

describe('numbers that are none', () => {
  for (const dtype of ['F64', 'F32', 'F16', 'BF16', 'F8_E5M2'] as const) {
    test(`${dtype}: NaN and infinity are named by file, tensor and index`, async () => {
      for (const bad of [NaN, Infinity]) {
        const good = await checkpoint({ w: { dtype, values: new Float64Array(99).fill(1) } });
        const values = new Float64Array(99).fill(0.5);
        values[77] = bad;
        const broken = await checkpoint({ w: { dtype, values } });
        const place = new RegExp(`epoch-${files}\\.safetensors has ${bad} in w at index 77`);
        await assert.rejects(streamGram({ headers: [good, broken] }), twaError('non-finite', place));
      }
    });
  }

  test('too large to be squared', async () => {
    const headers = [
      await checkpoint({ w: { dtype: 'F64', values: Float64Array.of(1e200) } }),
      await checkpoint({ w: { dtype: 'F64', values: Float64Array.of(-1e200) } }),
    ];
    await assert.rejects(streamGram({ headers }), twaError('non-finite', /w has numbers too large/));
  });
});

for (const [where, length] of [
  ['in this thread', 900_000],
  ['on threads of their own', 3_000_000],
] as const) {
  test(`cancelled half way, changed meanwhile, not finite, ${where}`, () => endedEarly(length));
}

async function endedEarly(length: number): Promise<void> {
  const headers: CheckpointHeader[] = [];
  for (const seed of [1, 2, 3]) {
    headers.push(await checkpoint({ w: { dtype: 'F32', values: integers(seed, length, 100) } }));
  }
  const controller = new AbortController();
  const seen: number[] = [];
  const cancelling = streamGram({
    headers,
    signal: controller.signal,
    onProgress: (fraction) => {
      seen.push(fraction);
      if (fraction > 0.5) controller.abort();
    },
  });
  await assert.rejects(cancelling, twaError('cancelled'));
  assert.ok(seen.length > 2 && seen.at(-1)! < 1);

  let appended: Promise<void> | undefined;
  const changing = streamGram({
    headers,
    onProgress: () => {
      appended ??= appendFile(headers[1]!.path, 'x');
    },
  });
  await assert.rejects(changing, twaError('incomplete-checkpoint', /changed/));
  await appended;

  const values = integers(9, length, 100);
  values[length >> 1] = NaN;
  const broken = await checkpoint({ w: { dtype: 'F32', values } });
  await assert.rejects(
    streamGram({ headers: [headers[0]!, headers[2]!, broken] }),
    twaError('non-finite', new RegExp(`has NaN in w at index ${length >> 1};`)),
  );
}
