/** What the cursor says, for eyes (the tooltip) and for ears (one sentence). */
import { h, svg } from '../shared/dom.ts';
import { fill } from '../shared/editor.ts';
import { formatNumber } from '../shared/numbers.ts';
import type { CurvesStrings } from '../strings.ts';
import type { PlacedMark } from './marks.ts';
import type { Hover } from './plot.ts';
import type { Axis } from './state.ts';
import type { LineStyle } from './style.ts';

export interface TooltipContext {
  readonly strings: CurvesStrings;
  readonly axis: Axis;
  /** The other axis' value at this x, where it is known. */
  readonly otherAxis: (x: number) => number | undefined;
}

export function describeHover(hover: Hover, tooltip: HTMLElement, context: TooltipContext): string {
  const { strings, axis } = context;
  const x = hover.mark?.x ?? hover.x;
  const other = context.otherAxis(x);
  const otherAxis = axis === 'epoch' ? 'step' : 'epoch';
  const places = [
    `${strings[axis].toLowerCase()} ${formatPlace(x)}`,
    ...(other === undefined || !Number.isFinite(other)
      ? []
      : [
          `${strings[otherAxis].toLowerCase()} ${formatPlace(otherAxis === 'step' ? Math.round(other) : other)}`,
        ]),
  ];
  const mark = hover.mark === undefined ? [] : markLines(hover.mark, strings);
  const values = hover.values.map(({ line, index }) => ({
    line,
    // A sparse line's nearest point may stand elsewhere; then the tooltip says where.
    elsewhere:
      formatPlace(line.raw.x[index]!) === formatPlace(x) ? '' : ` @ ${formatPlace(line.raw.x[index]!)}`,
    value: formatNumber(line.raw.y[index]!),
    smoothed: line.smoothed === undefined ? undefined : formatNumber(line.smoothed[index]!),
  }));
  tooltip.replaceChildren(
    ...mark.map((text, index) => h('div', { class: index === 0 ? 'tooltip-title' : 'muted' }, text)),
    h('div', { class: mark.length === 0 ? 'tooltip-title' : 'tooltip-place' }, places.join(' · ')),
    ...values.map(({ line, elsewhere, value, smoothed }) =>
      h(
        'div',
        { class: 'tooltip-row' },
        swatch(line.style),
        h('span', { class: 'tooltip-name' }, line.tag, h('span', { class: 'number muted' }, elsewhere)),
        smoothed === undefined || smoothed === value
          ? undefined
          : h('span', { class: 'number muted' }, `~${smoothed}`),
        h('span', { class: 'number' }, value),
      ),
    ),
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
    ...values.map(({ line, elsewhere, value }) => `${line.tag}${elsewhere} ${value}`),
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
