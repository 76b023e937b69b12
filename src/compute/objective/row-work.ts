/** A product over all rows, as the main thread and the second one divide it: each takes some of the columns. */
import { groupsOf, ROW_ENTRY, ROW_STEP, type RowKernels } from '../../core/kernels/rows.ts';

/** Elements at a time: as much of the vector stays in the cache while the rows go by. */
const BLOCK = 32768;

/** Addresses are in the arena's memory. */
export interface RowWork {
  readonly product: 'mix' | 'project';
  /** In the table at address 0. */
  readonly rows: number;
  /** Columns, the first a multiple of {@link ROW_STEP}. */
  readonly from: number;
  readonly to: number;
  /** What is mixed, or projected. */
  readonly vector: number;
  /** A float64 for each row, to which its inner product is added. */
  readonly sums: number;
}

/** The loops take several elements at a time, and run over the last one. */
export function paddedBytes(length: number): number {
  return 4 * Math.ceil(length / ROW_STEP) * ROW_STEP;
}

export function doRowWork(kernels: RowKernels, { product, rows, from, to, vector, sums }: RowWork): void {
  const groups = groupsOf(rows);
  for (let start = from; start < to; start += BLOCK) {
    const bytes = paddedBytes(Math.min(BLOCK, to - start));
    const at = vector + 4 * start;
    for (const { first, count } of groups) {
      const table = first * ROW_ENTRY;
      if (product === 'mix') kernels.mix(count)(table, 4 * start, at, bytes, first === 0 ? 0 : 1);
      else kernels.project(count)(table, 4 * start, at, bytes, sums + 8 * first);
    }
  }
}
