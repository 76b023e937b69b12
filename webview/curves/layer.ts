/** The lines of one chart as a picture, kept from frame to frame. */
import { decimate, inView, isLone, type Point } from './decimate.ts';
import type { IndexedLine } from './lines.ts';
import type { Rgb } from '../shared/color.ts';
import { Raster } from './raster.ts';
import { Band, type Frame, pixelsX, pixelsY, Spans } from './spans.ts';

export interface LayerLine {
  readonly line: IndexedLine;
  /** In place of the line: if it is faint the band over these, else their mean. */
  readonly band?: readonly IndexedLine[];
  /** Any CSS colour, and the same as numbers. */
  readonly color: string;
  readonly rgb: Rgb;
  /** CSS pixels. */
  readonly width: number;
  readonly dash: readonly number[];
  /** Behind all others and faint: values as logged behind their average, and what a resumed run left behind. */
  readonly faint: boolean;
}

export interface LayerInput {
  readonly lines: readonly LayerLine[];
  /** Opacity of what is faint. */
  readonly faintness: number;
  /** Changes when the lines do. */
  readonly version: number;
}

const STRIPED_LINES = 16;
/** Up to so many lines and points the canvas draws them, with round corners and dashes along their way. */
const STROKED_LINES = 8;
const STROKED_POINTS = 3000;
/**
 * Milliseconds of a frame that all charts together may paint before a picture is finished in later frames: while the
 * view is being moved, and otherwise, when nobody waits for the next frame.
 */
const MOVING_MS = 6;
const RESTING_MS = 24;
/** After so many milliseconds without a movement the view rests. */
const REST_AFTER = 250;
/** A first picture is worth a longer wait than a changed one. */
const FIRST_MS = 120;
/** A picture that is stretched more than this says nothing. */
const MOST_STRETCH = 40;

/** What is left of the frame's time, for all charts of the page. */
const budget = { frame: NaN, spent: 0, moved: -Infinity };
function timeLeft(): number {
  const frame = Number(document.timeline.currentTime);
  if (frame !== budget.frame) {
    budget.frame = frame;
    budget.spent = 0;
  }
  const allowed = performance.now() - budget.moved < REST_AFTER ? MOVING_MS : RESTING_MS;
  return allowed - budget.spent;
}

/** The user moves the view: frames are to come in time. */
export const viewMoves = (): void => void (budget.moved = performance.now());

interface Picture {
  readonly lines: readonly LayerLine[];
  readonly frame: Frame;
  readonly version: number;
  readonly raster: Raster;
  /** Lines that are in it already. */
  done: number;
}

export class LineLayer {
  readonly #spans = new Spans();
  readonly #band = new Band();
  readonly #again: () => void;
  /** What is shown: a canvas can be stretched, bytes cannot. */
  readonly #canvas = document.createElement('canvas').getContext('2d')!;
  #shown: { readonly frame: Frame; readonly version: number; readonly whole: boolean } | undefined;
  #painting: Picture | undefined;
  #spare: Picture | undefined;
  /** Milliseconds per line and column, as it turned out. */
  #pace = 3e-4;

  /** @param again asks for another frame: the picture is not finished. */
  constructor(again: () => void) {
    this.#again = again;
  }

  /** Whether what was drawn last was complete and sharp. */
  get finished(): boolean {
    return this.#painting === undefined;
  }

