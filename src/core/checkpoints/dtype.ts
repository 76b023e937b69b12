/**
 * Element types: their sizes, and the exact conversion of their bytes to numbers and back.
 *
 * Decoding is by table for the 8- and 16-bit floats. Encoding rounds once, from float64 to the nearest representable
 * value, ties to even (IEEE 754-2019, 4.3.1), so a mean accumulated in float64 loses nothing to a second rounding
 * through float32. F8_E4M3 and F8_E5M2 are the OCP formats (E4M3 is "fn": no infinities, one NaN per sign).
 */
import { TwaError } from '../errors.ts';
import type { DType, FloatDType } from './types.ts';

const BYTES: Readonly<Record<DType, number>> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  F8_E4M3: 1,
  F8_E5M2: 1,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
  C64: 8,
  C128: 16,
};

/** Size of one element in bytes. */
export function bytesPerElement(dtype: DType): number {
  return BYTES[dtype];
}

/** Narrows a format's own text. Own keys only: `toString` is no dtype. */
export function isDType(text: string): text is DType {
  return Object.hasOwn(BYTES, text);
}

export function isFloat(dtype: DType): dtype is FloatDType {
  return Object.hasOwn(LARGEST, dtype);
}

/**
 * How an element averages: as one float, as two (complex: real and imaginary part), or not at all (integers and
 * booleans: undefined).
 */
export function floatComponents(
  dtype: DType,
): { readonly dtype: FloatDType; readonly perElement: 1 | 2 } | undefined {
  if (isFloat(dtype)) return { dtype, perElement: 1 };
  if (dtype === 'C64') return { dtype: 'F32', perElement: 2 };
  if (dtype === 'C128') return { dtype: 'F64', perElement: 2 };
  return undefined;
}

/** Product of the dimensions; undefined when a dimension or the product is no exact non-negative integer. */
export function elementCount(shape: readonly number[]): number | undefined {
  let count = 1;
  for (const dimension of shape) {
    if (!Number.isSafeInteger(dimension) || dimension < 0) return undefined;
    count *= dimension;
    if (!Number.isSafeInteger(count)) return undefined;
  }
  return count;
}

/**
 * Calls a loop over elements. All of them are called from here, because V8 (seen in 13.6, Node 24) copies a loop into
 * a caller that knows it, and there it stays in the quick compiler's code: five times slower. A place that calls many
 * functions is never copied into.
 */
function run<A extends readonly unknown[], R>(loop: (...args: A) => R, ...args: A): R {
  return loop(...args);
}

// The small floats -----------------------------------------------------------------------------------------------

type SmallFloat = 'F16' | 'BF16' | 'F8_E4M3' | 'F8_E5M2';

interface SmallFormat {
  readonly exponentBits: number;
  readonly mantissaBits: number;
  /** E4M3 spends its top exponent on numbers; only the all-ones code is NaN. */
  readonly infinities: boolean;
}

const SMALL: Readonly<Record<SmallFloat, SmallFormat>> = {
  F16: { exponentBits: 5, mantissaBits: 10, infinities: true },
  BF16: { exponentBits: 8, mantissaBits: 7, infinities: true },
  F8_E4M3: { exponentBits: 4, mantissaBits: 3, infinities: false },
  F8_E5M2: { exponentBits: 5, mantissaBits: 2, infinities: true },
};

interface SmallCodec {
  /** Every code's value; float32 holds each of them exactly. */
  readonly values: Float32Array;
  /** By biased float64 exponent: what |x| is multiplied by so that its integer part is the mantissa code. */
  readonly scale: Float64Array;
  /** By biased float64 exponent: the code that the rounded mantissa is added to. */
  readonly base: Int32Array;
  /** Code of +infinity, or of NaN where there is none: where overflow goes. */
  readonly overflow: number;
  readonly nan: number;
  readonly signBit: number;
}

