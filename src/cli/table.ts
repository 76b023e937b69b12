/** Text tables for a terminal. */
import path from 'node:path';
import type { AverageReport, Interval } from '../core/averaging/types.ts';

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

/** Columns as wide as their widest cell, two spaces apart, without borders; lines end at their last character. */
export function textTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const lines = [columns.map(({ title }) => title), ...rows];
  const widths = columns.map((_, at) => Math.max(...lines.map((cells) => (cells[at] ?? '').length)));
  return lines
    .map((cells) =>
      columns
        .map(({ align }, at) => {
          const cell = cells[at] ?? '';
          return align === 'right' ? cell.padStart(widths[at]!) : cell.padEnd(widths[at]!);
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/**
 * The result table of a pass, the row to use marked with `>`; "" when nothing was evaluated. Intervals are 95 %, on
 * the report split; the last column is the difference to plain averaging on the same examples.
 */
export function formatTable(report: Pick<AverageReport, 'table' | 'metric' | 'recommendation'>): string {
  if (report.table.length === 0) return '';
  const metric = report.metric?.name ?? 'metric';
  const loss = measuresLoss(report.table);
  return textTable(
    [
      { title: '  weights' },
      { title: metric, align: 'right' },
      { title: '95 %' },
      ...(loss ? LOSS_COLUMNS : []),
      { title: `${metric} minus uniform` },
    ],
    report.table.map((row) => [
      `${row.id === report.recommendation.use ? '>' : ' '} ${row.label}`,
      figure(row.metric),
      interval(row.metricInterval),
      ...(loss ? [figure(row.loss), interval(row.lossInterval)] : []),
      row.metricVersusUniform === undefined
        ? ''
        : `${signed(row.metricVersusUniform.difference)} ${interval(row.metricVersusUniform, signed)}`,
    ]),
  );
}

export const LOSS_COLUMNS: readonly Column[] = [{ title: 'loss', align: 'right' }, { title: '95 %' }];

/** An evaluation command gives the metric alone. */
export function measuresLoss(rows: readonly { readonly loss: number }[]): boolean {
  return rows.some((row) => !Number.isNaN(row.loss));
}

/** Four decimals where they say something, else four significant digits. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  return size === 0 || (size >= 1e-3 && size < 1e4) ? value.toFixed(4) : value.toExponential(3);
}

function signed(value: number): string {
  return `${value < 0 ? '' : '+'}${figure(value)}`;
}

export function interval({ low, high }: Interval, format: (value: number) => string = figure): string {
  return Number.isNaN(low) ? 'unknown' : `[${format(low)}, ${format(high)}]`;
}

/** "1.2 MB". Powers of 1000, as file managers count. */
export function bytes(count: number): string {
  if (count < 1000) return `${count} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let size = count / 1000;
  let unit = 0;
  while (size >= 999.95 && unit < units.length - 1) {
    size /= 1000;
    unit++;
  }
  return `${size.toFixed(1)} ${units[unit]!}`;
}

/** For people: relative where the file lies below the current directory. */
export function shownPath(file: string): string {
  const relative = path.relative(process.cwd(), file);
  return relative === '' || relative.startsWith('..') || path.isAbsolute(relative) ? file : relative;
}