  /**
   * Draws the lines into a chart's area. Few points are stroked; many are painted column by column. What takes longer
   * than a frame has is painted over several frames, and until then the last picture is moved to where it belongs.
   */
  draw(
    ctx: CanvasRenderingContext2D,
    area: { readonly left: number; readonly top: number; readonly width: number; readonly height: number },
    frame: Frame,
    { lines, faintness, version }: LayerInput,
  ): void {
    const { stroked, painted } = shared(lines, frame);
    const scale = frame.width / area.width;
    const left = Math.round(area.left * scale) / scale;
    const top = Math.round(area.top * scale) / scale;
    ctx.save();
    ctx.beginPath();
    ctx.rect(area.left - 1, area.top - 1, area.width + 2, area.height + 2);
    ctx.clip();
    if (painted.length === 0) {
      this.#painting = undefined;
      this.#shown = undefined;
    } else {
      this.#paint(painted, frame, version, faintness);
      this.#show(ctx, { left, top, scale }, frame);
    }
    for (const faint of [true, false]) {
      ctx.globalAlpha = faint ? faintness : 1;
      for (const one of stroked) if (one.faint === faint) stroke(ctx, one, frame, left, top, scale);
    }
    ctx.restore();
  }

  #paint(lines: readonly LayerLine[], frame: Frame, version: number, faintness: number): void {
    const shown = this.#shown;
    if (shown?.whole === true && shown.version === version && sameFrame(shown.frame, frame)) {
      this.#painting = undefined;
      return;
    }
    // A picture that was begun is finished, however the view moves on: else a long movement would show nothing new.
    if (this.#painting === undefined || this.#painting.version !== version) {
      this.#painting = this.#blank(lines, frame, version);
    }
    const picture = this.#painting;
    const { length } = picture.lines;
    const begun = performance.now();
    const first = shown === undefined;
    const allowed = first ? FIRST_MS : Math.max(timeLeft(), 1);
    // All at once if that is likely to fit: two half pictures cost more than a whole one.
    const expected = (length - picture.done) * frame.width * this.#pace;
    const until = begun + (expected < 1.5 * allowed ? 2 * allowed : allowed);
    const from = picture.done;
    while (picture.done < length && performance.now() < until) this.#paintLine(picture, faintness);
    const took = performance.now() - begun;
    budget.spent += took;
    if (picture.done > from) {
      this.#pace += 0.3 * (took / ((picture.done - from) * picture.frame.width) - this.#pace);
    }
    const whole = picture.done >= length;
    if (whole || first) this.#present(picture, whole);
    if (!whole || !sameFrame(picture.frame, frame)) this.#again();
    if (whole) {
      this.#painting = undefined;
      this.#spare = picture;
    }
  }

  #blank(lines: readonly LayerLine[], frame: Frame, version: number): Picture {
    const { width, height } = frame;
    let spare = this.#spare ?? this.#painting;
    this.#spare = undefined;
    if (spare?.raster.width !== width || spare.raster.height !== height) spare = undefined;
    const raster = spare?.raster ?? new Raster(width, height);
    raster.clear();
    return { lines: [...lines].sort(faintFirst), frame, version, raster, done: 0 };
  }

  #paintLine(picture: Picture, faintness: number): void {
    const index = picture.done++;
    const { line, band, rgb, width, dash, faint } = picture.lines[index]!;
    const scale = devicePixelRatio;
    const { raster } = picture;
    const alpha = faint ? faintness : 1;
    if (band !== undefined) {
      this.#band.trace(band, picture.frame);
      const wide = faint ? 1 : width * scale;
      raster.paint(faint ? this.#band.spans : this.#band.mean, {
        color: rgb,
        alpha,
        width: wide,
        dash: [],
        phase: 0,
      });
      return;
    }
    this.#spans.trace(line, picture.frame);
    const dashes = dash.map((length) => length * scale);
    // Many lines whose dashes all begin at one place are stripes.
    const phase = picture.lines.length > STRIPED_LINES ? 5 * index : 0;
    raster.paint(this.#spans, { color: rgb, alpha, width: width * scale, dash: dashes, phase });
    const { lone } = this.#spans;
    for (let at = 0; at < lone.length; at += 2)
      raster.dot(lone[at]!, lone[at + 1]!, 2.5 * scale, { color: rgb, alpha });
  }

  #present({ frame, version, raster }: Picture, whole: boolean): void {
    const target = this.#canvas;
    if (target.canvas.width !== raster.width || target.canvas.height !== raster.height) {
      target.canvas.width = raster.width;
      target.canvas.height = raster.height;
    }
    target.putImageData(new ImageData(raster.bytes, raster.width, raster.height), 0, 0);
    this.#shown = { frame, version, whole };
  }

  /** Where the picture's window lies in the one that is wanted: the same place, if it is the same. */
  #show(
    ctx: CanvasRenderingContext2D,
    { left, top, scale }: { readonly left: number; readonly top: number; readonly scale: number },
    frame: Frame,
  ): void {
    const shown = this.#shown?.frame;
    if (shown === undefined || (shown.log === true) !== (frame.log === true) || shown.yLog !== frame.yLog)
      return;
    const same = sameFrame(shown, frame);
    const toX = pixelsX(frame);
    const toY = pixelsY(frame);
    const x = same ? 0 : toX(shown.min);
    const y = same ? 0 : toY(shown.top);
    const width = same ? frame.width : toX(shown.max) - x;
    const height = same ? frame.height : toY(shown.bottom) - y;
    if (!(width < MOST_STRETCH * frame.width && height < MOST_STRETCH * frame.height)) return;
    // What is shown for a frame only may be coarse.
    ctx.imageSmoothingEnabled = false;
    ctx.drawImage(this.#canvas.canvas, left + x / scale, top + y / scale, width / scale, height / scale);
  }
}

