/** A chart as numbers in CSS pixels: what a drawing program needs, without the canvas. */
import type { Chart } from 'chart.js';
import { rgbOf } from '../shared/rgb.ts';
import { decimate, type Line } from './decimate.ts';
import type { Best } from './overlay.ts';
import { pixelOf, pixelX, pixelY } from './overlay.ts';
import type { PlacedMark } from './marks.ts';
import type { PlotInput } from './plot.ts';
import type { Rulers } from './rulers.ts';
import type { LineStyle } from './style.ts';
import type { Picture, PictureLine, PictureMark, Place } from './svg.ts';

export function pictureOf(chart: Chart, input: PlotInput, rulers: Rulers): Picture {
  const { chartArea: area, width, height } = chart;
  const { left, top, right, bottom } = area;
  const x = chart.scales['x']!;
  const view = { min: x.min, max: x.max, log: input.logX };
  // Two columns a pixel: it may be printed larger than it was seen.
  const columns = Math.max(1, Math.round(2 * (right - left)));
  const drawn = (line: Line, style: LineStyle, faint: boolean): PictureLine => ({
    stretches: stretchesOf(
      decimate(line, view, columns, input.log).map((point): Place => [
        pixelX(chart, point.x),
        pixelY(chart, point.y),
      ]),
    ),
    color: hex(style.color),
    width: faint ? 1 : style.width,
    dash: faint ? [] : style.dash,
    faint,
  });
  // What is drawn last lies above: validation over training, averages over values.
  const upwards = input.lines.toReversed();
  return {
    width,
    height,
    area: { left, top, right, bottom },
    xTicks: rulers.below(chart),
    yTicks: rulers.beside(chart),
    xTitle: input.xTitle,
    lines: [
      ...upwards.flatMap(({ raw, smoothed, style }) =>
        input.behind
          ? [...raw.earlier, ...(smoothed === undefined ? [] : [raw])].map((line) => drawn(line, style, true))
          : [],
      ),
      ...upwards.map(({ raw, smoothed, style }) => drawn(smoothed ?? raw, style, false)),
    ],
    marks: [
      ...input.marks.filter(({ kind }) => kind === 'checkpoint').map((mark) => markOf(chart, mark, input)),
      ...input.best.map((best) => bestOf(chart, best)),
      ...input.marks.filter(({ kind }) => kind === 'average').map((mark) => markOf(chart, mark, input)),
    ].filter(
      ({ at }) => at[0] >= left - 1 && at[0] <= right + 1 && at[1] >= top - 12 && at[1] <= bottom + 12,
    ),
  };
}

function markOf(chart: Chart, mark: PlacedMark, { theme }: PlotInput): PictureMark {
  const { x, y } = pixelOf(chart, mark);
  const title = mark.mark.name;
  if (mark.kind === 'checkpoint') {
    return { kind: 'checkpoint', at: [x, y], color: hex(mark.color ?? theme.foreground), title };
  }
  const { interval } = mark.measured;
  return {
    kind: 'average',
    at: [x, y],
    color: hex(theme.star),
    title,
    ...(interval === undefined
      ? {}
      : { interval: [pixelY(chart, interval.low), pixelY(chart, interval.high)] as const }),
  };
}

function bestOf(chart: Chart, { x, y, color, goal }: Best): PictureMark {
  return {
    kind: goal === 'minimize' ? 'best-low' : 'best-high',
    at: [pixelX(chart, x), pixelY(chart, y)],
    color: hex(color),
    title: '',
  };
}

function stretchesOf(points: readonly Place[]): readonly (readonly Place[])[] {
  const stretches: Place[][] = [[]];
  for (const point of points) {
    if (Number.isFinite(point[1])) stretches.at(-1)!.push(point);
    else if (stretches.at(-1)!.length > 0) stretches.push([]);
  }
  return stretches.filter(({ length }) => length > 0);
}

export const hex = (color: string): string =>
  `#${rgbOf(color)
    .map((part) => part.toString(16).padStart(2, '0'))
    .join('')}`;
