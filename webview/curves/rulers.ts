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

export interface Label {
  /** Pixels along its axis. */
  readonly at: number;
  readonly label: string;
}

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

  drawLabels(chart: Chart): void {
    const { ctx, chartArea: area } = chart;
    ctx.save();
    ctx.font = this.#font;
    ctx.fillStyle = this.#theme.muted;
    ctx.textBaseline = 'middle';
    ctx.textAlign = 'right';
    for (const { at, label } of this.beside(chart)) ctx.fillText(label, area.left - PADDING, at);
    const row = area.bottom + PADDING + this.#lineHeight / 2;
    ctx.fillText(this.title, area.right, row + this.#lineHeight + PADDING / 2);
    ctx.textAlign = 'center';
    for (const { at, label } of this.below(chart)) {
      // Under its place, but inside of the canvas.
      const half = this.#widthOf(ctx, label) / 2;
      ctx.fillText(label, Math.max(half, Math.min(at, chart.width - half)), row);
    }
    ctx.restore();
  }

  /** Labels of the y axis: as many as there is room for, from the bottom on. */
  beside({ scales: { y } }: Chart): readonly Label[] {
    let last = Infinity;
    return labelsOf(y!).filter(({ at }) => {
      if (last - at < this.#lineHeight) return false;
      last = at;
      return true;
    });
  }

  /**
   * Labels of the x axis: every one, or every second, third, ..., so that those that stay are as far apart as before;
   * where they are not, as on a logarithmic axis, those that there is room for.
   */
  below({ ctx, scales: { x } }: Chart): readonly Label[] {
    ctx.save();
    ctx.font = this.#font;
    const labels = labelsOf(x!).map(({ at, label }) => {
      const half = this.#widthOf(ctx, label) / 2;
      return { at, label, left: at - half, right: at + half };
    });
    ctx.restore();
    const evenly = x!.type === 'linear' ? labels.length : 1;
    for (let stride = 1; stride < evenly; stride++) {
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
    ...chartArea,
    right: width - chartArea.right,
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

const labelsOf = (scale: Scale): readonly Label[] =>
  scale.ticks.flatMap(({ value, label }) => {
    const text = textOf(label);
    return text === '' ? [] : [{ at: scale.getPixelForValue(value), label: text }];
  });
const textOf = (label: string | readonly string[] | undefined): string =>
  typeof label === 'string' ? label : (label?.join(' ') ?? '');
