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
  type Scale,
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

/** Draws under the lines or bars, over the grid. */
export const drawUnder = (draw: (chart: Chart) => void): Plugin => ({
  id: 'under',
  beforeDatasetsDraw: (chart) => {
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

/** Decades, with digits between them where there are few decades. Chart.js would rule a line for every digit. */
export function keepLogTicks(scale: Scale): void {
  const decades = Math.log10(scale.max / scale.min);
  const kept = decades > 3 ? [1] : decades > 1.3 ? [1, 3] : [1, 1.5, 2, 3, 5, 7];
  scale.ticks = scale.ticks.filter(({ value }) => {
    const mantissa = value / 10 ** Math.floor(Math.log10(value) + 1e-9);
    return kept.some((digit) => Math.abs(mantissa - digit) < 1e-6);
  });
}

export function keepWholeTicks(scale: Scale): void {
  scale.ticks = scale.ticks.filter(({ value }) => Math.abs(value - Math.round(value)) < 1e-9);
}

export const logTick = (value: number | string): string => formatTick(Number(value), Number(value) / 10);
