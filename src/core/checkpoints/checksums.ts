/** CRC-32 checksums inside a checkpoint (zip archives): verified while it is read, renewed while it is copied. */
import { crc32 } from 'node:zlib';

/** A run of bytes with a checksum; positions count over the checkpoint's files taken as one run. */
export interface Checksum {
  /** What the bytes are, for people: `archive/data/3`. */
  readonly what: string;
  readonly start: number;
  readonly end: number;
  /** CRC-32 as stored. */
  readonly value: number;
  /** Where it is stored, little-endian; several places in a zip archive. */
  readonly storedAt: readonly number[];
}

/** Follows bytes front to back, each passed once, and tells every run's checksum when its last byte has passed. */
export class ChecksumFollower {
  readonly #runs: readonly Checksum[];
  readonly #ended: (run: Checksum, value: number) => void;
  #index = 0;
  #value = 0;

  /** @param runs must not overlap. */
  constructor(runs: readonly Checksum[], ended: (run: Checksum, value: number) => void) {
    this.#runs = runs.filter((run) => run.end > run.start).sort((a, b) => a.start - b.start);
    this.#ended = ended;
  }

  follow(bytes: Uint8Array, position: number): void {
    const end = position + bytes.length;
    for (;;) {
      const run = this.#runs[this.#index];
      if (run === undefined || run.start >= end) return;
      const from = Math.max(run.start, position) - position;
      this.#value = crc32(bytes.subarray(from, Math.min(run.end, end) - position), this.#value);
      if (run.end > end) return;
      this.#ended(run, this.#value);
      this.#value = 0;
      this.#index++;
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

  /** In the order they were set: of two for one place, the later one counts. */
  fields(): readonly { readonly at: number; readonly bytes: Uint8Array }[] {
    return this.#fields;
  }
}
