/**
 * The SIMD loops behind the kernels here. All work on float32 in the memory of tfjs's wasm backend; addresses, strides
 * and lengths are in bytes.
 *
 * Matrix products keep a tile of 4 rows and 8 columns of the result in registers. The right factor is packed: panels of
 * 8 columns, row after row. The left factor stays where it lies: a table says where each of its rows begins, so a
 * convolution needs no copy of the pixels under each position of its filter (an "implicit" product).
 */
import {
  assemble,
  copyBytes,
  doWhile,
  either,
  f32,
  f32x4,
  get,
  i32,
  Registers,
  set,
  v128,
  when,
  type Code,
  type Local,
  type WasmFunction,
} from '../../../core/kernels/assembler.ts';

/** Rows of a tile. */
export const ROWS = 4;
/** Columns of a tile and of a panel. */
export const COLUMNS = 8;
export const PANEL_ROW_BYTES = 4 * COLUMNS;
/** A row of the table: where it begins in the left factor, and in the result. */
export const ENTRY_BYTES = 8;

const VECTOR_BYTES = 16;

interface Tile {
  readonly sums: readonly (readonly [Local, Local])[];
  readonly clear: readonly Code[];
  load(addresses: readonly Local[]): readonly Code[];
  store(addresses: readonly Local[]): readonly Code[];
  /** Adds the product of one column of the left factor, read as `left(row)`, and one row of the panel. */
  multiply(left: (row: number) => Code, panel: Local, offset: number): readonly Code[];
}

function makeTile(registers: Registers): Tile {
  const rows = Array.from({ length: ROWS }, (_, row) => row);
  const sums = rows.map(() => [registers.variable(), registers.variable()] as const);
  const [b0, b1, x] = [registers.variable(), registers.variable(), registers.variable()];
  const zero = registers.variable();
  return {
    sums,
    clear: sums.flatMap(([low, high]) => [set(low, get(zero)), set(high, get(zero))]),
    load: (addresses) =>
      sums.flatMap(([low, high], row) => [
        set(low, v128.load(0, get(addresses[row]!))),
        set(high, v128.load(VECTOR_BYTES, get(addresses[row]!))),
      ]),
    store: (addresses) =>
      sums.flatMap(([low, high], row) => [
        v128.store(0, get(addresses[row]!), get(low)),
        v128.store(VECTOR_BYTES, get(addresses[row]!), get(high)),
      ]),
    multiply: (left, panel, offset) => [
      set(b0, v128.load(offset, get(panel))),
      set(b1, v128.load(offset + VECTOR_BYTES, get(panel))),
      ...sums.flatMap(([low, high], row) => [
        set(x, left(row)),
        set(low, f32x4.add(get(low), f32x4.mul(get(x), get(b0)))),
        set(high, f32x4.add(get(high), f32x4.mul(get(x), get(b1)))),
      ]),
    ],
  };
}

const add = (local: Local, by: Code): Code => set(local, i32.add(get(local), by));
const addresses = (registers: Registers): readonly Local[] =>
  Array.from({ length: ROWS }, () => registers.variable('i32'));

/**
 * result[row] = sum over segments and elements of left[row][segment][k] panel[segment, k]: rows of the left factor are
 * `run` bytes each at the offsets of the segment table; a matrix has one segment.
 *
 * @param table rows in multiples of {@link ROWS}; `segments` is a table of offsets, `accumulate` adds to the result.
 */
export type MultiplyRows = (
  left: number,
  result: number,
  table: number,
  tableEnd: number,
  segments: number,
  segmentsEnd: number,
  run: number,
  panels: number,
  panelBytes: number,
  panelsEnd: number,
  accumulate: number,
) => void;

function multiplyRows(): WasmFunction {
  const registers = new Registers(Array.from({ length: 11 }, () => 'i32' as const));
  const [left, result, table, tableEnd, segments, segmentsEnd, run] = [0, 1, 2, 3, 4, 5, 6];
  const [panels, panelBytes, panelsEnd, accumulate] = [7, 8, 9, 10];
  const variable = (): Local => registers.variable('i32');
  const [entry, segment, panel, end, unrolledEnd] = [variable(), variable(), variable(), variable(), variable()];
  const [starts, at, into] = [addresses(registers), addresses(registers), addresses(registers)];
  const tile = makeTile(registers);
  const unroll = 4;
  const steps = (count: number): readonly Code[] => [
    ...Array.from({ length: count }, (_, k) =>
      tile.multiply((row) => v128.load32Splat(4 * k, get(at[row]!)), panel, PANEL_ROW_BYTES * k),
    ).flat(),
    ...at.map((address) => add(address, i32.const(4 * count))),
    add(panel, i32.const(PANEL_ROW_BYTES * count)),
  ];
  const first = at[0]!;
  return {
    name: 'multiplyRows',
    registers,
    body: doWhile(
      i32.ltU(get(panels), get(panelsEnd)),
      set(entry, get(table)),
      doWhile(
        i32.ltU(get(entry), get(tableEnd)),
        ...starts.flatMap((start, row) => [
          set(start, i32.add(get(left), i32.load(ENTRY_BYTES * row, get(entry)))),
          set(into[row]!, i32.add(get(result), i32.load(ENTRY_BYTES * row + 4, get(entry)))),
        ]),
        either(get(accumulate), tile.load(into), tile.clear),
        set(panel, get(panels)),
        set(segment, get(segments)),
        doWhile(
          i32.ltU(get(segment), get(segmentsEnd)),
          ...at.map((address, row) => set(address, i32.add(get(starts[row]!), i32.load(0, get(segment))))),
          set(end, i32.add(get(first), get(run))),
          set(unrolledEnd, i32.add(get(first), i32.and(get(run), i32.const(-4 * unroll)))),
          when(
            i32.ltU(get(first), get(unrolledEnd)),
            doWhile(i32.ltU(get(first), get(unrolledEnd)), ...steps(unroll)),
          ),
          when(i32.ltU(get(first), get(end)), doWhile(i32.ltU(get(first), get(end)), ...steps(1))),
          add(segment, i32.const(4)),
        ),
        ...tile.store(into),
        add(entry, i32.const(ENTRY_BYTES * ROWS)),
      ),
      add(result, i32.const(PANEL_ROW_BYTES)),
      add(panels, get(panelBytes)),
    ),
  };
}

