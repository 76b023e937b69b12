/** What is drawn over the lines: checkpoints, averages, the cursor and the zoom rectangle. */
import type { Chart } from 'chart.js';
import type { Goal } from '../../src/core/runs/types.ts';
import type { Theme } from '../shared/theme.ts';
import type { PlacedAverage, PlacedCheckpoint, PlacedMark } from './marks.ts';
import type { Range } from './state.ts';

export interface Dot {
  readonly x: number;
  readonly y: number;
  readonly color: string;
}

/** The best value of a line, and which way better is. */
export interface Best {
  readonly x: number;
  readonly y: number;
  readonly color: string;
  readonly goal: Goal;
}

/** In pixels of the chart. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

export interface Overlay {
  theme: Theme;
  marks: readonly PlacedMark[];
  best: readonly Best[];
  /** Paths of selected checkpoints. */
  selected: ReadonlySet<string>;
  /** Under the pointer or the keyboard's cursor. */
  active: PlacedMark | undefined;
  cursor: number | undefined;
  dots: readonly Dot[];
  /** A rectangle that will be zoomed to. */
  box: Box | undefined;
  /** A stretch of x whose checkpoints will be selected. */
  range: Range | undefined;
}

const TICK = 5;
const STAR = 7.5;
/** Checkpoints closer than this are one to the eye; all of them still answer to the pointer. */
const CLOSEST_TICKS = 2.5;

export function drawOverlay(chart: Chart, overlay: Overlay): void {
  const { ctx, chartArea: area } = chart;
  const { theme, active } = overlay;
  ctx.save();
  ctx.beginPath();
  ctx.rect(area.left, area.top, area.width, area.height);
  ctx.clip();
  if (overlay.cursor !== undefined) {
    const x = Math.round(pixelX(chart, overlay.cursor)) + 0.5;
    stroke(ctx, theme.muted, 1, [2, 3], () => {
      ctx.moveTo(x, area.top);
      ctx.lineTo(x, area.bottom);
    });
  }
  if (overlay.range !== undefined) {
    const left = pixelX(chart, overlay.range.min);
    const right = pixelX(chart, overlay.range.max);
    drawBox(ctx, { left, right, top: area.top, bottom: area.bottom }, theme.star, [4, 3]);
  }
  ctx.restore();

  ctx.save();
  // Marks may reach half over the edge, so that the first and the last one are seen whole.
  ctx.beginPath();
  ctx.rect(area.left - STAR, area.top - STAR, area.width + 2 * STAR, area.height + 2 * STAR);
  ctx.clip();
  const inActive = new Set(active?.kind === 'average' ? active.mark.sources : []);
  let previous = -Infinity;
  for (const mark of overlay.marks) {
    if (mark.kind !== 'checkpoint') continue;
    const source = inActive.has(mark.mark.path);
    const at = pixelOf(chart, mark);
    const { range, selected } = overlay;
    const chosen =
      selected.has(mark.mark.path) || (range !== undefined && mark.x >= range.min && mark.x <= range.max);
    if (at.x < area.left - STAR || at.x > area.right + STAR) continue;
    if (at.x - previous < CLOSEST_TICKS && at.x >= previous && !source && !chosen && mark !== active)
      continue;
    previous = at.x;
    drawTick(ctx, at, mark, theme, source || mark === active, chosen);
  }
  for (const best of overlay.best) drawBest(ctx, chart, best, theme);
  for (const dot of overlay.dots) {
    ctx.beginPath();
    ctx.arc(pixelX(chart, dot.x), pixelY(chart, dot.y), 3, 0, 2 * Math.PI);
    ctx.fillStyle = dot.color;
    ctx.fill();
    ctx.lineWidth = 1;
    ctx.strokeStyle = theme.background;
    ctx.stroke();
  }
  for (const mark of overlay.marks) {
    if (mark.kind === 'average') drawStar(ctx, chart, mark, theme, mark === active);
  }
  ctx.restore();

  if (overlay.box !== undefined) drawBox(ctx, overlay.box, theme.focus, []);
}

function drawBox(
  ctx: CanvasRenderingContext2D,
  { left, top, right, bottom }: Box,
  color: string,
  dash: readonly number[],
): void {
  ctx.save();
  ctx.globalAlpha = 0.15;
  ctx.fillStyle = color;
  ctx.fillRect(left, top, right - left, bottom - top);
  ctx.globalAlpha = 1;
  stroke(ctx, color, 1, dash, () => ctx.rect(left, top, right - left, bottom - top));
  ctx.restore();
}

