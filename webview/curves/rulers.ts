/**
 * Grid, labels and title of the axes. Chart.js finds the ticks and their places; drawn by itself, it would resolve the
 * options of every tick and measure every label anew in every frame of a gesture.
 */
import type { Chart, Scale } from 'chart.js';
import type { Theme } from '../shared/theme.ts';

/** Pixels between the labels and the chart, and at least between two labels beside each other. */
const PADDING = 6;
const APART = 16;
/** Of the size of the font. */
const LINE_HEIGHT = 1.2;
/** Widths that are kept: the labels of a long movement are many. */
const MOST_WIDTHS = 2000;

export class Rulers {
  /** Of the x axis; it stands at its end. */
  title = '';
  #theme: Theme;
  #font = '';
  #lineHeight = 0;
  readonly #widths = new Map<string, number>();

  constructor(theme: Theme) {
    this.#theme = this.theme = theme;
  }

  set theme(theme: Theme) {
    const size = Math.round(theme.fontSize * 0.85);
    const font = `${size}px ${theme.font}`;
    if (font !== this.#font) this.#widths.clear();
    this.#theme = theme;
    this.#font = font;
    this.#lineHeight = LINE_HEIGHT * size;
  }

  /** Height of the x axis, in pixels. */
  get heightBelow(): number {
    return 2 * this.#lineHeight + 2 * PADDING;
  }

  /** Width of the y axis with the labels that it has now, in pixels. */
  widthBeside({ chart: { ctx }, ticks }: Scale): number {
    ctx.save();
    ctx.font = this.#font;
    const widest = ticks.reduce((most, { label }) => Math.max(most, this.#widthOf(ctx, textOf(label))), 0);
    ctx.restore();
    return Math.ceil(widest) + 2 * PADDING;
  }

  /** Under the lines. */
  drawGrid({ ctx, chartArea: { left, right }, scales: { y } }: Chart): void {
    ctx.save();
    ctx.beginPath();
    for (const { value } of y!.ticks) {
      const at = Math.round(y!.getPixelForValue(value)) + 0.5;
      ctx.moveTo(left, at);
      ctx.lineTo(right, at);
    }
    ctx.strokeStyle = this.#theme.grid;
    ctx.lineWidth = 1;
    ctx.stroke();
    ctx.restore();
  }

  drawLabels({ ctx, width, chartArea: area, scales: { x, y } }: Chart): void {
    ctx.save();
    ctx.font = this.#font;
    ctx.fillStyle = this.#theme.muted;
    ctx.textBaseline = 'middle';
    ctx.textAlign = 'right';
    let above = Infinity;
    // From the bottom, which on a logarithmic axis is where labels have room.
    for (const { value, label } of y!.ticks) {
      const at = y!.getPixelForValue(value);
      if (above - at < this.#lineHeight) continue;
      ctx.fillText(textOf(label), area.left - PADDING, at);
      above = at;
    }
    const row = area.bottom + PADDING + this.#lineHeight / 2;
    ctx.fillText(this.title, area.right, row + this.#lineHeight + PADDING / 2);
    ctx.textAlign = 'left';
    for (const { text, left } of this.#labelsBelow(ctx, x!, width)) ctx.fillText(text, left, row);
    ctx.restore();
  }

  /** As many as there is room for, each under its place but for the edges of the canvas. */
  #labelsBelow(
    ctx: CanvasRenderingContext2D,
    x: Scale,
    canvasWidth: number,
  ): readonly { readonly text: string; readonly left: number }[] {
    const labels = x.ticks.map(({ value, label }) => {
      const text = textOf(label);
      const width = this.#widthOf(ctx, text);
      const left = Math.max(0, Math.min(x.getPixelForValue(value) - width / 2, canvasWidth - width));
      return { text, left, right: left + width };
    });
    // Every second, third, ... label, so that those that stay are as far apart as before; of uneven ones what fits.
    const even = x.type === 'linear' ? labels.length : 1;
    for (let stride = 1; stride < even; stride++) {
      const kept = labels.filter((_, index) => index % stride === 0);
      if (kept.every(({ left }, index) => index === 0 || left >= kept[index - 1]!.right + APART)) return kept;
    }
    let end = -Infinity;
    return labels.filter(({ left, right }) => {
      if (left < end + APART) return false;
      end = right;
      return true;
    });
  }

  #widthOf(ctx: CanvasRenderingContext2D, text: string): number {
    let width = this.#widths.get(text);
    if (width === undefined) {
      if (this.#widths.size >= MOST_WIDTHS) this.#widths.clear();
      width = ctx.measureText(text).width;
      this.#widths.set(text, width);
    }
    return width;
  }
}

/**
 * Gives the axes of a chart other ends and ticks in the places that they have, which costs a tenth of an update. False
 * when their labels need more room than that.
 */
export function reaim({ width, height, chartArea, scales }: Chart): boolean {
  const margins = {
    left: chartArea.left,
    right: width - chartArea.right,
    top: chartArea.top,
    bottom: height - chartArea.bottom,
  };
  let fits = true;
  for (const scale of Object.values(scales)) {
    const { left, right, top, bottom, width, height } = scale;
    // Forgets the ends that it had.
    scale.beforeLayout?.();
    scale.update(width, height, margins);
    fits &&= scale.width <= width && scale.height <= height;
    Object.assign(scale, { left, right, top, bottom, width, height });
    scale.configure();
  }
  return fits;
}

const textOf = (label: string | readonly string[] | undefined): string =>
  typeof label === 'string' ? label : (label?.join(' ') ?? '');
