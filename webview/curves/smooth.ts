import { Column } from './column.ts';
import type { Line } from './decimate.ts';
import { placeAt } from './decimate.ts';

/**
 * Debiased exponential moving average: s_k = sum_{i<=k} w^(k-i) y_i / sum_{i<=k} w^(k-i), over finite y. So a
 * constant stays what it is from its first point on. A value that is not finite stays as it is and counts for nothing.
 * Follows a column that grows: what is added costs what it adds.
 */
export class Smoother {
  /** w: 0 gives y itself, towards 1 smoother. */
  readonly weight: number;
  readonly #out = new Column();
  #sum = 0;
  #norm = 0;

  constructor(weight: number) {
    this.weight = weight;
  }

  get y(): Float64Array {
    return this.#out.view;
  }
  get bytes(): number {
    return this.#out.bytes;
  }

  /**
   * The column as it is now; before `from` it is as it was. Gives the first index of the average that changed: where
   * something changed behind its end the whole is made again.
   */
  follow(y: Float64Array, from: number): number {
    const out = this.#out;
    const start = from < out.length ? 0 : out.length;
    if (start === 0) this.#sum = this.#norm = 0;
    const { weight } = this;
    // The column that is averaged knows how long it will soon be.
    const average = out.extend(y.length, y.buffer.byteLength / y.BYTES_PER_ELEMENT);
    let sum = this.#sum;
    let norm = this.#norm;
    for (let index = start; index < y.length; index++) {
      const value = y[index]!;
      if (value - value === 0) {
        sum = sum * weight + value;
        norm = norm * weight + 1;
        average[index] = sum / norm;
      } else {
        average[index] = value;
      }
    }
    this.#sum = sum;
    this.#norm = norm;
    return start;
  }
}

/** Of a whole column at once. */
export function smooth(y: Float64Array, weight: number): Float64Array {
  const smoother = new Smoother(weight);
  smoother.follow(y, 0);
  return smoother.y;
}

/** Times between neighbours differ a little from series to series; so do weights only where they differ visibly. */
const RATIOS_PER_OCTAVE = 4;
/** A weight under this leaves the average where the value is, to the eye. */
const NO_WEIGHT = 1e-3;

/**
 * The weight that gives a sparser series the time constant (on the axis) of the densest one of the run: w^(spacing /
 * densest), given the mean distances of neighbours in both. A value per epoch beside a loss per step is then not smeared
 * over many epochs. The ratio is rounded to a quarter of an octave, so that a point more does not make a series' whole
 * average another one. 0 where nothing is to be smoothed.
 */
export function weightFor(weight: number, spacing: number, densest: number): number {
  if (!(densest > 0 && densest < Infinity)) return weight;
  const ratio = Math.max(1, spacing / densest);
  const own = weight ** (2 ** (Math.round(RATIOS_PER_OCTAVE * Math.log2(ratio)) / RATIOS_PER_OCTAVE));
  return own < NO_WEIGHT ? 0 : own;
}

/**
 * Mean distance of neighbours; Infinity where there are none.
 * @param points of which the line has some, its ends among them.
 */
export function meanSpacing(line: Line, points = line.x.length): number {
  const { length } = line.x;
  return length < 2 ? Infinity : (placeAt(line, length - 1) - placeAt(line, 0)) / (points - 1);
}