const faintFirst = (a: LayerLine, b: LayerLine): number => Number(b.faint) - Number(a.faint);

/** Which lines are few enough points to be stroked: the sparsest, as many as there is room for. */
function shared(
  lines: readonly LayerLine[],
  frame: Frame,
): { readonly stroked: readonly LayerLine[]; readonly painted: readonly LayerLine[] } {
  if (lines.length > 4 * STROKED_LINES || lines.some(({ band }) => band !== undefined))
    return { stroked: [], painted: lines };
  const counted = lines.map((one) => {
    const { from, to } = inView(one.line, frame);
    return { one, points: to - from };
  });
  const strokes = new Set<LayerLine>();
  let room = STROKED_POINTS;
  for (const { one, points } of counted.toSorted((a, b) => a.points - b.points)) {
    room -= points;
    if (room < 0 || points > frame.width || strokes.size === STROKED_LINES) break;
    strokes.add(one);
  }
  return {
    stroked: lines.filter((one) => strokes.has(one)),
    painted: lines.filter((one) => !strokes.has(one)),
  };
}

function stroke(
  ctx: CanvasRenderingContext2D,
  { line, color, width, dash, faint }: LayerLine,
  frame: Frame,
  left: number,
  top: number,
  scale: number,
): void {
  const toX = pixelsX(frame);
  const toY = pixelsY(frame);
  const points = decimate(line, frame, frame.width, frame.yLog);
  const x = (point: Point): number => left + toX(point.x) / scale;
  const y = (point: Point): number => top + toY(point.y) / scale;
  ctx.beginPath();
  let joined = false;
  for (const point of points) {
    if (Number.isNaN(point.y)) {
      joined = false;
    } else if (joined) {
      ctx.lineTo(x(point), y(point));
    } else {
      ctx.moveTo(x(point), y(point));
      joined = true;
    }
  }
  ctx.strokeStyle = ctx.fillStyle = color;
  ctx.lineWidth = width;
  ctx.lineJoin = 'bevel';
  ctx.setLineDash(faint ? [] : [...dash]);
  ctx.stroke();
  for (const [index, point] of points.entries()) {
    if (!isLone(points, index)) continue;
    ctx.beginPath();
    ctx.arc(x(point), y(point), 2.5, 0, 2 * Math.PI);
    ctx.fill();
  }
}

function sameFrame(a: Frame, b: Frame): boolean {
  return (
    a.min === b.min &&
    a.max === b.max &&
    (a.log === true) === (b.log === true) &&
    a.width === b.width &&
    a.height === b.height &&
    a.bottom === b.bottom &&
    a.top === b.top &&
    a.yLog === b.yLog
  );
}