function makeCodec({ exponentBits, mantissaBits, infinities }: SmallFormat): SmallCodec {
  const bias = 2 ** (exponentBits - 1) - 1;
  const signBit = 1 << (exponentBits + mantissaBits);
  const nan = infinities ? signBit - (1 << (mantissaBits - 1)) : signBit - 1;
  const overflow = infinities ? signBit - (1 << mantissaBits) : nan;

  const values = new Float32Array(signBit * 2);
  for (let code = 0; code < signBit; code++) {
    const exponent = code >>> mantissaBits;
    const mantissa = code & ((1 << mantissaBits) - 1);
    let value =
      exponent === 0
        ? mantissa * 2 ** (1 - bias - mantissaBits)
        : (mantissa + (1 << mantissaBits)) * 2 ** (exponent - bias - mantissaBits);
    if (code >= overflow) value = code === overflow && infinities ? Infinity : NaN;
    values[code] = value;
    values[code + signBit] = -value;
  }

  const scale = new Float64Array(2048);
  const base = new Int32Array(2048).fill(overflow);
  // A float64 of biased exponent e lies in [2^(e-1023), 2^(e-1022)). Exponents under the smallest normal one share
  // its spacing (subnormals); those above the largest keep scale 0 and base `overflow`.
  const largest = (overflow - 1) >>> mantissaBits;
  for (let e = 0; e < 2047; e++) {
    const exponent = e - 1023 + bias;
    if (exponent > largest) break;
    const spacing = Math.max(exponent, 1);
    scale[e] = 2 ** (bias + mantissaBits - spacing);
    base[e] = exponent <= 0 ? 0 : (exponent - 1) << mantissaBits;
  }
  return { values, scale, base, overflow, nan, signBit };
}

const codecs = new Map<SmallFloat, SmallCodec>();

function codecOf(dtype: SmallFloat): SmallCodec {
  let codec = codecs.get(dtype);
  if (codec === undefined) codecs.set(dtype, (codec = makeCodec(SMALL[dtype])));
  return codec;
}

/** Adding and taking away 2^52 leaves the nearest integer, ties to even. */
const ROUND = 2 ** 52;

function encodeSmall(values: Float64Array, codec: SmallCodec, out: Uint16Array | Uint8Array): void {
  const { scale, base, overflow, nan, signBit } = codec;
  const words = new Int32Array(values.buffer, values.byteOffset, values.length * 2);
  // Without branches on the common path, and in int32 as soon as it is an integer: four times as fast.
  for (let i = 0; i < values.length; i++) {
    const x = values[i]!;
    const high = words[2 * i + 1]!;
    const exponent = (high >>> 20) & 0x7ff;
    const mantissa = (Math.abs(x) * scale[exponent]! + ROUND - ROUND) | 0;
    let code = base[exponent]! + mantissa;
    if (code > overflow) code = overflow;
    if (x !== x) code = nan;
    out[i] = code | ((high >>> 31) * signBit);
  }
}

// Decoding -------------------------------------------------------------------------------------------------------

/** Bytes as an aligned typed array: a view where the offset allows it, else of a copy. Elements are little-endian. */
function aligned(bytes: Uint8Array, size: number): { readonly buffer: ArrayBufferLike; readonly at: number } {
  if (bytes.byteOffset % size === 0) return { buffer: bytes.buffer, at: bytes.byteOffset };
  const copy = bytes.slice();
  return { buffer: copy.buffer, at: copy.byteOffset };
}

type Numeric =
  | Float64Array
  | Float32Array
  | Int32Array
  | Int16Array
  | Int8Array
  | Uint32Array
  | Uint16Array
  | Uint8Array
  | BigInt64Array
  | BigUint64Array;

function viewOf(bytes: Uint8Array, dtype: Exclude<DType, 'C64' | 'C128'>): Numeric {
  const size = BYTES[dtype];
  const { buffer, at } = aligned(bytes, size);
  const length = bytes.byteLength / size;
  switch (dtype) {
    case 'F64':
      return new Float64Array(buffer, at, length);
    case 'F32':
      return new Float32Array(buffer, at, length);
    case 'F16':
    case 'BF16':
    case 'U16':
      return new Uint16Array(buffer, at, length);
    case 'F8_E4M3':
    case 'F8_E5M2':
    case 'U8':
    case 'BOOL':
      return new Uint8Array(buffer, at, length);
    case 'I64':
      return new BigInt64Array(buffer, at, length);
    case 'I32':
      return new Int32Array(buffer, at, length);
    case 'I16':
      return new Int16Array(buffer, at, length);
    case 'I8':
      return new Int8Array(buffer, at, length);
    case 'U64':
      return new BigUint64Array(buffer, at, length);
    case 'U32':
      return new Uint32Array(buffer, at, length);
  }
}

/**
 * Converts elements to numbers. 64-bit integers beyond 2^53 are rounded; float32 output rounds wider types.
 * `out` must have room for `bytes.byteLength / bytesPerElement(dtype)` numbers.
 * @throws TwaError `unsupported` for complex types, which are not one number per element.
 */
