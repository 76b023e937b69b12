/** How the coefficients were learned: loss on the fit split per step, on the stop split per epoch, the epoch chosen. */
import type { Chart as ChartType, Point } from 'chart.js';
import type { LossPoint } from '../../src/core/averaging/types.ts';
import { axisStyle, Chart, drawOver, linearTick } from '../shared/chart.ts';
import { h, svg } from '../shared/dom.ts';
import { fill } from '../shared/fill.ts';
import { formatNumber } from '../shared/numbers.ts';
import { DASHES } from '../shared/dashes.ts';
import type { Theme } from '../shared/theme.ts';
import type { ResultStrings } from '../strings.ts';
import { followCursor } from './cursor.ts';
import { dataTable } from './dataTable.ts';

export interface LossCurveInput {
  readonly theme: Theme;
  readonly points: readonly LossPoint[];
  readonly chosen: LossPoint | undefined;
  readonly metricName: string | undefined;
  readonly table: boolean;
}

export class LossCurveChart {
  readonly element: HTMLElement;
  readonly #strings: ResultStrings;
  readonly #canvas = h('canvas', { 'aria-hidden': 'true' });
  readonly #plot: HTMLElement;
  readonly #legend = h('p', { class: 'legend muted' });
  readonly #table = h('div', {});
  #chart: ChartType<'line', Point[]> | undefined;
  #input: LossCurveInput | undefined;
  #active: number | undefined;

