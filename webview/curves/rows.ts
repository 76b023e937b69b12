import { placeAt } from './decimate.ts';
import type { DrawnLine } from './lines.ts';
import { lowerBound } from './search.ts';

/** More rows than this help nobody; screen readers least of all. */
export const MAX_ROWS = 200;

export interface TableRows {
  readonly total: number;
  readonly rows: readonly { readonly x: number; readonly values: readonly (number | undefined)[] }[];
}

/**
 * A chart as a table: one row per point of its sparsest line (evenly thinned to {@link MAX_ROWS}, the last point
 * always there), with the latest value of every line up to that x.
 */
export function tableRows(lines: readonly DrawnLine[]): TableRows {
  const sparsest = lines
    .filter(({ x }) => x.length > 0)
    .reduce<DrawnLine | undefined>(
      (best, line) => (best === undefined || line.x.length < best.x.length ? line : best),
      undefined,
    );
  if (sparsest === undefined) return { total: 0, rows: [] };
  const total = sparsest.x.length;
  const count = Math.min(total, MAX_ROWS);
  const rows = Array.from({ length: count }, (_, row) => {
    const index = count === 1 ? total - 1 : Math.round((row * (total - 1)) / (count - 1));
    const x = placeAt(sparsest, index);
    return { x, values: lines.map((line) => latest(line, x)) };
  });
  return { total, rows };
}

function latest({ x, y, map }: DrawnLine, place: number): number | undefined {
  const at = map === undefined ? place : map.toColumn(place);
  // Back from the axis a number may come out a little beside itself.
  const above = lowerBound(x, at + Math.abs(at) * 1e-12);
  return x[above] === at ? y[above] : y[above - 1];
}
