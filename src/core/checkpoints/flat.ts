/**
 * Formats whose tensors lie uncompressed, row-major and without padding in one file or in a directory of files:
 * such a format only has to say where. Reading, hashing, copy-and-patch writing and the atomic finish are here.
 */
import { mkdir, open, type FileHandle } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';

import { throwIfAborted } from '../errors.ts';
import { bytesPerElement, elementCount } from './dtype.ts';
import { changed, FileSequence, hasCode, requireUnchanged } from './files.ts';
import {
  exists,
  publishDirectory,
  publishFile,
  removePartial,
  requireAbsent,
  syncDirectory,
  writeError,
} from './publish.ts';
import { openSha256, type Sha256 } from './sha256.ts';
import type {
  CheckpointFormat,
  CheckpointHeader,
  ChunkSource,
  FileStamp,
  Inspection,
  TensorInfo,
  TensorReader,
  WriteOptions,
} from './types.ts';

/** Where everything is. */
export interface Layout {
  readonly header: CheckpointHeader;
  /** Position of every tensor's first byte in the header's files taken as one run of bytes. */
  readonly positions: ReadonlyMap<string, number>;
}

export type LayoutResult =
  | { readonly state: 'complete'; readonly layout: Layout }
  | { readonly state: 'incomplete' | 'unreadable'; readonly reason: string };

export interface FlatFormat {
  readonly id: string;
  readonly label: string;
  /** One file, or a directory of files. */
  readonly kind: 'file' | 'directory';
  readonly candidate: (path: string) => string | undefined;
  /** Reads headers only; the result is checked through and through: what it says can be read blindly. */
  readonly readLayout: (path: string, signal?: AbortSignal) => Promise<LayoutResult>;
  readonly outputName: (stem: string) => string;
}

export function flatFormat(format: FlatFormat): CheckpointFormat {
  const layoutOf = async (header: CheckpointHeader): Promise<Layout> => {
    const result = await format.readLayout(header.path);
    await requireUnchanged(header.files);
    if (result.state !== 'complete') throw changed(header.path);
    return result.layout;
  };
  return {
    id: format.id,
    label: format.label,
    candidate: format.candidate,
    outputName: format.outputName,
    async inspect(path, signal): Promise<Inspection> {
      const result = await format.readLayout(path, signal);
      return result.state === 'complete'
        ? { state: 'complete', header: result.layout.header }
        : { ...result, path, format: format.id };
    },
    async open(header, options): Promise<TensorReader> {
      const layout = await layoutOf(header);
      return new FlatReader(layout, options?.hash === true);
    },
    async write(template, chunks, options) {
      return writeCopy(format.kind, await layoutOf(template), chunks, options);
    },
  };
}

class FlatReader implements TensorReader {
  readonly #positions: ReadonlyMap<string, number>;
  readonly #files: FileSequence;
  #buffer = new Uint8Array(0);

  constructor(layout: Layout, hash: boolean) {
    this.#positions = layout.positions;
    this.#files = new FileSequence(layout.header.files, hash);
  }

