/** The SIMD loops against the plain ones of `dtype.ts`, whose numbers are checked against NumPy's. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import {
  addScaled,
  bytesPerElement,
  decodeToFloat64,
  encodeFromFloat64,
} from '../../../src/core/checkpoints/dtype.ts';
import { sharedMemory } from '../../../src/core/kernels/assembler.ts';
import { MIX_LANES, mixLoops, TABLE_ENTRY, type MixDType } from '../../../src/core/kernels/mix.ts';

/** Sources of one float type, mixed by the loop; `fits` is what it returns. */
function mix(dtype: MixDType, sources: readonly Uint8Array[], coefficients: readonly number[]) {
  const size = sources[0]!.length;
  const memory = sharedMemory((sources.length + 1) * (size + TABLE_ENTRY));
  const table = new DataView(memory.buffer);
  const first = sources.length * TABLE_ENTRY;
  for (const [i, source] of sources.entries()) {
    const at = first + i * size;
    new Uint8Array(memory.buffer, at, size).set(source);
    table.setFloat64(i * TABLE_ENTRY, coefficients[i]!, true);
    table.setUint32(i * TABLE_ENTRY + 8, at, true);
  }
  const out = first + sources.length * size;
  const fits = mixLoops(memory)[dtype](0, first, size, out);
  return { fits, bytes: Buffer.from(new Uint8Array(memory.buffer, out, size)) };
}

function expectedMix(
  dtype: MixDType,
  sources: readonly Uint8Array[],
  coefficients: readonly number[],
): Buffer {
  const sum = new Float64Array(sources[0]!.length / bytesPerElement(dtype));
  for (const [i, source] of sources.entries()) addScaled(sum, source, dtype, coefficients[i]!);
  const out = new Uint8Array(sources[0]!.length);
  encodeFromFloat64(sum, dtype, out);
  return Buffer.from(out);
}

function sameBits(dtype: MixDType, sources: readonly Uint8Array[], coefficients: readonly number[]): void {
  const { fits, bytes } = mix(dtype, sources, coefficients);
  const expected = expectedMix(dtype, sources, coefficients);
  const size = bytesPerElement(dtype);
  assert.equal(fits, 1, `${dtype}: every number fits`);
  if (bytes.equals(expected)) return;
  const at = Math.floor(bytes.findIndex((byte, k) => byte !== expected[k]) / size) * size;
  const hex = (buffer: Uint8Array) => Buffer.from(buffer.subarray(at, at + size)).toString('hex');
  assert.fail(
    `${dtype} ${sources.map(hex).join(' ')} times ${coefficients.join(' ')}: ${hex(bytes)}, not ${hex(expected)}`,
  );
}

const encode = (dtype: MixDType, values: Float64Array): Uint8Array => {
  const out = new Uint8Array(values.length * bytesPerElement(dtype));
  encodeFromFloat64(values, dtype, out);
  return out;
};

/** Small integers by a fixed rule, evenly spread: an LCG's high bits. */
function* random(seed: number): Generator<number, never> {
  for (let state = seed; ;) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 2 ** 32;
  }
}

/** Every code of a 16-bit type that is a finite number. */
function finiteCodes(dtype: 'F16' | 'BF16'): Uint16Array {
  const all = Uint16Array.from({ length: 65536 }, (_, code) => code);
  const values = new Float64Array(65536);
  decodeToFloat64(new Uint8Array(all.buffer), dtype, values);
  return all.filter((_, code) => Number.isFinite(values[code]));
}