function decode(bytes: Uint8Array, dtype: DType, out: Float64Array | Float32Array): void {
  if (dtype === 'C64' || dtype === 'C128') {
    throw new TwaError('unsupported', `A complex tensor (${dtype}) cannot be read as real numbers.`);
  }
  const view = viewOf(bytes, dtype);
  if (view instanceof BigInt64Array || view instanceof BigUint64Array) {
    for (let i = 0; i < view.length; i++) out[i] = Number(view[i]);
  } else if (dtype in SMALL) {
    const { values } = codecOf(dtype as SmallFloat);
    for (let i = 0; i < view.length; i++) out[i] = values[view[i]!]!;
  } else {
    out.set(view);
  }
}

export function decodeToFloat64(bytes: Uint8Array, dtype: DType, out: Float64Array): void {
  run(decode, bytes, dtype, out);
}

export function decodeToFloat32(bytes: Uint8Array, dtype: DType, out: Float32Array): void {
  run(decode, bytes, dtype, out);
}

// Encoding -------------------------------------------------------------------------------------------------------

/**
 * Converts float64 to the bytes of `dtype`, each number rounded once to nearest even. Too large a number becomes
 * infinity (NaN in F8_E4M3): ask {@link firstUnrepresentable} before.
 */
export function encodeFromFloat64(values: Float64Array, dtype: FloatDType, out: Uint8Array): void {
  const size = BYTES[dtype];
  if (out.byteOffset % size !== 0)
    throw new RangeError(`Output of ${dtype} must be aligned to ${size} bytes.`);
  switch (dtype) {
    case 'F64':
      new Float64Array(out.buffer, out.byteOffset, values.length).set(values);
      return;
    case 'F32':
      new Float32Array(out.buffer, out.byteOffset, values.length).set(values);
      return;
    case 'F16':
    case 'BF16':
      run(encodeSmall, values, codecOf(dtype), new Uint16Array(out.buffer, out.byteOffset, values.length));
      return;
    case 'F8_E4M3':
    case 'F8_E5M2':
      run(encodeSmall, values, codecOf(dtype), out);
      return;
  }
}

/** The largest float64 that still rounds to a finite number of the type: a tie rounds up, to infinity, except E4M3. */
const LARGEST: Readonly<Record<FloatDType, number>> = {
  F64: Number.MAX_VALUE,
  F32: below((2 - 2 ** -24) * 2 ** 127),
  F16: below(65520),
  BF16: below((2 - 2 ** -8) * 2 ** 127),
  F8_E4M3: 464,
  F8_E5M2: below(61440),
};

/** The float64 just under a positive one. */
function below(x: number): number {
  const bits = new BigInt64Array(1);
  const value = new Float64Array(bits.buffer);
  value[0] = x;
  bits[0] = bits[0]! - 1n;
  return value[0];
}

/** Index of the first number that is NaN, infinite, or too large for the type; -1 without one. */
export function firstUnrepresentable(values: Float64Array, dtype: FloatDType): number {
  return run(firstBeyond, values, LARGEST[dtype]);
}

function firstBeyond(values: Float64Array, largest: number): number {
  for (let i = 0; i < values.length; i++) {
    if (!(Math.abs(values[i]!) <= largest)) return i;
  }
  return -1;
}

// Mixing ---------------------------------------------------------------------------------------------------------

// One function per kind of array: a loop that has seen only one kind is several times faster in V8.

function addScaledFloat64(sum: Float64Array, source: Float64Array, factor: number): void {
  for (let i = 0; i < source.length; i++) sum[i]! += factor * source[i]!;
}

function addScaledFloat32(sum: Float64Array, source: Float32Array, factor: number): void {
  for (let i = 0; i < source.length; i++) sum[i]! += factor * source[i]!;
}

function addScaledCodes16(sum: Float64Array, codes: Uint16Array, values: Float32Array, factor: number): void {
  for (let i = 0; i < codes.length; i++) sum[i]! += factor * values[codes[i]!]!;
}

function addScaledCodes8(sum: Float64Array, codes: Uint8Array, values: Float32Array, factor: number): void {
  for (let i = 0; i < codes.length; i++) sum[i]! += factor * values[codes[i]!]!;
}

/** sum += factor * elements, in float64. A NaN or infinity in the elements stays one in the sum, whatever follows. */
export function addScaled(sum: Float64Array, bytes: Uint8Array, dtype: FloatDType, factor: number): void {
  const view = viewOf(bytes, dtype);
  if (view instanceof Float32Array) run(addScaledFloat32, sum, view, factor);
  else if (view instanceof Float64Array) run(addScaledFloat64, sum, view, factor);
  else if (view instanceof Uint16Array)
    run(addScaledCodes16, sum, view, codecOf(dtype as SmallFloat).values, factor);
  else run(addScaledCodes8, sum, view as Uint8Array, codecOf(dtype as SmallFloat).values, factor);
}
