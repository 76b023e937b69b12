/** Reading a header that is scattered through a file: small positioned reads, through a window that is kept. */
import { open, type FileHandle } from 'node:fs/promises';

/** Read at a time at least. */
const WINDOW_BYTES = 1 << 16;

/** The file ends before the bytes asked for. */
export class EndOfFile extends Error {}

export class PositionedFile {
  readonly size: number;
  readonly handle: FileHandle;
  readonly #least: number;
  #window = Buffer.alloc(0);
  #at = 0;

  constructor(handle: FileHandle, size: number, least = WINDOW_BYTES) {
    this.handle = handle;
    this.size = size;
    this.#least = least;
  }

  /** The bytes, valid until the next call. @throws EndOfFile */
  async bytes(position: number, length: number): Promise<Buffer> {
    if (!(position >= 0 && length >= 0 && position + length <= this.size)) throw new EndOfFile();
    const from = position - this.#at;
    if (from >= 0 && from + length <= this.#window.length) return this.#window.subarray(from, from + length);
    const window = Buffer.alloc(Math.min(Math.max(length, this.#least), this.size - position));
    let done = 0;
    while (done < window.length) {
      const { bytesRead } = await this.handle.read(window, done, window.length - done, position + done);
      if (bytesRead === 0) throw new EndOfFile();
      done += bytesRead;
    }
    this.#window = window;
    this.#at = position;
    return window.subarray(0, length);
  }
}

/** Opens a file of a known size for the time of one call. */
export async function withPositioned<T>(
  path: string,
  size: number,
  use: (file: PositionedFile) => Promise<T>,
): Promise<T> {
  const handle = await open(path, 'r');
  try {
    return await use(new PositionedFile(handle, size));
  } finally {
    await handle.close();
  }
}
