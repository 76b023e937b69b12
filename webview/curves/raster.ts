/** Paints spans into pixels: a picture of thousands of points per line costs what its columns cost. */
import type { Rgb } from '../shared/color.ts';
import type { Spans } from './spans.ts';

export interface Brush {
  readonly color: Rgb;
  /** Opacity, 0 to 1. What is painted later hides what is below it, and does not mix with it. */
  readonly alpha: number;
  /** Device pixels. */
  readonly width: number;
  /** On and off by turns along x, in device pixels; empty for a solid line. */
  readonly dash: readonly number[];
  /** Device pixels that the dashes are moved by. */
  readonly phase: number;
}

/** Nothing, to be copied. */
let blank = new Uint32Array(0);

/** RGBA in the order of bytes, as `ImageData` has it. */
export class Raster {
  readonly width: number;
  readonly height: number;
  readonly bytes: Uint8ClampedArray<ArrayBuffer>;
  readonly #words: Uint32Array;

  constructor(width: number, height: number) {
    this.width = width;
    this.height = height;
    const buffer = new ArrayBuffer(4 * width * height);
    this.bytes = new Uint8ClampedArray(buffer);
    this.#words = new Uint32Array(buffer);
  }

  clear(): void {
    // Chromium's `fill` takes twenty times as long.
    if (blank.length < this.#words.length) blank = new Uint32Array(this.#words.length);
    this.#words.set(blank.subarray(0, this.#words.length));
  }

  /** A line as wide as its brush: full where it covers a pixel, and with its share where it covers it in part. */
  paint({ top, bottom }: Spans, { color, alpha, width, dash, phase }: Brush): void {
    const on = dashed(dash);
    const half = width / 2;
    const full = (Math.round(255 * alpha) << 24) | (color[2] << 16) | (color[1] << 8) | color[0];
    const words = this.#words;
    const stride = this.width;
    for (let column = 0; column < stride; column++) {
      const from = Math.max(0, top[column]! - half);
      const to = Math.min(this.height, bottom[column]! + half);
      if (!(from < to) || (on.length > 0 && !on[(column + phase) % on.length])) continue;
      const first = Math.floor(from);
      const last = Math.ceil(to) - 1;
      if (first === last) {
        this.#blend(first * stride + column, color, alpha, to - from);
        continue;
      }
      this.#blend(first * stride + column, color, alpha, first + 1 - from);
      for (let row = first + 1, at = row * stride + column; row < last; row++, at += stride) words[at] = full;
      this.#blend(last * stride + column, color, alpha, to - last);
    }
  }

  /** A point that stands alone. */
  dot(x: number, y: number, radius: number, { color, alpha }: Pick<Brush, 'color' | 'alpha'>): void {
    for (let row = Math.max(0, Math.floor(y - radius)); row < Math.min(this.height, y + radius + 1); row++) {
      for (
        let column = Math.max(0, Math.floor(x - radius));
        column < Math.min(this.width, x + radius + 1);
        column++
      ) {
        const share = Math.min(1, Math.max(0, radius + 0.5 - Math.hypot(column + 0.5 - x, row + 0.5 - y)));
        if (share > 0) this.#blend(row * this.width + column, color, alpha, share);
      }
    }
  }

  /** A pixel of which the line covers a share. */
  #blend(at: number, [red, green, blue]: Rgb, opacity: number, share: number): void {
    const words = this.#words;
    const word = words[at]!;
    // Most pixels are still empty.
    if (word === 0) {
      words[at] = (Math.round(255 * opacity * share) << 24) | (blue << 16) | (green << 8) | red;
      return;
    }
    const under = ((word >>> 24) / 255) * (1 - share);
    const alpha = opacity * share + under;
    // Of two colours, each counts with what is seen of it.
    const over = (opacity * share) / alpha;
    const mixed = (color: number, shift: number): number => {
      const below = (word >>> shift) & 255;
      return Math.round(below + (color - below) * over) << shift;
    };
    words[at] = (Math.round(255 * alpha) << 24) | mixed(blue, 16) | mixed(green, 8) | mixed(red, 0);
  }
}

const patterns = new Map<string, readonly boolean[]>();

/** Column by column over one period, whether there is a line. */
function dashed(dash: readonly number[]): readonly boolean[] {
  const key = dash.join(' ');
  let pattern = patterns.get(key);
  if (pattern === undefined) {
    pattern = dash.flatMap((length, index) =>
      Array.from({ length: Math.round(length) }, () => index % 2 === 0),
    );
    patterns.set(key, pattern);
  }
  return pattern;
}
