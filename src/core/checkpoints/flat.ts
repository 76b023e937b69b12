/**
 * Formats whose tensors lie uncompressed in one file or in a directory of files: such a format only has to say where.
 * Reading, hashing, checksums, copy-and-patch writing and the atomic finish are here.
 */
import { createHash } from 'node:crypto';
import { mkdir, open, type FileHandle } from 'node:fs/promises';
import { basename, dirname, extname, join, relative } from 'node:path';

import { throwIfAborted, TwaError } from '../errors.ts';
import { ChecksumFollower, checksumOf, StoredChecksums, type Checksum } from './checksums.ts';
import type { ByteSource } from './composition.ts';
import { bytesPerElement, elementCount } from './dtype.ts';
import { changed, FileSequence, hasCode, requireUnchanged } from './files.ts';
import { DamagedRun, type ByteRun, type Packed, type ReadAt } from './packed.ts';
import {
  exists,
  publishDirectory,
  publishFile,
  publishSiblings,
  removePartial,
  requireAbsent,
  syncDirectory,
  writeError,
} from './publish.ts';
import { extentOf, gather, placesOf, rowMajorStrides, scatter, windowBuffer } from './strided.ts';
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
  /**
   * Element strides of the tensors that do not lie row-major without gaps, or that share bytes with another one. They
   * are read and patched element by element. Empty where the format knows no such thing.
   */
  readonly strides?: ReadonlyMap<string, readonly number[]>;
  /** Tensors that lie in runs of their own, which have to be unpacked; their positions are in their run. */
  readonly packed?: ReadonlyMap<string, Packed>;
  /** What a copy is made from, where that is not the header's files as they are. */
  readonly source?: () => ByteSource;
  /** Runs of bytes whose checksum the format stores: verified when a whole file is read, renewed in a copy. */
  readonly checksums?: readonly Checksum[];
}

export type LayoutResult =
  | { readonly state: 'complete'; readonly layout: Layout }
  | { readonly state: 'incomplete' | 'unreadable'; readonly reason: string };

/**
 * One file; a directory of files; or files beside each other that differ in how their names end, the first of which
 * names the checkpoint.
 */
type Kind = 'file' | 'directory' | 'siblings';

export interface FlatFormat {
  readonly id: string;
  readonly label: string;
  readonly kind: Kind;
  readonly candidate: (path: string) => string | undefined;
  /** Reads headers only; the result is checked through and through: what it says can be read blindly. */
  readonly readLayout: (path: string, signal?: AbortSignal) => Promise<LayoutResult>;
  readonly outputName: (stem: string, template: CheckpointHeader) => string;
  /** The layout of a copy without what the header calls `optimizer`: other files, positions and source. */
  readonly withoutOptimizer?: (layout: Layout) => Promise<Layout>;
  /** As {@link CheckpointFormat.write}, for layouts with packed tensors: what is packed anew has another size. */
  readonly rewrite?: (layout: Layout, chunks: ChunkSource, options: WriteOptions) => Promise<string>;
}

export function flatFormat(format: FlatFormat): CheckpointFormat {
  const layoutOf = async (header: CheckpointHeader): Promise<Layout> => {
    const result = await format.readLayout(header.path);
    await requireUnchanged(header.files);
    if (result.state !== 'complete') throw changed(header.path);
    return result.layout;
  };
  const withoutOptimizer = (header: CheckpointHeader, layout: Layout): Promise<Layout> => {
    if (format.withoutOptimizer === undefined) throw cannotDrop(header, format.label);
    return format.withoutOptimizer(layout);
  };
  return {
    id: format.id,
    label: format.label,
    candidate: format.candidate,
    outputName: format.outputName,
    async requireDroppable(header) {
      if ((header.optimizer?.length ?? 0) > 0) await withoutOptimizer(header, await layoutOf(header));
    },
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
      let layout = await layoutOf(template);
      if (options.dropOptimizer === true && (template.optimizer?.length ?? 0) > 0) {
        layout = await withoutOptimizer(template, layout);
      }
      return (layout.packed?.size ?? 0) > 0 && format.rewrite !== undefined
        ? format.rewrite(layout, chunks, options)
        : writeCopy(format.kind, layout, chunks, options);
    },
  };
}

/** For formats that put several of these together. */
export class FlatReader implements TensorReader {
  readonly #layout: Layout;
  readonly #files: FileSequence;
  #buffer = new Uint8Array(0);
  #window: Uint8Array = new Uint8Array(0);
  /** The packed tensor that was read last, unpacked as far as it was read. */
  #run: { readonly name: string; readonly bytes: ByteRun } | undefined;

