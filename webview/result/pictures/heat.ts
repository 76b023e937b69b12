/** A matrix of cosines as colours. */
import { px, type Shape, shape } from './shape.ts';

export interface HeatPicture {
  readonly shape: Shape;
  /** Side of a cell, and where the first one is, pixels. */
  readonly cell: number;
  readonly left: number;
  readonly top: number;
}

export interface HeatOptions {
  /** Pixels, of the square without its labels. */
  readonly side: number;
  readonly fontSize: number;
  readonly labels: readonly string[];
}

/** On either side of zero: more than the eye tells apart would only be more paths. */
export const HEAT_LEVELS = 8;

/** From -HEAT_LEVELS to HEAT_LEVELS; what is not a number counts as 0. */
export const heatLevel = (cosine: number): number => Math.round((cosine || 0) * HEAT_LEVELS);

export const heatClass = (level: number): string =>
  level === 0 ? 'heat heat-0' : `heat heat-${level < 0 ? 'n' : 'p'}${Math.abs(level)}`;

/** One path per colour, and one rectangle for neighbours of one colour: a hundred checkpoints are ten thousand cells. */
export function heatPicture(
  cosines: readonly (readonly number[])[],
  { side, fontSize, labels }: HeatOptions,
): HeatPicture {
  const n = cosines.length;
  const left = Math.ceil(Math.max(1, ...labels.map(({ length }) => length)) * fontSize * 0.62) + 8;
  const top = 2;
  const cell = side / n;
  const paths = new Map<number, string>();
  for (const [row, values] of cosines.entries()) {
    for (let from = 0; from < n;) {
      const level = heatLevel(values[from]!);
      let to = from + 1;
      while (to < n && heatLevel(values[to]!) === level) to += 1;
      const rectangle = `M${px(left + from * cell)} ${px(top + row * cell)}h${px((to - from) * cell)}v${px(cell)}h${px((from - to) * cell)}z`;
      paths.set(level, (paths.get(level) ?? '') + rectangle);
      from = to;
    }
  }
  // As many labels as do not touch.
  const every = Math.max(1, Math.ceil((fontSize * 1.5) / cell));
  const wide = Math.max(every, Math.ceil((left + 4) / cell));
  const shown = (step: number): number[] => Array.from({ length: Math.ceil(n / step) }, (_, i) => i * step);
  const size = { width: px(left + side + 2), height: px(top + side + fontSize + 8) };
  return {
    cell,
    left,
    top,
    shape: shape(
      'svg',
      {
        class: 'heat-map',
        ...size,
        viewBox: `0 0 ${size.width} ${size.height}`,
        'aria-hidden': 'true',
      },
      ...[...paths]
        .sort(([a], [b]) => a - b)
        .map(([level, d]) => shape('path', { class: heatClass(level), d })),
      ...shown(every).map((i) =>
        shape(
          'text',
          { class: 'label end', x: left - 6, y: px(top + (i + 0.5) * cell + fontSize / 3) },
          labels[i] ?? '',
        ),
      ),
      ...shown(wide).map((i) =>
        shape(
          'text',
          { class: 'label middle', x: px(left + (i + 0.5) * cell), y: px(top + side + fontSize + 4) },
          labels[i] ?? '',
        ),
      ),
    ),
  };
}

/** The colours from -1 to 1 in a row. */
export function heatLegend(fontSize: number): Shape {
  const cells = Array.from({ length: 2 * HEAT_LEVELS + 1 }, (_, i) => i - HEAT_LEVELS);
  const [cell, height] = [9, 10];
  const left = 2 * fontSize;
  const text = (x: number, value: string, className: string): Shape =>
    shape('text', { class: `label ${className}`, x, y: height }, value);
  const right = left + cells.length * cell;
  return shape(
    'svg',
    { class: 'heat-legend', width: right + 2 * fontSize, height: height + 4, 'aria-hidden': 'true' },
    text(left - 5, '−1', 'end'),
    ...cells.map((level, i) =>
      shape('rect', { class: heatClass(level), x: left + i * cell, y: 1, width: cell, height }),
    ),
    text(right + 5, '1', ''),
  );
}
