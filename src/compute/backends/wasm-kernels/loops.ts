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
  const [entry, segment, panel, end, unrolledEnd] = [
    variable(),
    variable(),
    variable(),
    variable(),
    variable(),
  ];
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

/** to[c] = sum over rows, `rowBytes` apart, of from[row][c]. */
export type SumColumns = (from: number, fromEnd: number, rowBytes: number, to: number) => void;

function sumColumns(name: string, vectors: number): WasmFunction {
  const registers = new Registers(Array.from({ length: 4 }, () => 'i32' as const));
  const [from, fromEnd, rowBytes, to] = [0, 1, 2, 3];
  const sums = Array.from({ length: vectors }, () => registers.variable());
  return {
    name,
    registers,
    body: [
      ...doWhile(
        i32.ltU(get(from), get(fromEnd)),
        ...sums.map((sum, k) => set(sum, f32x4.add(get(sum), v128.load(VECTOR_BYTES * k, get(from))))),
        add(from, get(rowBytes)),
      ),
      ...sums.flatMap((sum, k) => v128.store(VECTOR_BYTES * k, get(to), get(sum))),
    ],
  };
}

/** to[row] = the sum of `bytes` of numbers, one row behind the other. */
export type SumRows = (from: number, bytes: number, to: number, toEnd: number) => void;

function sumRows(): WasmFunction {
  const registers = new Registers(Array.from({ length: 4 }, () => 'i32' as const));
  const [from, bytes, to, toEnd] = [0, 1, 2, 3];
  const [vectorsEnd, end] = [registers.variable('i32'), registers.variable('i32')];
  const sums = Array.from({ length: 4 }, () => registers.variable());
  const zero = registers.variable();
  const total = registers.variable('f32');
  const all = registers.variable();
  const unrolled = VECTOR_BYTES * sums.length;
  return {
    name: 'sumRows',
    registers,
    body: doWhile(
      i32.ltU(get(to), get(toEnd)),
      ...sums.map((sum) => set(sum, get(zero))),
      set(end, i32.add(get(from), get(bytes))),
      set(vectorsEnd, i32.add(get(from), i32.and(get(bytes), i32.const(-unrolled)))),
      when(
        i32.ltU(get(from), get(vectorsEnd)),
        doWhile(
          i32.ltU(get(from), get(vectorsEnd)),
          ...sums.map((sum, k) => set(sum, f32x4.add(get(sum), v128.load(VECTOR_BYTES * k, get(from))))),
          add(from, i32.const(unrolled)),
        ),
      ),
      set(
        all,
        sums.map(get).reduce((a, b) => f32x4.add(a, b)),
      ),
      set(
        total,
        [0, 1, 2, 3].map((lane) => f32x4.extractLane(lane, get(all))).reduce((a, b) => f32.add(a, b)),
      ),
      when(
        i32.ltU(get(from), get(end)),
        doWhile(
          i32.ltU(get(from), get(end)),
          set(total, f32.add(get(total), f32.load(0, get(from)))),
          add(from, i32.const(4)),
        ),
      ),
      f32.store(0, get(to), get(total)),
      add(to, i32.const(4)),
    ),
  };
}

/** Fills rows of `bytes` with one number each. */
export type FillRows = (from: number, to: number, bytes: number, toEnd: number) => void;

function fillRows(): WasmFunction {
  const registers = new Registers(Array.from({ length: 4 }, () => 'i32' as const));
  const [from, to, bytes, toEnd] = [0, 1, 2, 3];
  const [vectorsEnd, end] = [registers.variable('i32'), registers.variable('i32')];
  const value = registers.variable();
  return {
    name: 'fillRows',
    registers,
    body: doWhile(
      i32.ltU(get(to), get(toEnd)),
      set(value, v128.load32Splat(0, get(from))),
      set(end, i32.add(get(to), get(bytes))),
      set(vectorsEnd, i32.add(get(to), i32.and(get(bytes), i32.const(-VECTOR_BYTES)))),
      when(
        i32.ltU(get(to), get(vectorsEnd)),
        doWhile(
          i32.ltU(get(to), get(vectorsEnd)),
          v128.store(0, get(to), get(value)),
          add(to, i32.const(VECTOR_BYTES)),
        ),
      ),
      when(
        i32.ltU(get(to), get(end)),
        doWhile(
          i32.ltU(get(to), get(end)),
          f32.store(0, get(to), f32.load(0, get(from))),
          add(to, i32.const(4)),
        ),
      ),
      add(from, i32.const(4)),
    ),
  };
}

