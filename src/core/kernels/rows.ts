/**
 * SIMD loops over float32 rows: their mix, and their inner products with one vector. Memory is what limits them, so they
 * go through it as it likes best: a few rows at a time, each for a long stretch (interleaving all rows in short steps
 * reaches half of that). Sums run in float32 registers over few numbers, and further in double.
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

const VECTOR_BYTES = 16;
const VECTORS = ROW_STEP / 4;
/** Elements of a row that are added up in each lane of a float32 register before they go to double. */
const LANE_STRETCH = 128;

/**
 * out (+)= sum_i a_i row_i over the rows of one group, whose entries begin at `table`. `offset` is added to their
 * addresses; `bytes` are a positive multiple of {@link ROW_STEP} elements; `accumulate` is 1 or 0.
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

const add = (local: Local, by: Code): Code => set(local, i32.add(get(local), by));

function mixRows(count: number): WasmFunction {
  const registers = new Registers(['i32', 'i32', 'i32', 'i32', 'i32']);
  const [table, offset, out, bytes, accumulate] = [0, 1, 2, 3, 4];
  const rows = Array.from({ length: count }, () => registers.variable('i32'));
  const coefficients = rows.map(() => registers.variable());
  const end = registers.variable('i32');
  const loop = (before: (at: number) => readonly Code[]): Code =>
    doWhile(
      i32.ltU(get(out), get(end)),
      ...Array.from({ length: VECTORS }, (_, k) => {
        const at = VECTOR_BYTES * k;
        const products = rows.map((row, i) => f32x4.mul(get(coefficients[i]!), v128.load(at, get(row))));
        const sum = [...before(at), ...products].reduce((a, b) => f32x4.add(a, b));
        return v128.store(at, get(out), sum);
      }),
      ...[...rows, out].map((address) => add(address, i32.const(4 * ROW_STEP))),
    );
  return {
    name: `mix${count}`,
    registers,
    body: [
      ...rows.flatMap((row, i) => [
        ...set(coefficients[i]!, v128.load32Splat(ROW_ENTRY * i, get(table))),
        ...set(row, i32.add(i32.load(ROW_ENTRY * i + 4, get(table)), get(offset))),
      ]),
      ...set(end, i32.add(get(out), get(bytes))),
      ...either(get(accumulate), [loop((at) => [v128.load(at, get(out))])], [loop(() => [])]),
    ],
  };
}

function projectRows(count: number): WasmFunction {
  const registers = new Registers(['i32', 'i32', 'i32', 'i32', 'i32']);
  const [table, offset, vector, bytes, into] = [0, 1, 2, 3, 4];
  const rows = Array.from({ length: count }, () => registers.variable('i32'));
  const [end, stretchEnd] = [registers.variable('i32'), registers.variable('i32')];
  // Few rows get two sums each, so that an addition need not wait for the one before.
  const perRow = count > MOST_ROWS / 2 ? 1 : 2;
  const sums = rows.map(() => Array.from({ length: perRow }, () => registers.variable()));
  const [value, zero] = [registers.variable(), registers.variable()];
  const stretchBytes = LANE_STRETCH * perRow * VECTOR_BYTES;
  const total = (vectors: readonly Local[]): Code => {
    const sum = vectors.map(get).reduce((a, b) => f32x4.add(a, b));
    const lanes = [0, 1, 2, 3].map((lane) => f32x4.extractLane(lane, get(value)));
    return [...set(value, sum), ...lanes.reduce((a, b) => f32.add(a, b))];
  };
  return {
    name: `project${count}`,
    registers,
    body: [
      ...rows.flatMap((row, i) => set(row, i32.add(i32.load(ROW_ENTRY * i + 4, get(table)), get(offset)))),
      ...set(end, i32.add(get(vector), get(bytes))),
      ...doWhile(
        i32.ltU(get(vector), get(end)),
        ...sums.flat().map((sum) => set(sum, get(zero))),
        set(stretchEnd, i32.add(get(vector), i32.const(stretchBytes))),
        either(i32.ltU(get(end), get(stretchEnd)), [set(stretchEnd, get(end))], []),
        doWhile(
          i32.ltU(get(vector), get(stretchEnd)),
          ...Array.from({ length: VECTORS }, (_, k) => [
            set(value, v128.load(VECTOR_BYTES * k, get(vector))),
            ...rows.map((row, i) => {
              const sum = sums[i]![k % perRow]!;
              return set(
                sum,
                f32x4.add(get(sum), f32x4.mul(get(value), v128.load(VECTOR_BYTES * k, get(row)))),
              );
            }),
          ]).flat(),
          ...[...rows, vector].map((address) => add(address, i32.const(4 * ROW_STEP))),
        ),
        ...sums.map((vectors, i) =>
          f64.store(8 * i, get(into), f64.add(f64.load(8 * i, get(into)), f64.promoteF32(total(vectors)))),
        ),
      ),
    ],
  };
}

/** By the number of rows in a group, from 1 to {@link MOST_ROWS}. */
export interface RowKernels {
  readonly mix: (rows: number) => MixRows;
  readonly project: (rows: number) => ProjectRows;
}

let compiled: WebAssembly.Module | undefined;

export function rowKernels(memory: WebAssembly.Memory): RowKernels {
  const counts = Array.from({ length: MOST_ROWS }, (_, k) => k + 1);
  compiled ??= assemble([...counts.map(mixRows), ...counts.map(projectRows)]);
  const exports = new WebAssembly.Instance(compiled, { env: { memory } }).exports as unknown as Readonly<
    Record<string, never>
  >;
  const mix = counts.map((count): MixRows => exports[`mix${count}`]!);
  const project = counts.map((count): ProjectRows => exports[`project${count}`]!);
  return { mix: (rows) => mix[rows - 1]!, project: (rows) => project[rows - 1]! };
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
