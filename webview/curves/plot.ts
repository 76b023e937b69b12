/** One chart: a canvas with lines and marks, zoom, and a cursor for pointer and keyboard. Data stays outside Chart.js. */
import type { Chart as ChartType, Point as ChartPoint } from 'chart.js';
import {
  Chart,
  drawOver,
  drawUnder,
  keepLogTicks,
  keepWholeTicks,
  linearTick,
  logTick,
} from '../shared/chart.ts';
import { h } from '../shared/dom.ts';
import { oncePerFrame } from '../shared/editor.ts';
import { rgbOf } from '../shared/rgb.ts';
import type { Theme } from '../shared/theme.ts';
import type { Axis } from './axes.ts';
import { inView, placeAt } from './decimate.ts';
import { Gestures } from './gestures.ts';
import { type LayerLine, LineLayer, viewMoves } from './layer.ts';
import { type DrawnLine, type IndexedLine, Pyramids } from './lines.ts';
import type { PlacedMark } from './marks.ts';
import { type Best, type Box, drawOverlay, type Overlay, pixelOf, pixelX } from './overlay.ts';
import { pictureOf } from './picture.ts';
import { reaim, Rulers } from './rulers.ts';
import { lowerBound, nearestIndex } from './search.ts';
import type { Picture } from './svg.ts';
import type { Frame } from './spans.ts';
import type { Range } from './state.ts';
import type { LineStyle } from './style.ts';
import { formatElapsed, formatTime, midnightBefore, tickDistance, ticksBetween } from './ticks.ts';

export interface PlotLine {
  readonly key: string;
  /** Directory of its run. */
  readonly run: string;
  readonly tag: string;
  /** As the tooltip calls it: with several runs the run comes first. */
  readonly label: string;
  readonly style: LineStyle;
  readonly raw: DrawnLine;
  /** Undefined where nothing is smoothed. */
  readonly smoothed: IndexedLine | undefined;
}

export interface PlotInput {
  readonly theme: Theme;
  /** Visible ones only. */
  readonly lines: readonly PlotLine[];
  /** Index in `lines` of the one that the keyboard walks along. */
  readonly walked: number;
  readonly marks: readonly PlacedMark[];
  readonly best: readonly Best[];
  /** Everything there is on the x axis, the same in all charts. */
  readonly fullX: Range;
  readonly xZoom: Range | null;
  readonly yZoom: Range | null;
  readonly axis: Axis;
  readonly logX: boolean;
  readonly log: boolean;
  readonly xTitle: string;
  /** BCP 47, for times of day. */
  readonly language: string;
  readonly selecting: boolean;
  /** Paths of selected checkpoints. */
  readonly selected: ReadonlySet<string>;
  /** Values as logged are drawn behind their averages. */
  readonly behind: boolean;
  /** Where there are any: a band per tag over all runs, in place of a line per run. */
  readonly bands: readonly { readonly tag: string; readonly style: LineStyle }[];
  /** Changes when what is drawn as lines changes. */
  readonly version: number;
}

/** What the cursor points at: values of every line at its point nearest to x, or a mark. */
export interface Hover {
  readonly x: number;
  /** The line nearest to the pointer first. */
  readonly values: readonly { readonly line: PlotLine; readonly index: number }[];
  readonly mark: PlacedMark | undefined;
}

export interface PlotEvents {
  zoomX(range: Range | null): void;
  zoomY(range: Range | null): void;
  /** The cursor is at x (undefined: nowhere), for the other charts to show as well. */
  cursor(x: number | undefined): void;
  activate(mark: PlacedMark): void;
  /** Checkpoints between two places, of the run whose mark is nearest to where the selection ends. */
  select(marks: readonly PlacedMark[]): void;
  averageSelected(): void;
  /** A picture is finished, or one is begun that takes several frames. */
  drawn(): void;
  /** Fills the tooltip. Gives its text for screen readers. */
  describe(hover: Hover, tooltip: HTMLElement): string;
}

/** Pixels within which a mark answers to the pointer. */
const REACH = 9;
/** The view is never less than this share of everything. */
const LEAST_VIEW = 1e-9;

export class Plot {
  readonly element: HTMLElement;
  readonly #canvas = h('canvas', { 'aria-hidden': 'true' });
  readonly #tooltip = h('div', { class: 'tooltip', hidden: true });
  readonly #live = h('div', { class: 'visually-hidden', 'aria-live': 'polite' });
  readonly #events: PlotEvents;
  readonly #overlay: Overlay;
  readonly #rulers: Rulers;
  readonly #redraw = oncePerFrame(() => this.#chart?.draw());
  readonly #layer = new LineLayer(() => this.#redraw());
  #chart: ChartType<'line', ChartPoint[]> | undefined;
  #input: PlotInput | undefined;
  #layerLines:
    { readonly version: number; readonly theme: Theme; readonly lines: readonly LayerLine[] } | undefined;
  /** Of axes that the chart's options were made for. */
  #kind: string | undefined;
  /** Charts that cannot be seen are not drawn. */
  #seen = true;
  #stale = false;

