/** Chart.js as both pages use it: only the parts they need, and no motion at all. */
import {
  BarController,
  BarElement,
  CategoryScale,
  Chart,
  LinearScale,
  LineController,
  LineElement,
  LogarithmicScale,
  PointElement,
  type Plugin,
} from 'chart.js';
import { formatTick } from './numbers.ts';
import type { Theme } from './theme.ts';

Chart.register(
  BarController,
  BarElement,
  CategoryScale,
  LinearScale,
  LineController,
  LineElement,
  LogarithmicScale,
  PointElement,
);
// Live data jumps to where it belongs; this also is what `prefers-reduced-motion` asks for.
Chart.defaults.animation = false;
Chart.defaults.transitions = {};
Chart.defaults.responsive = true;
Chart.defaults.maintainAspectRatio = false;
Chart.defaults.resizeDelay = 30;
Chart.defaults.events = [];

export { Chart };

/** Draws over the lines or bars; not before the chart has its axes, which come with the first data. */
export const drawOver = (draw: (chart: Chart) => void): Plugin => ({
  id: 'over',
  afterDatasetsDraw: (chart) => {
    if (chart.scales['x'] !== undefined && chart.scales['y'] !== undefined) draw(chart);
  },
});

/** Colours, fonts and sparse ticks of one axis. `title` stands at its end, small. */
export function axisStyle(theme: Theme, title?: string) {
  const font = { family: theme.font, size: Math.round(theme.fontSize * 0.85) };
  return {
    border: { display: false },
    grid: { color: theme.grid, drawTicks: false, lineWidth: 1 },
    ticks: { color: theme.muted, font, padding: 6, maxRotation: 0, autoSkipPadding: 16 },
    title: {
      display: title !== undefined,
      text: title ?? '',
      align: 'end',
      color: theme.muted,
      font,
      padding: 0,
    },
  } as const;
}

export function linearTick(
  value: number | string,
  _index: number,
  ticks: readonly { value: number }[],
): string {
  const spacing = ticks.length > 1 ? Math.abs(ticks[1]!.value - ticks[0]!.value) : Math.abs(Number(value));
  return formatTick(Number(value), spacing);
}

/** Decades, with 2 and 5 where there are few. */
export function logTick(value: number | string, _index: number, ticks: readonly { value: number }[]): string {
  const number = Number(value);
  const digit = Math.round(number / 10 ** Math.floor(Math.log10(number) + 1e-9));
  const decades = Math.log10(ticks.at(-1)!.value / ticks[0]!.value);
  const labelled = decades > 4 ? [1] : decades > 1.5 ? [1, 3] : [1, 2, 3, 5, 7];
  return labelled.includes(digit) ? formatTick(number, number / 10) : '';
}
