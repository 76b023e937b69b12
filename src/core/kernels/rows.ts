/**
 * SIMD loops over rows of numbers, kept as float32 or rounded: their mix, and their inner products with one float32
 * vector. Memory is what limits them, so they go through it as it likes best: a few rows at a time, each for a long
 * stretch (interleaving all rows in short steps reaches half of that). Sums run in float32 registers over few numbers, and
 * further in double.
 */
import {
  assemble,
  doWhile,
  either,
  f32,
  f32x4,
  f64,
  get,
  i32,
  i32x4,
  Registers,
  set,
  v128,
  type Code,
  type Local,
  type WasmFunction,
} from './assembler.ts';

/** Elements are taken this many at a time: rows are padded to a multiple of it. */
export const ROW_STEP = 16;
/** Bytes of a row's entry in the table: its coefficient (float32), its address (int32). */
export const ROW_ENTRY = 8;
/** The most rows that a loop takes at a time: with their coefficients or sums they fill the registers. */
export const MOST_ROWS = 7;
/** Elements that have a scale of their own in 8 bits. */
export const CODE_BLOCK = 4096;

const VECTOR_BYTES = 16;
const VECTORS = ROW_STEP / 4;
/** Elements of a row that are added up in each lane of a float32 register before they go to double. */
const LANE_STRETCH = 128;
const LARGEST_CODE = 127;

/**
 * How the numbers of a row are kept. 16 bytes make one, two or four vectors of float32, in the order of the elements:
 * each of their words has one element of every vector, the first vector's in its lowest bits.
 *
 * - `bf16`: bfloat16, rounded to nearest even.
 * - `int8`: codes from -127 to 127, in blocks of {@link CODE_BLOCK}; the 16 bytes before a block begin with its scale
 *   (float32). Where a number of the block is not finite, the scale is not either, and all of them are NaN.
 */
export type RowFormat = 'f32' | 'bf16' | 'int8';
export type RoundedFormat = Exclude<RowFormat, 'f32'>;

interface Layout {
  /** Of an element. */
  readonly bytes: number;
  /** Bytes of the scale before {@link CODE_BLOCK} elements; 0: there is none. */
  readonly scale: number;
  /** The float32 vectors in a local of 16 bytes. */
  readonly decode: (registers: Registers) => (codes: Local) => readonly Code[];
}

const bits = (value: number): Code => i32x4.splat(i32.const(value));
const sixteen = i32.const(16);

const LAYOUTS: Readonly<Record<RowFormat, Layout>> = {
  f32: { bytes: 4, scale: 0, decode: () => (codes) => [get(codes)] },
  bf16: {
    bytes: 2,
    scale: 0,
    decode: (registers) => {
      const high = registers.constant(bits(0xffff0000));
      return (codes) => [i32x4.shl(get(codes), sixteen), v128.and(get(codes), high)];
    },
  },
  int8: {
    bytes: 1,
    scale: VECTOR_BYTES,
    decode: () => (codes) =>
      [24, 16, 8, 0].map((left) => {
        const top = left === 0 ? get(codes) : i32x4.shl(get(codes), i32.const(left));
        return f32x4.convertI32x4(i32x4.shrS(top, i32.const(24)));
      }),
  },
};

/** Bytes of a row's first elements, padding included: of all, or up to a multiple of {@link COLUMN_STEP}. */
export function rowBytes(format: RowFormat, elements: number): number {
  const { bytes, scale } = LAYOUTS[format];
  return bytes * ROW_STEP * Math.ceil(elements / ROW_STEP) + scale * Math.ceil(elements / CODE_BLOCK);
}

/** Loops begin at multiples of so many elements. */
export const COLUMN_STEP: Readonly<Record<RowFormat, number>> = {
  f32: ROW_STEP,
  bf16: ROW_STEP,
  int8: CODE_BLOCK,
};

/**
 * out (+)= sum_i a_i row_i over the rows of one group, whose entries begin at `table`. `offset` is added to their
 * addresses; `bytes`, of out, are a positive multiple of {@link ROW_STEP} elements, of one block at most where there are
 * blocks; `accumulate` is 1 or 0.
 */
export type MixRows = (table: number, offset: number, out: number, bytes: number, accumulate: number) => void;

/** into[i] += <row_i, vector> in float64, over the rows of one group; the rest as for {@link MixRows}. */
export type ProjectRows = (
  table: number,
  offset: number,
  vector: number,
  bytes: number,
  into: number,
) => void;

/** row = vector, rounded; `bytes`, of the vector, as for {@link MixRows}. */
export type RoundRow = (vector: number, row: number, bytes: number) => void;

const add = (local: Local, by: Code): Code => set(local, i32.add(get(local), by));

