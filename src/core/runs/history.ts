/** Curves and places from the log that a checkpoint carries itself, as ultralytics saves it. */
import type { CheckpointHeader } from '../checkpoints/types.ts';
import { RowCollector } from '../metrics/rows.ts';
import type { SeriesPoints } from '../metrics/types.ts';

type History = NonNullable<CheckpointHeader['history']>;

/** As if the columns were those of a CSV log. */
export function pointsOf(history: History): readonly SeriesPoints[] {
  const rows = new RowCollector();
  const columns = Object.entries(history);
  for (let row = 0; row < (columns[0]?.[1].length ?? 0); row++) {
    rows.addRow(
      columns.flatMap(([name, column]) => {
        const cell = column[row] ?? null;
        return cell === null ? [] : [[name, cell] as const];
      }),
    );
  }
  return rows.take();
}

/** A CSV log has five digits; both numbers are of the same evaluation. */
const same = (a: number, b: number): boolean => Math.abs(a - b) <= 2e-4 * Math.max(Math.abs(a), Math.abs(b));
/** Of one column agreeing numbers may be chance. */
const FEWEST_SHARED = 2;

/**
 * The epoch of a checkpoint as its log counts it: ultralytics counts from 0 in the one and from 1 in the other, and
 * takes the number out of `best.pt` and `last.pt` when training is done. Then it is the row with the checkpoint's own
 * metrics, if there is one such row. Undefined where it is not known (better).
 */
export function epochInHistory({
  epoch,
  metrics = {},
  history,
}: Pick<CheckpointHeader, 'epoch' | 'metrics' | 'history'>): number | undefined {
  const epochs = history?.['epoch'];
  if (history === undefined || epochs === undefined) return undefined;
  if (epoch !== undefined) return epochs.at(-1) === epoch + 1 ? epoch + 1 : undefined;
  const shared = Object.entries(metrics).flatMap(([name, value]) => {
    const column = history[name];
    return column === undefined || !Number.isFinite(value) ? [] : [{ column, value }];
  });
  if (shared.length < FEWEST_SHARED) return undefined;
  const rows = epochs.filter((_, row) =>
    shared.every(({ column, value }) => same(column[row] ?? NaN, value)),
  );
  return rows.length === 1 ? (rows[0] ?? undefined) : undefined;
}
