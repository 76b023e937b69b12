/** The coefficients as bars over the checkpoints, oldest first. */
import type { Chart as ChartType } from 'chart.js';
import type { LiveCheckpoint } from '../protocol.ts';
import { axisStyle, Chart, drawOver, linearTick } from '../shared/chart.ts';
import { h } from '../shared/dom.ts';
import { fill } from '../shared/fill.ts';
import { formatNumber } from '../shared/numbers.ts';
import type { Theme } from '../shared/theme.ts';
import type { ResultStrings } from '../strings.ts';
import { followCursor } from './cursor.ts';
import { dataTable } from './dataTable.ts';

export interface CoefficientsInput {
  readonly theme: Theme;
  /** Oldest first. */
  readonly checkpoints: readonly LiveCheckpoint[];
  /** Undefined: none yet. */
  readonly coefficients: readonly number[] | undefined;
  readonly table: boolean;
}

export class CoefficientsChart {
  readonly element: HTMLElement;
  readonly #strings: ResultStrings;
  readonly #canvas = h('canvas', { 'aria-hidden': 'true' });
  readonly #plot: HTMLElement;
  readonly #hint = h('p', { class: 'muted' });
  readonly #table = h('div', {});
  #chart: ChartType<'bar', number[]> | undefined;
  #input: CoefficientsInput | undefined;
  #active: number | undefined;

  constructor(strings: ResultStrings) {
    this.#strings = strings;
    this.#plot = h(
      'div',
      { class: 'plot', tabindex: 0, role: 'group', 'aria-label': strings.coefficients },
      this.#canvas,
    );
    this.element = h(
      'section',
      { class: 'chart' },
      h('h2', {}, strings.coefficients),
      this.#hint,
      this.#plot,
      this.#table,
    );
    followCursor(this.#plot, this.#canvas, {
      count: () => this.#input?.coefficients?.length ?? 0,
      nearest: (x) => {
        const scale = this.#chart?.scales['x'];
        const index = scale?.getValueForPixel(x);
        return index !== undefined && this.#input?.coefficients?.[index] !== undefined ? index : undefined;
      },
      place: (index) => {
        const { scales } = this.#chart!;
        return {
          x: scales['x']!.getPixelForValue(index),
          y: scales['y']!.getPixelForValue(Math.max(0, this.#input!.coefficients![index]!)),
        };
      },
      describe: (index) => {
        const { checkpoints, coefficients } = this.#input!;
        const checkpoint = checkpoints[index];
        return [
          checkpoint === undefined ? String(index + 1) : fileName(checkpoint.path),
          ...(checkpoint === undefined ? [] : placesOf(checkpoint, strings)),
          `${strings.coefficient} ${formatNumber(coefficients![index]!)}`,
        ];
      },
      show: (index) => {
        this.#active = index;
        this.#chart?.draw();
      },
    });
  }