function mixRows(format: RowFormat, count: number): WasmFunction {
  const registers = new Registers(['i32', 'i32', 'i32', 'i32', 'i32']);
  const [table, offset, out, bytes, accumulate] = [0, 1, 2, 3, 4];
  const rows = Array.from({ length: count }, () => registers.variable('i32'));
  const coefficients = rows.map(() => registers.variable());
  const end = registers.variable('i32');
  const { bytes: elementBytes, scale, decode } = LAYOUTS[format];
  const codes = registers.variable();
  const vectors = decode(registers);
  const sums = vectors(codes).map(() => registers.variable());
  const loop = (before: (at: number) => readonly Code[]): Code =>
    doWhile(
      i32.ltU(get(out), get(end)),
      ...Array.from({ length: VECTORS / sums.length }, (_, k) => {
        const at = (v: number): number => VECTOR_BYTES * (k * sums.length + v);
        return [
          ...rows.flatMap((row, i) => [
            ...set(codes, v128.load(scale + VECTOR_BYTES * k, get(row))),
            ...vectors(codes).flatMap((vector, v) => {
              const product = f32x4.mul(get(coefficients[i]!), vector);
              const sum = [...(i === 0 ? before(at(v)) : [get(sums[v]!)]), product];
              return set(
                sums[v]!,
                sum.reduce((a, b) => f32x4.add(a, b)),
              );
            }),
          ]),
          ...sums.flatMap((sum, v) => v128.store(at(v), get(out), get(sum))),
        ];
      }),
      ...rows.map((row) => add(row, i32.const(elementBytes * ROW_STEP))),
      add(out, i32.const(4 * ROW_STEP)),
    );
  return {
    name: `${format}mix${count}`,
    registers,
    body: [
      ...rows.flatMap((row, i) => {
        const coefficient = v128.load32Splat(ROW_ENTRY * i, get(table));
        return [
          ...set(row, i32.add(i32.load(ROW_ENTRY * i + 4, get(table)), get(offset))),
          ...set(
            coefficients[i]!,
            scale === 0 ? coefficient : f32x4.mul(coefficient, v128.load32Splat(0, get(row))),
          ),
        ];
      }),
      ...set(end, i32.add(get(out), get(bytes))),
      ...either(get(accumulate), [loop((at) => [v128.load(at, get(out))])], [loop(() => [])]),
    ],
  };
}

function projectRows(format: RowFormat, count: number): WasmFunction {
  const registers = new Registers(['i32', 'i32', 'i32', 'i32', 'i32']);
  const [table, offset, vector, bytes, into] = [0, 1, 2, 3, 4];
  const rows = Array.from({ length: count }, () => registers.variable('i32'));
  const [end, stretchEnd] = [registers.variable('i32'), registers.variable('i32')];
  // Few rows get two sums each, so that an addition need not wait for the one before.
  const perRow = count > MOST_ROWS / 2 ? 1 : 2;
  const sums = rows.map(() => Array.from({ length: perRow }, () => registers.variable()));
  const zero = registers.variable();
  const { bytes: elementBytes, scale, decode } = LAYOUTS[format];
  const codes = registers.variable();
  const vectors = decode(registers);
  const values = vectors(codes).map(() => registers.variable());
  const stretchBytes = LANE_STRETCH * perRow * VECTOR_BYTES;
  const start = (i: number): Code => i32.add(i32.load(ROW_ENTRY * i + 4, get(table)), get(offset));
  /** Of a row's sums over a stretch, in float64. */
  const total = (lanesOf: readonly Local[], i: number): Code => {
    const sum = lanesOf.map(get).reduce((a, b) => f32x4.add(a, b));
    const lanes = [0, 1, 2, 3].map((lane) => f32x4.extractLane(lane, get(codes)));
    const all = f64.promoteF32([...set(codes, sum), ...lanes.reduce((a, b) => f32.add(a, b))]);
    return scale === 0 ? all : f64.mul(all, f64.promoteF32(f32.load(0, start(i))));
  };
  return {
    name: `${format}project${count}`,
    registers,
    body: [
      ...rows.flatMap((row, i) => set(row, start(i))),
      ...set(end, i32.add(get(vector), get(bytes))),
      ...doWhile(
        i32.ltU(get(vector), get(end)),
        ...sums.flat().map((sum) => set(sum, get(zero))),
        set(stretchEnd, i32.add(get(vector), i32.const(stretchBytes))),
        either(i32.ltU(get(end), get(stretchEnd)), [set(stretchEnd, get(end))], []),
        doWhile(
          i32.ltU(get(vector), get(stretchEnd)),
          ...Array.from({ length: VECTORS / values.length }, (_, k) => [
            ...values.flatMap((value, v) =>
              set(value, v128.load(VECTOR_BYTES * (k * values.length + v), get(vector))),
            ),
            ...rows.flatMap((row, i) => [
              ...set(codes, v128.load(scale + VECTOR_BYTES * k, get(row))),
              ...vectors(codes).flatMap((floats, v) => {
                const sum = sums[i]![(k * values.length + v) % perRow]!;
                return set(sum, f32x4.add(get(sum), f32x4.mul(get(values[v]!), floats)));
              }),
            ]),
          ]),
          ...rows.map((row) => add(row, i32.const(elementBytes * ROW_STEP))),
          add(vector, i32.const(4 * ROW_STEP)),
        ),
        ...sums.map((lanesOf, i) =>
          f64.store(8 * i, get(into), f64.add(f64.load(8 * i, get(into)), total(lanesOf, i))),
        ),
      ),
    ],
  };
}

