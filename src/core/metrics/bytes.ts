import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { hasCode } from '../checkpoints/files.ts';
import { throwIfAborted } from '../errors.ts';

/** Read at a time, unless one record needs more; then more than that, so that a long line is not read byte by byte. */
const CHUNK_BYTES = 1 << 20;
/** Bytes kept from both ends of what was taken, to notice that a file was written anew under the same name. */
const FINGERPRINT_BYTES = 1024;

/** What became of the bytes that a {@link ByteSink} was given. */
export interface Taken {
  /** Bytes that are done with. May be more than were given: those are skipped without being read. */
  readonly taken: number;
  /** Bytes needed after these to get on; Infinity when no more of them would help now. */
  readonly wanted: number;
}

export interface ByteSink {
  /** Everything given before, if any, belongs to a file that is no more. */
  reset(): void;
  /**
   * Takes what is whole; the rest comes again, with more behind it.
   * @param bytes valid during the call only.
   * @param position of the first of them in the file.
   * @param size of the file.
   */
  take(bytes: Buffer, position: number, size: number): Taken;
}

/**
 * The bytes of a growing file, each once, reading only what is new. A file that was cut, replaced by another or
 * rewritten from the start is noticed by its inode, its size, and the first and last kilobyte of what was taken
 * before; the sink is then reset and the file is read from the start. Nothing stays open between polls.
 */
export class ByteTail {
  readonly #path: string;
  readonly #sink: ByteSink;
  #inode: string | undefined;
  #offset = 0;
  #head = Buffer.alloc(0);
  #tail = Buffer.alloc(0);
  /** Where {@link #tail} ends in the file: before the offset when bytes were skipped. */
  #tailEnd = 0;
  /** Not told yet: a poll may fail after it. */
  #reset = false;

  constructor(path: string, sink: ByteSink) {
    this.#path = path;
    this.#sink = sink;
  }

  /**
   * Gives the new bytes to the sink. A file that is gone counts as empty.
   * @returns whether the sink was reset.
   * @throws TwaError `cancelled`, and whatever the sink throws.
   */
  async poll(signal?: AbortSignal): Promise<boolean> {
    throwIfAborted(signal);
    let file: FileHandle;
    try {
      file = await open(this.#path, 'r');
    } catch (error) {
      if (!hasCode(error, 'ENOENT', 'ENOTDIR')) throw error;
      this.#restart(undefined);
      return this.#wasReset();
    }
    try {
      const { dev, ino, size } = await file.stat();
      const inode = `${dev}:${ino}`;
      const same = this.#inode === inode && size >= this.#tailEnd && (await this.#readsAsBefore(file));
      if (!same) this.#restart(inode);
      await this.#readOn(file, size, signal);
      return this.#wasReset();
    } finally {
      await file.close();
    }
  }

  #restart(inode: string | undefined): void {
    this.#sink.reset();
    if (this.#offset > 0) this.#reset = true;
    this.#inode = inode;
    this.#offset = 0;
    this.#head = Buffer.alloc(0);
    this.#tail = Buffer.alloc(0);
    this.#tailEnd = 0;
  }

  #wasReset(): boolean {
    const reset = this.#reset;
    this.#reset = false;
    return reset;
  }

  async #readsAsBefore(file: FileHandle): Promise<boolean> {
    const matches = async (expected: Buffer, position: number): Promise<boolean> =>
      expected.equals(await readAt(file, position, expected.length));
    return (await matches(this.#head, 0)) && (await matches(this.#tail, this.#tailEnd - this.#tail.length));
  }

  /** What is written beyond `size` meanwhile is for the next poll. */
  async #readOn(file: FileHandle, size: number, signal: AbortSignal | undefined): Promise<void> {
    let wanted = 1;
    while (this.#offset + wanted <= size) {
      throwIfAborted(signal);
      const length = Math.min(Math.max(CHUNK_BYTES, 2 * wanted), size - this.#offset);
      const bytes = await readAt(file, this.#offset, length);
      // Cut since it was asked for its size: the next poll finds out.
      if (bytes.length < wanted) return;
      const result = this.#sink.take(bytes, this.#offset, size);
      this.#remember(bytes.subarray(0, result.taken));
      this.#offset += result.taken;
      wanted = result.wanted;
    }
  }

  #remember(bytes: Buffer): void {
    if (bytes.length === 0) return;
    if (this.#head.length < FINGERPRINT_BYTES && this.#head.length === this.#offset) {
      this.#head = Buffer.concat([this.#head, bytes.subarray(0, FINGERPRINT_BYTES - this.#head.length)]);
    }
    const last = bytes.subarray(-FINGERPRINT_BYTES);
    const joins = this.#tailEnd === this.#offset;
    const before = joins
      ? this.#tail.subarray(Math.max(0, this.#tail.length + last.length - FINGERPRINT_BYTES))
      : [];
    this.#tail = Buffer.concat([Buffer.from(before), last]);
    this.#tailEnd = this.#offset + bytes.length;
  }
}

/** Up to `length` bytes from `position`; fewer only at the end of the file. */
async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(buffer, filled, length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}
