/**
 * A copy of an HDF5 file with new numbers in datasets that are stored in chunks. A chunk that takes no more room than
 * before is put in its place, one that has grown at the end of the file; its entry in the tree is set right. Nothing
 * else of the file changes but the numbers of the other datasets and, where it grows, its length in the first block.
 */
import type { FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';

import { throwIfAborted, TwaError } from '../../errors.ts';
import { bytesPerElement, elementCount, floatComponents } from '../dtype.ts';
import { requireUnchanged } from '../files.ts';
import type { Layout } from '../flat.ts';
import { withPositioned } from '../positioned.ts';
import { piecesOf, writeAll, writeFileWhole } from '../rewrite.ts';
import type { ChunkSource, TensorInfo, WriteOptions } from '../types.ts';
import { bytesAt } from '../zip.ts';
import { chunkBytes, keyBytes, readChunk, segmentAt, type Chunked } from './chunks.ts';
import { encodeChunk } from './filters.ts';
import { lookup3 } from './lookup3.ts';
import { findDatasets } from './objects.ts';
import { isModels } from './weights.ts';

/** A row of chunks is filled before it is compressed. */
const MAX_BAND_BYTES = 64 << 20;
const ALIGNMENT = 8;

export async function rewriteHdf5(
  layout: Layout,
  chunks: ChunkSource,
  options: WriteOptions,
): Promise<string> {
  const { path, size } = layout.header.files[0]!;
  return withPositioned(path, size, async (template) => {
    const datasets = await findDatasets(template, 0, size, isModels);
    return writeFileWhole(options, async (file) => {
      let end = 0;
      for await (const piece of piecesOf(template.handle, 0, size, options.signal)) {
        await writeAll(file, piece, end);
        end += piece.length;
      }
      const copy = new Copy(path, file, size, chunks, options);
      for (const { tensor, position, chunked } of datasets) {
        if (tensor.aliasOf !== undefined) continue;
        if (position !== undefined) await copy.plain(tensor, position);
        else if (chunked !== undefined && floatComponents(tensor.dtype) !== undefined) {
          await copy.chunked(tensor, chunked);
        }
      }
      await copy.finish();
      await requireUnchanged(layout.header.files);
    });
  });
}

class Copy {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #size: number;
  readonly #chunks: ChunkSource;
  readonly #options: WriteOptions;
  #end: number;

  constructor(path: string, file: FileHandle, size: number, chunks: ChunkSource, options: WriteOptions) {
    this.#path = path;
    this.#file = file;
    this.#size = size;
    this.#end = size;
    this.#chunks = chunks;
    this.#options = options;
  }

  async plain(tensor: TensorInfo, position: number): Promise<void> {
    let at = position;
    for await (const bytes of this.#numbers(tensor, 0, elementCount(tensor.shape)!)) {
      await writeAll(this.#file, bytes, at);
      at += bytes.length;
    }
  }

  /** Row by row of chunks: all that have the same place along the first dimension. */
  async chunked(tensor: TensorInfo, chunked: Chunked): Promise<void> {
    const { shape, box, grid, size } = chunked;
    const [rows = 1] = shape;
    const [boxRows = 1] = box;
    const [bands = 1] = grid;
    const perRow = elementCount(shape)! / rows;
    const perBand = chunked.addresses.length / bands;
    if (perBand * chunkBytes(chunked) > MAX_BAND_BYTES) {
      throw new TwaError(
        'unsupported',
        `${basename(this.#path)} stores ${tensor.name} in chunks of so many rows that it cannot be written again in ` +
          'little memory; save it with other chunks, or convert the checkpoints to safetensors.',
        { place: { path: this.#path } },
      );
    }
    for (let band = 0; band < bands; band++) {
      // What an outermost chunk holds beyond the dataset stays as it is.
      const filled: Uint8Array[] = [];
      for (let i = 0; i < perBand; i++) {
        filled.push(await readChunk(chunked, band * perBand + i, 0, (target, at) => this.#read(target, at)));
      }
      const first = band * boxRows * perRow;
      const last = Math.min(rows, (band + 1) * boxRows) * perRow;
      let element = first;
      for await (const bytes of this.#numbers(tensor, first, last)) {
        const end = element + bytes.length / size;
        for (let from = 0; element < end;) {
          const { chunk, at, length } = segmentAt(chunked, element, end);
          filled[chunk - band * perBand]!.set(bytes.subarray(from, from + length * size), at * size);
          from += length * size;
          element += length;
        }
      }
      for (const [i, chunk] of filled.entries()) await this.#put(chunked, band * perBand + i, chunk);
    }
  }

  async #put(chunked: Chunked, index: number, chunk: Uint8Array): Promise<void> {
    const bytes = encodeChunk(chunk, chunked.filters);
    const fits = bytes.length <= chunked.stored[index]!;
    const at = fits ? chunked.addresses[index]! : Math.ceil(this.#end / ALIGNMENT) * ALIGNMENT;
    if (!fits) this.#end = at + bytes.length;
    await writeAll(this.#file, bytes, at);
    // Of the entry: its size, no filter left out, and behind the offsets, which stay, its address.
    const key = Buffer.alloc(8);
    key.writeUInt32LE(bytes.length);
    await writeAll(this.#file, key, chunked.keys[index]!);
    const address = Buffer.alloc(8);
    address.writeBigUInt64LE(BigInt(at));
    await writeAll(this.#file, address, chunked.keys[index]! + keyBytes(chunked.shape.length));
  }

  /** The length of the file, in its first block; from version 2 on that ends with a checksum. */
  async finish(): Promise<void> {
    if (this.#end === this.#size) return;
    const block = await bytesAt(this.#file, 0, 56);
    const version = block[8]!;
    const at = version === 0 ? 40 : version === 1 ? 44 : 28;
    block.writeBigUInt64LE(BigInt(this.#end), at);
    if (version > 1) block.writeUInt32LE(lookup3(block.subarray(0, 44)), 44);
    await writeAll(this.#file, block, 0);
  }

  async *#numbers(tensor: TensorInfo, start: number, end: number): AsyncGenerator<Uint8Array> {
    const size = bytesPerElement(tensor.dtype);
    for (let at = start; at < end; at += this.#options.chunkElements) {
      throwIfAborted(this.#options.signal);
      const count = Math.min(this.#options.chunkElements, end - at);
      const bytes = await this.#chunks(tensor, at, count);
      if (bytes.length !== count * size) throw new RangeError(`${bytes.length} bytes for ${tensor.name}.`);
      yield bytes;
    }
  }

  async #read(target: Uint8Array, at: number): Promise<void> {
    target.set(await bytesAt(this.#file, at, target.length));
  }
}