  constructor(theme: Theme, label: string, help: string, events: PlotEvents) {
    this.#events = events;
    this.#rulers = new Rulers(theme);
    this.#overlay = {
      theme,
      marks: [],
      best: [],
      selected: new Set(),
      active: undefined,
      cursor: undefined,
      dots: [],
      box: undefined,
      range: undefined,
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
    this.#overlay.theme = this.#rulers.theme = input.theme;
    this.#rulers.title = input.xTitle;
    this.#overlay.marks = input.marks;
    this.#overlay.best = input.best;
    this.#overlay.selected = input.selected;
    // The marks are new objects after every change; the one in hand stays in hand.
    const { active } = this.#overlay;
    this.#overlay.active = active && input.marks.find(({ mark }) => mark.path === active.mark.path);
    this.element.classList.toggle('selecting', input.selecting);
    const created = this.#chart === undefined;
    this.#chart ??= this.#create();
    if (this.#seen) this.#update(created);
    else this.#stale = true;
  }

  /** Another view of the same. */
  zoom({ xZoom, yZoom }: Pick<PlotInput, 'xZoom' | 'yZoom'>): void {
    const input = this.#input;
    if (input === undefined || (sameRange(input.xZoom, xZoom) && sameRange(input.yZoom, yZoom))) return;
    this.#input = { ...input, xZoom, yZoom };
    viewMoves();
    if (!this.#seen) this.#stale = true;
    else if (!this.#stale && reaim(this.#chart!)) this.#chart!.draw();
    else this.#update(false);
  }

  /** Whether the chart can be seen; one that comes into view catches up. */
  get seen(): boolean {
    return this.#seen;
  }
  set seen(seen: boolean) {
    this.#seen = seen;
    if (seen && this.#stale) this.#update(false);
  }

  /** Whether the lines are drawn as they are, not as a moved picture. */
  get finished(): boolean {
    return this.#layer.finished && !(this.#seen && this.#stale);
  }

  /** For a picture of the chart. */
  get canvas(): HTMLCanvasElement {
    return this.#canvas;
  }

  /** What the chart shows, as numbers; one that is out of view is brought up to date first. */
  picture(): Picture | undefined {
    const wasSeen = this.#seen;
    this.seen = true;
    this.#seen = wasSeen;
    return this.#chart && this.#input && pictureOf(this.#chart, this.#input, this.#rulers);
  }

  /** The cursor of another chart, or none. */
  showCursor(x: number | undefined): void {
    if (this.#overlay.cursor === x) return;
    this.#overlay.cursor = x;
    if (this.#seen) this.#redraw();
  }

  /** Tells screen readers. */
  announce(text: string): void {
    this.#live.textContent = text;
  }

  dispose(): void {
    this.#chart?.destroy();
  }

  get #view(): Range {
    const { xZoom, fullX } = this.#input!;
    return xZoom ?? fullX;
  }

  /** Chart.js finds places for the axes and their ticks; what is drawn is ours. */
  #create(): ChartType<'line', ChartPoint[]> {
    return new Chart<'line', ChartPoint[]>(this.#canvas, {
      type: 'line',
      data: { datasets: [] },
      options: { layout: { padding: { top: 8, right: 12 } }, scales: this.#scales() },
      plugins: [
        drawUnder((chart) => {
          this.#rulers.drawGrid(chart);
          this.#drawLines(chart);
        }),
        drawOver((chart) => {
          this.#rulers.drawLabels(chart);
          drawOverlay(chart, this.#overlay);
        }),
      ],
    });
  }

  /** @param created by this very call: it has drawn itself. */
  #update(created: boolean): void {
    this.#stale = false;
    const chart = this.#chart!;
    const { axis, logX, log } = this.#input!;
    const kind = `${axis} ${logX} ${log}`;
    // A view alone changes no option: `afterDataLimits` asks for it.
    if (this.#kind !== kind) {
      if (!created) chart.options.scales = this.#scales();
      this.#kind = kind;
    }
    if (!created) chart.update('none');
  }

  #scales(): NonNullable<ChartType<'line', ChartPoint[]>['options']['scales']> {
    const { log, logX, axis, language } = this.#input!;
    const isTime = (axis === 'relative' || axis === 'wall') && !logX;
    const unit = axis === 'relative' ? 1000 : 1;
    const distance = (): number => {
      const { min, max } = this.#view;
      return tickDistance((max - min) * unit, Math.max(2, this.element.clientWidth / 90));
    };
    return {
      x: {
        display: false,
        type: logX ? 'logarithmic' : 'linear',
        afterFit: (scale) => {
          scale.height = this.#rulers.heightBelow;
        },
        afterDataLimits: (scale) => {
          Object.assign(scale, this.#view);
        },
        afterBuildTicks: (scale) => {
          // Ticks are round; the view is what was asked for.
          const { min, max } = Object.assign(scale, this.#view);
          if (isTime) {
            const origin = axis === 'wall' ? midnightBefore(min) : 0;
            const ticks = ticksBetween(min * unit, max * unit, distance(), origin);
            scale.ticks = ticks.map((tick) => ({ value: tick / unit }));
          }
          if (logX) keepLogTicks(scale);
          // There is nothing between two steps or epochs, unless the view lies between them.
          else if (!isTime && max - min >= 1) keepWholeTicks(scale);
          scale.ticks = scale.ticks.filter(({ value }) => value >= min && value <= max);
        },
        ticks: {
          callback: isTime
            ? (value) =>
                axis === 'relative'
                  ? formatElapsed(Number(value), distance())
                  : formatTime(Number(value), distance(), language)
            : logX
              ? logTick
              : linearTick,
          includeBounds: false,
          maxTicksLimit: logX ? 40 : isTime ? 30 : 9,
        },
      },
      y: {
        display: false,
        type: log ? 'logarithmic' : 'linear',
        afterFit: (scale) => {
          scale.width = this.#rulers.widthBeside(scale);
        },
        afterDataLimits: (scale) => {
          Object.assign(scale, this.#yZoom ?? this.#extent());
        },
        afterBuildTicks: (scale) => {
          if (this.#yZoom !== undefined) Object.assign(scale, this.#yZoom);
          if (log) keepLogTicks(scale);
          else if (this.#yZoom !== undefined) {
            scale.ticks = scale.ticks.filter(({ value }) => value >= scale.min && value <= scale.max);
          }
        },
        ticks: {
          callback: log ? logTick : linearTick,
          maxTicksLimit: log ? 40 : 6,
        },
      },
    };
  }

  get #yZoom(): Range | undefined {
    const { yZoom, log } = this.#input!;
    return yZoom !== null && (!log || yZoom.min > 0) ? yZoom : undefined;
  }

  /** Lowest and highest value of all lines in view, without looking at every point. */
  #extent(): Range {
    const { lines, marks, log, logX, behind } = this.#input!;
    const view = { ...this.#view, log: logX };
    let min = Infinity;
    let max = -Infinity;
    for (const { x, y } of marks) {
      if (y === undefined || x < view.min || x > view.max || (log && y <= 0)) continue;
      min = Math.min(min, y);
      max = Math.max(max, y);
    }
    for (const { raw, smoothed } of lines) {
      for (const line of smoothed === undefined ? [raw] : behind ? [raw, smoothed] : [smoothed]) {
        const { from, to } = inView(line, view);
        const pyramid = line.pyramid(log);
        pyramid.query(from, to);
        min = Math.min(min, pyramid.low);
        max = Math.max(max, pyramid.high);
      }
    }
    if (min > max) return log ? { min: 0.1, max: 1 } : { min: 0, max: 1 };
    if (min < max) return { min, max };
    const room = Math.abs(min) / 20 || 1;
    return log ? { min: min / 2, max: max * 2 } : { min: min - room, max: max + room };
  }

  #drawLines(chart: Chart): void {
    const input = this.#input;
    if (input === undefined) return;
    const { chartArea: area, ctx, currentDevicePixelRatio: ratio } = chart;
    const width = Math.round(area.width * ratio);
    const height = Math.round(area.height * ratio);
    if (width < 1 || height < 1) return;
    const { x, y } = chart.scales;
    const frame: Frame = {
      min: x!.min,
      max: x!.max,
      log: input.logX,
      width,
      height,
      bottom: y!.min,
      top: y!.max,
      yLog: input.log,
    };
    this.#layer.draw(ctx, area, frame, {
      lines: this.#layered(input),
      faintness: input.theme.highContrast ? 0.5 : 0.28,
      version: input.version,
    });
    this.element.setAttribute('aria-busy', String(!this.#layer.finished));
    this.#events.drawn();
  }

  #layered({ version, theme, lines, behind, bands }: PlotInput): readonly LayerLine[] {
    if (this.#layerLines?.version === version && this.#layerLines.theme === theme)
      return this.#layerLines.lines;
    // What is drawn last lies above: validation over training.
    const layered =
      bands.length > 0
        ? bands.flatMap(({ tag, style }) => bandOf(tag, style, lines))
        : lines.flatMap((line) => layersOf(line, behind));
    this.#layerLines = { version, theme, lines: layered };
    return layered;
  }

  #hoverAt(x: number, pixel: { readonly x: number; readonly y: number } | undefined): Hover {
    const { lines, marks } = this.#input!;
    const chart = this.#chart!;
    const near = lines.flatMap((line) => {
      const { raw } = line;
      const index = nearestIndex(raw.x, raw.map === undefined ? x : raw.map.toColumn(x));
      return index === undefined ? [] : [{ line, index, x: placeAt(raw, index) }];
    });
    const closest = near.reduce<(typeof near)[number] | undefined>(
      (best, one) => (best === undefined || Math.abs(one.x - x) < Math.abs(best.x - x) ? one : best),
      undefined,
    );
    const at = closest?.x ?? x;
    const several = new Set(lines.map(({ run }) => run)).size > 1;
    const reach = Math.abs(this.#xAt(pixelX(chart, at) + REACH) - at);
    const values = lines.flatMap((line) => {
      const { raw } = line;
      const index = nearestIndex(raw.x, raw.map === undefined ? at : raw.map.toColumn(at));
      if (index === undefined) return [];
      // A run that was over, or had not begun, has nothing to say here.
      if (several && isOutside(raw, at, reach)) return [];
      return [{ line, index }];
    });
    let mark: PlacedMark | undefined;
    let distance = REACH;
    for (const candidate of marks) {
      const place = pixelOf(chart, candidate);
      const away =
        pixel === undefined
          ? Math.abs(place.x - pixelX(chart, x))
          : Math.hypot(place.x - pixel.x, place.y - pixel.y);
      if (away < distance) {
        distance = away;
        mark = candidate;
      }
    }
    if (pixel !== undefined && several) {
      const y = chart.scales['y']!;
      const away = ({ line, index }: (typeof values)[number]): number => {
        const value = (line.smoothed ?? line.raw).y[index]!;
        const pixels = Math.abs(y.getPixelForValue(value) - pixel.y);
        return Number.isNaN(pixels) ? Infinity : pixels;
      };
      values.sort((a, b) => away(a) - away(b));
    }
    return { x: at, values, mark };
  }

  #point(hover: Hover): string {
    const chart = this.#chart!;
    this.#overlay.active = hover.mark;
    this.#overlay.cursor = hover.mark?.x ?? hover.x;
    this.#overlay.dots =
      hover.mark !== undefined
        ? []
        : hover.values.flatMap(({ line, index }) => {
            const y = (line.smoothed ?? line.raw).y[index]!;
            return Number.isFinite(y) ? [{ x: placeAt(line.raw, index), y, color: line.style.color }] : [];
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

  #xAt(pixel: number): number {
    return this.#chart!.scales['x']!.getValueForPixel(pixel)!;
  }

  #listen(): void {
    new Gestures({
      element: this.element,
      canvas: this.#canvas,
      area: () =>
        this.#input === undefined || this.#chart === undefined ? undefined : this.#chart.chartArea,
      xAt: (pixel) => this.#xAt(pixel),
      yAt: (pixel) => this.#chart!.scales['y']!.getValueForPixel(pixel)!,
      pixelAt: (x) => pixelX(this.#chart!, x),
      selecting: () => this.#input!.selecting,
      cursor: () => this.#overlay.cursor,
      stops: () => this.#stops(),
      point: (pixel) => this.#point(this.#hoverAt(this.#xAt(pixel.x), pixel)),
      pointAt: (x) => this.announce(this.#point(this.#hoverAt(x, undefined))),
      leave: () => this.#leave(),
      activateAt: (pixel) => {
        const { mark } = this.#hoverAt(this.#xAt(pixel.x), pixel);
        if (mark !== undefined) this.#events.activate(mark);
      },
      activateCursor: () => {
        const { mark } = this.#hoverAt(this.#overlay.cursor!, undefined);
        if (mark !== undefined) this.#events.activate(mark);
      },
      showBox: (box) => this.#showDrag(box, undefined),
      showRange: (range) => this.#showDrag(undefined, range),
      select: (range) => this.#events.select(this.#checkpointsIn(range)),
      averageSelected: () => this.#events.averageSelected(),
      zoomX: (from, to) => this.#zoomTo(this.#xAt(from), this.#xAt(to)),
      zoomY: (range) => this.#events.zoomY(range),
      reset: () => {
        this.#events.zoomX(null);
        this.#events.zoomY(null);
      },
    });
  }

  #showDrag(box: Box | undefined, range: Range | undefined): void {
    this.#overlay.box = box;
    this.#overlay.range = range;
    if (box !== undefined || range !== undefined) this.#tooltip.hidden = box !== undefined;
    this.#redraw();
  }

  /** Of one run: the one that has most of them there. */
  #checkpointsIn({ min, max }: Range): readonly PlacedMark[] {
    const byRun = new Map<string, PlacedMark[]>();
    // A pixel more: who drags to a mark means it.
    const reach = Math.abs(this.#xAt(2) - this.#xAt(0));
    for (const mark of this.#input!.marks) {
      if (mark.kind !== 'checkpoint' || mark.x < min - reach || mark.x > max + reach) continue;
      const marks = byRun.get(mark.run);
      if (marks === undefined) byRun.set(mark.run, [mark]);
      else marks.push(mark);
    }
    return [...byRun.values()].reduce((most, marks) => (marks.length > most.length ? marks : most), []);
  }

  /** Keeps the range inside what there is; all of it is no zoom. */
  #zoomTo(min: number, max: number): void {
    const { fullX, logX } = this.#input!;
    const from = logX ? Math.log(fullX.min) : fullX.min;
    const everything = (logX ? Math.log(fullX.max) : fullX.max) - from;
    const low = logX ? Math.log(Math.max(min, Number.MIN_VALUE)) : min;
    const width = Math.min((logX ? Math.log(max) : max) - low, everything);
    if (!(width > everything * LEAST_VIEW)) return;
    const start = Math.min(Math.max(low, from), from + everything - width);
    const back = logX ? Math.exp : (place: number): number => place;
    const whole = width >= everything * 0.999;
    this.#events.zoomX(whole ? null : { min: back(start), max: back(start + width) });
  }

  /** Where the keyboard's cursor stops: points of one line in view, no closer than a few pixels. */
  #stops(): readonly number[] {
    const { lines, walked } = this.#input!;
    const line = (lines[walked] ?? lines[0])?.raw;
    if (line === undefined) return [];
    const { min, max } = this.#view;
    const column = (place: number): number => (line.map === undefined ? place : line.map.toColumn(place));
    const slack = (max - min) * 1e-9;
    const from = lowerBound(line.x, column(min - slack));
    const to = lowerBound(line.x, column(max + slack));
    const stride = Math.max(1, Math.ceil((to - from) / Math.max(16, this.element.clientWidth / 4)));
    const stops: number[] = [];
    for (let index = from; index < to; index += stride) stops.push(placeAt(line, index));
    // End means the end.
    if (to > from && (to - 1 - from) % stride !== 0) stops.push(placeAt(line, to - 1));
    return stops;
  }
}

function layersOf({ raw, smoothed, style }: PlotLine, behind: boolean): LayerLine[] {
  const { color, width, dash } = style;
  const rgb = rgbOf(color);
  const faint = { color, rgb, width: 1, dash: [], faint: true };
  return [
    ...(behind ? raw.earlier.map((line) => ({ line: indexed(line), ...faint })) : []),
    ...(behind && smoothed !== undefined ? [{ line: raw, ...faint }] : []),
    { line: smoothed ?? raw, color, rgb, width, dash, faint: false },
  ];
}

/** The band, behind all means, and its mean. */
function bandOf(tag: string, { color, width, dash }: LineStyle, lines: readonly PlotLine[]): LayerLine[] {
  const band = lines.flatMap((line) => (line.tag === tag ? [line.smoothed ?? line.raw] : []));
  const [line] = band;
  if (line === undefined) return [];
  return [true, false].map((faint) => ({ line, band, color, rgb: rgbOf(color), width, dash, faint }));
}

/** For abandoned stretches, which are short. */
function indexed(line: DrawnLine['earlier'][number]): IndexedLine {
  const pyramids = new Pyramids();
  pyramids.follow(line.y, 0);
  return { ...line, pyramid: (positive) => pyramids.get(positive) };
}

function isOutside(line: DrawnLine, at: number, reach: number): boolean {
  const { length } = line.x;
  return length === 0 || at < placeAt(line, 0) - reach || at > placeAt(line, length - 1) + reach;
}

const sameRange = (a: Range | null, b: Range | null): boolean =>
  a === b || (a !== null && b !== null && a.min === b.min && a.max === b.max);
