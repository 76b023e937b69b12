/** What the cursor says, for eyes (the tooltip) and for ears (one sentence). */
import { h, svg } from '../shared/dom.ts';
import { fill } from '../shared/editor.ts';
import { formatNumber } from '../shared/numbers.ts';
import type { CurvesStrings } from '../strings.ts';
import type { PlacedMark } from './marks.ts';
import type { Hover } from './plot.ts';
import type { Axis } from './axes.ts';
import { placeAt } from './decimate.ts';
import type { LineStyle } from './style.ts';
import { formatElapsed, formatMoment } from './ticks.ts';

export interface TooltipContext {
  readonly strings: CurvesStrings;
  readonly axis: Axis;
  readonly language: string;
  /** The other axes' values at this x, where they are known, with their names. */
  readonly otherPlaces: (x: number) => readonly string[];
}

/** More lines than this nobody reads while pointing; the data table has them all. */
const MOST_ROWS = 20;

export function describeHover(hover: Hover, tooltip: HTMLElement, context: TooltipContext): string {
  const { strings, axis, language } = context;
  const x = hover.mark?.x ?? hover.x;
  const place = (at: number): string => formatOn(axis, at, language);
  const places = [`${strings[axis].toLowerCase()} ${place(x)}`, ...context.otherPlaces(x)];
  const mark = hover.mark === undefined ? [] : markLines(hover.mark, strings);
  const shown = hover.values.slice(0, MOST_ROWS);
  const values = shown.map(({ line, index }) => {
    const at = place(placeAt(line.raw, index));
    return {
      line,
      // A sparse line's nearest point may stand elsewhere; then the tooltip says where.
      elsewhere: at === place(x) ? '' : ` @ ${at}`,
      value: formatNumber(line.raw.y[index]!),
      smoothed: line.smoothed === undefined ? undefined : formatNumber(line.smoothed.y[index]!),
    };
  });
  const left = hover.values.length - shown.length;
  tooltip.replaceChildren(
    ...mark.map((text, index) => h('div', { class: index === 0 ? 'tooltip-title' : 'muted' }, text)),
    h('div', { class: mark.length === 0 ? 'tooltip-title' : 'tooltip-place' }, places.join(' · ')),
    ...values.map(({ line, elsewhere, value, smoothed }) =>
      h(
        'div',
        { class: 'tooltip-row' },
        swatch(line.style),
        h('span', { class: 'tooltip-name' }, line.label, h('span', { class: 'number muted' }, elsewhere)),
        smoothed === undefined || smoothed === value
          ? undefined
          : h('span', { class: 'number muted' }, `~${smoothed}`),
        h('span', { class: 'number' }, value),
      ),
    ),
    left === 0 ? '' : h('div', { class: 'muted' }, fill(strings.moreLines, left)),
    ...(hover.mark === undefined
      ? []
      : [
          h(
            'div',
            { class: 'tooltip-hint muted' },
            hover.mark.kind === 'average' ? strings.clickOpens : strings.clickReveals,
          ),
        ]),
  );
  return [
    ...mark,
    ...places,
    ...values.map(({ line, elsewhere, value }) => `${line.label}${elsewhere} ${value}`),
    ...(left === 0 ? [] : [fill(strings.moreLines, left)]),
  ].join(', ');
}

function markLines(mark: PlacedMark, strings: CurvesStrings): string[] {
  if (mark.kind === 'checkpoint') {
    return [mark.mark.name, ...(mark.mark.complete ? [] : [strings.incomplete])];
  }
  const { name, value, interval } = mark.measured;
  const measured =
    interval === undefined
      ? `${name} ${formatNumber(value)}`
      : `${name} ${formatNumber(value)} [${formatNumber(interval.low)}, ${formatNumber(interval.high)}]`;
  return [
    mark.mark.name,
    `${measured} ${strings.onReport}`,
    `${fill(strings.average, mark.mark.method)}, ${fill(strings.fromCheckpoints, mark.mark.sources.length)}`,
  ];
}

/** A place on the x axis: whole, or with two decimals. */
export function formatPlace(x: number): string {
  return Number.isInteger(x)
    ? formatNumber(x)
    : formatNumber(Math.round(x * 100) / 100, 6).replace(/\.?0+$/, '');
}

/** A place on any axis. */
export function formatOn(axis: Axis, x: number, language: string): string {
  switch (axis) {
    case 'step':
    case 'epoch':
      return formatPlace(x);
    case 'relative':
      return formatElapsed(x);
    case 'wall':
      return formatMoment(x, language);
  }
}

/** A piece of the line as it is drawn. */
export const swatch = ({ color, width, dash }: LineStyle): SVGSVGElement =>
  svg(
    'svg',
    { class: 'swatch', width: 18, height: 8, 'aria-hidden': 'true' },
    svg('line', {
      x1: 0,
      y1: 4,
      x2: 18,
      y2: 4,
      stroke: color,
      'stroke-width': width + 0.5,
      'stroke-dasharray': dash.join(' '),
    }),
  );