  constructor(strings: ResultStrings) {
    this.#strings = strings;
    this.#plot = h(
      'div',
      { class: 'plot', tabindex: 0, role: 'group', 'aria-label': strings.lossCurve },
      this.#canvas,
    );
    this.element = h(
      'section',
      { class: 'chart' },
      h('h2', {}, strings.lossCurve),
      this.#legend,
      this.#plot,
      this.#table,
    );
    followCursor(this.#plot, this.#canvas, {
      count: () => this.#input?.points.length ?? 0,
      nearest: (x) => this.#nearest(x),
      place: (index) => {
        const { step, fitLoss, stopLoss } = this.#input!.points[index]!;
        const { scales } = this.#chart!;
        return {
          x: scales['x']!.getPixelForValue(step),
          y: scales['y']!.getPixelForValue(stopLoss ?? fitLoss),
        };
      },
      describe: (index) => this.#describe(this.#input!.points[index]!),
      show: (index) => {
        this.#active = index;
        this.#chart?.draw();
      },
    });
  }

  render(input: LossCurveInput): void {
    this.#input = input;
    const { theme, points, table } = input;
    const strings = this.#strings;
    this.#plot.classList.toggle('waiting', points.length === 0);
    const line = (color: string, dash: readonly number[]): SVGSVGElement =>
      svg(
        'svg',
        { class: 'swatch', width: 18, height: 8, 'aria-hidden': 'true' },
        svg('line', {
          x1: 0,
          y1: 4,
          x2: 18,
          y2: 4,
          stroke: color,
          'stroke-width': 2,
          'stroke-dasharray': dash.join(' '),
        }),
      );
    this.#legend.replaceChildren(
      ...(points.length === 0
        ? [strings.waitingForLoss]
        : [
            h('span', { class: 'legend-item' }, line(theme.series[0]!, []), strings.fitLoss),
            h(
              'span',
              { class: 'legend-item' },
              line(theme.series[1]!, this.#stopDash(theme)),
              strings.stopLoss,
            ),
          ]),
    );
    this.#draw();
    this.#table.replaceChildren(...(table && points.length > 0 ? [this.#dataTable()] : []));
  }

  dispose(): void {
    this.#chart?.destroy();
  }

  #draw(): void {
    const { theme, points } = this.#input!;
    this.#chart ??= new Chart<'line', Point[]>(this.#canvas, {
      type: 'line',
      data: { datasets: [] },
      options: { parsing: false, normalized: true, layout: { padding: { top: 16, right: 10 } } },
      plugins: [drawOver((chart) => this.#drawChosen(chart))],
    });
    const chart = this.#chart;
    const stops = points.filter(({ stopLoss }) => stopLoss !== undefined);
    chart.data.datasets = [
      {
        // Its dots tell where an epoch ended.
        data: stops.map(({ step, stopLoss }) => ({ x: step, y: finiteOrGap(stopLoss!) })),
        borderColor: theme.series[1]!,
        backgroundColor: theme.series[1]!,
        borderWidth: 1.75,
        borderDash: [...this.#stopDash(theme)],
        pointRadius: 3,
        pointBorderWidth: 0,
      },
      {
        data: points.map(({ step, fitLoss }) => ({ x: step, y: finiteOrGap(fitLoss) })),
        borderColor: theme.series[0]!,
        backgroundColor: theme.series[0]!,
        borderWidth: 1.25,
        pointRadius: points.length === 1 ? 3 : 0,
        pointBorderWidth: 0,
      },
    ];
    const style = axisStyle(theme, this.#strings.step.toLowerCase());
    const last = points.at(-1)?.step ?? 0;
    chart.options.scales = {
      x: {
        ...style,
        type: 'linear',
        min: 0,
        max: Math.max(1, last),
        grid: { display: false },
        ticks: { ...style.ticks, callback: linearTick, maxTicksLimit: 8, precision: 0, includeBounds: false },
      },
      y: {
        ...axisStyle(theme),
        type: 'linear',
        ticks: { ...style.ticks, callback: linearTick, maxTicksLimit: 6 },
      },
    };
    chart.update('none');
  }

  #drawChosen(chart: ChartType): void {
    const { theme, chosen, points } = this.#input!;
    const { ctx, chartArea: area, scales } = chart;
    const x = scales['x']!;
    const vertical = (step: number, color: string, dash: readonly number[]): number => {
      const pixel = Math.round(x.getPixelForValue(step)) + 0.5;
      ctx.beginPath();
      ctx.setLineDash([...dash]);
      ctx.moveTo(pixel, area.top);
      ctx.lineTo(pixel, area.bottom);
      ctx.strokeStyle = color;
      ctx.lineWidth = 1;
      ctx.stroke();
      return pixel;
    };
    ctx.save();
    if (chosen !== undefined) {
      const pixel = vertical(chosen.step, theme.foreground, [4, 4]);
      ctx.fillStyle = theme.foreground;
      ctx.font = `${Math.round(theme.fontSize * 0.85)}px ${theme.font}`;
      const text = fill(this.#strings.chosenEpoch, chosen.epoch);
      const half = ctx.measureText(text).width / 2;
      ctx.textAlign = 'center';
      ctx.textBaseline = 'bottom';
      const centre = Math.min(Math.max(pixel, area.left + half), chart.width - half - 2);
      ctx.fillText(text, centre, area.top - 2);
    }
    const active = this.#active === undefined ? undefined : points[this.#active];
    if (active !== undefined) vertical(active.step, theme.muted, [2, 3]);
    ctx.restore();
  }

  #nearest(pixel: number): number | undefined {
    const at = this.#chart?.scales['x']?.getValueForPixel(pixel);
    if (at === undefined) return undefined;
    let nearest: number | undefined;
    const { points } = this.#input!;
    for (let index = 0; index < points.length; index++) {
      if (
        nearest === undefined ||
        Math.abs(points[index]!.step - at) < Math.abs(points[nearest]!.step - at)
      ) {
        nearest = index;
      }
    }
    return nearest;
  }

  #describe({ step, epoch, fitLoss, stopLoss, stopMetric }: LossPoint): readonly string[] {
    const strings = this.#strings;
    const { metricName } = this.#input!;
    return [
      `${strings.step.toLowerCase()} ${formatNumber(step)} · ${strings.epoch.toLowerCase()} ${formatNumber(epoch)}`,
      `${strings.fitLoss} ${formatNumber(fitLoss)}`,
      ...(stopLoss === undefined ? [] : [`${strings.stopLoss} ${formatNumber(stopLoss)}`]),
      ...(stopMetric === undefined
        ? []
        : [`${fill(strings.stopMetric, metricName ?? '')} ${formatNumber(stopMetric)}`]),
    ];
  }

  #dataTable(): HTMLElement {
    const strings = this.#strings;
    const { points, metricName } = this.#input!;
    const show = (value: number | undefined): string => (value === undefined ? '' : formatNumber(value));
    return dataTable(
      strings.lossCurve,
      [
        strings.step,
        strings.epoch,
        strings.fitLoss,
        strings.stopLoss,
        fill(strings.stopMetric, metricName ?? ''),
      ],
      points.map(({ step, epoch, fitLoss, stopLoss, stopMetric }) => [
        formatNumber(step),
        formatNumber(epoch),
        formatNumber(fitLoss),
        show(stopLoss),
        show(stopMetric),
      ]),
    );
  }

  #stopDash(theme: Theme): readonly number[] {
    return theme.highContrast ? DASHES[1]! : [];
  }
}

const finiteOrGap = (value: number): number => (Number.isFinite(value) ? value : NaN);
