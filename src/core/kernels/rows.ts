/**
 * SIMD loops over float32 rows: their mix, and their inner products with one vector. Sums run in float32 registers over
 * few numbers (the rows; a block of columns), so that memory is what limits them; whoever calls adds blocks up in double.
 */
import {
  assemble,
  doWhile,
  f32,
  f32x4,
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
/** Rows that are multiplied with the vector at a time. */
export const PROJECTED = 4;

const VECTOR_BYTES = 16;
const VECTORS = ROW_STEP / 4;

/** out = sum_i a_i row_i, in the order of the table. `bytes`: a positive multiple of {@link ROW_STEP} elements. */
export type MixRows = (table: number, tableEnd: number, bytes: number, out: number) => void;

/**
 * The inner products of {@link PROJECTED} rows with a vector, into as many float32. `bytes`: a positive multiple of
 * {@link ROW_STEP} elements.
 */
export type ProjectRows = (
  row0: number,
  row1: number,
  row2: number,
  row3: number,
  vector: number,
  bytes: number,
  into: number,
) => void;

function mixRows(): WasmFunction {
  const registers = new Registers(['i32', 'i32', 'i32', 'i32']);
  const [table, tableEnd, bytes, out] = [0, 1, 2, 3];
  const [at, entry, row] = [registers.variable('i32'), registers.variable('i32'), registers.variable('i32')];
  const [coefficient, zero] = [registers.variable(), registers.variable()];
  const sums = Array.from({ length: VECTORS }, () => registers.variable());
  return {
    name: 'mixRows',
    registers,
    body: doWhile(
      i32.ltU(get(at), get(bytes)),
      ...sums.map((sum) => set(sum, get(zero))),
      set(entry, get(table)),
      doWhile(
        i32.ltU(get(entry), get(tableEnd)),
        set(coefficient, v128.load32Splat(0, get(entry))),
        set(row, i32.add(i32.load(4, get(entry)), get(at))),
        ...sums.map((sum, k) =>
          set(sum, f32x4.add(get(sum), f32x4.mul(get(coefficient), v128.load(VECTOR_BYTES * k, get(row))))),
        ),
        set(entry, i32.add(get(entry), i32.const(ROW_ENTRY))),
      ),
      set(row, i32.add(get(out), get(at))),
      ...sums.map((sum, k) => v128.store(VECTOR_BYTES * k, get(row), get(sum))),
      set(at, i32.add(get(at), i32.const(4 * ROW_STEP))),
    ),
  };
}

function projectRows(): WasmFunction {
  const registers = new Registers(Array.from({ length: PROJECTED + 3 }, () => 'i32' as const));
  const rows = Array.from({ length: PROJECTED }, (_, row) => row);
  const [vector, bytes, into] = [PROJECTED, PROJECTED + 1, PROJECTED + 2];
  const end = registers.variable('i32');
  // Two sums for each row, so that an addition need not wait for the one before.
  const sums = rows.map(() => [registers.variable(), registers.variable()]);
  const value = registers.variable();
  const total = (sum: Local): Code =>
    [0, 1, 2, 3].map((lane) => f32x4.extractLane(lane, get(sum))).reduce((a, b) => f32.add(a, b));
  return {
    name: 'projectRows',
    registers,
    body: [
      ...set(end, i32.add(get(vector), get(bytes))),
      ...doWhile(
        i32.ltU(get(vector), get(end)),
        ...Array.from({ length: VECTORS }, (_, k) => [
          set(value, v128.load(VECTOR_BYTES * k, get(vector))),
          ...rows.map((row) => {
            const sum = sums[row]![k % 2]!;
            return set(
              sum,
              f32x4.add(get(sum), f32x4.mul(get(value), v128.load(VECTOR_BYTES * k, get(row)))),
            );
          }),
        ]).flat(),
        ...[...rows, vector].map((at) => set(at, i32.add(get(at), i32.const(4 * ROW_STEP)))),
      ),
      ...rows.flatMap((row) => {
        const [even, odd] = sums[row]!;
        return [
          ...set(even!, f32x4.add(get(even!), get(odd!))),
          ...f32.store(4 * row, get(into), total(even!)),
        ];
      }),
    ],
  };
}

export interface RowKernels {
  readonly mixRows: MixRows;
  readonly projectRows: ProjectRows;
}

let compiled: WebAssembly.Module | undefined;

export function rowKernels(memory: WebAssembly.Memory): RowKernels {
  compiled ??= assemble([mixRows(), projectRows()]);
  const { exports } = new WebAssembly.Instance(compiled, { env: { memory } });
  return exports as unknown as RowKernels;
}
