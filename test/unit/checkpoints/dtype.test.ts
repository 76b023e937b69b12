import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import {
  addScaled,
  decodeToFloat32,
  decodeToFloat64,
  elementCount,
  encodeFromFloat64,
  firstUnrepresentable,
  isDType,
  isFloat,
} from '../../../src/core/checkpoints/dtype.ts';
import type { DType, FloatDType } from '../../../src/core/checkpoints/types.ts';
import { FIXTURES } from './help.ts';

interface Rounding {
  readonly cases: readonly (readonly [string, number])[];
  readonly decodedSha256: string;
}
const rounding = JSON.parse(readFileSync(join(FIXTURES, 'rounding.json'), 'utf8')) as Record<
  string,
  Rounding
>;

interface ExpectedTensor {
  readonly name: string;
  readonly dtype: DType;
  readonly bytes: readonly string[];
  readonly float64?: readonly string[];
}
const mixed = (
  JSON.parse(readFileSync(join(FIXTURES, 'mixed/expected.json'), 'utf8')) as {
    tensors: readonly ExpectedTensor[];
  }
).tensors;

function float64Of(hex: string): number {
  return Buffer.from(hex, 'hex').readDoubleLE(0);
}

for (const [name, { cases, decodedSha256 }] of Object.entries(rounding)) {
  const dtype = name as 'F16' | 'BF16' | 'F8_E4M3' | 'F8_E5M2';
  const wide = dtype === 'F16' || dtype === 'BF16';

  describe(dtype, () => {
    test(`${cases.length} numbers round to the code that exact arithmetic gives`, () => {
      const values = Float64Array.from(cases, ([hex]) => float64Of(hex));
      const out = new Uint8Array(values.length * (wide ? 2 : 1));
      encodeFromFloat64(values, dtype, out);
      const codes = wide ? new Uint16Array(out.buffer) : out;
      for (const [i, [, code]] of cases.entries()) {
        assert.equal(
          codes[i],
          code,
          `${values[i]!} -> ${codes[i]!.toString(16)}, expected ${code.toString(16)}`,
        );
      }
    });

    test('every code has the value that NumPy gives it', () => {
      const count = wide ? 65536 : 256;
      const codes = wide
        ? Uint16Array.from({ length: count }, (_, i) => i)
        : Uint8Array.from({ length: count }, (_, i) => i);
      const values = new Float32Array(count);
      decodeToFloat32(new Uint8Array(codes.buffer), dtype, values);
      const bits = new Uint32Array(values.buffer);
      for (let i = 0; i < count; i++) if (Number.isNaN(values[i])) bits[i] = 0x7fc00000;
      assert.equal(createHash('sha256').update(new Uint8Array(values.buffer)).digest('hex'), decodedSha256);
    });

    test('encoding gives every finite code back', () => {
      const count = wide ? 65536 : 256;
      const codes = wide
        ? Uint16Array.from({ length: count }, (_, i) => i)
        : Uint8Array.from({ length: count }, (_, i) => i);
      const values = new Float64Array(count);
      decodeToFloat64(new Uint8Array(codes.buffer), dtype, values);
      const out = new Uint8Array(codes.byteLength);
      encodeFromFloat64(values, dtype, out);
      const back = wide ? new Uint16Array(out.buffer) : out;
      for (let i = 0; i < count; i++) {
        if (!Number.isNaN(values[i])) assert.equal(back[i], i);
      }
    });

    test('firstUnrepresentable says exactly which numbers would become infinite or NaN', () => {
      for (const [hex] of cases) {
        const value = Float64Array.of(float64Of(hex));
        const out = new Uint8Array(wide ? 2 : 1);
        encodeFromFloat64(value, dtype, out);
        const back = new Float64Array(1);
        decodeToFloat64(out, dtype, back);
        assert.equal(firstUnrepresentable(value, dtype), Number.isFinite(back[0]) ? -1 : 0, String(value[0]));
      }
    });
  });
}

test('F32 overflows where Math.fround does', () => {
  for (const x of [3.4028235677973362e38, 3.4028235677973366e38, 3.4028235e38, -1e39, NaN, Infinity, 1]) {
    const expected = Number.isFinite(Math.fround(x)) ? -1 : 0;
    assert.equal(firstUnrepresentable(Float64Array.of(x), 'F32'), expected, String(x));
  }
});

test('the first bad number is the one that is named', () => {
  assert.equal(firstUnrepresentable(Float64Array.of(1, 2, 70000, NaN), 'F16'), 2);
  assert.equal(firstUnrepresentable(Float64Array.of(1, 2, 70000, NaN), 'F32'), 3);
});

for (const { name, dtype, bytes, float64 } of mixed) {
  if (float64 === undefined) continue;
  test(`${name}: ${dtype} decodes to NumPy's float64, aligned or not`, () => {
    for (const [i, hex] of bytes.entries()) {
      const raw = Buffer.from(hex, 'hex');
      const expected: Buffer = Buffer.from(float64[i]!, 'hex');
      const out = new Float64Array(expected.length / 8);
      decodeToFloat64(new Uint8Array(raw), dtype, out);
      assert.deepEqual(Buffer.from(out.buffer), expected);
      const shifted = new Uint8Array(raw.length + 1);
      shifted.set(raw, 1);
      out.fill(0);
      decodeToFloat64(shifted.subarray(1), dtype, out);
      assert.deepEqual(Buffer.from(out.buffer), expected);
    }
  });
}

test('addScaled adds to what is there, in float64, for every float type', () => {
  const dtypes: readonly FloatDType[] = ['F64', 'F32', 'F16', 'BF16', 'F8_E4M3', 'F8_E5M2'];
  for (const dtype of dtypes) {
    const bytes = new Uint8Array(16);
    // Exact in every type: 3 significant bits.
    const values = Float64Array.of(1.5, -0.25);
    encodeFromFloat64(values, dtype, bytes);
    const size = dtype === 'F64' ? 8 : dtype === 'F32' ? 4 : dtype === 'F16' || dtype === 'BF16' ? 2 : 1;
    const sum = Float64Array.of(1e-9, 1);
    addScaled(sum, bytes.subarray(0, 2 * size), dtype, 0.1);
    assert.deepEqual([...sum], [1e-9 + 0.1 * 1.5, 1 + 0.1 * -0.25], dtype);
  }
});

test('a NaN or infinity stays visible in a sum, whatever its coefficient', () => {
  const values = Float32Array.of(NaN, Infinity, -Infinity);
  for (const factor of [1, -2, 0]) {
    const sum = Float64Array.of(1, 1, 1);
    addScaled(sum, new Uint8Array(values.buffer), 'F32', factor);
    addScaled(sum, new Uint8Array(Float32Array.of(1, 1, Infinity).buffer), 'F32', 1);
    for (const x of sum) assert.ok(!Number.isFinite(x));
  }
});

test('names and shapes that are no dtypes and no shapes', () => {
  assert.ok(isDType('BF16') && isFloat('BF16') && isDType('I64') && !isFloat('I64'));
  for (const name of ['toString', '__proto__', 'f32', 'F4', '']) assert.ok(!isDType(name));
  assert.equal(elementCount([]), 1);
  assert.equal(elementCount([3, 0, 7]), 0);
  assert.equal(elementCount([2 ** 30, 2 ** 30]), undefined);
  for (const bad of [-1, 1.5, NaN, 2 ** 60]) assert.equal(elementCount([bad]), undefined);
});