  render(input: CoefficientsInput): void {
    this.#input = input;
    const { checkpoints, table } = input;
    const strings = this.#strings;
    const coefficients = input.coefficients ?? [];
    const sum = coefficients.reduce((total, value) => total + value, 0);
    this.#hint.textContent =
      coefficients.length === 0
        ? strings.waitingForCoefficients
        : fill(strings.coefficientsHint, coefficients.length, formatNumber(sum));
    this.#plot.classList.toggle('waiting', coefficients.length === 0);
    this.#draw();
    this.#table.replaceChildren(
      ...(table && coefficients.length > 0
        ? [
            dataTable(
              strings.coefficients,
              [strings.checkpoint, strings.epoch, strings.step, strings.coefficient],
              coefficients.map((value, index) => {
                const checkpoint = checkpoints[index];
                return [
                  checkpoint === undefined ? String(index + 1) : fileName(checkpoint.path),
                  numberOrNothing(checkpoint?.epoch),
                  numberOrNothing(checkpoint?.step),
                  formatNumber(value),
                ];
              }),
            ),
          ]
        : []),
    );
  }

  dispose(): void {
    this.#chart?.destroy();
  }

  #draw(): void {
    const { theme, checkpoints, coefficients = [] } = this.#input!;
    const strings = this.#strings;
    this.#chart ??= new Chart<'bar', number[]>(this.#canvas, {
      type: 'bar',
      data: { labels: [], datasets: [] },
      options: { layout: { padding: { top: 8, right: 6 } } },
      plugins: [drawOver((chart) => this.#drawLines(chart))],
    });
    const chart = this.#chart;
    const count = Math.max(coefficients.length, checkpoints.length);
    const byEpoch = checkpoints.every(({ epoch }) => epoch !== undefined);
    const byStep = checkpoints.every(({ step }) => step !== undefined);
    chart.data = {
      labels: Array.from({ length: count }, (_, index) => {
        const { epoch, step } = checkpoints[index] ?? {};
        return formatNumber((byEpoch ? epoch : byStep ? step : undefined) ?? index + 1);
      }),
      datasets: [
        {
          data: [...coefficients],
          backgroundColor: coefficients.map((value) => (value < 0 ? theme.negative : theme.series[0]!)),
          borderColor: theme.foreground,
          borderWidth: theme.highContrast ? 1 : 0,
          borderRadius: 1,
          categoryPercentage: count > 40 ? 1 : 0.92,
          barPercentage: 0.86,
          maxBarThickness: 34,
        },
      ],
    };
    const title = byEpoch ? strings.epoch : byStep ? strings.step : strings.checkpoint;
    const style = axisStyle(theme, title.toLowerCase());
    chart.options.scales = {
      x: { ...style, type: 'category', grid: { display: false } },
      y: {
        ...axisStyle(theme),
        type: 'linear',
        // Room for the equal share even where nothing is known yet.
        suggestedMin: 0,
        suggestedMax: count === 0 ? 1 : 1.2 / count,
        ticks: { ...style.ticks, callback: linearTick, maxTicksLimit: 6 },
      },
    };
    chart.update('none');
  }

  /** Zero, the equal share, and the cursor. */
  #drawLines(chart: ChartType): void {
    const { theme, checkpoints, coefficients = [] } = this.#input!;
    const { ctx, chartArea: area, scales } = chart;
    const y = scales['y']!;
    const count = Math.max(coefficients.length, checkpoints.length);
    ctx.save();
    const line = (at: number, color: string, dash: readonly number[]): void => {
      const pixel = Math.round(y.getPixelForValue(at)) + 0.5;
      ctx.beginPath();
      ctx.setLineDash([...dash]);
      ctx.moveTo(area.left, pixel);
      ctx.lineTo(area.right, pixel);
      ctx.strokeStyle = color;
      ctx.lineWidth = 1;
      ctx.stroke();
    };
    line(0, theme.muted, []);
    if (count > 0) line(1 / count, theme.foreground, [4, 4]);
    if (this.#active !== undefined) {
      const bar = chart.getDatasetMeta(0).data[this.#active];
      const { x, width } = bar?.getProps(['x', 'width']) as { x: number; width: number };
      ctx.setLineDash([]);
      ctx.strokeStyle = theme.focus;
      ctx.lineWidth = 1;
      ctx.strokeRect(x - width / 2 - 2, area.top, width + 4, area.height);
    }
    ctx.restore();
  }
}

export const fileName = (path: string): string => path.split(/[/\\]/).findLast((part) => part !== '') ?? path;

export function placesOf({ epoch, step }: LiveCheckpoint, strings: ResultStrings): readonly string[] {
  const places = [
    ...(epoch === undefined ? [] : [`${strings.epoch.toLowerCase()} ${formatNumber(epoch)}`]),
    ...(step === undefined ? [] : [`${strings.step.toLowerCase()} ${formatNumber(step)}`]),
  ];
  return places.length === 0 ? [] : [places.join(' · ')];
}

export const numberOrNothing = (value: number | undefined): string =>
  value === undefined ? '' : formatNumber(value);
