/** The plane in which the checkpoints lie most apart, with the path of training and the averages in it. */
import type { ResultGeometry } from '../../../src/core/averaging/types.ts';
import { px, type Shape, shape } from './shape.ts';

export interface MapPlace {
  readonly x: number;
  readonly y: number;
}

export interface MapPicture {
  readonly shape: Shape;
  /** Pixels, of the checkpoints and then of the averages. */
  readonly places: readonly MapPlace[];
}

export interface MapOptions {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  readonly fontSize: number;
  /** What stands beside some checkpoints: epochs, say. */
  readonly labels: readonly string[];
  /** Row of the table that is recommended. */
  readonly use: string;
}

/** Around the points, for marks and labels. */
const MARGIN = 26;
/** Labels closer than this to one that is there are left out, in heights of a letter. */
const APART = 2.2;

/** One scale for both axes: distances are what the map is about. */
export function mapPicture(geometry: ResultGeometry, options: MapOptions): MapPicture {
  const { points, mixes, outliers } = geometry;
  const { width, height, fontSize, labels, use } = options;
  const all = [...points, ...mixes.map(({ x, y }) => [x, y] as const)];
  const [xs, ys] = [all.map(([x]) => x), all.map(([, y]) => y)];
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  const [low, high] = [Math.min(...ys), Math.max(...ys)];
  const room = { x: Math.max(1, width - 2 * MARGIN), y: Math.max(1, height - 2 * MARGIN - fontSize) };
  const scale = Math.min(room.x / (right - left || 1e-300), room.y / (high - low || 1e-300));
  const isPoint = !Number.isFinite(scale) || scale > 1e290;
  const place = ([x, y]: readonly [number, number]): MapPlace =>
    isPoint
      ? { x: width / 2, y: height / 2 }
      : {
          x: px(width / 2 + (x - (left + right) / 2) * scale),
          y: px(MARGIN + room.y / 2 - (y - (low + high) / 2) * scale),
        };
  const places = all.map(place);
  const ofCheckpoints = places.slice(0, points.length);
  const isFar = new Set(outliers.map(({ index }) => index));
  return {
    places,
    shape: shape(
      'svg',
      { class: 'map', width, height, viewBox: `0 0 ${width} ${height}`, 'aria-hidden': 'true' },
      shape('path', {
        class: 'training',
        d: ofCheckpoints.map(({ x, y }, i) => `${i === 0 ? 'M' : 'L'}${x} ${y}`).join(''),
      }),
      ...ofCheckpoints.map(({ x, y }, i) =>
        shape('circle', {
          class: isFar.has(i) ? 'checkpoint far' : 'checkpoint',
          cx: x,
          cy: y,
          r: 4,
          // From the first to the last they get stronger.
          'fill-opacity': px(points.length === 1 ? 1 : 0.3 + (0.7 * i) / (points.length - 1)),
        }),
      ),
      ...someLabels(ofCheckpoints, labels, fontSize),
      ...mixes.map(({ id }, i) => mixMark(id, places[points.length + i]!, id === use)),
      ...(isPoint ? [] : scaleBar(scale, width, height, fontSize)),
    ),
  };
}

/** Checkpoints' names beside them: the first and the last, then as many between as do not overlap. */
function someLabels(places: readonly MapPlace[], labels: readonly string[], fontSize: number): Shape[] {
  const last = places.length - 1;
  const order = [last, 0, ...places.keys()].filter(
    (index, at, all) => all.indexOf(index) === at && index >= 0,
  );
  const set: MapPlace[] = [];
  return order.flatMap((index) => {
    const { x, y } = places[index]!;
    const at = { x: x + 7, y: y - 6 };
    const near = set.some(
      (other) =>
        Math.abs(other.x - at.x) < 3 * APART * fontSize && Math.abs(other.y - at.y) < APART * fontSize,
    );
    if (near) return [];
    set.push(at);
    return [shape('text', { class: 'label', x: px(at.x), y: px(at.y) }, labels[index] ?? '')];
  });
}

/** Told apart by their form: the legend repeats it. */
export function mixMark(id: string, { x, y }: MapPlace, isUsed: boolean): Shape {
  const className = `mix mix-${id}${isUsed ? ' used' : ''}`;
  const path = (d: string): Shape => shape('path', { class: className, d });
  switch (id) {
    case 'uniform':
      return path(`M${x - 6} ${y}H${x + 6}M${x} ${y - 6}V${y + 6}`);
    case 'twa':
      return path(star(x, y, 8));
    case 'search':
    case 'manual':
      return path(star(x, y, 6.5));
    case 'ema':
      return path(`M${x} ${y - 6}L${x + 6} ${y + 5}H${x - 6}Z`);
    case 'last-k':
      return path(`M${x} ${y + 6}L${x + 6} ${y - 5}H${x - 6}Z`);
    case 'greedy':
      return path(`M${x} ${y - 6}L${x + 6} ${y}L${x} ${y + 6}L${x - 6} ${y}Z`);
    default:
      return path(`M${x - 4.5} ${y - 4.5}h9v9h-9Z`);
  }
}

function star(x: number, y: number, radius: number): string {
  const corners = Array.from({ length: 10 }, (_, i) => {
    const r = i % 2 === 0 ? radius : radius * 0.42;
    const angle = (Math.PI * i) / 5 - Math.PI / 2;
    return `${px(x + r * Math.cos(angle))} ${px(y + r * Math.sin(angle))}`;
  });
  return `M${corners.join('L')}Z`;
}

/** A round length of about a fifth of the width. */
function scaleBar(scale: number, width: number, height: number, fontSize: number): Shape[] {
  const wanted = width / 5 / scale;
  const decade = 10 ** Math.floor(Math.log10(wanted));
  const length = ([5, 2, 1].find((digit) => digit * decade <= wanted) ?? 1) * decade;
  const [left, y] = [MARGIN / 2, height - 7];
  return [
    shape('path', { class: 'scale-bar', d: `M${left} ${y - 4}v4h${px(length * scale)}v-4` }),
    shape(
      'text',
      { class: 'label', x: px(left + length * scale + 6), y: px(y + fontSize / 4) },
      String(Number(length.toPrecision(1))),
    ),
  ];
}
