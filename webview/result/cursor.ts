import { h } from '../shared/dom.ts';

/** What a chart tells its cursor. */
export interface CursorTarget {
  /** Number of things to point at, left to right. */
  count(): number;
  /** In rows of so many: then up and down go from row to row. */
  columns?(): number;
  /** Index nearest to a place on the canvas; undefined beside the chart. */
  nearest(x: number, y: number): number | undefined;
  /** Where the tooltip goes, in pixels. */
  place(index: number): { readonly x: number; readonly y: number };
  /** Lines of the tooltip, the first one its title. */
  describe(index: number): readonly string[];
  /** Draws the cursor; undefined takes it away. */
  show(index: number | undefined): void;
}

/** Makes a plot answer to pointer and arrow keys with a tooltip, and to screen readers with its text. */
export function followCursor(plot: HTMLElement, canvas: HTMLElement, target: CursorTarget): void {
  const tooltip = h('div', { class: 'tooltip', hidden: true });
  const live = h('div', { class: 'visually-hidden', 'aria-live': 'polite' });
  plot.append(tooltip, live);
  let current: number | undefined;

  const point = (index: number | undefined): void => {
    if (index === current) return;
    current = index;
    target.show(index);
    tooltip.hidden = index === undefined;
    if (index === undefined) return;
    const [title, ...lines] = target.describe(index);
    tooltip.replaceChildren(
      h('div', { class: 'tooltip-title' }, title),
      ...lines.map((line) => h('div', { class: 'number' }, line)),
    );
    const { x, y } = target.place(index);
    const right = x + 12;
    const fits = right + tooltip.offsetWidth <= plot.clientWidth;
    tooltip.style.left = `${fits ? right : Math.max(0, x - 12 - tooltip.offsetWidth)}px`;
    tooltip.style.top = `${Math.min(Math.max(0, y - 8), Math.max(0, plot.clientHeight - tooltip.offsetHeight))}px`;
  };
  const walk = (to: number): void => {
    const count = target.count();
    if (count === 0) return;
    point(Math.min(Math.max(0, to), count - 1));
    live.textContent = tooltip.hidden ? '' : [...tooltip.children].map((line) => line.textContent).join(', ');
  };

  canvas.addEventListener('pointermove', ({ offsetX, offsetY }) => point(target.nearest(offsetX, offsetY)));
  canvas.addEventListener('pointerleave', () => point(undefined));
  plot.addEventListener('blur', () => point(undefined));
  plot.addEventListener('keydown', (event) => {
    switch (event.key) {
      case 'ArrowLeft':
        walk((current ?? target.count()) - 1);
        break;
      case 'ArrowRight':
        walk((current ?? -1) + 1);
        break;
      case 'ArrowUp':
      case 'ArrowDown': {
        const row = target.columns?.();
        if (row === undefined) return;
        const to = (current ?? 0) + (event.key === 'ArrowUp' ? -row : row);
        if (to >= 0 && to < target.count()) walk(to);
        break;
      }
      case 'Home':
        walk(0);
        break;
      case 'End':
        walk(target.count() - 1);
        break;
      case 'Escape':
        point(undefined);
        break;
      default:
        return;
    }
    event.preventDefault();
  });
}