/**
 * For each channel (`bytes` of them, a multiple of 4 elements) of one window: adds dy to dx where x is largest, the first
 * time. `taps` is a table of the offsets of the window's pixels.
 */
export type MaxPoolGrad = (
  x: number,
  dx: number,
  dy: number,
  taps: number,
  tapsEnd: number,
  bytes: number,
) => void;

function maxPoolGrad(): WasmFunction {
  const registers = new Registers(Array.from({ length: 6 }, () => 'i32' as const));
  const [x, dx, dy, taps, tapsEnd, bytes] = [0, 1, 2, 3, 4, 5];
  const [end, tap, into] = [registers.variable('i32'), registers.variable('i32'), registers.variable('i32')];
  const [most, undecided, here] = [registers.variable(), registers.variable(), registers.variable()];
  const lowest = registers.constant(f32x4.splat(f32.const(-Infinity)));
  const zero = registers.variable();
  const value = v128.load(0, i32.add(get(x), i32.load(0, get(tap))));
  const everyTap = (...body: readonly Code[]): readonly Code[] => [
    set(tap, get(taps)),
    doWhile(i32.ltU(get(tap), get(tapsEnd)), ...body, add(tap, i32.const(4))),
  ];
  return {
    name: 'maxPoolGrad',
    registers,
    body: [
      ...set(end, i32.add(get(x), get(bytes))),
      ...doWhile(
        i32.ltU(get(x), get(end)),
        set(most, lowest),
        ...everyTap(set(most, f32x4.pmax(get(most), value))),
        set(undecided, v128.not(get(zero))),
        ...everyTap(
          set(here, v128.and(f32x4.eq(value, get(most)), get(undecided))),
          set(into, i32.add(get(dx), i32.load(0, get(tap)))),
          v128.store(
            0,
            get(into),
            f32x4.add(v128.load(0, get(into)), v128.and(get(here), v128.load(0, get(dy)))),
          ),
          set(undecided, v128.andNot(get(undecided), get(here))),
        ),
        ...[x, dx, dy].map((address) => add(address, i32.const(VECTOR_BYTES))),
      ),
    ],
  };
}

/** A list of pairs: where it begins and ends, and the offset of its result. */
export const LIST_BYTES = 12;
/** Offsets in both factors. */
export const PAIR_BYTES = 8;

/**
 * For every list and each channel (`bytes` of them): out += the sum over the list's pairs of a times b. Lists must not be
 * empty.
 */
export type SumProducts = (
  lists: number,
  listsEnd: number,
  a: number,
  b: number,
  out: number,
  bytes: number,
) => void;

function sumProducts(): WasmFunction {
  const registers = new Registers(Array.from({ length: 6 }, () => 'i32' as const));
  const [lists, listsEnd, a, b, out, bytes] = [0, 1, 2, 3, 4, 5];
  const variable = (): Local => registers.variable('i32');
  const [pair, left, right, into, channel, end] = [
    variable(),
    variable(),
    variable(),
    variable(),
    variable(),
    variable(),
  ];
  const vectors = Array.from({ length: 4 }, () => registers.variable());
  const scalar = registers.variable('f32');
  /** The channels that are left, `step` bytes at a time, as long as there are as many. */
  const stretch = (
    step: number,
    sums: readonly Local[],
    one: {
      load(at: number, from: Code): Code;
      store(at: number, to: Code, value: Code): Code;
      add(x: Code, y: Code): Code;
      mul(x: Code, y: Code): Code;
    },
  ): readonly Code[] => [
    set(end, i32.and(get(bytes), i32.const(-step))),
    when(
      i32.ltU(get(channel), get(end)),
      doWhile(
        i32.ltU(get(channel), get(end)),
        set(into, i32.add(i32.add(get(out), i32.load(8, get(lists))), get(channel))),
        ...sums.map((sum, k) => set(sum, one.load(VECTOR_BYTES * k, get(into)))),
        set(pair, i32.load(0, get(lists))),
        doWhile(
          i32.ltU(get(pair), i32.load(4, get(lists))),
          set(left, i32.add(i32.add(get(a), i32.load(0, get(pair))), get(channel))),
          set(right, i32.add(i32.add(get(b), i32.load(4, get(pair))), get(channel))),
          ...sums.map((sum, k) => {
            const at = VECTOR_BYTES * k;
            return set(sum, one.add(get(sum), one.mul(one.load(at, get(left)), one.load(at, get(right)))));
          }),
          add(pair, i32.const(PAIR_BYTES)),
        ),
        ...sums.map((sum, k) => one.store(VECTOR_BYTES * k, get(into), get(sum))),
        add(channel, i32.const(step)),
      ),
    ),
  ];
  const vector = { ...v128, ...f32x4 };
  return {
    name: 'sumProducts',
    registers,
    body: doWhile(
      i32.ltU(get(lists), get(listsEnd)),
      set(channel, i32.const(0)),
      ...stretch(VECTOR_BYTES * vectors.length, vectors, vector),
      ...stretch(VECTOR_BYTES, vectors.slice(0, 1), vector),
      ...stretch(4, [scalar], f32),
      add(lists, i32.const(LIST_BYTES)),
    ),
  };
}

