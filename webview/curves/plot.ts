/** One chart: a canvas with lines and marks, zoom, and a cursor for pointer and keyboard. Data stays outside Chart.js. */
import type { Chart as ChartType, ChartDataset, Point as ChartPoint } from 'chart.js';
import { axisStyle, Chart, drawOver, keepLogTicks, linearTick, logTick } from '../shared/chart.ts';
import { h } from '../shared/dom.ts';
import { oncePerFrame } from '../shared/editor.ts';
import { withAlpha } from '../shared/color.ts';
import type { Theme } from '../shared/theme.ts';
import { decimate, isLone, type Line } from './decimate.ts';
import type { DrawnLine } from './lines.ts';
import type { PlacedMark } from './marks.ts';
import { type Box, drawOverlay, type Overlay, pixelOf, pixelX } from './overlay.ts';
import { lowerBound, nearestIndex } from './search.ts';
import type { Range } from './state.ts';
import type { LineStyle } from './style.ts';

export interface PlotLine {
  readonly tag: string;
  readonly style: LineStyle;
  readonly raw: DrawnLine;
  /** Undefined where nothing is smoothed. */
  readonly smoothed: Float64Array | undefined;
}

export interface PlotInput {
  readonly theme: Theme;
  /** Visible ones only. */
  readonly lines: readonly PlotLine[];
  /** Index in `lines` of the one that the keyboard walks along. */
  readonly walked: number;
  readonly marks: readonly PlacedMark[];
  /** Everything there is on the x axis, the same in all charts. */
  readonly fullX: Range;
  readonly xZoom: Range | null;
  readonly yZoom: Range | null;
  readonly log: boolean;
  readonly xTitle: string;
}

/** What the cursor points at: values of every line at its point nearest to x, or a mark. */
export interface Hover {
  readonly x: number;
  readonly values: readonly { readonly line: PlotLine; readonly index: number }[];
  readonly mark: PlacedMark | undefined;
}

export interface PlotEvents {
  zoomX(range: Range | null): void;
  zoomY(range: Range | null): void;
  /** The cursor is at x (undefined: nowhere), for the other charts to show as well. */
  cursor(x: number | undefined): void;
  activate(mark: PlacedMark): void;
  /** Fills the tooltip. Gives its text for screen readers. */
  describe(hover: Hover, tooltip: HTMLElement): string;
}

/** Pixels within which a mark answers to the pointer. */
const REACH = 9;
/** Pixels below which a drag is a click, and a rectangle is meant along one axis only. */
const SLOP = 5;
const THIN = 14;

export class Plot {
  readonly element: HTMLElement;
  readonly #canvas = h('canvas', { 'aria-hidden': 'true' });
  readonly #tooltip = h('div', { class: 'tooltip', hidden: true });
  readonly #live = h('div', { class: 'visually-hidden', 'aria-live': 'polite' });
  readonly #events: PlotEvents;
  readonly #overlay: Overlay;
  readonly #redraw = oncePerFrame(() => this.#chart?.draw());
  #chart: ChartType<'line', ChartPoint[]> | undefined;
  #input: PlotInput | undefined;
  #columns = 0;
  #drag: { readonly x: number; readonly y: number; readonly pan: Range | undefined } | undefined;

