/**
 * Ways to keep the n checkpoints of one tensor other than as float32 in memory: rounded, or not at all. Each gives the
 * rows R_i = w_i - mean back block by block, so that memory is bounded by the block.
 */
import { decodeToFloat32, elementCount } from '../../core/checkpoints/dtype.ts';
import { formatById } from '../../core/checkpoints/registry.ts';
import type { CheckpointHeader, TensorInfo, TensorReader } from '../../core/checkpoints/types.ts';
import { TwaError } from '../../core/errors.ts';
import type { RowTensor } from './rows.ts';
import { allocateRows } from './simd-rows.ts';

/** Elements that have a scale of their own in 8 bits; blocks are a multiple of it. */
export const CODE_BLOCK = 4096;
/** What a block of the rows may take in memory, all checkpoints together. */
export const BLOCK_BYTES = 64 * 2 ** 20;
const LARGEST_CODE = 127;

/** The rows of one tensor. */
export interface KeptRows {
  readonly length: number;
  /** In memory. */
  readonly bytes: number;
  /** Elements [start, end) of mean and rows, valid until the next call. `start` is a multiple of {@link CODE_BLOCK}. */
  block(start: number, end: number): Promise<RowTensor>;
}

/** Room for one block, which all tensors of a stack share. */
export class BlockRoom {
  readonly elements: number;
  readonly #room: RowTensor;

  constructor(n: number, longest: number) {
    const most = Math.max(1, Math.floor(BLOCK_BYTES / (4 * (n + 1) * CODE_BLOCK))) * CODE_BLOCK;
    this.elements = Math.min(most, Math.ceil(longest / CODE_BLOCK) * CODE_BLOCK);
    this.#room = allocateRows(n, [this.elements])[0]!;
  }

  get bytes(): number {
    return 4 * this.elements * (this.#room.rows.length + 1);
  }

  take(length: number): RowTensor {
    const { mean, rows } = this.#room;
    return { mean: mean.subarray(0, length), rows: rows.map((row) => row.subarray(0, length)) };
  }
}

/** The open files of n checkpoints. */
export class CheckpointFiles {
  readonly headers: readonly CheckpointHeader[];
  readonly #readers: TensorReader[] = [];

  private constructor(headers: readonly CheckpointHeader[]) {
    this.headers = headers;
  }

  static async open(headers: readonly CheckpointHeader[]): Promise<CheckpointFiles> {
    const files = new CheckpointFiles(headers);
    try {
      for (const header of headers) files.#readers.push(await formatById(header.format).open(header));
    } catch (error) {
      await files.close();
      throw error;
    }
    return files;
  }

  /** Elements from `start` on of a tensor of checkpoint i. */
  async read(i: number, tensor: TensorInfo, start: number, into: Float32Array): Promise<void> {
    const stored = tensor.aliasOf === undefined ? tensor : { ...tensor, name: tensor.aliasOf };
    const bytes = await this.#readers[i]!.read(stored, start, into.length);
    decodeToFloat32(bytes, tensor.dtype, into);
    const at = into.findIndex((value) => !Number.isFinite(value));
    if (at >= 0) throw nonFinite(into[at]!, tensor, start + at, this.headers[i]!);
  }

  async close(): Promise<void> {
    for (const reader of this.#readers.splice(0)) await reader.close();
  }
}

export function nonFinite(
  value: number,
  { name }: TensorInfo,
  index: number,
  { path }: CheckpointHeader,
): TwaError {
  return new TwaError(
    'non-finite',
    `${path} has ${String(value)} in ${name} at index ${index}; leave that checkpoint out.`,
    { place: { path } },
  );
}

/** Nothing in memory: every block is read from the files when it is asked for. */
export class FileRows implements KeptRows {
  readonly length: number;
  readonly bytes = 0;
  readonly #files: CheckpointFiles;
  /** Of each checkpoint. */
  readonly #tensors: readonly TensorInfo[];
  readonly #room: BlockRoom;

