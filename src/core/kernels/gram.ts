/**
 * SIMD loops for inner products between checkpoints, in float64: `centre` takes the same elements of every source to
 * float64 and subtracts their mean; `tile` adds up products of three rows with three rows, so that every number that
 * is loaded takes part in three products.
 */
import {
  assemble,
  doWhile,
  f64,
  f64x2,
  get,
  i32,
  Registers,
  set,
  v128,
  type Code,
  type WasmFunction,
} from './assembler.ts';
import { everyPair, LOOPS, MIX_LANES, TABLE_ENTRY, type ElementLoop, type MixDType } from './mix.ts';

/** Rows are multiplied this many at a time; there is a multiple of it, the last ones zeros where need be. */
export const TILE = 3;
/** Rows are this many float64 long, or a multiple. */
export const ROW_LANES = MIX_LANES;

const PAIR_BYTES = 16;

/**
 * All addresses and sizes in bytes. The table is that of `Mix`; its coefficients are the mean's.
 * @param bytes of one source; a positive multiple of {@link MIX_LANES} elements.
 * @param rows where the first source's row goes; the others follow `stride` bytes apart, and behind the last the mean.
 * Rows and mean are to be multiplied by the type's {@link rowScale}.
 * @returns 1 when all numbers were finite where that is not sure to show in the rows, else 0.
 */
export type Centre = (table: number, tableEnd: number, bytes: number, rows: number, stride: number) => number;

/**
 * Adds <a_i, b_j> to the float64 at `into + i * intoStride + 8 j`, for the {@link TILE} rows from `a` and from `b` on.
 * @param bytes of a row; a positive multiple of {@link ROW_LANES} float64.
 */
export type Tile = (
  a: number,
  b: number,
  stride: number,
  bytes: number,
  into: number,
  intoStride: number,
) => number;

function centreFunction(name: string, { bytesPerElement, make }: ElementLoop): WasmFunction {
  const registers = new Registers(['i32', 'i32', 'i32', 'i32', 'i32']);
  const [table, tableEnd, bytes, rows, stride] = [0, 1, 2, 3, 4];
  const [at, entry, source, row] = Array.from({ length: 4 }, () => registers.variable('i32')) as [
    number,
    number,
    number,
    number,
  ];
  const coefficient = registers.variable();
  const zeros = registers.variable();
  const means = everyPair(() => []).map(() => registers.variable());
  const { load, pairs, finite } = make(registers);
  const everySource = (body: readonly Code[]): readonly Code[] => [
    set(entry, get(table)),
    doWhile(
      i32.ltU(get(entry), get(tableEnd)),
      set(source, i32.add(i32.load(8, get(entry)), get(at))),
      load(source),
      ...body,
      set(entry, i32.add(get(entry), i32.const(TABLE_ENTRY))),
    ),
  ];
  return {
    name,
    result: 'i32',
    registers,
    body: [
      ...doWhile(
        i32.ltU(get(at), get(bytes)),
        ...means.map((mean) => set(mean, get(zeros))),
        ...everySource([
          set(coefficient, v128.load64Splat(0, get(entry))),
          ...pairs(source).map((pair, k) =>
            set(means[k]!, f64x2.add(get(means[k]!), f64x2.mul(get(coefficient), pair))),
          ),
        ]),
        set(row, get(rows)),
        ...everySource([
          ...pairs(source).map((pair, k) =>
            v128.store(PAIR_BYTES * k, get(row), f64x2.sub(pair, get(means[k]!))),
          ),
          set(row, i32.add(get(row), get(stride))),
        ]),
        ...means.map((mean, k) => v128.store(PAIR_BYTES * k, get(row), get(mean))),
        set(rows, i32.add(get(rows), i32.const(Float64Array.BYTES_PER_ELEMENT * MIX_LANES))),
        set(at, i32.add(get(at), i32.const(MIX_LANES * bytesPerElement))),
      ),
      ...i32.eqz(v128.anyTrue(finite === undefined ? get(zeros) : v128.not(finite))),
    ],
  };
}

function tileFunction(): WasmFunction {
  const registers = new Registers(['i32', 'i32', 'i32', 'i32', 'i32', 'i32']);
  const [a, b, stride, bytes, into, intoStride] = [0, 1, 2, 3, 4, 5];
  const pointers = [a, b].map((first) => [
    first,
    ...Array.from({ length: TILE - 1 }, () => registers.variable('i32')),
  ]);
  const [left, right] = pointers as [number[], number[]];
  const end = registers.variable('i32');
  const sums = left.map(() => right.map(() => registers.variable()));
  const values = left.map(() => registers.variable());
  const value = registers.variable();
  const step = Float64Array.BYTES_PER_ELEMENT * ROW_LANES;
  const pair = (offset: number): readonly Code[] => [
    ...left.map((pointer, i) => set(values[i]!, v128.load(offset, get(pointer)))),
    ...right.flatMap((pointer, j) => [
      set(value, v128.load(offset, get(pointer))),
      ...left.map((_, i) =>
        set(sums[i]![j]!, f64x2.add(get(sums[i]![j]!), f64x2.mul(get(values[i]!), get(value)))),
      ),
    ]),
  ];
  const total = (sum: number): Code =>
    f64.add(f64x2.extractLane(0, get(sum)), f64x2.extractLane(1, get(sum)));
  return {
    name: 'tile',
    registers,
    body: [
      ...pointers.flatMap((row) =>
        row.slice(1).flatMap((pointer, k) => set(pointer, i32.add(get(row[k]!), get(stride)))),
      ),
      ...set(end, i32.add(get(a), get(bytes))),
      ...doWhile(
        i32.ltU(get(a), get(end)),
        ...Array.from({ length: ROW_LANES / 2 }, (_, k) => pair(PAIR_BYTES * k)).flat(),
        ...pointers.flat().map((pointer) => set(pointer, i32.add(get(pointer), i32.const(step)))),
      ),
      ...sums.flatMap((row) => [
        ...row.flatMap((sum, j) =>
          f64.store(8 * j, get(into), f64.add(f64.load(8 * j, get(into)), total(sum))),
        ),
        ...set(into, i32.add(get(into), get(intoStride))),
      ]),
    ],
  };
}

/** A power of two. */
export function rowScale(dtype: MixDType): number {
  return LOOPS[dtype].scale;
}

let compiled: WebAssembly.Module | undefined;

export interface GramLoops {
  readonly centre: Readonly<Record<MixDType, Centre>>;
  readonly tile: Tile;
}

/** Exports a centre function by the name of each type, and `tile`. */
export function gramModule(): WebAssembly.Module {
  const types = Object.keys(LOOPS) as MixDType[];
  compiled ??= assemble([...types.map((dtype) => centreFunction(dtype, LOOPS[dtype])), tileFunction()]);
  return compiled;
}

/** The loops over one memory. */
export function gramLoops(memory: WebAssembly.Memory): GramLoops {
  const { exports } = new WebAssembly.Instance(gramModule(), { env: { memory } });
  return { centre: exports, tile: exports['tile'] as Tile };
}