  constructor(theme: Theme, label: string, help: string, events: PlotEvents) {
    this.#events = events;
    this.#overlay = {
      theme,
      marks: [],
      active: undefined,
      cursor: undefined,
      dots: [],
      selection: undefined,
    };
    this.element = h(
      'div',
      {
        class: 'plot',
        tabindex: 0,
        role: 'group',
        'aria-label': label,
        'aria-description': help,
      },
      this.#canvas,
      this.#tooltip,
      this.#live,
    );
    this.#listen();
  }

  render(input: PlotInput): void {
    this.#input = input;
    this.#overlay.theme = input.theme;
    this.#overlay.marks = input.marks;
    // The marks are new objects after every change; the one in hand stays in hand.
    const { active } = this.#overlay;
    this.#overlay.active = active && input.marks.find(({ mark }) => mark.path === active.mark.path);
    this.#chart ??= this.#create();
    this.#update();
  }

  /** The cursor of another chart, or none. */
  showCursor(x: number | undefined): void {
    if (this.#overlay.cursor === x) return;
    this.#overlay.cursor = x;
    this.#redraw();
  }

  dispose(): void {
    this.#chart?.destroy();
  }

  get #view(): Range {
    const { xZoom, fullX } = this.#input!;
    return xZoom ?? fullX;
  }

  #create(): ChartType<'line', ChartPoint[]> {
    return new Chart<'line', ChartPoint[]>(this.#canvas, {
      type: 'line',
      data: { datasets: [] },
      options: {
        parsing: false,
        normalized: true,
        spanGaps: false,
        layout: { padding: { top: 8, right: 10 } },
        onResize: () => requestAnimationFrame(() => this.#resized()),
      },
      plugins: [drawOver((chart) => drawOverlay(chart, this.#overlay))],
    });
  }

  /** Another width has other pixel columns. */
  #resized(): void {
    if (this.#chart !== undefined && this.#input !== undefined && this.#columnsNow() !== this.#columns) {
      this.#update();
    }
  }

  #columnsNow(): number {
    const width = this.#chart?.chartArea.width ?? 0;
    return Math.max(64, Math.round((width > 0 ? width : this.element.clientWidth) * devicePixelRatio));
  }

  #update(): void {
    const chart = this.#chart!;
    const { theme, lines, log, yZoom, xTitle, marks } = this.#input!;
    const { min, max } = this.#view;
    this.#columns = this.#columnsNow();
    const smoothing = lines.some(({ smoothed }) => smoothed !== undefined);
    const datasetOf = (line: Line, style: LineStyle, faded: boolean): ChartDataset<'line', ChartPoint[]> => {
      const points = decimate(line, min, max, this.#columns, log);
      const color = faded ? withAlpha(style.color, theme.highContrast ? 0.5 : 0.28) : style.color;
      return {
        data: points,
        borderColor: color,
        borderWidth: faded ? 1 : style.width,
        borderDash: faded ? [] : [...style.dash],
        borderJoinStyle: 'bevel',
        pointRadius: points.some((_, index) => isLone(points, index))
          ? points.map((_, index) => (isLone(points, index) ? 2.5 : 0))
          : 0,
        pointBackgroundColor: color,
        pointBorderWidth: 0,
        clip: 2,
      };
    };
    // Chart.js draws the last dataset first: smoothed lines lie over raw ones, validation over training.
    const upwards = [...lines].reverse();
    chart.data.datasets = [
      ...upwards.map(({ raw, smoothed, style }) =>
        datasetOf(smoothed === undefined ? raw : { x: raw.x, y: smoothed }, style, false),
      ),
      ...(smoothing ? upwards.map(({ raw, style }) => datasetOf(raw, style, true)) : []),
    ];

    const style = axisStyle(theme, xTitle);
    const inView = marks.filter(({ x, y }) => x >= min && x <= max && y !== undefined && (!log || y > 0));
    const heights = inView.map(({ y }) => y!);
    const zoomed = yZoom !== null && (!log || yZoom.min > 0) ? yZoom : undefined;
    chart.options.scales = {
      x: {
        ...style,
        type: 'linear',
        min,
        max,
        grid: { ...style.grid, display: false },
        ticks: { ...style.ticks, callback: linearTick, includeBounds: false, maxTicksLimit: 9 },
      },
      y: {
        ...axisStyle(theme),
        type: log ? 'logarithmic' : 'linear',
        ...(zoomed === undefined
          ? heights.length === 0
            ? {}
            : { suggestedMin: Math.min(...heights), suggestedMax: Math.max(...heights) }
          : { min: zoomed.min, max: zoomed.max }),
        ...(log ? { afterBuildTicks: keepLogTicks } : {}),
        ticks: {
          ...style.ticks,
          callback: log ? logTick : linearTick,
          includeBounds: zoomed === undefined,
          maxTicksLimit: log ? 40 : 6,
        },
      },
    };
    chart.update('none');
    // The first layout only now tells how wide the plot is.
    if (this.#columnsNow() !== this.#columns && this.#columns !== 0) {
      const wider = this.#columnsNow() > 1.1 * this.#columns;
      if (wider) this.#update();
    }
  }

  #hoverAt(x: number, pixel: { readonly x: number; readonly y: number } | undefined): Hover {
    const { lines, marks } = this.#input!;
    const chart = this.#chart!;
    let at = x;
    let distance = Infinity;
    for (const { raw } of lines) {
      const index = nearestIndex(raw.x, x);
      if (index !== undefined && Math.abs(raw.x[index]! - x) < distance) {
        at = raw.x[index]!;
        distance = Math.abs(at - x);
      }
    }
    const values = lines.flatMap((line) => {
      const index = nearestIndex(line.raw.x, at);
      return index === undefined ? [] : [{ line, index }];
    });
    let mark: PlacedMark | undefined;
    let closest = REACH;
    for (const candidate of marks) {
      const place = pixelOf(chart, candidate);
      const away =
        pixel === undefined
          ? Math.abs(place.x - pixelX(chart, x))
          : Math.hypot(place.x - pixel.x, place.y - pixel.y);
      if (away < closest) {
        closest = away;
        mark = candidate;
      }
    }
    return { x: at, values, mark };
  }

  #point(hover: Hover): string {
    const { lines } = this.#input!;
    const chart = this.#chart!;
    this.#overlay.active = hover.mark;
    this.#overlay.cursor = hover.mark?.x ?? hover.x;
    this.#overlay.dots =
      hover.mark !== undefined
        ? []
        : hover.values.flatMap(({ line, index }) => {
            const y = (line.smoothed ?? line.raw.y)[index]!;
            return lines.includes(line) && Number.isFinite(y)
              ? [{ x: line.raw.x[index]!, y, color: line.style.color }]
              : [];
          });
    this.#events.cursor(this.#overlay.cursor);
    const text = this.#events.describe(hover, this.#tooltip);
    this.#tooltip.hidden = false;
    this.#place(
      pixelX(chart, this.#overlay.cursor),
      hover.mark === undefined ? chart.chartArea.top : pixelOf(chart, hover.mark).y,
    );
    this.element.classList.toggle('over-mark', hover.mark !== undefined);
    this.#redraw();
    return text;
  }

  /** Beside the cursor, on the side with room. */
  #place(x: number, y: number): void {
    const { clientWidth, clientHeight } = this.element;
    const { offsetWidth, offsetHeight } = this.#tooltip;
    const right = x + 12;
    const left = right + offsetWidth <= clientWidth ? right : Math.max(0, x - 12 - offsetWidth);
    const top = Math.min(Math.max(0, y - 8), Math.max(0, clientHeight - offsetHeight));
    this.#tooltip.style.left = `${left}px`;
    this.#tooltip.style.top = `${top}px`;
  }

  #leave(): void {
    this.#overlay.active = undefined;
    this.#overlay.dots = [];
    this.#overlay.cursor = undefined;
    this.#tooltip.hidden = true;
    this.element.classList.remove('over-mark');
    this.#events.cursor(undefined);
    this.#redraw();
  }

  #listen(): void {
    const { element } = this;
    const canvas = this.#canvas;
    canvas.addEventListener('pointermove', (event) => this.#moved(event));
    canvas.addEventListener('pointerleave', () => {
      if (this.#drag === undefined) this.#leave();
    });
    canvas.addEventListener('pointerdown', (event) => {
      if (event.button !== 0 || this.#input === undefined) return;
      canvas.setPointerCapture(event.pointerId);
      this.#drag = { x: event.offsetX, y: event.offsetY, pan: event.shiftKey ? this.#view : undefined };
    });
    canvas.addEventListener('pointerup', (event) => this.#released(event));
    canvas.addEventListener('pointercancel', () => {
      this.#drag = undefined;
      this.#overlay.selection = undefined;
      this.#leave();
    });
    canvas.addEventListener('dblclick', () => this.#reset());
    canvas.addEventListener(
      'wheel',
      (event) => {
        // Without Ctrl or Cmd (a pinch comes with it) the page scrolls.
        if (!(event.ctrlKey || event.metaKey) || this.#chart === undefined) return;
        event.preventDefault();
        this.#zoomBy(Math.exp(event.deltaY / 300), this.#valueX(event.offsetX));
      },
      { passive: false },
    );
    element.addEventListener('keydown', (event) => {
      if (event.target === element && this.#chart !== undefined && this.#key(event)) event.preventDefault();
    });
    element.addEventListener('blur', () => this.#leave());
  }

  #valueX(pixel: number): number {
    return this.#chart!.scales['x']!.getValueForPixel(pixel)!;
  }

  #valueY(pixel: number): number {
    return this.#chart!.scales['y']!.getValueForPixel(pixel)!;
  }

  #moved(event: PointerEvent): void {
    if (this.#chart === undefined) return;
    const drag = this.#drag;
    if (drag === undefined) {
      this.#point(this.#hoverAt(this.#valueX(event.offsetX), { x: event.offsetX, y: event.offsetY }));
    } else if (drag.pan !== undefined) {
      const { left, right } = this.#chart.chartArea;
      const moved = ((event.offsetX - drag.x) * (drag.pan.max - drag.pan.min)) / (right - left);
      this.#zoomTo({ min: drag.pan.min - moved, max: drag.pan.max - moved });
    } else {
      this.#overlay.selection = this.#boxTo(drag, event);
      this.#tooltip.hidden = true;
      this.#redraw();
    }
  }

  /** The rectangle of a drag; one that is thin in a direction spans the whole chart in it. */
  #boxTo(
    { x, y }: { readonly x: number; readonly y: number },
    { offsetX, offsetY }: PointerEvent,
  ): Box | undefined {
    const area = this.#chart!.chartArea;
    const clampX = (value: number): number => Math.min(Math.max(value, area.left), area.right);
    const clampY = (value: number): number => Math.min(Math.max(value, area.top), area.bottom);
    const wide = Math.abs(offsetX - x);
    const high = Math.abs(offsetY - y);
    if (Math.max(wide, high) < SLOP) return undefined;
    const wholeX = wide < THIN && high > wide;
    const wholeY = high < THIN && wide >= high;
    return {
      left: wholeX ? area.left : clampX(Math.min(x, offsetX)),
      right: wholeX ? area.right : clampX(Math.max(x, offsetX)),
      top: wholeY ? area.top : clampY(Math.min(y, offsetY)),
      bottom: wholeY ? area.bottom : clampY(Math.max(y, offsetY)),
    };
  }

  #released(event: PointerEvent): void {
    const drag = this.#drag;
    this.#drag = undefined;
    this.#overlay.selection = undefined;
    if (drag === undefined || this.#chart === undefined) return;
    this.#redraw();
    if (drag.pan !== undefined) return;
    const box = this.#boxTo(drag, event);
    if (box === undefined) {
      const { mark } = this.#hoverAt(this.#valueX(event.offsetX), { x: event.offsetX, y: event.offsetY });
      if (mark !== undefined) this.#events.activate(mark);
      return;
    }
    const { left, right, top, bottom } = this.#chart.chartArea;
    const y = { min: this.#valueY(box.bottom), max: this.#valueY(box.top) };
    if (box.top > top || box.bottom < bottom) this.#events.zoomY(y);
    if (box.left > left || box.right < right) {
      this.#zoomTo({ min: this.#valueX(box.left), max: this.#valueX(box.right) });
    }
  }

  #reset(): void {
    this.#events.zoomX(null);
    this.#events.zoomY(null);
  }

  #zoomBy(factor: number, about: number): void {
    const { min, max } = this.#view;
    this.#zoomTo({ min: about - (about - min) * factor, max: about + (max - about) * factor });
  }

  /** Keeps the range inside what there is; all of it is no zoom. */
  #zoomTo({ min, max }: Range): void {
    const full = this.#input!.fullX;
    const width = Math.min(max - min, full.max - full.min);
    if (!(width > (full.max - full.min) * 1e-6)) return;
    const start = Math.min(Math.max(min, full.min), full.max - width);
    const whole = width >= (full.max - full.min) * 0.999;
    this.#events.zoomX(whole ? null : { min: start, max: start + width });
  }

  /** True when the key meant something here. */
  #key(event: KeyboardEvent): boolean {
    const { min, max } = this.#view;
    const cursor = this.#overlay.cursor;
    const middle = cursor ?? (min + max) / 2;
    switch (event.key) {
      case 'ArrowLeft':
      case 'ArrowRight': {
        const direction = event.key === 'ArrowLeft' ? -1 : 1;
        if (event.shiftKey) {
          const by = ((max - min) / 5) * direction;
          this.#zoomTo({ min: min + by, max: max + by });
        } else {
          this.#walk(direction);
        }
        return true;
      }
      case 'Home':
        this.#pointAt(this.#stops()[0]);
        return true;
      case 'End':
        this.#pointAt(this.#stops().at(-1));
        return true;
      case '+':
      case '=':
        this.#zoomBy(0.5, middle);
        return true;
      case '-':
        this.#zoomBy(2, middle);
        return true;
      case '0':
        this.#reset();
        return true;
      case 'Escape':
        if (cursor === undefined) return false;
        this.#leave();
        return true;
      case 'Enter':
        if (cursor !== undefined) {
          const { mark } = this.#hoverAt(cursor, undefined);
          if (mark !== undefined) this.#events.activate(mark);
        }
        return true;
      default:
        return false;
    }
  }

  /** Where the keyboard's cursor stops: points of one line in view, no closer than a few pixels. */
  #stops(): readonly number[] {
    const { lines, walked } = this.#input!;
    const line = lines[walked] ?? lines[0];
    if (line === undefined) return [];
    const { min, max } = this.#view;
    const from = lowerBound(line.raw.x, min);
    const to = lowerBound(line.raw.x, max + (max - min) * 1e-9);
    const stride = Math.max(1, Math.ceil((to - from) / Math.max(16, this.element.clientWidth / 4)));
    const stops: number[] = [];
    for (let index = from; index < to; index += stride) stops.push(line.raw.x[index]!);
    return stops;
  }

  #walk(direction: -1 | 1): void {
    const stops = this.#stops();
    const cursor = this.#overlay.cursor;
    if (cursor === undefined) {
      this.#pointAt(direction === 1 ? stops[0] : stops.at(-1));
      return;
    }
    const tolerance = (this.#view.max - this.#view.min) * 1e-9;
    this.#pointAt(
      direction === 1
        ? stops.find((stop) => stop > cursor + tolerance)
        : stops.findLast((stop) => stop < cursor - tolerance),
    );
  }

  #pointAt(x: number | undefined): void {
    if (x === undefined) return;
    this.#live.textContent = this.#point(this.#hoverAt(x, undefined));
  }
}