  constructor(files: CheckpointFiles, name: string, room: BlockRoom) {
    this.#files = files;
    this.#room = room;
    this.#tensors = files.headers.map(({ tensors }) => tensors.find((tensor) => tensor.name === name)!);
    this.length = elementCount(this.#tensors[0]!.shape)!;
  }

  async block(start: number, end: number): Promise<RowTensor> {
    const block = this.#room.take(end - start);
    for (const [i, row] of block.rows.entries()) await this.#files.read(i, this.#tensors[i]!, start, row);
    centreInto(block);
    return block;
  }
}

/** Half the memory: bfloat16, rounded to nearest even. */
export class Bf16Rows implements KeptRows {
  readonly length: number;
  readonly #mean: Float32Array;
  readonly #rows: readonly Uint16Array[];
  readonly #room: BlockRoom;

  constructor(n: number, length: number, room: BlockRoom) {
    this.length = length;
    this.#room = room;
    this.#mean = new Float32Array(length);
    this.#rows = Array.from({ length: n }, () => new Uint16Array(length));
  }

  get bytes(): number {
    return this.length * (4 + 2 * this.#rows.length);
  }

  write(start: number, { mean, rows }: RowTensor): void {
    this.#mean.set(mean, start);
    for (const [i, row] of rows.entries()) {
      const bits = new Uint32Array(row.buffer, row.byteOffset, row.length);
      const kept = this.#rows[i]!;
      for (let k = 0; k < bits.length; k++) {
        const value = bits[k]!;
        kept[start + k] = (value + 0x7fff + ((value >>> 16) & 1)) >>> 16;
      }
    }
  }

  block(start: number, end: number): Promise<RowTensor> {
    const block = this.#room.take(end - start);
    block.mean.set(this.#mean.subarray(start, end));
    for (const [i, row] of block.rows.entries()) {
      const bits = new Uint32Array(row.buffer, row.byteOffset, row.length);
      const kept = this.#rows[i]!;
      for (let k = 0; k < bits.length; k++) bits[k] = kept[start + k]! << 16;
    }
    return Promise.resolve(block);
  }
}

/** A quarter of the memory: 8-bit codes, with a scale for every {@link CODE_BLOCK} of them. */
export class Int8Rows implements KeptRows {
  readonly length: number;
  readonly #mean: Float32Array;
  readonly #codes: readonly Int8Array[];
  readonly #scales: readonly Float32Array[];
  readonly #room: BlockRoom;

  constructor(n: number, length: number, room: BlockRoom) {
    this.length = length;
    this.#room = room;
    this.#mean = new Float32Array(length);
    this.#codes = Array.from({ length: n }, () => new Int8Array(length));
    const blocks = Math.ceil(length / CODE_BLOCK);
    this.#scales = Array.from({ length: n }, () => new Float32Array(blocks));
  }

  get bytes(): number {
    const scales = this.#scales.reduce((sum, { byteLength }) => sum + byteLength, 0);
    return this.length * (4 + this.#codes.length) + scales;
  }

  write(start: number, { mean, rows }: RowTensor): void {
    this.#mean.set(mean, start);
    for (const [i, row] of rows.entries()) {
      for (let from = 0; from < row.length; from += CODE_BLOCK) {
        const to = Math.min(from + CODE_BLOCK, row.length);
        let largest = 0;
        for (let k = from; k < to; k++) largest = Math.max(largest, Math.abs(row[k]!));
        const scale = Math.fround(largest / LARGEST_CODE);
        this.#scales[i]![(start + from) / CODE_BLOCK] = scale;
        const codes = this.#codes[i]!;
        for (let k = from; k < to; k++) codes[start + k] = scale === 0 ? 0 : Math.round(row[k]! / scale);
      }
    }
  }

  block(start: number, end: number): Promise<RowTensor> {
    const block = this.#room.take(end - start);
    block.mean.set(this.#mean.subarray(start, end));
    for (const [i, row] of block.rows.entries()) {
      const codes = this.#codes[i]!;
      for (let from = 0; from < row.length; from += CODE_BLOCK) {
        const scale = this.#scales[i]![(start + from) / CODE_BLOCK]!;
        const to = Math.min(from + CODE_BLOCK, row.length);
        for (let k = from; k < to; k++) row[k] = scale * codes[start + k]!;
      }
    }
    return Promise.resolve(block);
  }
}

/** Subtracts the mean, summed in float64 and rounded to float32, from the rows in place. */
export function centreInto({ mean, rows }: RowTensor): void {
  for (let k = 0; k < mean.length; k++) {
    let sum = 0;
    for (const row of rows) sum += row[k]!;
    const value = Math.fround(sum / rows.length);
    mean[k] = value;
    for (const row of rows) row[k] = row[k]! - value;
  }
}
