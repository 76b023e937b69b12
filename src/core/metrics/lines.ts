import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { hasCode } from '../checkpoints/files.ts';
import { TwaError, throwIfAborted } from '../errors.ts';

/** Read at a time. */
const CHUNK_BYTES = 1 << 20;
/** A longer line is no metrics log; without a limit a binary file without newlines would be held whole. */
const MAX_LINE_BYTES = 16 << 20;
/** Bytes kept from both ends of what was read, to notice that a file was written anew under the same name. */
const FINGERPRINT_BYTES = 1024;

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

/**
 * The lines of a growing text file, each once, reading only what is new.
 *
 * A file that was cut, replaced by another or rewritten from the start (Lightning does that when a new metric
 * appears) is noticed by its inode, its size, and the first and last kilobyte of what was read before; the sink is
 * then reset and the file is read from the start. Nothing stays open between polls.
 */
export class LineTail {
  readonly #path: string;
  readonly #sink: LineSink;
  #inode: string | undefined;
  #offset = 0;
  #lines = 0;
  #head = Buffer.alloc(0);
  #tail = Buffer.alloc(0);
  #refused: TwaError | undefined;
  /** Not told yet: a poll may fail after it. */
  #reset = false;

  constructor(path: string, sink: LineSink) {
    this.#path = path;
    this.#sink = sink;
  }

  /**
   * Gives the new lines to the sink. A file that is gone counts as empty.
   * @param atEnd the file is finished: a last line without a newline counts. Do not poll again afterwards.
   * @returns whether the sink was reset.
   * @throws TwaError `bad-metrics` for a line over 16 MiB, `cancelled`.
   */
  async poll(signal?: AbortSignal, atEnd = false): Promise<boolean> {
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
      const same = this.#inode === inode && size >= this.#offset && (await this.#readsAsBefore(file));
      if (!same) this.#restart(inode);
      if (this.#refused !== undefined) throw this.#refused;
      await this.#readOn(file, size, atEnd, signal);
      return this.#wasReset();
    } finally {
      await file.close();
    }
  }

  #restart(inode: string | undefined): void {
    if (this.#offset > 0) {
      this.#sink.reset();
      this.#reset = true;
    }
    this.#inode = inode;
    this.#offset = 0;
    this.#lines = 0;
    this.#head = Buffer.alloc(0);
    this.#tail = Buffer.alloc(0);
    this.#refused = undefined;
  }

  #wasReset(): boolean {
    const reset = this.#reset;
    this.#reset = false;
    return reset;
  }

  async #readsAsBefore(file: FileHandle): Promise<boolean> {
    const matches = async (expected: Buffer, position: number): Promise<boolean> =>
      expected.equals(await readAt(file, position, expected.length));
    return (await matches(this.#head, 0)) && (await matches(this.#tail, this.#offset - this.#tail.length));
  }

  /** What is written beyond `size` meanwhile is for the next poll. */
  async #readOn(
    file: FileHandle,
    size: number,
    atEnd: boolean,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    let pending: Buffer = Buffer.alloc(0);
    for (;;) {
      throwIfAborted(signal);
      const position = this.#offset + pending.length;
      const chunk = await readAt(file, position, Math.min(CHUNK_BYTES, Math.max(0, size - position)));
      if (chunk.length === 0) break;
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      const end = pending.lastIndexOf(0x0a) + 1;
      if (end > 0) {
        this.#take(pending.subarray(0, end));
        pending = pending.subarray(end);
      } else if (pending.length > MAX_LINE_BYTES) {
        this.#refused = new TwaError(
          'bad-metrics',
          `${this.#path} is no metrics log: line ${this.#lines + 1} is longer than ${MAX_LINE_BYTES >> 20} MiB.`,
          { place: { path: this.#path, line: this.#lines + 1 } },
        );
        throw this.#refused;
      }
    }
    if (atEnd && pending.length > 0) this.#sink.line(withoutEnd(pending.toString()), this.#lines + 1, false);
  }

  /** Whole lines only, so a cut inside a multi-byte character cannot happen. */
  #take(bytes: Buffer): void {
    if (this.#head.length < FINGERPRINT_BYTES) {
      this.#head = Buffer.concat([this.#head, bytes.subarray(0, FINGERPRINT_BYTES - this.#head.length)]);
    }
    const last = bytes.subarray(-FINGERPRINT_BYTES);
    this.#tail = Buffer.concat([
      this.#tail.subarray(this.#tail.length + last.length - FINGERPRINT_BYTES),
      last,
    ]);
    const atStart = this.#offset === 0;
    this.#offset += bytes.length;
    const text = bytes.toString('utf8', 0, bytes.length - 1);
    for (const line of (atStart ? text.replace(/^\uFEFF/, '') : text).split('\n')) {
      this.#lines += 1;
      this.#sink.line(withoutEnd(line), this.#lines, true);
    }
  }
}

function withoutEnd(line: string): string {
  return line.endsWith('\r') ? line.slice(0, -1) : line;
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
