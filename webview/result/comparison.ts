/** The table that answers the question: best single, last, plain average and TWA, with intervals as numbers and bars. */
import type { AverageReport, Interval, TableRow } from '../../src/core/averaging/types.ts';
import type { Goal } from '../../src/core/runs/types.ts';
import { h, icon, svg } from '../shared/dom.ts';
import { fill } from '../shared/fill.ts';
import { decimalsForIntervals, fixed, signed } from '../shared/numbers.ts';
import type { ResultStrings } from '../strings.ts';
import { intervalScale, type Scale } from './intervals.ts';

interface Column {
  readonly name: string;
  readonly goal: Goal;
  readonly decimals: number;
  readonly scale: Scale | undefined;
  /** Value of the plain average: the line that the bars are read against. */
  readonly reference: number | undefined;
  value(row: TableRow): number;
  interval(row: TableRow): Interval;
}

export function comparison(report: AverageReport, strings: ResultStrings): HTMLElement {
  const { table, metric, recommendation, splits } = report;
  if (metric === undefined || table.length === 0) {
    return h('p', { class: 'muted hint' }, strings.noTableHint);
  }
  const columns = [
    column(
      metric.name,
      metric.goal,
      table,
      (row) => row.metric,
      (row) => row.metricInterval,
    ),
    column(
      strings.loss,
      'minimize',
      table,
      (row) => row.loss,
      (row) => row.lossInterval,
    ),
    // An evaluation command gives the metric alone.
  ].filter((each, index) => index === 0 || !table.every((row) => Number.isNaN(each.value(row))));
  return h(
    'div',
    { class: 'comparison' },
    h(
      'table',
      { role: 'table' },
      h(
        'caption',
        { class: 'muted' },
        splits === undefined ? '' : fill(strings.onReportSplit, splits.report),
      ),
      h(
        'thead',
        { role: 'rowgroup' },
        h(
          'tr',
          { role: 'row' },
          heading(strings.weights),
          ...columns.flatMap((entry) => [
            heading(
              `${entry.name} ${entry.goal === 'maximize' ? '↑' : '↓'}`,
              entry.goal === 'maximize' ? strings.higherIsBetter : strings.lowerIsBetter,
              'value',
            ),
            scaleHeading(entry, strings),
          ]),
          heading(`${metric.name} ${strings.versusUniform}`, undefined, 'value'),
        ),
      ),
      h(
        'tbody',
        { role: 'rowgroup' },
        ...table.map((row) => bodyRow(row, columns, row.id === recommendation.use, strings)),
      ),
    ),
  );
}

function column(
  name: string,
  goal: Goal,
  table: readonly TableRow[],
  value: (row: TableRow) => number,
  interval: (row: TableRow) => Interval,
): Column {
  const uniform = table.find(({ id }) => id === 'uniform');
  return {
    name,
    goal,
    value,
    interval,
    decimals: decimalsForIntervals(table.map(interval)),
    scale: intervalScale(table.map((row) => ({ value: value(row), ...interval(row) }))),
    reference: uniform && value(uniform),
  };
}

function heading(text: string, title?: string, className?: string): HTMLElement {
  return h('th', { scope: 'col', role: 'columnheader', title, class: className }, text);
}

/** The ends of the scale that the bars below share. */
function scaleHeading({ scale, decimals }: Column, strings: ResultStrings): HTMLElement {
  return h(
    'th',
    { scope: 'col', role: 'columnheader', class: 'bar', 'aria-label': strings.interval },
    ...(scale === undefined
      ? []
      : [
          h(
            'span',
            { class: 'scale number' },
            h('span', {}, fixed(scale.min, decimals)),
            h('span', {}, fixed(scale.max, decimals)),
          ),
        ]),
  );
}

function bodyRow(
  row: TableRow,
  columns: readonly Column[],
  recommended: boolean,
  strings: ResultStrings,
): HTMLElement {
  const [metric] = columns;
  const versus = row.metricVersusUniform;
  return h(
    'tr',
    { role: 'row', class: recommended ? 'recommended' : undefined },
    h(
      'th',
      { scope: 'row', role: 'rowheader' },
      h('span', { class: 'label' }, row.label),
      recommended
        ? h('span', { class: 'badge' }, icon('check'), h('span', {}, strings.recommended))
        : undefined,
    ),
    ...columns.flatMap((entry) => [
      h(
        'td',
        { role: 'cell', class: 'value', 'data-label': entry.name },
        h(
          'span',
          { class: 'measured' },
          fixed(entry.value(row), entry.decimals),
          ends(entry.interval(row), (value) => fixed(value, entry.decimals)),
        ),
      ),
      intervalCell(row, entry, strings),
    ]),
    h(
      'td',
      { role: 'cell', class: 'value versus', 'data-label': strings.versusUniform },
      ...(versus === undefined
        ? [h('span', { class: 'muted' }, '–')]
        : [
            signed(versus.difference, metric!.decimals),
            ends(versus, (value) => signed(value, metric!.decimals), strings.interval),
          ]),
    ),
  );
}

/** " [0.95, 0.97]"; nothing where the interval is unknown, because there was one number only. */
function ends(
  { low, high }: Interval,
  format: (value: number) => string,
  title?: string,
): HTMLElement | undefined {
  if (Number.isNaN(low) || Number.isNaN(high)) return undefined;
  return h('span', { class: 'ends', title }, ` [${format(low)}, ${format(high)}]`);
}

function intervalCell(row: TableRow, entry: Column, strings: ResultStrings): HTMLElement {
  const { scale, decimals, reference } = entry;
  const { low, high } = entry.interval(row);
  const value = entry.value(row);
  const text = Number.isNaN(low)
    ? undefined
    : fill(strings.intervalFromTo, fixed(low, decimals), fixed(high, decimals));
  const cell = h('td', { role: 'cell', class: 'bar', title: text });
  if (scale !== undefined && Number.isFinite(value)) {
    // A margin of 2 % keeps the end strokes inside.
    const at = (share: number): string => `${2 + 96 * share}%`;
    const vertical = (x: string, y1: number, y2: number, className: string): SVGElement =>
      svg('line', { x1: x, x2: x, y1, y2, class: className });
    cell.prepend(
      svg(
        'svg',
        { class: 'interval', height: 16, 'aria-hidden': 'true' },
        reference === undefined || !Number.isFinite(reference)
          ? undefined
          : vertical(at(scale.at(reference)), 0, 16, 'reference'),
        svg('line', { x1: at(scale.at(low)), x2: at(scale.at(high)), y1: 8, y2: 8, class: 'whisker' }),
        vertical(at(scale.at(low)), 5, 11, 'whisker'),
        vertical(at(scale.at(high)), 5, 11, 'whisker'),
        svg('circle', { cx: at(scale.at(value)), cy: 8, r: 3.5, class: 'point' }),
      ),
    );
  }
  return cell;
}
