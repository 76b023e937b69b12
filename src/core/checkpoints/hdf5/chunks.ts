/**
 * Datasets that are stored in chunks: boxes of equal size, each compressed by itself, found by a B-tree.
 * HDF5 File Format Specification 3.0, IV.A.2.i (layout message, version 3) and III.A.1 (B-tree of chunks).
 */
import { DamagedRun, type ByteRun, type Packed, type ReadAt } from '../packed.ts';
import { FormatError } from '../single.ts';
import { decodeChunk, type Filter } from './filters.ts';

export interface Chunked {
  readonly shape: readonly number[];
  /** Of one element. */
  readonly size: number;
  /** Elements of a chunk along each dimension. */
  readonly box: readonly number[];
  /** Chunks along each dimension. */
  readonly grid: readonly number[];
  readonly filters: readonly Filter[];
  /** By the number of the chunk, row-major: where its bytes lie in the file, how many there are, ... */
  readonly addresses: Float64Array;
  readonly stored: Uint32Array;
  /** ... which filters were left out, and where in the file its entry in the tree is. */
  readonly masks: Uint32Array;
  readonly keys: Float64Array;
}

/** Larger chunks would make memory depend on the file. HDF5 itself keeps chunks of a megabyte. */
const MAX_CHUNK_BYTES = 32 << 20;
const MAX_CHUNKS = 250_000;

/** @param body of the layout message. @throws FormatError */
export function chunkedOf(
  body: Buffer,
  name: string,
  shape: readonly number[],
  size: number,
  filters: readonly Filter[],
): { readonly chunked: Chunked; readonly tree: bigint } {
  const none = new FormatError(`stores ${name} in chunks that are none.`);
  const rank = shape.length;
  if (body[0] !== 3) {
    throw new FormatError(
      `stores ${name} in chunks with an index that is not supported; save it again with libver="earliest".`,
    );
  }
  if (body[2] !== rank + 1 || body.length < 11 + 4 * (rank + 1)) throw none;
  const box = Array.from({ length: rank }, (_, d) => body.readUInt32LE(11 + 4 * d));
  const bytes = box.reduce((product, length) => product * length, size);
  if (bytes === 0 || body.readUInt32LE(11 + 4 * rank) !== size) throw none;
  if (bytes > MAX_CHUNK_BYTES) {
    throw new FormatError(
      `stores ${name} in chunks of ${bytes} bytes, more than are unpacked at a time; save it again with smaller ones.`,
    );
  }
  const grid = shape.map((length, d) => Math.ceil(length / box[d]!));
  const count = grid.reduce((product, length) => product * length, 1);
  if (count > MAX_CHUNKS)
    throw new FormatError(`stores ${name} in ${count} chunks, more than are supported.`);
  const chunked = {
    ...{ shape, size, box, grid, filters },
    addresses: new Float64Array(count),
    stored: new Uint32Array(count),
    masks: new Uint32Array(count),
    keys: new Float64Array(count),
  };
  return { chunked, tree: body.readBigUInt64LE(3) };
}

/** Bytes of an entry in a node of the tree: its key (size, mask, offsets with one for the bytes), and an address. */
export const entryBytes = (rank: number): number => keyBytes(rank) + 8;
export const keyBytes = (rank: number): number => 8 + 8 * (rank + 1);

/** Enters the chunk whose entry in the tree is `entry`, which lies at `at`. @throws FormatError */
export function enterChunk(chunked: Chunked, entry: Buffer, at: number, name: string): void {
  const { box, grid, addresses, stored, masks, keys } = chunked;
  let index = 0;
  for (const [d, length] of box.entries()) {
    const offset = Number(entry.readBigUInt64LE(8 + 8 * d));
    const place = offset / length;
    if (!Number.isInteger(place) || place >= grid[d]!)
      throw new FormatError(`has a chunk of ${name} outside of it.`);
    index = index * grid[d]! + place;
  }
  if (addresses[index] !== 0) throw new FormatError(`has a chunk of ${name} twice.`);
  addresses[index] = Number(entry.readBigUInt64LE(keyBytes(box.length)));
  stored[index] = entry.readUInt32LE(0);
  masks[index] = entry.readUInt32LE(4);
  keys[index] = at;
}

export const chunkBytes = ({ box, size }: Chunked): number => box.reduce((product, n) => product * n, size);

/** One run of elements that lie one after another both in the dataset and in a chunk. */
export interface Segment {
  readonly chunk: number;
  /** Of its first element in the chunk. */
  readonly at: number;
  readonly length: number;
}

/** The segment that begins with an element of the dataset and goes no further than `end`. */
export function segmentAt({ shape, box, grid }: Chunked, element: number, end: number): Segment {
  const rank = shape.length;
  let chunk = 0;
  let at = 0;
  let chunkStep = 1;
  let atStep = 1;
  let length = 1;
  let rest = element;
  for (let d = rank - 1; d >= 0; d--) {
    const i = rest % shape[d]!;
    rest = Math.floor(rest / shape[d]!);
    const inside = i % box[d]!;
    chunk += Math.floor(i / box[d]!) * chunkStep;
    at += inside * atStep;
    if (d === rank - 1) length = Math.min(box[d]! - inside, shape[d]! - i, end - element);
    chunkStep *= grid[d]!;
    atStep *= box[d]!;
  }
  return { chunk, at, length };
}

/** The unpacked bytes of a chunk. @throws DamagedRun */
export async function readChunk(
  chunked: Chunked,
  index: number,
  base: number,
  readAt: ReadAt,
): Promise<Uint8Array> {
  const stored = new Uint8Array(chunked.stored[index]!);
  await readAt(stored, base + chunked.addresses[index]!);
  return decodeChunk(stored, chunked.filters, chunked.masks[index]!, chunkBytes(chunked));
}

/** Unpacked chunks that are kept: reading row by row passes through several of them at a time. */
const KEPT_BYTES = 8 << 20;

/** @param base where the HDF5 file begins. */
export function packedChunks(chunked: Chunked, base: number): Packed {
  return (readAt) => new ChunkedRun(chunked, base, readAt);
}

class ChunkedRun implements ByteRun {
  readonly #chunked: Chunked;
  readonly #base: number;
  readonly #readAt: ReadAt;
  /** The one used last comes last. */
  readonly #kept = new Map<number, Uint8Array>();
  readonly #most: number;

  constructor(chunked: Chunked, base: number, readAt: ReadAt) {
    this.#chunked = chunked;
    this.#base = base;
    this.#readAt = readAt;
    this.#most = Math.max(1, Math.floor(KEPT_BYTES / chunkBytes(chunked)));
  }

  async read(target: Uint8Array, from: number): Promise<void> {
    const { size } = this.#chunked;
    if (from % size !== 0 || target.length % size !== 0) throw new DamagedRun();
    const end = (from + target.length) / size;
    for (let element = from / size; element < end;) {
      const { chunk, at, length } = segmentAt(this.#chunked, element, end);
      // Most segments are in a chunk that is there: without waiting, reading is several times faster.
      const bytes = this.#kept.get(chunk) ?? (await this.#load(chunk));
      target.set(bytes.subarray(at * size, (at + length) * size), element * size - from);
      element += length;
    }
  }

  close(): void {
    this.#kept.clear();
  }

  async #load(index: number): Promise<Uint8Array> {
    const bytes = await readChunk(this.#chunked, index, this.#base, this.#readAt);
    if (this.#kept.size === this.#most) this.#kept.delete(this.#kept.keys().next().value!);
    this.#kept.set(index, bytes);
    return bytes;
  }
}
