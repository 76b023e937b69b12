/** Paints spans into pixels: a picture of thousands of points per line costs what its columns cost. */
import type { Rgb } from '../shared/color.ts';
import type { Spans } from './spans.ts';

export interface Brush {
  readonly color: Rgb;
  /** Device pixels. */
  readonly width: number;
  /** On and off by turns along x, in device pixels; empty for a solid line. */
  readonly dash: readonly number[];
}

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
    this.#words.fill(0);
  }

  /** A line as wide as its brush: full where it covers a pixel, and with its share where it covers it in part. */
  paint({ top, bottom }: Spans, { color, width, dash }: Brush): void {
    const period = dash.reduce((sum, length) => sum + length, 0);
    const half = width / 2;
    const full = (255 << 24) | (color[2] << 16) | (color[1] << 8) | color[0];
    const words = this.#words;
    const stride = this.width;
    for (let column = 0; column < stride; column++) {
      const from = Math.max(0, top[column]! - half);
      const to = Math.min(this.height, bottom[column]! + half);
      if (!(from < to) || (period > 0 && !isOn(column % period, dash))) continue;
      const first = Math.floor(from);
      const last = Math.ceil(to) - 1;
      if (first === last) {
        this.#blend(first * stride + column, color, to - from);
        continue;
      }
      this.#blend(first * stride + column, color, first + 1 - from);
      for (let row = first + 1, at = row * stride + column; row < last; row++, at += stride) words[at] = full;
      this.#blend(last * stride + column, color, to - last);
    }
  }

  /** A point that stands alone. */
  dot(x: number, y: number, radius: number, color: Rgb): void {
    for (let row = Math.max(0, Math.floor(y - radius)); row < Math.min(this.height, y + radius + 1); row++) {
      for (
        let column = Math.max(0, Math.floor(x - radius));
        column < Math.min(this.width, x + radius + 1);
        column++
      ) {
        const share = Math.min(1, Math.max(0, radius + 0.5 - Math.hypot(column + 0.5 - x, row + 0.5 - y)));
        if (share > 0) this.#blend(row * this.width + column, color, share);
      }
    }
  }

  #blend(at: number, [red, green, blue]: Rgb, share: number): void {
    const { bytes } = this;
    const byte = 4 * at;
    const under = bytes[byte + 3]! / 255;
    const alpha = share + under * (1 - share);
    // Of two colours, each counts with what is seen of it.
    const over = share / alpha;
    bytes[byte] = bytes[byte]! + (red - bytes[byte]!) * over;
    bytes[byte + 1] = bytes[byte + 1]! + (green - bytes[byte + 1]!) * over;
    bytes[byte + 2] = bytes[byte + 2]! + (blue - bytes[byte + 2]!) * over;
    bytes[byte + 3] = 255 * alpha;
  }
}

function isOn(at: number, dash: readonly number[]): boolean {
  let end = 0;
  for (const [index, length] of dash.entries()) {
    end += length;
    if (at < end) return index % 2 === 0;
  }
  return true;
}
