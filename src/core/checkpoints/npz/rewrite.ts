/**
 * A copy of a compressed `.npz` with new numbers: arrays that are mixed are deflated anew, everything else (integers,
 * booleans, what is no array) is taken over as it is, compressed. Order, names, dates and flags stay.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crc32, createDeflateRaw } from 'node:zlib';

import { throwIfAborted, TwaError } from '../../errors.ts';
import { bytesPerElement, elementCount, floatComponents } from '../dtype.ts';
import { requireUnchanged } from '../files.ts';
import type { Layout } from '../flat.ts';
import { InflatingRun } from '../inflate.ts';
import { piecesOf, writeAll, writeFileWhole } from '../rewrite.ts';
import { extentOf, placesOf, scatter, windowBuffer } from '../strided.ts';
import type { ChunkSource, TensorInfo, WriteOptions } from '../types.ts';
import { patchEnd, patchHeader, readZipIndex, type Moved, type ZipEntry } from '../zip.ts';
import { nameOf } from './header.ts';

interface MovedEntry extends Moved {
  readonly entry: ZipEntry;
}

export async function rewriteNpz(
  layout: Layout,
  chunks: ChunkSource,
  options: WriteOptions,
): Promise<string> {
  const { path, size } = layout.header.files[0]!;
  const tensors = new Map(layout.header.tensors.map((tensor) => [tensor.name, tensor]));
  const template = await open(path, 'r');
  try {
    const { entries, directory } = await readZipIndex(template, size);
    return await writeFileWhole(options, async (file) => {
      const copy = new Copy(template, file, layout, chunks, options);
      const moved: MovedEntry[] = [];
      for (const entry of entries.toSorted((a, b) => a.local - b.local)) {
        throwIfAborted(options.signal);
        const tensor = tensors.get(nameOf(entry.name) ?? '');
        const mixed = tensor !== undefined && floatComponents(tensor.dtype) !== undefined;
        moved.push(await copy.entry(entry, mixed ? tensor : undefined));
      }
      await copy.directory(directory, size, moved);
      await requireUnchanged(layout.header.files);
    });
  } finally {
    await template.close();
  }
}

class Copy {
  readonly #template: FileHandle;
  readonly #file: FileHandle;
  readonly #layout: Layout;
  readonly #chunks: ChunkSource;
  readonly #options: WriteOptions;
  /** Everything before it is copied. */
  #from = 0;
  /** Where the next byte goes. */
  #to = 0;

  constructor(
    template: FileHandle,
    file: FileHandle,
    layout: Layout,
    chunks: ChunkSource,
    options: WriteOptions,
  ) {
    this.#template = template;
    this.#file = file;
    this.#layout = layout;
    this.#chunks = chunks;
    this.#options = options;
  }

  async entry(entry: ZipEntry, tensor: TensorInfo | undefined): Promise<MovedEntry> {
    const { start, stored, checksum } = entry;
    // What lies between entries (a descriptor behind the data) belongs to the one before.
    await this.#copyUpTo(entry.local);
    const local = this.#to;
    await this.#copyUpTo(start);
    if (tensor === undefined) {
      await this.#copyUpTo(start + stored);
      return { entry, local, stored, crc: checksum.value };
    }
    // A checksum between the data and the table of contents.
    if (checksum.storedAt.some((at) => at >= start + stored && at < entry.central)) {
      throw this.#unsupported(
        'was written to a pipe, with its sizes behind its arrays; load it and save it to a file',
      );
    }
    const dataAt = this.#to;
    const crc = await this.#write(entry, this.#content(entry, tensor));
    this.#from = start + stored;
    const moved = { entry, local, stored: this.#to - dataAt, crc };
    this.#require(await patchHeader(this.#file, local, 'local', moved));
    return moved;
  }

  async directory(at: number, size: number, moved: readonly MovedEntry[]): Promise<void> {
    await this.#copyUpTo(at);
    const shift = this.#to - at;
    await this.#copyUpTo(size);
    await this.#file.truncate(this.#to);
    for (const one of moved) {
      this.#require(await patchHeader(this.#file, one.entry.central + shift, 'central', one));
    }
    this.#require(await patchEnd(this.#file, this.#to, shift));
  }

  #require(fits: boolean): void {
    if (fits) return;
    throw this.#unsupported(
      'would become an archive of more than 4 GB without 64-bit sizes; save the checkpoints with numpy.savez',
    );
  }

  #unsupported(what: string): TwaError {
    const { path } = this.#layout.header;
    return new TwaError('unsupported', `${basename(path)} ${what}.`, { place: { path } });
  }

  async #copyUpTo(end: number): Promise<void> {
    for await (const piece of piecesOf(this.#template, this.#from, end, this.#options.signal)) {
      await this.#append(piece);
    }
    this.#from = Math.max(this.#from, end);
  }

  async #append(bytes: Uint8Array): Promise<void> {
    await writeAll(this.#file, bytes, this.#to);
    this.#to += bytes.length;
  }

  /** Gives the CRC-32 of the content. */
  async #write({ deflated }: ZipEntry, content: AsyncIterable<Uint8Array>): Promise<number> {
    let crc = 0;
    async function* followed(): AsyncGenerator<Uint8Array> {
      for await (const piece of content) {
        crc = crc32(piece, crc);
        // The stream may still hold it when the next one is made.
        yield piece.slice();
      }
    }
    const append = async (pieces: AsyncIterable<Uint8Array>): Promise<void> => {
      for await (const piece of pieces) await this.#append(piece);
    };
    if (deflated) await pipeline(Readable.from(followed(), { highWaterMark: 1 }), createDeflateRaw(), append);
    else await append(followed());
    return crc;
  }

  /** The array's header, then its new numbers in the order they are stored in. */
  async *#content(entry: ZipEntry, tensor: TensorInfo): AsyncGenerator<Uint8Array> {
    yield await this.#header(entry, tensor);
    const strides = this.#layout.strides?.get(tensor.name);
    if (strides === undefined) {
      for await (const { bytes } of this.#mixed(tensor)) yield bytes;
      return;
    }
    // The numbers come row by row and are stored column by column: they are sorted far behind the end of the file.
    const size = bytesPerElement(tensor.dtype);
    const length = elementCount(tensor.shape)! * size;
    const at = this.#to + 2 * entry.size + (1 << 20);
    await this.#file.truncate(at + length);
    const window = windowBuffer(size, extentOf(tensor.shape, strides));
    for await (const { start, count, bytes } of this.#mixed(tensor)) {
      await scatter(
        placesOf(tensor.shape, strides, start, count),
        size,
        bytes,
        window,
        async (piece, from) => {
          await this.#file.read(piece, 0, piece.length, at + from);
        },
        (piece, from) => writeAll(this.#file, piece, at + from),
      );
    }
    yield* piecesOf(this.#file, at, at + length, this.#options.signal);
  }

  async #header(
    { name, start, stored, size, deflated, checksum }: ZipEntry,
    tensor: TensorInfo,
  ): Promise<Uint8Array> {
    const length = size - elementCount(tensor.shape)! * bytesPerElement(tensor.dtype);
    const bytes = new Uint8Array(length);
    const readAt = async (target: Uint8Array, position: number): Promise<void> => {
      const { bytesRead } = await this.#template.read(target, 0, target.length, position);
      if (bytesRead < target.length) throw new RangeError(`${name} ends too early.`);
    };
    if (!deflated) await readAt(bytes, start);
    else {
      const run = new InflatingRun({ position: start, stored, size, crc: checksum.value }, readAt);
      await run.read(bytes, 0);
      run.close();
    }
    return bytes;
  }

  async *#mixed(
    tensor: TensorInfo,
  ): AsyncGenerator<{ readonly start: number; readonly count: number; readonly bytes: Uint8Array }> {
    const total = elementCount(tensor.shape)!;
    const { chunkElements, signal } = this.#options;
    for (let start = 0; start < total; start += chunkElements) {
      throwIfAborted(signal);
      const count = Math.min(chunkElements, total - start);
      yield { start, count, bytes: await this.#chunks(tensor, start, count) };
    }
  }
}