/** A small triangle that points at the best value in the direction in which better lies. */
function drawBest(ctx: CanvasRenderingContext2D, chart: Chart, best: Best, theme: Theme): void {
  const x = pixelX(chart, best.x);
  const y = pixelY(chart, best.y);
  const { left, right, top, bottom } = chart.chartArea;
  if (!(x >= left && x <= right && y >= top && y <= bottom)) return;
  const away = best.goal === 'minimize' ? -1 : 1;
  ctx.beginPath();
  ctx.moveTo(x, y + away * 3);
  ctx.lineTo(x - 4.5, y + away * 11);
  ctx.lineTo(x + 4.5, y + away * 11);
  ctx.closePath();
  ctx.fillStyle = best.color;
  ctx.fill();
  ctx.setLineDash([]);
  ctx.lineWidth = 1;
  ctx.strokeStyle = theme.background;
  ctx.stroke();
}

/** Where a mark is, in pixels. A checkpoint without a value stands at the foot. */
export function pixelOf(chart: Chart, mark: PlacedMark): { readonly x: number; readonly y: number } {
  const { bottom, top } = chart.chartArea;
  const y = mark.y === undefined ? bottom - TICK : pixelY(chart, mark.y);
  // What lies beyond a zoomed y range keeps its place on the edge for checkpoints only: their epoch is in view.
  return {
    x: pixelX(chart, mark.x),
    y: mark.kind === 'checkpoint' && !(y >= top && y <= bottom) ? bottom - TICK : y,
  };
}

export const pixelX = (chart: Chart, x: number): number => chart.scales['x']!.getPixelForValue(x);
export const pixelY = (chart: Chart, y: number): number => chart.scales['y']!.getPixelForValue(y);

function drawTick(
  ctx: CanvasRenderingContext2D,
  { x, y }: { readonly x: number; readonly y: number },
  { mark, color }: PlacedCheckpoint,
  theme: Theme,
  active: boolean,
  chosen: boolean,
): void {
  const half = active || chosen ? TICK + 2 : TICK;
  ctx.globalAlpha = mark.complete ? 1 : 0.45;
  const own = color ?? theme.foreground;
  stroke(ctx, chosen ? theme.star : own, active || chosen ? 2.5 : 1.25, mark.complete ? [] : [2, 2], () => {
    ctx.moveTo(x, y - half);
    ctx.lineTo(x, y + half);
  });
  ctx.globalAlpha = 1;
}

function drawStar(
  ctx: CanvasRenderingContext2D,
  chart: Chart,
  { x, y, measured }: PlacedAverage,
  theme: Theme,
  active: boolean,
): void {
  const at = { x: pixelX(chart, x), y: pixelY(chart, y) };
  if (measured.interval !== undefined) {
    const low = pixelY(chart, measured.interval.low);
    const high = pixelY(chart, measured.interval.high);
    if (Number.isFinite(low) && Number.isFinite(high)) {
      stroke(ctx, theme.star, 1.5, [], () => {
        ctx.moveTo(at.x, low);
        ctx.lineTo(at.x, high);
        for (const end of [low, high]) {
          ctx.moveTo(at.x - 3.5, end);
          ctx.lineTo(at.x + 3.5, end);
        }
      });
    }
  }
  ctx.beginPath();
  for (let corner = 0; corner < 10; corner++) {
    const radius = (corner % 2 === 0 ? 1 : 0.42) * (active ? STAR + 2 : STAR);
    const angle = (corner * Math.PI) / 5 - Math.PI / 2;
    ctx.lineTo(at.x + radius * Math.cos(angle), at.y + radius * Math.sin(angle));
  }
  ctx.closePath();
  ctx.fillStyle = theme.star;
  ctx.fill();
  ctx.setLineDash([]);
  ctx.lineWidth = active || theme.highContrast ? 1.5 : 1;
  ctx.strokeStyle = active || theme.highContrast ? theme.foreground : theme.background;
  ctx.stroke();
}

function stroke(
  ctx: CanvasRenderingContext2D,
  color: string,
  width: number,
  dash: readonly number[],
  path: () => void,
): void {
  ctx.beginPath();
  path();
  ctx.strokeStyle = color;
  ctx.lineWidth = width;
  ctx.setLineDash([...dash]);
  ctx.stroke();
}
