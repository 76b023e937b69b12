/** Horizontal bars in pairs: how far each tensor's running statistics moved. */
import type { BufferMove } from '../../../src/core/averaging/types.ts';
import { formatNumber } from '../../shared/numbers.ts';
import { px, type Shape, shape } from './shape.ts';

export interface BarsOptions {
  /** Pixels. */
  readonly width: number;
  readonly fontSize: number;
}

/** As many as one sees at a glance; the table has them all. */
export const MOST_BARS = 12;

/** Those that moved most from the newest checkpoint's, in the order of the model. */
export function mostMoved(moves: readonly BufferMove[]): readonly BufferMove[] {
  const size = ({ fromNewest }: BufferMove): number => (Number.isNaN(fromNewest) ? Infinity : fromNewest);
  const kept = new Set([...moves].sort((a, b) => size(b) - size(a)).slice(0, MOST_BARS));
  return moves.filter((move) => kept.has(move));
}

export function movesPicture(moves: readonly BufferMove[], { width, fontSize }: BarsOptions): Shape {
  const shown = mostMoved(moves);
  const letters = Math.max(4, Math.floor((0.42 * width) / (fontSize * 0.6)));
  const names = shown.map(({ name }) => shortened(name, letters));
  const left = Math.ceil(Math.max(...names.map(({ length }) => length)) * fontSize * 0.6) + 10;
  const right = 5 * fontSize;
  const most = Math.max(
    ...shown.flatMap(({ fromNewest, fromAverage }) => [fromNewest || 0, fromAverage || 0]),
  );
  const long = (value: number): number =>
    px(most === 0 ? 0 : ((value || 0) / most) * Math.max(20, width - left - right));
  const [bar, row] = [5, Math.ceil(fontSize * 1.7)];
  const height = shown.length * row + 4;
  return shape(
    'svg',
    { class: 'moves', width, height, viewBox: `0 0 ${width} ${height}`, 'aria-hidden': 'true' },
    ...shown.flatMap(({ fromNewest, fromAverage }, i) => {
      const top = i * row + 3;
      const middle = top + bar + fontSize / 3;
      return [
        shape('text', { class: 'label end', x: left - 8, y: px(middle) }, names[i]),
        shape('rect', {
          class: 'from-newest',
          x: left,
          y: top,
          width: Math.max(1, long(fromNewest)),
          height: bar,
        }),
        shape('rect', {
          class: 'from-average',
          x: left,
          y: top + bar + 1,
          width: Math.max(1, long(fromAverage)),
          height: bar,
        }),
        shape(
          'text',
          { class: 'label', x: px(left + Math.max(long(fromNewest), long(fromAverage)) + 6), y: px(middle) },
          percent(fromNewest),
        ),
      ];
    }),
  );
}

export const percent = (share: number): string =>
  Number.isNaN(share) ? '–' : `${formatNumber(100 * share, 3)} %`;

/** The end of a name tells layers apart. */
function shortened(name: string, letters: number): string {
  return name.length <= letters ? name : `…${name.slice(1 - letters)}`;
}