function roundToBf16(): WasmFunction {
  const registers = new Registers(['i32', 'i32', 'i32']);
  const [vector, row, bytes] = [0, 1, 2];
  const end = registers.variable('i32');
  const [half, one, high] = [0x7fff, 1, 0xffff0000].map((value) => registers.constant(bits(value)));
  const floats = registers.variable();
  const rounded = (at: number): Code => [
    ...set(floats, v128.load(at, get(vector))),
    ...i32x4.add(get(floats), i32x4.add(half!, v128.and(i32x4.shrU(get(floats), sixteen), one!))),
  ];
  return {
    name: 'bf16round',
    registers,
    body: [
      ...set(end, i32.add(get(vector), get(bytes))),
      ...doWhile(
        i32.ltU(get(vector), get(end)),
        v128.store(
          0,
          get(row),
          v128.or(i32x4.shrU(rounded(0), sixteen), v128.and(rounded(VECTOR_BYTES), high!)),
        ),
        add(vector, i32.const(2 * VECTOR_BYTES)),
        add(row, i32.const(VECTOR_BYTES)),
      ),
    ],
  };
}

function roundToInt8(): WasmFunction {
  const registers = new Registers(['i32', 'i32', 'i32']);
  const [vector, row, bytes] = [0, 1, 2];
  const [at, end] = [registers.variable('i32'), registers.variable('i32')];
  const largest = registers.variable();
  const scale = registers.variable('f32');
  const limits = [LARGEST_CODE, -LARGEST_CODE].map((code) =>
    registers.constant(f32x4.splat(f32.const(code))),
  );
  const lowest = registers.constant(bits(0xff));
  // 0 / 0 is NaN, and that the code 0. Only a scale that is itself rounded much, near 1e-45, needs the limits.
  const code = (k: number): Code => {
    const quotient = f32x4.div(v128.load(VECTOR_BYTES * k, get(vector)), f32x4.splat(get(scale)));
    const limited = f32x4.pmax(f32x4.pmin(f32x4.nearest(quotient), limits[0]!), limits[1]!);
    return i32x4.truncSatF32x4(limited);
  };
  const words = Array.from({ length: VECTORS }, (_, k) =>
    i32x4.shl(v128.and(code(k), lowest), i32.const(8 * k)),
  );
  return {
    name: 'int8round',
    registers,
    body: [
      ...set(end, i32.add(get(vector), get(bytes))),
      ...set(at, get(vector)),
      ...doWhile(
        i32.ltU(get(at), get(end)),
        set(largest, f32x4.max(get(largest), f32x4.abs(v128.load(0, get(at))))),
        add(at, i32.const(VECTOR_BYTES)),
      ),
      ...set(
        scale,
        f32.div(
          [0, 1, 2, 3].map((lane) => f32x4.extractLane(lane, get(largest))).reduce((a, b) => f32.max(a, b)),
          f32.const(LARGEST_CODE),
        ),
      ),
      ...f32.store(0, get(row), get(scale)),
      ...doWhile(
        i32.ltU(get(vector), get(end)),
        v128.store(
          VECTOR_BYTES,
          get(row),
          words.reduce((a, b) => v128.or(a, b)),
        ),
        add(vector, i32.const(4 * ROW_STEP)),
        add(row, i32.const(VECTOR_BYTES)),
      ),
    ],
  };
}

/** By the number of rows in a group, from 1 to {@link MOST_ROWS}. */
export interface RowKernels {
  readonly mix: (format: RowFormat, rows: number) => MixRows;
  readonly project: (format: RowFormat, rows: number) => ProjectRows;
  readonly round: (format: RoundedFormat) => RoundRow;
}

let compiled: WebAssembly.Module | undefined;

export function rowKernels(memory: WebAssembly.Memory): RowKernels {
  const counts = Array.from({ length: MOST_ROWS }, (_, k) => k + 1);
  const formats = Object.keys(LAYOUTS) as RowFormat[];
  compiled ??= assemble([
    ...formats.flatMap((format) =>
      counts.flatMap((count) => [mixRows(format, count), projectRows(format, count)]),
    ),
    roundToBf16(),
    roundToInt8(),
  ]);
  const exports = new WebAssembly.Instance(compiled, { env: { memory } }).exports as unknown as Readonly<
    Record<string, never>
  >;
  return {
    mix: (format, rows) => exports[`${format}mix${rows}`]!,
    project: (format, rows) => exports[`${format}project${rows}`]!,
    round: (format) => exports[`${format}round`]!,
  };
}

/** So many rows in groups of nearly equal size: none is left to be taken by itself. */
export function groupsOf(rows: number): readonly { readonly first: number; readonly count: number }[] {
  const groups = Math.ceil(rows / MOST_ROWS);
  const start = (group: number): number => Math.floor((group * rows) / groups);
  return Array.from({ length: groups }, (_, group) => ({
    first: start(group),
    count: start(group + 1) - start(group),
  }));
}
