/** The page's charts once more, as text: for an exported report, which runs no script. */
import type { LossPoint } from '../../../src/core/averaging/types.ts';
import { formatTick } from '../../shared/numbers.ts';
import { px, type Shape, shape } from './shape.ts';

const [WIDTH, HEIGHT, FONT] = [560, 220, 11];
const AREA = { left: 52, right: WIDTH - 10, top: 10, bottom: HEIGHT - 34 };

interface Axis {
  readonly at: (value: number) => number;
  readonly ticks: readonly number[];
  readonly spacing: number;
}

/** Bars over the checkpoints, oldest first, with a line at equal shares. */
export function coefficientsPicture(
  coefficients: readonly number[],
  labels: readonly string[],
  title: string,
): Shape {
  const n = coefficients.length;
  const y = axis(Math.min(0, ...coefficients), Math.max(1.2 / n, ...coefficients), AREA.bottom, AREA.top);
  const slot = (AREA.right - AREA.left) / n;
  const every = Math.max(
    1,
    Math.ceil((Math.max(...labels.map(({ length }) => length)) * FONT * 0.75) / slot),
  );
  return plot(
    y,
    title,
    ...coefficients.map((value, i) =>
      shape('rect', {
        class: value < 0 ? 'bar negative' : 'bar',
        x: px(AREA.left + (i + 0.12) * slot),
        y: px(Math.min(y.at(0), y.at(value))),
        width: px(0.76 * slot),
        height: px(Math.abs(y.at(0) - y.at(value))),
      }),
    ),
    horizontal(y.at(0), 'zero'),
    horizontal(y.at(1 / n), 'reference'),
    ...labels.flatMap((label, i) => (i % every === 0 ? [below(AREA.left + (i + 0.5) * slot, label)] : [])),
  );
}

/** The fit loss and the stop loss over the steps, the chosen epoch marked. */
export function lossPicture(
  points: readonly LossPoint[],
  chosen: LossPoint | undefined,
  title: string,
  chosenText: string,
): Shape {
  const stops = points.filter((point): point is LossPoint & { stopLoss: number } => isNumber(point.stopLoss));
  const fits = points.filter(({ fitLoss }) => isNumber(fitLoss));
  const values = [...fits.map(({ fitLoss }) => fitLoss), ...stops.map(({ stopLoss }) => stopLoss)];
  const y = axis(Math.min(...values), Math.max(...values), AREA.bottom, AREA.top + 8);
  const last = Math.max(1, ...points.map(({ step }) => step));
  const x = axis(0, last, AREA.left, AREA.right);
  const line = (places: readonly (readonly [number, number])[]): string =>
    places.map(([step, value], i) => `${i === 0 ? 'M' : 'L'}${px(x.at(step))} ${px(y.at(value))}`).join('');
  return plot(
    y,
    title,
    shape('path', { class: 'fit-loss', d: line(fits.map(({ step, fitLoss }) => [step, fitLoss])) }),
    shape('path', { class: 'stop-loss', d: line(stops.map(({ step, stopLoss }) => [step, stopLoss])) }),
    ...stops.map(({ step, stopLoss }) =>
      shape('circle', { class: 'stop-loss', cx: px(x.at(step)), cy: px(y.at(stopLoss)), r: 2.5 }),
    ),
    ...(chosen === undefined
      ? []
      : [
          shape('path', { class: 'reference', d: `M${px(x.at(chosen.step))} ${AREA.top}V${AREA.bottom}` }),
          shape(
            'text',
            {
              class: x.at(chosen.step) > WIDTH / 2 ? 'label end' : 'label',
              x: px(x.at(chosen.step) + (x.at(chosen.step) > WIDTH / 2 ? -4 : 4)),
              y: AREA.top + 6,
            },
            chosenText,
          ),
        ]),
    ...x.ticks.filter((tick) => tick <= last).map((tick) => below(x.at(tick), formatTick(tick, x.spacing))),
  );
}

function plot(y: Axis, title: string, ...content: readonly (Shape | undefined)[]): Shape {
  return shape(
    'svg',
    { class: 'plot', width: WIDTH, height: HEIGHT, viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img' },
    shape('title', {}, title),
    ...y.ticks.flatMap((tick) => [
      horizontal(y.at(tick), 'grid'),
      shape(
        'text',
        { class: 'label end', x: AREA.left - 6, y: px(y.at(tick) + FONT / 3) },
        formatTick(tick, y.spacing),
      ),
    ]),
    ...content,
  );
}

const horizontal = (y: number, className: string): Shape =>
  shape('path', { class: className, d: `M${AREA.left} ${px(y)}H${AREA.right}` });

const below = (x: number, text: string): Shape =>
  shape('text', { class: 'label middle', x: px(x), y: AREA.bottom + FONT + 6 }, text);

/** Round ticks, at most six. */
function axis(low: number, high: number, from: number, to: number): Axis {
  const [min, max] = Number.isFinite(low) && high > low ? [low, high] : [(low || 0) - 0.5, (high || 0) + 0.5];
  const rough = (max - min) / 5;
  const decade = 10 ** Math.floor(Math.log10(rough));
  const spacing = ([1, 2, 5, 10].find((digit) => digit * decade >= rough) ?? 10) * decade;
  const first = Math.ceil(min / spacing - 1e-9);
  const count = Math.floor(max / spacing + 1e-9) - first + 1;
  return {
    at: (value) => from + ((value - min) / (max - min)) * (to - from),
    ticks: Array.from({ length: count }, (_, i) => (first + i) * spacing),
    spacing,
  };
}

const isNumber = (value: number | undefined): value is number =>
  value !== undefined && Number.isFinite(value);
