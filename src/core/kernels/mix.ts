/**
 * SIMD loops that mix float tensors: out = sum_i a_i source_i, accumulated in float64 registers in the order of the
 * sources, and rounded once. Every source byte is read once and every output byte written once, with nothing in
 * between. Bit for bit what `addScaled` and `encodeFromFloat64` of `checkpoints/dtype.ts` compute one after another.
 */
import {
  assemble,
  doWhile,
  f32x4,
  f64,
  f64x2,
  get,
  i16x8,
  i32,
  i32x4,
  Registers,
  set,
  v128,
  type Code,
  type Local,
  type WasmFunction,
} from './assembler.ts';

/** The types that have a loop. */
export type MixDType = 'F64' | 'F32' | 'F16' | 'BF16';

export function isMixDType(dtype: string): dtype is MixDType {
  return Object.hasOwn(LOOPS, dtype);
}

/** Elements are taken this many at a time: buffers hold a multiple of it. */
export const MIX_LANES = 8;
/** Bytes of one source's entry in the table: its coefficient (float64), its address (int32), and padding. */
export const TABLE_ENTRY = 16;

/**
 * All addresses and sizes in bytes.
 * @param tableEnd just after the last source's entry; there is at least one.
 * @param bytes of one source; a positive multiple of {@link MIX_LANES} elements.
 * @returns 1 when every number was finite and every sum is one that the type can hold after rounding, else 0, and the
 * output is worth nothing.
 */
export type Mix = (table: number, tableEnd: number, bytes: number, out: number) => number;

const PAIRS = MIX_LANES / 2;

/** How {@link MIX_LANES} elements of a type are read and written. */
export interface ElementLoop {
  readonly bytesPerElement: number;
  /** What a number that `pairs` gives has to be multiplied by to be its element; a power of two. */
  readonly scale: number;
  readonly make: (registers: Registers) => {
    /** Fetches what `pairs` needs. */
    readonly load: (at: Local) => Code;
    /** The elements as pairs of float64, in any order that `store` knows. */
    readonly pairs: (at: Local) => readonly Code[];
    /** Rounds pairs and stores them. */
    readonly store: (address: Code, pairs: readonly Code[]) => Code;
    /** Ones, unless a number that was stored is infinite or none. */
    readonly fits: Code;
    /** Ones, unless a source was not finite; where that does not show in the sums. */
    readonly finite?: Code;
  };
}

export const everyPair = (make: (k: number) => Code): readonly Code[] =>
  Array.from({ length: PAIRS }, (_, k) => make(k));

/** The two float32 of the low half. */
const promote = f64x2.promoteLowF32x4;
const promoteHigh = (floats: Code): Code => promote(v128.highHalves(floats, floats));
const demote = (low: Code, high: Code): Code =>
  v128.lowHalves(f32x4.demoteF64x2Zero(low), f32x4.demoteF64x2Zero(high));

const bits = (value: number): Code => i32x4.splat(i32.const(value));

const f64Loop: ElementLoop = {
  bytesPerElement: 8,
  scale: 1,
  make(registers) {
    const most = registers.variable();
    const limit = registers.constant(f64x2.splat(f64.const(Number.MAX_VALUE)));
    return {
      load: () => [],
      pairs: (at) => everyPair((k) => v128.load(16 * k, get(at))),
      store: (address, pairs) =>
        pairs.flatMap((pair, k) => [
          ...v128.store(16 * k, address, pair),
          ...set(most, v128.or(get(most), v128.not(f64x2.le(f64x2.abs(pair), limit)))),
        ]),
      fits: v128.not(get(most)),
    };
  },
};

/** Follows the float32 that are stored: their exponents are all below `end`. */
function watch(registers: Registers, end: number) {
  const most = registers.variable();
  return {
    /** Shifted, the sign is out of the way. */
    see: (floats: Local): Code => set(most, i32x4.maxU(get(most), i32x4.shl(get(floats), i32.const(1)))),
    fits: i32x4.ltU(get(most), bits(end << 24)),
  };
}