  constructor(layout: Layout, hash: boolean) {
    this.#layout = layout;
    const { header, checksums = [] } = layout;
    const check = (run: Checksum, value: number): void => {
      if (value !== run.value) throw damaged(header.path, run.what);
    };
    const others = checksums.filter(({ kind }) => kind !== undefined);
    const checked = new ChecksumFollower(others, check);
    this.#files = new FileSequence(header.files, hash, {
      ...(others.length === 0 ? {} : { onBytes: (bytes, position) => checked.follow(bytes, position) }),
      runs: checksums.filter(({ kind }) => kind === undefined),
      onRun: check,
    });
  }

  async read(tensor: TensorInfo, start: number, count: number, into?: Uint8Array): Promise<Uint8Array> {
    const position = this.#layout.positions.get(tensor.name);
    const total = elementCount(tensor.shape);
    if (position === undefined || total === undefined || start < 0 || start + count > total) {
      throw new RangeError(`Elements ${start} to ${start + count} of ${tensor.name}.`);
    }
    const size = bytesPerElement(tensor.dtype);
    if (into === undefined && this.#buffer.length < count * size) this.#buffer = new Uint8Array(count * size);
    const bytes = into ?? this.#buffer.subarray(0, count * size);
    const strides = this.#layout.strides?.get(tensor.name);
    try {
      const readAt = this.#readerOf(tensor.name);
      if (strides === undefined) await readAt(bytes, position + start * size);
      else {
        const window = windowBuffer(size, extentOf(tensor.shape, strides));
        if (this.#window.length < window.length) this.#window = window;
        const places = placesOf(tensor.shape, strides, start, count);
        await gather(places, size, bytes, this.#window, (piece, from) => readAt(piece, position + from));
      }
    } catch (error) {
      if (error instanceof DamagedRun) throw damaged(this.#layout.header.path, tensor.name);
      throw error;
    }
    return bytes;
  }

  #readerOf(name: string): ReadAt {
    const inFiles: ReadAt = (target, position) => this.#files.read(target, position);
    const packed = this.#layout.packed?.get(name);
    if (packed === undefined) return inFiles;
    if (this.#run?.name !== name) {
      this.#run?.bytes.close();
      this.#run = { name, bytes: packed(inFiles) };
    }
    const run = this.#run.bytes;
    return (target, from) => run.read(target, from);
  }

  sha256(signal?: AbortSignal): Promise<string> {
    return this.#files.sha256(signal);
  }

  close(): Promise<void> {
    this.#run?.bytes.close();
    return this.#files.close();
  }
}

function damaged(path: string, what: string): TwaError {
  return new TwaError(
    'bad-checkpoint',
    `${basename(path)} is damaged: the bytes of ${what} do not match their checksum; leave it out or restore it.`,
    { place: { path } },
  );
}

export function cannotDrop({ path }: CheckpointHeader, label: string): TwaError {
  return new TwaError(
    'unsupported',
    `The optimizer's state cannot be left out of ${basename(path)} (${label}): average with it, or convert the result to safetensors.`,
    { place: { path } },
  );
}

const COPY_CHUNK = 1 << 20;

/** Copy and patch; see {@link CheckpointFormat.write}. */
export async function writeCopy(
  kind: Kind,
  layout: Layout,
  chunks: ChunkSource,
  { output, partial, chunkElements, signal, beforeFinish }: WriteOptions,
): Promise<string> {
  const { header, positions, strides } = layout;
  await requireAbsent(output);
  const template = layout.source?.() ?? new FileSequence(header.files);
  const targets = header.files.map(({ path, size }) => ({
    path: targetOf(kind, path, header, partial, output),
    size,
  }));
  if (kind !== 'file') await makeExclusive(partial, output);
  const sink = new FileSink(targets);
  // A chunk is on its way to the disk while the next one is made.
  let writing = Promise.resolve();
  try {
    const stored = new StoredChecksums();
    const follower = new ChecksumFollower(layout.checksums ?? [], (run, value) => {
      if (value !== run.value) stored.set(run, value);
    });
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
        // Checksums stand behind what they check: those of bytes before this piece, or in it, are known by now.
        follower.follow(piece, position);
        stored.putInto(piece, position);
        await put(piece);
        await writing;
        position += piece.length;
      }
    };
    const own = header.tensors.filter((tensor) => tensor.aliasOf === undefined);
    const tensors = own
      .filter((tensor) => strides?.has(tensor.name) !== true)
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
        follower.follow(bytes, position);
        await put(bytes);
        position += bytes.byteLength;
      }
    }
    await copyUpTo(template.size);
    await writing;
    let sha256 = await sink.finish();
    const scattered = own.filter((tensor) => strides?.has(tensor.name) === true);
    // Checksums that stand before what they check were written too early.
    const early = stored.runs().some((run) => run.storedAt.some((at) => at < run.end));
    if (scattered.length > 0 || early) {
      sha256 = await patch(layout, targets, scattered, stored, chunks, chunkElements, signal);
    }
    if (kind !== 'file') await syncDirectories(partial, targets);
    await beforeFinish?.();
    throwIfAborted(signal);
    await publish(kind, partial, output, targets);
    return sha256;
  } catch (error) {
    await writing.catch(() => undefined);
    await sink.close();
    if (kind !== 'file' || sink.started) await removePartial(partial);
    throw writeError(error, output);
  } finally {
    await sink.close();
    await template.close();
  }
}