/**
 * result[j] += sum over the table's rows of left[row][j] panel[row]: the product with the transpose of the left factor.
 * `columns` bytes of each of its rows take part, in multiples of {@link ROWS} elements (what lies behind them is read
 * along, and goes to rows of the result that are to be thrown away).
 */
export type MultiplyColumns = (
  left: number,
  table: number,
  tableEnd: number,
  columns: number,
  panels: number,
  panelBytes: number,
  panelsEnd: number,
  result: number,
  resultRowBytes: number,
) => void;

function multiplyColumns(): WasmFunction {
  const registers = new Registers(Array.from({ length: 9 }, () => 'i32' as const));
  const [left, table, tableEnd, columns, panels, panelBytes, panelsEnd, result, rowBytes] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8,
  ];
  const variable = (): Local => registers.variable('i32');
  const [entry, panel, column, end, at] = [variable(), variable(), variable(), variable(), variable()];
  const into = addresses(registers);
  const tile = makeTile(registers);
  return {
    name: 'multiplyColumns',
    registers,
    body: doWhile(
      i32.ltU(get(panels), get(panelsEnd)),
      set(column, get(left)),
      set(end, i32.add(get(left), get(columns))),
      set(into[0]!, get(result)),
      doWhile(
        i32.ltU(get(column), get(end)),
        ...into.slice(1).map((address, row) => set(address, i32.add(get(into[row]!), get(rowBytes)))),
        ...tile.load(into),
        set(panel, get(panels)),
        set(entry, get(table)),
        doWhile(
          i32.ltU(get(entry), get(tableEnd)),
          set(at, i32.add(get(column), i32.load(0, get(entry)))),
          ...tile.multiply((row) => v128.load32Splat(4 * row, get(at)), panel, 0),
          add(entry, i32.const(ENTRY_BYTES)),
          add(panel, i32.const(PANEL_ROW_BYTES)),
        ),
        ...tile.store(into),
        set(into[0]!, i32.add(get(into[ROWS - 1]!), get(rowBytes))),
        add(column, i32.const(4 * ROWS)),
      ),
      add(result, i32.const(PANEL_ROW_BYTES)),
      add(panels, get(panelBytes)),
    ),
  };
}

/** Copies {@link COLUMNS} neighbouring columns of `rows` bytes of panel rows. */
export type PackPanel = (from: number, rowBytes: number, panel: number, panelEnd: number) => void;

function packPanel(): WasmFunction {
  const registers = new Registers(['i32', 'i32', 'i32', 'i32']);
  const [from, rowBytes, panel, panelEnd] = [0, 1, 2, 3];
  return {
    name: 'packPanel',
    registers,
    body: doWhile(
      i32.ltU(get(panel), get(panelEnd)),
      v128.store(0, get(panel), v128.load(0, get(from))),
      v128.store(VECTOR_BYTES, get(panel), v128.load(VECTOR_BYTES, get(from))),
      add(from, get(rowBytes)),
      add(panel, i32.const(PANEL_ROW_BYTES)),
    ),
  };
}

/** Copies one column, `rowBytes` apart, to one column of a panel: for transposed factors and incomplete panels. */
export type PackColumn = (from: number, rowBytes: number, panel: number, panelEnd: number) => void;

function packColumn(): WasmFunction {
  const registers = new Registers(['i32', 'i32', 'i32', 'i32']);
  const [from, rowBytes, panel, panelEnd] = [0, 1, 2, 3];
  return {
    name: 'packColumn',
    registers,
    body: doWhile(
      i32.ltU(get(panel), get(panelEnd)),
      f32.store(0, get(panel), f32.load(0, get(from))),
      add(from, get(rowBytes)),
      add(panel, i32.const(PANEL_ROW_BYTES)),
    ),
  };
}

/** `bytes` of each row, `toEnd` being where the row after the last would go. */
export type CopyRows = (
  from: number,
  fromRowBytes: number,
  to: number,
  toRowBytes: number,
  toEnd: number,
  bytes: number,
) => void;

function copyRows(): WasmFunction {
  const registers = new Registers(Array.from({ length: 6 }, () => 'i32' as const));
  const [from, fromRowBytes, to, toRowBytes, toEnd, bytes] = [0, 1, 2, 3, 4, 5];
  return {
    name: 'copyRows',
    registers,
    body: doWhile(
      i32.ltU(get(to), get(toEnd)),
      copyBytes(get(to), get(from), get(bytes)),
      add(from, get(fromRowBytes)),
      add(to, get(toRowBytes)),
    ),
  };
}

export interface Loops {
  readonly multiplyRows: MultiplyRows;
  readonly multiplyColumns: MultiplyColumns;
  readonly packPanel: PackPanel;
  readonly packColumn: PackColumn;
  readonly copyRows: CopyRows;
}

let compiled: WebAssembly.Module | undefined;

/** The loops over one memory. */
export function loopsOn(memory: WebAssembly.Memory): Loops {
  compiled ??= assemble(
    [multiplyRows(), multiplyColumns(), packPanel(), packColumn(), copyRows()],
    'unshared',
  );
  const { exports } = new WebAssembly.Instance(compiled, { env: { memory } });
  return exports as unknown as Loops;
}