/** The exponent of infinity and NaN. */
const NO_NUMBER = 255;

const f32Loop: ElementLoop = {
  bytesPerElement: 4,
  scale: 1,
  make(registers) {
    const floats = registers.variable();
    const { see, fits } = watch(registers, NO_NUMBER);
    return {
      load: () => [],
      pairs: (at) => everyPair((k) => promote(v128.load64Zero(8 * k, get(at)))),
      store: (address, pairs) =>
        [0, 1].flatMap((k) => [
          ...set(floats, demote(pairs[2 * k]!, pairs[2 * k + 1]!)),
          ...see(floats),
          ...v128.store(16 * k, address, get(floats)),
        ]),
      fits,
    };
  },
};

// Of 16-bit elements, those at even places and those at odd ones make a vector of float32 each: the low halves of its
// words are shifted up, the high halves are there already.

const bf16Loop: ElementLoop = {
  bytesPerElement: 2,
  scale: 1,
  make(registers) {
    const [codes, even, odd] = [registers.variable(), registers.variable(), registers.variable()];
    const high = registers.constant(bits(0xffff0000));
    const round = rounding(registers, 7, 2 ** -126);
    const { see, fits } = watch(registers, NO_NUMBER);
    const sixteen = i32.const(16);
    return {
      load: (at) => [
        ...set(codes, v128.load(0, get(at))),
        ...set(even, i32x4.shl(get(codes), sixteen)),
        ...set(odd, v128.and(get(codes), high)),
      ],
      pairs: () => [even, odd].flatMap((floats) => [promote(get(floats)), promoteHigh(get(floats))]),
      store: (address, pairs) => [
        ...[even, odd].flatMap((floats, k) => [
          ...set(floats, demote(round(pairs[2 * k]!), round(pairs[2 * k + 1]!))),
          ...see(floats),
        ]),
        ...v128.store(0, address, v128.or(i32x4.shrU(get(even), sixteen), get(odd))),
      ],
      fits,
    };
  },
};

/**
 * Shifted into float32's fields, a float16 is too small by 2^112, the difference of the exponents' biases; whoever
 * multiplies it takes care of that. Infinity and NaN come out finite, so they are looked for among the codes.
 */
const f16Loop: ElementLoop = {
  bytesPerElement: 2,
  scale: 2 ** 112,
  make(registers) {
    const [codes, even, odd] = [registers.variable(), registers.variable(), registers.variable()];
    const largestCode = registers.variable();
    const fields = registers.constant(bits(0x8fffe000));
    const down = registers.constant(bits((127 - 112) << 23));
    const magnitude = registers.constant(bits(0x7fff));
    const round = rounding(registers, 10, 2 ** -14);
    // Infinity's exponent in a float16.
    const { see, fits } = watch(registers, 31);
    const shift = i32.const;
    // The shift fills the bits between the sign and the exponent with the sign; the mask clears them.
    const widen = (words: Code): Code => v128.and(i32x4.shrS(words, shift(3)), fields);
    const narrow = (floats: Local): Code =>
      v128.bitselect(i32x4.shrU(get(floats), shift(13)), i32x4.shrU(get(floats), shift(16)), magnitude);
    return {
      load: (at) => [
        ...set(codes, v128.load(0, get(at))),
        ...set(largestCode, i16x8.maxU(get(largestCode), i16x8.shl(get(codes), shift(1)))),
        ...set(even, widen(i32x4.shl(get(codes), shift(16)))),
        ...set(odd, widen(get(codes))),
      ],
      pairs: () => [even, odd].flatMap((floats) => [promote(get(floats)), promoteHigh(get(floats))]),
      store: (address, pairs) => [
        ...[even, odd].flatMap((floats, k) => [
          ...set(floats, f32x4.mul(demote(round(pairs[2 * k]!), round(pairs[2 * k + 1]!)), down)),
          ...see(floats),
        ]),
        ...v128.store(0, address, v128.or(narrow(even), i32x4.shl(narrow(odd), shift(16)))),
      ],
      fits,
      finite: i16x8.ltU(get(largestCode), i16x8.splat(i32.const(0x7c00 << 1))),
    };
  },
};

