/** A product over all rows, as the main thread and the second one divide it: each takes some of the columns. */
import {
  CODE_BLOCK,
  groupsOf,
  ROW_ENTRY,
  rowBytes,
  type RowFormat,
  type RowKernels,
} from '../../core/kernels/rows.ts';

/** Elements at a time: as much of the vector stays in the cache while the rows go by. */
const BLOCK = 32768;

/** Addresses are in the arena's memory. */
export interface RowWork {
  readonly product: 'mix' | 'project';
  /** Of all rows but the last, the mean, which is float32. */
  readonly format: RowFormat;
  /** In the table at address 0. */
  readonly rows: number;
  /** Columns, the first a multiple of the format's `COLUMN_STEP`. */
  readonly from: number;
  readonly to: number;
  /** What is mixed, or projected. */
  readonly vector: number;
  /** A float64 for each row, to which its inner product is added. */
  readonly sums: number;
}

export function doRowWork(
  kernels: RowKernels,
  { product, format, rows, from, to, vector, sums }: RowWork,
): void {
  const mean = { format: 'f32' as const, first: rows - 1, count: 1 };
  const groups =
    format === 'f32'
      ? groupsOf(rows).map((group) => ({ ...group, format }))
      : [...groupsOf(rows - 1).map((group) => ({ ...group, format })), mean];
  for (let start = from; start < to; start += BLOCK) {
    const end = Math.min(start + BLOCK, to);
    for (const { format, first, count } of groups) {
      const table = first * ROW_ENTRY;
      const step = format === 'int8' ? CODE_BLOCK : BLOCK;
      for (let column = start; column < end; column += step) {
        const bytes = rowBytes('f32', Math.min(step, end - column));
        const offset = rowBytes(format, column);
        const at = vector + 4 * column;
        if (product === 'mix') kernels.mix(format, count)(table, offset, at, bytes, first === 0 ? 0 : 1);
        else kernels.project(format, count)(table, offset, at, bytes, sums + 8 * first);
      }
    }
  }
}