  async read(tensor: TensorInfo, start: number, count: number, into?: Uint8Array): Promise<Uint8Array> {
    const position = this.#positions.get(tensor.name);
    const total = elementCount(tensor.shape);
    if (position === undefined || total === undefined || start < 0 || start + count > total) {
      throw new RangeError(`Elements ${start} to ${start + count} of ${tensor.name}.`);
    }
    const size = bytesPerElement(tensor.dtype);
    if (into === undefined && this.#buffer.length < count * size) this.#buffer = new Uint8Array(count * size);
    const bytes = into ?? this.#buffer.subarray(0, count * size);
    await this.#files.read(bytes, position + start * size);
    return bytes;
  }

  sha256(signal?: AbortSignal): Promise<string> {
    return this.#files.sha256(signal);
  }

  close(): Promise<void> {
    return this.#files.close();
  }
}

const COPY_CHUNK = 1 << 20;

async function writeCopy(
  kind: 'file' | 'directory',
  { header, positions }: Layout,
  chunks: ChunkSource,
  { output, partial, chunkElements, signal, beforeFinish }: WriteOptions,
): Promise<string> {
  await requireAbsent(output);
  const template = new FileSequence(header.files);
  const targets = header.files.map((file) => ({
    path: kind === 'file' ? partial : join(partial, relative(header.path, file.path)),
    size: file.size,
  }));
  if (kind === 'directory') await makeExclusive(partial, output);
  const sink = new FileSink(targets);
  // A chunk is on its way to the disk while the next one is made.
  let writing = Promise.resolve();
  try {
    const put = async (bytes: Uint8Array): Promise<void> => {
      await writing;
      writing = sink.write(bytes);
      // Whoever awaits it sees the failure; until then it is not an unhandled one.
      writing.catch(() => undefined);
    };
    let position = 0;
    const buffer = new Uint8Array(COPY_CHUNK);
    const copyUpTo = async (end: number): Promise<void> => {
      while (position < end) {
        throwIfAborted(signal);
        const piece = buffer.subarray(0, Math.min(buffer.length, end - position));
        await template.read(piece, position);
        await put(piece);
        await writing;
        position += piece.length;
      }
    };
    const tensors = header.tensors
      .filter((tensor) => tensor.aliasOf === undefined)
      .map((tensor) => ({ tensor, at: positions.get(tensor.name)! }))
      .sort((a, b) => a.at - b.at);
    for (const { tensor, at } of tensors) {
      const total = elementCount(tensor.shape)!;
      const size = bytesPerElement(tensor.dtype);
      if (total === 0) continue;
      await copyUpTo(at);
      for (let start = 0; start < total; start += chunkElements) {
        throwIfAborted(signal);
        const count = Math.min(chunkElements, total - start);
        const bytes = await chunks(tensor, start, count);
        if (bytes.byteLength !== count * size)
          throw new RangeError(`${bytes.byteLength} bytes for ${tensor.name}.`);
        await put(bytes);
        position += bytes.byteLength;
      }
    }
    await copyUpTo(template.size);
    await writing;
    const sha256 = await sink.finish();
    if (kind === 'directory') await syncDirectories(partial, targets);
    await beforeFinish?.();
    throwIfAborted(signal);
    await (kind === 'file' ? publishFile(partial, output) : publishDirectory(partial, output));
    return sha256;
  } catch (error) {
    await writing.catch(() => undefined);
    await sink.close();
    if (kind === 'directory' || sink.started) await removePartial(partial);
    throw writeError(error, output);
  } finally {
    await sink.close();
    await template.close();
  }
}

async function makeExclusive(partial: string, output: string): Promise<void> {
  try {
    await mkdir(partial);
  } catch (error) {
    throw hasCode(error, 'EEXIST') ? exists(partial) : writeError(error, output);
  }
}

async function syncDirectories(root: string, files: readonly { readonly path: string }[]): Promise<void> {
  const directories = new Set([root, ...files.map((file) => dirname(file.path))]);
  for (const directory of directories) await syncDirectory(directory);
}

/** Writes one run of bytes into files of given sizes, one after another, each made exclusively and synced. */
class FileSink {
  readonly #files: readonly Omit<FileStamp, 'mtimeMs'>[];
  readonly #hash: Sha256;
  #index = 0;
  #handle: FileHandle | undefined;
  #written = 0;
  /** Something of ours is on the disk. */
  started = false;

  constructor(files: readonly Omit<FileStamp, 'mtimeMs'>[]) {
    this.#files = files;
    this.#hash = openSha256(files.reduce((sum, file) => sum + file.size, 0));
  }

  async write(bytes: Uint8Array): Promise<void> {
    await Promise.all([this.#hash.update(bytes), this.#put(bytes)]);
  }

  async #put(bytes: Uint8Array): Promise<void> {
    let done = 0;
    while (done < bytes.length) {
      const handle = await this.#open();
      const want = Math.min(bytes.length - done, this.#files[this.#index]!.size - this.#written);
      const { bytesWritten } = await handle.write(bytes, done, want);
      done += bytesWritten;
      this.#written += bytesWritten;
      if (this.#written === this.#files[this.#index]!.size) await this.#next();
    }
  }

  /** Syncs what is left and gives the hex digest of all bytes. Files of no bytes are made, too. */
  async finish(): Promise<string> {
    while (this.#index < this.#files.length) {
      await this.#open();
      if (this.#written !== this.#files[this.#index]!.size)
        throw new RangeError('Too few bytes were written.');
      await this.#next();
    }
    return this.#hash.digest();
  }

  async close(): Promise<void> {
    this.#hash.close();
    await this.#closeFile();
  }

  async #closeFile(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }

  async #open(): Promise<FileHandle> {
    if (this.#handle !== undefined) return this.#handle;
    const { path } = this.#files[this.#index]!;
    if (this.#index > 0) await mkdir(dirname(path), { recursive: true });
    try {
      this.#handle = await open(path, 'wx');
    } catch (error) {
      throw hasCode(error, 'EEXIST') ? exists(path) : error;
    }
    this.started = true;
    return this.#handle;
  }

  async #next(): Promise<void> {
    await this.#handle?.sync();
    await this.#closeFile();
    this.#index++;
    this.#written = 0;
  }
}