/** to = tanh(from), 4 elements at a time. */
export type Tanh = (from: number, to: number, toEnd: number) => void;

/**
 * tanh(x) = x P(x^2) / Q(x^2) between -7.9 and 7.9, where float32 has nothing but 1 beyond: the rational approximation
 * of Eigen (generic_fast_tanh_float), within 5e-7 of the truth.
 */
const TANH = {
  limit: 7.90531110763549805,
  odd: [
    -2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-8,
    1.48572235717979e-5, 6.37261928875436e-4, 4.89352455891786e-3,
  ],
  even: [1.19825839466702e-6, 1.18534705686654e-4, 2.268434632439e-3, 4.89352518554385e-3],
} as const;

function tanh(): WasmFunction {
  const registers = new Registers(['i32', 'i32', 'i32']);
  const [from, to, toEnd] = [0, 1, 2];
  const [x, square, above, below] = [
    registers.variable(),
    registers.variable(),
    registers.variable(),
    registers.variable(),
  ];
  const number = (value: number): Code => registers.constant(f32x4.splat(f32.const(value)));
  const [most, least] = [number(TANH.limit), number(-TANH.limit)];
  const horner = (result: Local, [first, ...others]: readonly number[]): readonly Code[] => [
    set(result, number(first!)),
    ...others.map((value) => set(result, f32x4.add(f32x4.mul(get(result), get(square)), number(value)))),
  ];
  return {
    name: 'tanh',
    registers,
    body: doWhile(
      i32.ltU(get(to), get(toEnd)),
      // pmin and pmax keep a NaN that is their first operand.
      set(x, f32x4.pmax(f32x4.pmin(v128.load(0, get(from)), most), least)),
      set(square, f32x4.mul(get(x), get(x))),
      ...horner(above, TANH.odd),
      ...horner(below, TANH.even),
      v128.store(0, get(to), f32x4.div(f32x4.mul(get(x), get(above)), get(below))),
      add(from, i32.const(VECTOR_BYTES)),
      add(to, i32.const(VECTOR_BYTES)),
    ),
  };
}

export interface Loops {
  readonly sumProducts: SumProducts;
  readonly maxPoolGrad: MaxPoolGrad;
  readonly tanh: Tanh;
  /** 16 columns. */
  readonly sumColumns16: SumColumns;
  /** 4 columns. */
  readonly sumColumns4: SumColumns;
  readonly sumRows: SumRows;
  readonly fillRows: FillRows;
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
    [
      multiplyRows(),
      multiplyColumns(),
      packPanel(),
      packColumn(),
      copyRows(),
      sumColumns('sumColumns16', 4),
      sumColumns('sumColumns4', 1),
      sumRows(),
      fillRows(),
      maxPoolGrad(),
      sumProducts(),
      tanh(),
    ],
    'unshared',
  );
  const { exports } = new WebAssembly.Instance(compiled, { env: { memory } });
  return exports as unknown as Loops;
}
