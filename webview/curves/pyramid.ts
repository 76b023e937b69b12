/**
 * Lowest and highest value of any stretch of a column without looking at every point: blocks of 16 points, blocks of
 * 8 such blocks, and so on. A stretch of n points costs about 16 + 8 log8(n / 16) steps; a point that is added costs a
 * constant. Values that cannot be drawn (not finite; not above zero where `positive`) count for nothing.
 */

/** Points of the smallest block. */
export const LEAF = 16;
/** Blocks of the next larger block. */
export const FAN = 8;

interface Level {
  low: Float64Array;
  high: Float64Array;
}

export class Pyramid {
  readonly #positive: boolean;
  /** From the blocks of points up to one block of all. */
  readonly #levels: Level[] = [];
  #y: Float64Array = new Float64Array(0);
  /** Of the last {@link query}: Infinity and -Infinity where nothing can be drawn. */
  low = Infinity;
  high = -Infinity;

  /** @param positive for logarithmic axes. */
  constructor(positive = false) {
    this.#positive = positive;
  }

  get bytes(): number {
    return this.#levels.reduce((sum, { low, high }) => sum + low.byteLength + high.byteLength, 0);
  }

  /** The column as it is now; points before `from` are what they were. */
  update(y: Float64Array, from: number): void {
    this.#y = y;
    let below = y.length;
    let first = Math.min(from, y.length);
    let depth = 0;
    for (let size = LEAF; below > 1 || depth === 0; size = FAN) {
      const count = Math.ceil(below / size);
      first = Math.floor(first / size);
      const level = (this.#levels[depth] ??= { low: new Float64Array(0), high: new Float64Array(0) });
      level.low = grown(level.low, count);
      level.high = grown(level.high, count);
      for (let block = first; block < count; block++) {
        this.#clear();
        const end = Math.min(below, (block + 1) * size);
        if (depth === 0) this.#points(block * size, end);
        else this.#blocks(this.#levels[depth - 1]!, block * size, end);
        level.low[block] = this.low;
        level.high[block] = this.high;
      }
      below = count;
      depth += 1;
    }
    this.#levels.length = depth;
  }

  /** Sets {@link low} and {@link high} for the points `[from, to)`, `0 <= from`, `to <= length`. */
  query(from: number, to: number): void {
    this.#clear();
    let start = Math.ceil(from / LEAF);
    let end = Math.floor(to / LEAF);
    if (start >= end) {
      this.#points(from, to);
      return;
    }
    this.#points(from, start * LEAF);
    this.#points(end * LEAF, to);
    for (const level of this.#levels) {
      const innerStart = Math.ceil(start / FAN);
      const innerEnd = Math.floor(end / FAN);
      if (innerStart >= innerEnd) {
        this.#blocks(level, start, end);
        return;
      }
      this.#blocks(level, start, innerStart * FAN);
      this.#blocks(level, innerEnd * FAN, end);
      start = innerStart;
      end = innerEnd;
    }
  }

  #clear(): void {
    this.low = Infinity;
    this.high = -Infinity;
  }

  #points(from: number, to: number): void {
    const y = this.#y;
    const floor = this.#positive ? 0 : -Infinity;
    let { low, high } = this;
    for (let index = from; index < to; index++) {
      const value = y[index]!;
      // No comparison with NaN holds.
      if (value > floor && value < Infinity) {
        if (value < low) low = value;
        if (value > high) high = value;
      }
    }
    this.low = low;
    this.high = high;
  }

  #blocks(level: Level, from: number, to: number): void {
    let { low, high } = this;
    for (let block = from; block < to; block++) {
      if (level.low[block]! < low) low = level.low[block]!;
      if (level.high[block]! > high) high = level.high[block]!;
    }
    this.low = low;
    this.high = high;
  }
}

function grown(numbers: Float64Array, length: number): Float64Array {
  if (length <= numbers.length) return numbers;
  const out = new Float64Array(numbers.length === 0 ? length : Math.max(length, 2 * numbers.length));
  out.set(numbers);
  return out;
}
