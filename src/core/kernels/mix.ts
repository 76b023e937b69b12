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
 * @param largest the largest float64 that the type can hold after rounding.
 * @returns 1 when every number was finite and every sum within `largest`, else 0, and the output is worth nothing.
 */
export type Mix = (table: number, tableEnd: number, bytes: number, out: number, largest: number) => number;

const PAIRS = MIX_LANES / 2;

interface MixLoop {
  readonly bytesPerElement: number;
  readonly make: (registers: Registers) => {
    /** Fetches what `pairs` needs. */
    readonly load: (at: Local) => Code;
    /** The elements as pairs of float64. */
    readonly pairs: (at: Local) => readonly Code[];
    /** Rounds pairs and stores them. */
    readonly store: (address: Code, pairs: readonly Code[]) => Code;
    /** Ones, unless a source was not finite; where that does not show in the sums. */
    readonly finite?: Code;
  };
}

const everyPair = (make: (k: number) => Code): readonly Code[] =>
  Array.from({ length: PAIRS }, (_, k) => make(k));

/** The two float32 of the low half. */
const promote = f64x2.promoteLowF32x4;
const promoteHigh = (floats: Code): Code => promote(v128.highHalves(floats, floats));
const demote = (low: Code, high: Code): Code =>
  v128.lowHalves(f32x4.demoteF64x2Zero(low), f32x4.demoteF64x2Zero(high));

const f64Loop: MixLoop = {
  bytesPerElement: 8,
  make: () => ({
    load: () => [],
    pairs: (at) => everyPair((k) => v128.load(16 * k, get(at))),
    store: (address, pairs) => pairs.flatMap((pair, k) => v128.store(16 * k, address, pair)),
  }),
};

const f32Loop: MixLoop = {
  bytesPerElement: 4,
  make: () => ({
    load: () => [],
    pairs: (at) => everyPair((k) => promote(v128.load64Zero(8 * k, get(at)))),
    store: (address, pairs) =>
      [0, 1].flatMap((k) => v128.store(16 * k, address, demote(pairs[2 * k]!, pairs[2 * k + 1]!))),
  }),
};

const bf16Loop: MixLoop = {
  bytesPerElement: 2,
  make(registers) {
    const codes = registers.variable();
    const round = rounding(registers, 7, 2 ** -126);
    const sixteen = i32.const(16);
    return {
      load: (at) => set(codes, v128.load(0, get(at))),
      pairs: () => {
        const low = i32x4.shl(i32x4.extendLowI16x8U(get(codes)), sixteen);
        const high = i32x4.shl(i32x4.extendHighI16x8U(get(codes)), sixteen);
        return [promote(low), promoteHigh(low), promote(high), promoteHigh(high)];
      },
      store: (address, pairs) => {
        const [low, high] = [0, 2].map((k) =>
          i32x4.shrU(demote(round(pairs[k]!), round(pairs[k + 1]!)), sixteen),
        );
        return v128.store(0, address, i16x8.narrowI32x4U(low!, high!));
      },
    };
  },
};

/**
 * Shifted into float32's fields, a float16 is too small by 2^112, the difference of the exponents' biases; multiplying
 * is exact, for subnormals, too. Infinity and NaN come out finite, so they are looked for among the codes.
 */
const f16Loop: MixLoop = {
  bytesPerElement: 2,
  make(registers) {
    const [codes, low, high] = [registers.variable(), registers.variable(), registers.variable()];
    const largestCode = registers.variable();
    const fields = registers.constant(i32x4.splat(i32.const(0x8fffe000)));
    const up = registers.constant(i32x4.splat(i32.const((127 + 112) << 23)));
    const down = registers.constant(i32x4.splat(i32.const((127 - 112) << 23)));
    const magnitude = registers.constant(i32x4.splat(i32.const(0x7fff)));
    const round = rounding(registers, 10, 2 ** -14);
    const shift = i32.const;
    // Sign extension fills the bits between the sign and the exponent; the mask clears them.
    const widen = (extended: Code): Code => f32x4.mul(v128.and(i32x4.shl(extended, shift(13)), fields), up);
    return {
      load: (at) => [
        ...set(codes, v128.load(0, get(at))),
        ...set(largestCode, i16x8.maxU(get(largestCode), i16x8.shl(get(codes), shift(1)))),
        ...set(low, widen(i32x4.extendLowI16x8S(get(codes)))),
        ...set(high, widen(i32x4.extendHighI16x8S(get(codes)))),
      ],
      pairs: () => [promote(get(low)), promoteHigh(get(low)), promote(get(high)), promoteHigh(get(high))],
      store: (address, pairs) => {
        const narrow = (k: number, floats: Local): Code => [
          ...set(floats, f32x4.mul(demote(round(pairs[k]!), round(pairs[k + 1]!)), down)),
          ...v128.bitselect(
            i32x4.shrU(get(floats), shift(13)),
            i32x4.shrU(get(floats), shift(16)),
            magnitude,
          ),
        ];
        return v128.store(0, address, i16x8.narrowI32x4U(narrow(0, low), narrow(2, high)));
      },
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

const LOOPS: Readonly<Record<MixDType, MixLoop>> = {
  F64: f64Loop,
  F32: f32Loop,
  F16: f16Loop,
  BF16: bf16Loop,
};

function mixFunction(name: MixDType, { bytesPerElement, make }: MixLoop): WasmFunction {
  const registers = new Registers(['i32', 'i32', 'i32', 'i32', 'f64']);
  const [table, tableEnd, bytes, out, largest] = [0, 1, 2, 3, 4];
  const [at, entry, source] = [
    registers.variable('i32'),
    registers.variable('i32'),
    registers.variable('i32'),
  ];
  const coefficient = registers.variable();
  const limit = registers.constant(f64x2.splat(get(largest)));
  const zeros = registers.variable();
  const excess = registers.variable();
  const sums = everyPair(() => []).map(() => registers.variable());
  const { load, pairs, store, finite } = make(registers);
  const tooLarge = (sum: Local): Code => v128.not(f64x2.le(f64x2.abs(get(sum)), limit));
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
          set(coefficient, v128.load64Splat(0, get(entry))),
          set(source, i32.add(i32.load(8, get(entry)), get(at))),
          load(source),
          ...pairs(source).map((pair, k) =>
            set(sums[k]!, f64x2.add(get(sums[k]!), f64x2.mul(get(coefficient), pair))),
          ),
          set(entry, i32.add(get(entry), i32.const(TABLE_ENTRY))),
        ),
        ...sums.map((sum) => set(excess, v128.or(get(excess), tooLarge(sum)))),
        store(i32.add(get(out), get(at)), sums.map(get)),
        set(at, i32.add(get(at), i32.const(MIX_LANES * bytesPerElement))),
      ),
      ...i32.eqz(v128.anyTrue(finite === undefined ? get(excess) : v128.or(get(excess), v128.not(finite)))),
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
