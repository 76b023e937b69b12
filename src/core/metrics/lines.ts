import { TwaError } from '../errors.ts';
import { ByteTail } from './bytes.ts';
import type { ByteSink, Taken } from './bytes.ts';

/** A longer line is no metrics log; without a limit a binary file without newlines would be held whole. */
const MAX_LINE_BYTES = 16 << 20;

export interface LineSink {
  /** Everything given before belongs to a file that is no more. */
  reset(): void;
  /**
   * One line without its end.
   * @param number 1-based.
   * @param ended false for a last line without a newline, which only a read to the end gives.
   */
  line(text: string, number: number, ended: boolean): void;
}

/** The lines of a growing text file, each once, reading only what is new: see {@link ByteTail}. */
export class LineTail implements ByteSink {
  readonly #path: string;
  readonly #sink: LineSink;
  readonly #bytes: ByteTail;
  #lines = 0;
  /** What the file ends with after its last newline. */
  #rest = Buffer.alloc(0);
  #refused: TwaError | undefined;
  /** Not told yet: a poll may fail after it. */
  #reset = false;

  constructor(path: string, sink: LineSink) {
    this.#path = path;
    this.#sink = sink;
    this.#bytes = new ByteTail(path, this);
  }

  /**
   * Gives the new lines to the sink. A file that is gone counts as empty.
   * @param atEnd the file is finished: a last line without a newline counts. Do not poll again afterwards.
   * @returns whether the sink was reset.
   * @throws TwaError `bad-metrics` for a line over 16 MiB, `cancelled`.
   */
  async poll(signal?: AbortSignal, atEnd = false): Promise<boolean> {
    if (await this.#bytes.poll(signal)) this.#reset = true;
    if (this.#refused !== undefined) throw this.#refused;
    if (atEnd && this.#rest.length > 0) {
      this.#sink.line(withoutEnd(this.#rest.toString()), this.#lines + 1, false);
    }
    const reset = this.#reset;
    this.#reset = false;
    return reset;
  }

  reset(): void {
    this.#lines = 0;
    this.#rest = Buffer.alloc(0);
    this.#refused = undefined;
    this.#sink.reset();
  }

  /** Whole lines only, so a cut inside a multi-byte character cannot happen. */
  take(bytes: Buffer, position: number, size: number): Taken {
    if (this.#refused !== undefined) return { taken: 0, wanted: Infinity };
    const taken = bytes.lastIndexOf(0x0a) + 1;
    if (taken > 0) {
      const text = bytes.toString('utf8', 0, taken - 1);
      for (const line of (position === 0 ? text.replace(/^\uFEFF/, '') : text).split('\n')) {
        this.#lines += 1;
        this.#sink.line(withoutEnd(line), this.#lines, true);
      }
    }
    const rest = bytes.subarray(taken);
    if (rest.length > MAX_LINE_BYTES) {
      this.#refused = new TwaError(
        'bad-metrics',
        `${this.#path} is no metrics log: line ${this.#lines + 1} is longer than ${MAX_LINE_BYTES >> 20} MiB.`,
        { place: { path: this.#path, line: this.#lines + 1 } },
      );
      return { taken, wanted: Infinity };
    }
    this.#rest = position + bytes.length === size ? Buffer.from(rest) : Buffer.alloc(0);
    return { taken, wanted: rest.length + 1 };
  }
}

function withoutEnd(line: string): string {
  return line.endsWith('\r') ? line.slice(0, -1) : line;
}
