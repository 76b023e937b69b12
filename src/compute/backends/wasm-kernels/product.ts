/** Products of matrices on the heap. */
import type { Heap } from './heap.ts';
import { COLUMNS, ENTRY_BYTES, PANEL_ROW_BYTES, ROWS } from './loops.ts';

/** Elements of the sum at a time, so that a panel stays in the L1 cache. */
const DEPTH = 512;
/** Rows at a time, so that they stay in the L2 cache while the panels go by. */
const CHUNK = 256;

export interface Factors {
  /** Address of `rows` x `depth` numbers, or of the transpose. */
  readonly a: number;
  readonly transposeA: boolean;
  /** Address of `depth` x `columns` numbers, or of the transpose. */
  readonly b: number;
  readonly transposeB: boolean;
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
}

/** Packed columns, {@link COLUMNS} in a panel. */
export interface Panels {
  readonly address: number;
  readonly count: number;
  readonly panelBytes: number;
  readonly end: number;
}

/** Room for panels of so many columns and `depth` rows. The columns that the last one has too many are zero. */
export function roomForPanels(heap: Heap, columns: number, depth: number): Panels {
  const count = Math.ceil(columns / COLUMNS);
  const panelBytes = depth * PANEL_ROW_BYTES;
  const address = heap.scratch('panels', count * panelBytes);
  if (columns % COLUMNS !== 0) {
    heap.floats(address + (count - 1) * panelBytes, depth * COLUMNS).fill(0);
  }
  return { address, count, panelBytes, end: address + count * panelBytes };
}

/** Rows `from` to `to` of the panels from a matrix, `rowBytes` from row to row. */
export function packRows(
  { loops }: Heap,
  { address, panelBytes }: Panels,
  from: number,
  to: number,
  matrix: number,
  columns: number,
): void {
  const rowBytes = 4 * columns;
  for (let column = 0, panel = address; column < columns; column += COLUMNS, panel += panelBytes) {
    const [start, end] = [panel + from * PANEL_ROW_BYTES, panel + to * PANEL_ROW_BYTES];
    const width = Math.min(COLUMNS, columns - column);
    if (width === COLUMNS) {
      loops.packPanel(matrix + 4 * column, rowBytes, start, end);
      continue;
    }
    for (let k = 0; k < width; k++) {
      loops.packColumn(matrix + 4 * (column + k), rowBytes, start + 4 * k, end + 4 * k);
    }
  }
}

/** Rows `from` to `to` of the panels from a matrix that has the panels' columns for rows, `rowBytes` apart. */
export function packTransposed(
  { loops }: Heap,
  { address, panelBytes }: Panels,
  from: number,
  to: number,
  matrix: number,
  rowBytes: number,
  columns: number,
): void {
  for (let column = 0; column < columns; column++) {
    const panel =
      address + Math.floor(column / COLUMNS) * panelBytes + 4 * (column % COLUMNS) + from * PANEL_ROW_BYTES;
    loops.packColumn(matrix + column * rowBytes, 4, panel, panel + (to - from) * PANEL_ROW_BYTES);
  }
}

/** Where a result is computed: in place, or with rows as wide as the panels, to be cut afterwards. */
export function rowBytesOf({ count }: Panels): number {
  return count * PANEL_ROW_BYTES;
}

/** `product` = A B for each of so many pairs of matrices, one after another in memory (or one B for all). */
export function multiply(heap: Heap, factors: Factors, product: number, pairs = 1, oneB = false): void {
  const { a, transposeA, b, transposeB, rows, columns, depth } = factors;
  const panels = roomForPanels(heap, columns, depth);
  const whole = columns % COLUMNS === 0 && (!transposeA || rows % ROWS === 0);
  const rowBytes = rowBytesOf(panels);
  const paddedRows = Math.ceil(rows / ROWS) * ROWS;
  const inScratch = whole ? 0 : heap.scratch('result', paddedRows * rowBytes);
  const { loops } = heap;
  const work = transposeA ? columnsWork(heap, factors, rowBytes) : rowsWork(heap, factors, rowBytes);
  for (let pair = 0; pair < pairs; pair++) {
    if (pair === 0 || !oneB) {
      const right = b + 4 * pair * depth * columns;
      if (transposeB) packTransposed(heap, panels, 0, depth, right, 4 * depth, columns);
      else packRows(heap, panels, 0, depth, right, columns);
    }
    const to = product + 4 * pair * rows * columns;
    work(a + 4 * pair * rows * depth, panels, whole ? to : inScratch);
    if (!whole) {
      loops.copyRows(inScratch, rowBytes, to, 4 * columns, to + 4 * columns * rows, 4 * columns);
    }
  }
}

type Work = (left: number, panels: Panels, result: number) => void;

function rowsWork(heap: Heap, { rows, depth }: Factors, rowBytes: number): Work {
  const chunk = Math.min(rows, CHUNK);
  const paddedChunk = Math.ceil(chunk / ROWS) * ROWS;
  const table = heap.scratch('table', paddedChunk * ENTRY_BYTES);
  const segments = heap.scratch('segments', 4);
  const dump = heap.scratch('dump', ROWS * rowBytes);
  heap.ints(segments, 1)[0] = 0;
  return (left, panels, result) => {
    const entries = heap.ints(table, 2 * paddedChunk);
    for (let row = 0; row < chunk; row++) {
      entries[2 * row] = 4 * row * depth;
      entries[2 * row + 1] = row * rowBytes;
    }
    for (let first = 0; first < rows; first += chunk) {
      const count = Math.min(chunk, rows - first);
      const into = result + first * rowBytes;
      const padded = discardBehind(entries, count, dump - into);
      for (let k = 0; k < depth; k += DEPTH) {
        heap.loops.multiplyRows(
          left + 4 * (first * depth + k),
          into,
          table,
          table + padded * ENTRY_BYTES,
          segments,
          segments + 4,
          4 * Math.min(DEPTH, depth - k),
          panels.address + k * PANEL_ROW_BYTES,
          panels.panelBytes,
          panels.end,
          k === 0 ? 0 : 1,
        );
      }
    }
  };
}

/** Makes the number of table rows a multiple of {@link ROWS}: results of the rows added go to `dump`. */
export function discardBehind(entries: Int32Array, count: number, dump: number): number {
  const padded = Math.ceil(count / ROWS) * ROWS;
  for (let row = count; row < padded; row++) {
    entries[2 * row] = entries[0]!;
    entries[2 * row + 1] = dump;
  }
  return padded;
}

function columnsWork(heap: Heap, { rows, depth }: Factors, rowBytes: number): Work {
  const chunk = Math.min(depth, CHUNK);
  const table = heap.scratch('table', chunk * ENTRY_BYTES);
  const paddedRows = Math.ceil(rows / ROWS) * ROWS;
  return (left, panels, result) => {
    const entries = heap.ints(table, 2 * chunk);
    for (let k = 0; k < chunk; k++) entries[2 * k] = 4 * k * rows;
    heap.floats(result, (paddedRows * rowBytes) / 4).fill(0);
    for (let k = 0; k < depth; k += chunk) {
      heap.loops.multiplyColumns(
        left + 4 * k * rows,
        table,
        table + Math.min(chunk, depth - k) * ENTRY_BYTES,
        4 * paddedRows,
        panels.address + k * PANEL_ROW_BYTES,
        panels.panelBytes,
        panels.end,
        result,
        rowBytes,
      );
    }
  };
}