/**
 * Rounds float64 to numbers of so many mantissa bits, ties to even, with the fixed spacing of subnormals below the
 * smallest normal: adding 1.5 * 2^(52 - bits) times the number's power of two leaves no room for smaller bits.
 * The sign is kept, also of what becomes zero.
 */
function rounding(registers: Registers, mantissaBits: number, smallestNormal: number): (value: Code) => Code {
  const magic = registers.variable();
  const exponentBits = registers.constant(f64x2.splat(f64.const(Infinity)));
  const smallest = registers.constant(f64x2.splat(f64.const(smallestNormal)));
  const scale = registers.constant(f64x2.splat(f64.const(1.5 * 2 ** (52 - mantissaBits))));
  const signBit = registers.constant(f64x2.splat(f64.const(-0)));
  return (value) => {
    const power = f64x2.pmax(v128.and(value, exponentBits), smallest);
    return [
      ...set(magic, f64x2.mul(power, scale)),
      ...v128.bitselect(value, f64x2.sub(f64x2.add(value, get(magic)), get(magic)), signBit),
    ];
  };
}

export const LOOPS: Readonly<Record<MixDType, ElementLoop>> = {
  F64: f64Loop,
  F32: f32Loop,
  F16: f16Loop,
  BF16: bf16Loop,
};

function mixFunction(name: MixDType, { bytesPerElement, scale, make }: ElementLoop): WasmFunction {
  const registers = new Registers(['i32', 'i32', 'i32', 'i32']);
  const [table, tableEnd, bytes, out] = [0, 1, 2, 3];
  const [at, entry, source] = [
    registers.variable('i32'),
    registers.variable('i32'),
    registers.variable('i32'),
  ];
  const coefficient = registers.variable();
  const scales = scale === 1 ? undefined : registers.constant(f64x2.splat(f64.const(scale)));
  const zeros = registers.variable();
  const sums = everyPair(() => []).map(() => registers.variable());
  const { load, pairs, store, fits, finite } = make(registers);
  const entryCoefficient = v128.load64Splat(0, get(entry));
  return {
    name,
    result: 'i32',
    registers,
    body: [
      ...doWhile(
        i32.ltU(get(at), get(bytes)),
        ...sums.map((sum) => set(sum, get(zeros))),
        set(entry, get(table)),
        doWhile(
          i32.ltU(get(entry), get(tableEnd)),
          set(coefficient, scales === undefined ? entryCoefficient : f64x2.mul(entryCoefficient, scales)),
          set(source, i32.add(i32.load(8, get(entry)), get(at))),
          load(source),
          ...pairs(source).map((pair, k) =>
            set(sums[k]!, f64x2.add(get(sums[k]!), f64x2.mul(get(coefficient), pair))),
          ),
          set(entry, i32.add(get(entry), i32.const(TABLE_ENTRY))),
        ),
        store(i32.add(get(out), get(at)), sums.map(get)),
        set(at, i32.add(get(at), i32.const(MIX_LANES * bytesPerElement))),
      ),
      ...i32.eqz(v128.anyTrue(v128.not(finite === undefined ? fits : v128.and(fits, finite)))),
    ],
  };
}

let compiled: WebAssembly.Module | undefined;

/** The loops over one memory. */
export function mixLoops(memory: WebAssembly.Memory): Readonly<Record<MixDType, Mix>> {
  compiled ??= assemble((Object.keys(LOOPS) as MixDType[]).map((dtype) => mixFunction(dtype, LOOPS[dtype])));
  const { exports } = new WebAssembly.Instance(compiled, { env: { memory } });
  return exports;
}
