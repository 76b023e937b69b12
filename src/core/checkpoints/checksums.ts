/**
 * Checksums inside a checkpoint (zip archives, TensorFlow's tables): verified while it is read, renewed while it is
 * copied.
 */
import { crc32 } from 'node:zlib';

import { crc32c, masked } from '../crc32c.ts';

/** A run of bytes with a checksum; positions count over the checkpoint's files taken as one run. */
export interface Checksum {
  /** What the bytes are, for people: `archive/data/3`. */
  readonly what: string;
  readonly start: number;
  readonly end: number;
  /** As stored, in 32 bits. */
  readonly value: number;
  /** CRC-32 when absent. */
  readonly kind?: 'masked-crc32c';
  /** Where it is stored, little-endian; several places in a zip archive. */
  readonly storedAt: readonly number[];
}

/** @param before of the bytes in front of these. */
function advance({ kind }: Checksum, bytes: Uint8Array, before: number): number {
  return kind === undefined ? crc32(bytes, before) : crc32c(bytes, 0, bytes.length, before);
}

function finish({ kind }: Checksum, value: number): number {
  return kind === undefined ? value : masked(value);
}

/** Of all of a run's bytes. */
export function checksumOf(run: Checksum, bytes: Uint8Array): number {
  return finish(run, advance(run, bytes, 0));
}

/** What of a piece of bytes belongs to a run, and whether the run ends there. */
export interface Segment {
  readonly run: Checksum;
  /** In the piece. */
  readonly from: number;
  readonly to: number;
  readonly ends: boolean;
}

/** Follows pieces of bytes front to back, each passed once. */
export class RunSplitter {
  readonly #runs: readonly Checksum[];
  #index = 0;

  /** @param runs must not overlap. */
  constructor(runs: readonly Checksum[]) {
    this.#runs = runs.filter((run) => run.end > run.start).sort((a, b) => a.start - b.start);
  }

  /** Of the next piece. */
  split(length: number, position: number): readonly Segment[] {
    const end = position + length;
    const segments: Segment[] = [];
    for (;;) {
      const run = this.#runs[this.#index];
      if (run === undefined || run.start >= end) return segments;
      const ends = run.end <= end;
      const from = Math.max(run.start, position) - position;
      segments.push({ run, from, to: Math.min(run.end, end) - position, ends });
      if (!ends) return segments;
      this.#index++;
    }
  }
}

/** Follows bytes front to back, each passed once, and tells every run's checksum when its last byte has passed. */
export class ChecksumFollower {
  readonly #splitter: RunSplitter;
  readonly #ended: (run: Checksum, value: number) => void;
  #value = 0;

  /** @param runs must not overlap. */
  constructor(runs: readonly Checksum[], ended: (run: Checksum, value: number) => void) {
    this.#splitter = new RunSplitter(runs);
    this.#ended = ended;
  }

  follow(bytes: Uint8Array, position: number): void {
    for (const { run, from, to, ends } of this.#splitter.split(bytes.length, position)) {
      this.#value = advance(run, bytes.subarray(from, to), this.#value);
      if (!ends) return;
      this.#ended(run, finish(run, this.#value));
      this.#value = 0;
    }
  }
}

/** New values of stored checksums, put into the bytes that hold them as these pass. */
export class StoredChecksums {
  readonly #fields: { readonly at: number; readonly bytes: Uint8Array }[] = [];
  readonly #runs: Checksum[] = [];

  set(run: Checksum, value: number): void {
    this.#runs.push(run);
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    for (const at of run.storedAt) this.#fields.push({ at, bytes });
  }

  /** In place; a field may lie across two pieces. */
  putInto(piece: Uint8Array, position: number): void {
    for (const { at, bytes } of this.#fields) {
      if (at + 4 <= position || at >= position + piece.length) continue;
      for (let k = 0; k < 4; k++) {
        const index = at + k - position;
        if (index >= 0 && index < piece.length) piece[index] = bytes[k]!;
      }
    }
  }

  runs(): readonly Checksum[] {
    return this.#runs;
  }

  /** Those of `runs` whose own bytes hold one of the checksums that were set. */
  around(runs: readonly Checksum[]): readonly Checksum[] {
    const places = Float64Array.from(this.#fields, ({ at }) => at).sort();
    return runs.filter(({ start, end }) => {
      let low = 0;
      for (let high = places.length; low < high;) {
        const middle = (low + high) >>> 1;
        if (places[middle]! < start) low = middle + 1;
        else high = middle;
      }
      return low < places.length && places[low]! < end;
    });
  }

  /** In the order they were set: of two for one place, the later one counts. */
  fields(): readonly { readonly at: number; readonly bytes: Uint8Array }[] {
    return this.#fields;
  }
}