for (const dtype of ['F16', 'BF16'] as const) {
  describe(dtype, () => {
    const codes = finiteCodes(dtype);
    const every = new Uint8Array(codes.buffer);
    assert.equal(codes.length % MIX_LANES, 0);

    test('every finite code comes back from a mix of one, -0 as +0', () => {
      const { fits, bytes } = mix(dtype, [every], [1]);
      assert.equal(fits, 1);
      const back = new Uint16Array(Uint8Array.from(bytes).buffer);
      assert.deepEqual(
        back,
        codes.map((code) => (code === 0x8000 ? 0 : code)),
      );
    });

    test('every code halfway to the next, just below and just above: ties go to even, subnormals too', () => {
      const next = codes.map((code, k) => (Math.abs(codes[k + 1]! - code) === 1 ? codes[k + 1]! : code));
      const sources = [every, new Uint8Array(next.buffer)];
      for (const nudge of [0, 2 ** -40, -(2 ** -40)]) sameBits(dtype, sources, [0.5 + nudge, 0.5]);
    });

    test('results down to nothing keep their sign', () => {
      for (const exponent of [-1, -10, -24, -126, -140, -300, -1000])
        sameBits(dtype, [every], [2 ** exponent / 3]);
    });

    test('an infinity or NaN among finite codes is seen, on every lane', () => {
      const infinity = dtype === 'F16' ? 0x7c00 : 0x7f80;
      for (const code of [infinity, infinity | 0x8000, infinity + 1, 0x7fff, 0xffff]) {
        for (let lane = 0; lane < 2 * MIX_LANES; lane++) {
          const bad = new Uint16Array(2 * MIX_LANES).fill(0x3c00);
          bad[lane] = code;
          const good = new Uint16Array(2 * MIX_LANES).fill(0x3c00);
          const sources = [bad, good].map((source) => new Uint8Array(source.buffer));
          assert.equal(mix(dtype, sources, [0.5, 0.5]).fits, 0, `${code.toString(16)} at ${lane}`);
          assert.equal(mix(dtype, sources.toReversed(), [0.5, 0.5]).fits, 0);
          assert.equal(mix(dtype, sources, [0, 1]).fits, 0, 'also where its coefficient is zero');
        }
      }
    });
  });
}

const EDGES = {
  F64: [5e-324, 2 ** -1022, Number.MAX_VALUE],
  F32: [2 ** -149, 2 ** -126, (2 - 2 ** -23) * 2 ** 127],
  F16: [2 ** -24, 2 ** -14, 65504],
  BF16: [2 ** -133, 2 ** -126, (2 - 2 ** -7) * 2 ** 127],
} as const;

for (const dtype of ['F64', 'F32', 'F16', 'BF16'] as const) {
  test(`${dtype}: mixes of 1 to 7 sources of all magnitudes, bit for bit`, () => {
    const next = random(7);
    const [smallest, , largest] = EDGES[dtype];
    const span = Math.log2(largest / 16) - Math.log2(smallest);
    for (let n = 1; n <= 7; n++) {
      const sources = Array.from({ length: n }, () =>
        encode(
          dtype,
          Float64Array.from({ length: 4096 }, () => {
            const sign = next.next().value < 0.5 ? -1 : 1;
            // Half of ordinary size, so that sums cancel; half of any.
            const exponent = next.next().value < 0.5 ? -3 : Math.log2(smallest) + span * next.next().value;
            return sign * (1 + next.next().value) * 2 ** exponent;
          }),
        ),
      );
      sameBits(
        dtype,
        sources,
        Array.from({ length: n }, () => 2 * next.next().value - 1),
      );
    }
  });

  test(`${dtype}: zeros, the smallest, the largest, and one step too large`, () => {
    const edges = EDGES[dtype].flatMap((edge) => [edge, -edge, edge / 3]);
    const values = Float64Array.from({ length: 16 }, (_, k) => [0, -0, 1, -1, ...edges][k] ?? 0.1);
    sameBits(dtype, [encode(dtype, values), encode(dtype, values)], [0.5, 0.5]);
    sameBits(dtype, [encode(dtype, values), encode(dtype, values.toReversed())], [0.3, -0.4]);
    for (let lane = 0; lane < MIX_LANES; lane++) {
      const one = new Float64Array(MIX_LANES);
      one[lane] = lane % 2 === 0 ? EDGES[dtype][2] : -EDGES[dtype][2];
      assert.equal(mix(dtype, [encode(dtype, one)], [1]).fits, 1);
      assert.equal(mix(dtype, [encode(dtype, one)], [1.01]).fits, 0, `lane ${lane}`);
    }
  });

  test(`${dtype}: NaN and infinity are seen`, () => {
    for (const bad of [NaN, Infinity, -Infinity]) {
      for (let lane = 0; lane < MIX_LANES; lane++) {
        const values = new Float64Array(MIX_LANES).fill(1);
        values[lane] = bad;
        assert.equal(mix(dtype, [encode(dtype, values)], [0.5]).fits, 0);
      }
    }
  });
}
