/** Deflated bytes read from any position on, in memory of a few buffers. */
import { crc32, createInflateRaw, type InflateRaw } from 'node:zlib';

import { DamagedRun, type ByteRun, type ReadAt } from './packed.ts';

const IN_BYTES = 1 << 16;
const OUT_BYTES = 1 << 17;

export interface Deflated {
  /** Of the first compressed byte. */
  readonly position: number;
  /** Compressed bytes. */
  readonly stored: number;
  /** Unpacked bytes. */
  readonly size: number;
  /** CRC-32 of them. */
  readonly crc: number;
}

/**
 * Front to back it unpacks everything once, and verifies the checksum with the last byte; to go back it starts anew.
 * Never unpacks more than was asked for, and a buffer.
 */
export class InflatingRun implements ByteRun {
  readonly #of: Deflated;
  readonly #readAt: ReadAt;
  #stream: InflateStream | undefined;
  /** Unpacked and not yet given away. */
  #rest: Uint8Array = new Uint8Array(0);
  #at = 0;
  #crc = 0;

  constructor(of: Deflated, readAt: ReadAt) {
    this.#of = of;
    this.#readAt = readAt;
  }

  async read(target: Uint8Array, from: number): Promise<void> {
    if (from < 0 || from + target.length > this.#of.size) throw new DamagedRun();
    if (this.#stream === undefined || from < this.#at) this.#restart();
    while (this.#at < from) await this.#take(undefined, from - this.#at);
    for (let done = 0; done < target.length;) {
      done += await this.#take(target.subarray(done), target.length - done);
    }
    if (this.#at === this.#of.size) await this.#end();
  }

  close(): void {
    this.#stream?.close();
    this.#stream = undefined;
  }

  #restart(): void {
    this.close();
    this.#stream = new InflateStream(this.#of.position, this.#of.stored, this.#readAt);
    this.#rest = new Uint8Array(0);
    this.#at = 0;
    this.#crc = 0;
  }

  async #take(into: Uint8Array | undefined, most: number): Promise<number> {
    if (this.#rest.length === 0) {
      const next = await this.#stream!.next();
      if (next === undefined) throw new DamagedRun();
      this.#rest = next;
    }
    const piece = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(piece.length);
    into?.set(piece);
    this.#crc = crc32(piece, this.#crc);
    this.#at += piece.length;
    return piece.length;
  }

  async #end(): Promise<void> {
    const whole = this.#rest.length === 0 && (await this.#stream!.next()) === undefined;
    if (!whole || this.#crc !== this.#of.crc) throw new DamagedRun();
  }
}

/** A zlib stream that is fed only when it has nothing more to give, so that reads never overlap. */
class InflateStream {
  readonly #readAt: ReadAt;
  readonly #zlib: InflateRaw;
  readonly #end: number;
  #position: number;
  #feeding = false;
  #failure: Error | undefined;
  #ended = false;
  #wake: () => void = () => undefined;

  constructor(position: number, stored: number, readAt: ReadAt) {
    this.#position = position;
    this.#end = position + stored;
    this.#readAt = readAt;
    this.#zlib = createInflateRaw({ chunkSize: OUT_BYTES });
    this.#zlib.on('readable', () => this.#wake());
    this.#zlib.on('end', () => {
      this.#ended = true;
      this.#wake();
    });
    this.#zlib.on('error', (error) => {
      this.#failure = error;
      this.#wake();
    });
  }

  /** The next unpacked bytes; undefined at the end. */
  async next(): Promise<Buffer | undefined> {
    for (;;) {
      // Damaged bytes, or an end that never comes: both say the same.
      if (this.#failure !== undefined) throw new DamagedRun();
      const piece = this.#zlib.read() as Buffer | null;
      if (piece !== null) return piece;
      if (this.#ended) return undefined;
      const woken = new Promise<void>((resolve) => (this.#wake = resolve));
      if (!this.#feeding) await this.#feed();
      await woken;
    }
  }

  async #feed(): Promise<void> {
    this.#feeding = true;
    const length = Math.min(IN_BYTES, this.#end - this.#position);
    if (length === 0) {
      this.#zlib.end();
      return;
    }
    const bytes = new Uint8Array(length);
    await this.#readAt(bytes, this.#position);
    this.#position += length;
    this.#zlib.write(bytes, () => {
      this.#feeding = false;
      this.#wake();
    });
  }

  close(): void {
    this.#zlib.destroy();
  }
}