/** Where a copy of one of the checkpoint's files grows. */
function targetOf(
  kind: Kind,
  path: string,
  header: CheckpointHeader,
  partial: string,
  output: string,
): string {
  switch (kind) {
    case 'file':
      return partial;
    case 'directory':
      return join(partial, relative(header.path, path));
    case 'siblings': {
      const ending = extname(header.path);
      const stem = header.path.length - ending.length;
      return join(partial, basename(output, ending) + path.slice(stem));
    }
  }
}

function publish(
  kind: Kind,
  partial: string,
  output: string,
  targets: readonly { readonly path: string }[],
): Promise<void> {
  switch (kind) {
    case 'file':
      return publishFile(partial, output);
    case 'directory':
      return publishDirectory(partial, output);
    case 'siblings':
      return publishSiblings(
        partial,
        output,
        targets.map(({ path }) => basename(path)),
      );
  }
}

/**
 * The second pass over a copy, in place: scattered tensors, checksums of what they touched, and checksums that the
 * first pass knew too late. Gives the digest of the result.
 */
async function patch(
  { positions, strides, checksums = [] }: Layout,
  targets: readonly { readonly path: string; readonly size: number }[],
  scattered: readonly TensorInfo[],
  stored: StoredChecksums,
  chunks: ChunkSource,
  chunkElements: number,
  signal: AbortSignal | undefined,
): Promise<string> {
  const files = new WritableFiles(targets);
  try {
    for (const tensor of scattered) {
      const at = positions.get(tensor.name)!;
      const steps = strides?.get(tensor.name) ?? rowMajorStrides(tensor.shape);
      const size = bytesPerElement(tensor.dtype);
      const total = elementCount(tensor.shape)!;
      const window = windowBuffer(size, extentOf(tensor.shape, steps));
      for (let start = 0; start < total; start += chunkElements) {
        throwIfAborted(signal);
        const count = Math.min(chunkElements, total - start);
        const chunk = await chunks(tensor, start, count);
        await scatter(
          placesOf(tensor.shape, steps, start, count),
          size,
          chunk,
          window,
          (piece, from) => files.read(piece, at + from),
          (piece, from) => files.write(piece, at + from),
        );
      }
    }
    if (scattered.length > 0) {
      const renewed = new ChecksumFollower(checksums, (run, value) => stored.set(run, value));
      await files.passOver((piece, position) => renewed.follow(piece, position), signal);
    }
    for (const { at, bytes } of stored.fields()) await files.write(bytes, at);
    for (const run of stored.around(checksums)) {
      const bytes = Buffer.alloc(run.end - run.start);
      await files.read(bytes, run.start);
      const value = Buffer.alloc(4);
      value.writeUInt32LE(checksumOf(run, bytes));
      for (const at of run.storedAt) await files.write(value, at);
    }
    const hash = createHash('sha256');
    await files.passOver((piece) => hash.update(piece), signal);
    return hash.digest('hex');
  } finally {
    await files.close();
  }
}

/** The files of an unfinished copy as one run of bytes, to be read and written anywhere; synced when closed. */
class WritableFiles {
  readonly #files: readonly { readonly path: string; readonly size: number }[];
  #current: { readonly index: number; readonly handle: FileHandle } | undefined;

  constructor(files: readonly { readonly path: string; readonly size: number }[]) {
    this.#files = files;
  }

  read(bytes: Uint8Array, position: number): Promise<void> {
    return this.#each(bytes, position, (handle, piece, at) => handle.read(piece, 0, piece.length, at));
  }

  write(bytes: Uint8Array, position: number): Promise<void> {
    return this.#each(bytes, position, (handle, piece, at) => handle.write(piece, 0, piece.length, at));
  }

  async passOver(see: (piece: Uint8Array, position: number) => void, signal?: AbortSignal): Promise<void> {
    const size = this.#files.reduce((sum, file) => sum + file.size, 0);
    const buffer = new Uint8Array(Math.min(COPY_CHUNK, size));
    for (let position = 0; position < size; position += buffer.length) {
      throwIfAborted(signal);
      const piece = buffer.subarray(0, Math.min(buffer.length, size - position));
      await this.read(piece, position);
      see(piece, position);
    }
  }

  async close(): Promise<void> {
    const current = this.#current;
    this.#current = undefined;
    try {
      await current?.handle.sync();
    } finally {
      await current?.handle.close();
    }
  }

  async #each(
    bytes: Uint8Array,
    position: number,
    move: (handle: FileHandle, piece: Uint8Array, at: number) => Promise<unknown>,
  ): Promise<void> {
    let start = 0;
    for (const [index, { path, size }] of this.#files.entries()) {
      const from = Math.max(position, start);
      const to = Math.min(position + bytes.length, start + size);
      if (from < to) {
        if (this.#current?.index !== index) {
          await this.close();
          this.#current = { index, handle: await open(path, 'r+') };
        }
        await move(this.#current.handle, bytes.subarray(from - position, to - position), from - start);
      }
      start += size;
    }
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
    await mkdir(dirname(path), { recursive: true });
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
