/** A run of bytes made of parts of another one and of new bytes: a file without some of its parts. */

export type Part = Uint8Array | { readonly from: number; readonly to: number };

/** What a copy is made from. */
export interface ByteSource {
  readonly size: number;
  read(target: Uint8Array, position: number): Promise<void>;
  close(): Promise<void>;
}

export function lengthOf(part: Part): number {
  return part instanceof Uint8Array ? part.length : part.to - part.from;
}

/** Front-to-back reading is fast; any other works. */
export class Composition implements ByteSource {
  readonly size: number;
  readonly #source: ByteSource;
  readonly #parts: readonly { readonly part: Part; readonly start: number }[];
  #index = 0;

  constructor(source: ByteSource, parts: readonly Part[]) {
    this.#source = source;
    let start = 0;
    this.#parts = parts.map((part) => {
      const placed = { part, start };
      start += lengthOf(part);
      return placed;
    });
    this.size = start;
  }

  async read(target: Uint8Array, position: number): Promise<void> {
    for (let done = 0; done < target.length;) {
      const { part, start } = this.#partAt(position + done);
      const within = position + done - start;
      const length = Math.min(lengthOf(part) - within, target.length - done);
      const place = target.subarray(done, done + length);
      if (part instanceof Uint8Array) place.set(part.subarray(within, within + length));
      else await this.#source.read(place, part.from + within);
      done += length;
    }
  }

  close(): Promise<void> {
    return this.#source.close();
  }

  #partAt(position: number): { readonly part: Part; readonly start: number } {
    if (position < this.#parts[this.#index]!.start) this.#index = 0;
    for (;;) {
      const placed = this.#parts[this.#index];
      if (placed === undefined) throw new RangeError(`Byte ${position} of ${this.size}.`);
      if (position < placed.start + lengthOf(placed.part)) return placed;
      this.#index++;
    }
  }
}
