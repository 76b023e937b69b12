/** Several files read as one run of bytes, and what tells whether they changed. */
import { open, stat, type FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';

import { throwIfAborted, TwaError } from '../errors.ts';
import { RunSplitter, type Checksum, type Segment } from './checksums.ts';
import { openSha256, type CrcSegment, type Sha256 } from './sha256.ts';
import type { FileStamp } from './types.ts';

/** One read call stays under what every platform accepts (2^31 - 1 bytes). */
const MAX_READ = 1 << 30;
const HASH_CHUNK = 1 << 20;

/** Watches what is read of a {@link FileSequence} with a hash, every byte once, front to back. */
export interface Follower {
  /** What it throws, `read` throws. */
  readonly onBytes?: (bytes: Uint8Array, position: number) => void;
  /** Must not overlap. */
  readonly runs?: readonly Checksum[];
  /** Gets the CRC-32 of every run, computed where the hash is. What it throws, a later `read` or `sha256` throws. */
  readonly onRun?: (run: Checksum, crc: number) => void;
}

/** What another thread needs. */
const withoutRun = ({ from, to, ends }: Segment): CrcSegment => ({ from, to, ends });

export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

/**
 * The checkpoint's files one after another, in header order, as one run of bytes: a tensor may lie across two of
 * them. Opens one file at a time and checks it against its stamp. With `hash`, follows the reads with a SHA-256 of
 * the whole run; bytes that the reads leave out are read for it alone, so front-to-back reading reads all just once.
 * Not for concurrent reads.
 */
export class FileSequence {
  readonly size: number;
  readonly #files: readonly FileStamp[];
  /** Position of the first byte of every file, and the end of the last. */
  readonly #starts: readonly number[];
  #current: { readonly index: number; readonly handle: FileHandle } | undefined;
  readonly #hash: Sha256 | undefined;
  /** The bytes that are on their way into the hash, and when they are there. */
  #hashing: { readonly bytes: Uint8Array; readonly done: Promise<void> } | undefined;
  readonly #follower: Follower;
  readonly #splitter: RunSplitter;
  /** Bytes before this are in the hash. */
  #hashed = 0;
  #digest: string | undefined;

  constructor(files: readonly FileStamp[], hash = false, follower: Follower = {}) {
    this.#follower = follower;
    this.#splitter = new RunSplitter(follower.runs ?? []);
    this.#files = files;
    const starts = [0];
    for (const file of files) starts.push(starts.at(-1)! + file.size);
    this.#starts = starts;
    this.size = starts.at(-1)!;
    this.#hash = hash ? openSha256(this.size) : undefined;
  }

  /**
   * Fills `target` from `position` on. With `hash`, a target in shared memory is still being hashed then: leave it as
   * it is until the next read into another place is done. A read into the same place waits.
   * @throws TwaError `incomplete-checkpoint` when a file changed, `not-found` when it is gone.
   */
  async read(target: Uint8Array, position: number): Promise<void> {
    if (this.#hash === undefined) return this.#fill(target, position);
    await this.#hashUpTo(position);
    if (
      this.#hashing?.bytes.buffer === target.buffer &&
      this.#hashing.bytes.byteOffset === target.byteOffset
    ) {
      await this.#hashing.done;
    }
    await this.#fill(target, position);
    await this.#follow(target, position);
  }

  /** Hex digest of the whole run, as far as it is not hashed yet read now. Needs `hash`. */
  async sha256(signal?: AbortSignal): Promise<string> {
    if (this.#hash === undefined) throw new Error('Opened without a hash.');
    await this.#hashUpTo(this.size, signal);
    await this.#hashing?.done;
    return (this.#digest ??= await this.#hash.digest());
  }

  async close(): Promise<void> {
    this.#hash?.close();
    await this.#closeFile();
  }

  async #closeFile(): Promise<void> {
    const current = this.#current;
    this.#current = undefined;
    await current?.handle.close();
  }

  async #hashUpTo(position: number, signal?: AbortSignal): Promise<void> {
    if (this.#hashed >= position) return;
    const buffer = new Uint8Array(Math.min(HASH_CHUNK, position - this.#hashed));
    while (this.#hashed < position) {
      throwIfAborted(signal);
      const piece = buffer.subarray(0, Math.min(buffer.length, position - this.#hashed));
      await this.#fill(piece, this.#hashed);
      await this.#follow(piece, this.#hashed);
    }
  }

  async #follow(bytes: Uint8Array, position: number): Promise<void> {
    const known = this.#hashed - position;
    if (known >= bytes.length) return;
    const fresh = bytes.subarray(known);
    this.#follower.onBytes?.(fresh, this.#hashed);
    const segments = this.#splitter.split(fresh.length, this.#hashed);
    this.#hashed = position + bytes.length;
    await this.#hashing?.done;
    const done = this.#hash!.update(fresh, segments.map(withoutRun)).then((crcs) => {
      const ended = segments.filter(({ ends }) => ends);
      for (const [k, { run }] of ended.entries()) this.#follower.onRun?.(run, crcs[k]!);
    });
    // Whoever awaits it sees the failure; until then it is not an unhandled one.
    done.catch(() => undefined);
    this.#hashing = { bytes, done };
  }

  async #fill(target: Uint8Array, position: number): Promise<void> {
    if (position < 0 || position + target.length > this.size) {
      throw new RangeError(`Bytes ${position} to ${position + target.length} of ${this.size}.`);
    }
    let done = 0;
    let index = this.#fileAt(position);
    while (done < target.length) {
      const within = position + done - this.#starts[index]!;
      const left = this.#files[index]!.size - within;
      if (left <= 0) {
        index++;
        continue;
      }
      const handle = await this.#openFile(index);
      const want = Math.min(target.length - done, left, MAX_READ);
      const { bytesRead } = await handle.read(target, done, want, within);
      if (bytesRead === 0) throw changed(this.#files[index]!.path);
      done += bytesRead;
    }
  }

  #fileAt(position: number): number {
    let index = 0;
    while (index + 1 < this.#files.length && this.#starts[index + 1]! <= position) index++;
    return index;
  }

  async #openFile(index: number): Promise<FileHandle> {
    if (this.#current?.index === index) return this.#current.handle;
    await this.#closeFile();
    const stamp = this.#files[index]!;
    let handle: FileHandle;
    try {
      handle = await open(stamp.path, 'r');
    } catch (error) {
      throw openError(error, stamp.path);
    }
    try {
      const { size, mtimeMs } = await handle.stat();
      if (size !== stamp.size || mtimeMs !== stamp.mtimeMs) throw changed(stamp.path);
    } catch (error) {
      await handle.close();
      throw error;
    }
    this.#current = { index, handle };
    return handle;
  }
}

/**
 * @throws TwaError `incomplete-checkpoint` when a file is not the one that was stamped any more, `not-found` when it
 * is gone.
 */
export async function requireUnchanged(files: readonly FileStamp[]): Promise<void> {
  for (const stamp of files) {
    let now;
    try {
      now = await stat(stamp.path);
    } catch (error) {
      throw openError(error, stamp.path);
    }
    if (now.size !== stamp.size || now.mtimeMs !== stamp.mtimeMs) throw changed(stamp.path);
  }
}

export function changed(path: string): TwaError {
  return new TwaError(
    'incomplete-checkpoint',
    `${basename(path)} changed while it was being read; wait until training has finished writing it and try again.`,
    { place: { path } },
  );
}

function openError(cause: unknown, path: string): unknown {
  const name = basename(path);
  if (hasCode(cause, 'ENOENT', 'ENOTDIR')) {
    return new TwaError(
      'not-found',
      `${name} is not there any more; it was removed or renamed. Choose the checkpoints again.`,
      { place: { path }, cause },
    );
  }
  if (hasCode(cause, 'EACCES', 'EPERM')) {
    return new TwaError('bad-checkpoint', `${name} may not be read; check its permissions.`, {
      place: { path },
      cause,
    });
  }
  return cause;
}
