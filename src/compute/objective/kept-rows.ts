/**
 * The n checkpoints of one tensor as they are in the files: the rows R_i = w_i - mean block by block, so that memory is
 * bounded by the block.
 */
import { decodeToFloat32, elementCount } from '../../core/checkpoints/dtype.ts';
import { formatById } from '../../core/checkpoints/registry.ts';
import type { CheckpointHeader, TensorInfo, TensorReader } from '../../core/checkpoints/types.ts';
import { TwaError } from '../../core/errors.ts';
import { CODE_BLOCK } from '../../core/kernels/rows.ts';
import type { RowTensor } from './rows.ts';
import { allocateRows } from './simd-rows.ts';

/** What a block of the rows may take in memory, all checkpoints together. */
export const BLOCK_BYTES = 64 * 2 ** 20;
/** Elements that are centred at a time. */
const STRETCH = 2048;

/** Room for one block, which all tensors of a stack share. */
export class BlockRoom {
  /** A multiple of {@link CODE_BLOCK}. */
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
export class FileRows {
  readonly length: number;
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

  /** Elements [start, end) of mean and rows, valid until the next call. */
  async block(start: number, end: number): Promise<RowTensor> {
    const block = this.#room.take(end - start);
    for (const [i, row] of block.rows.entries()) await this.#files.read(i, this.#tensors[i]!, start, row);
    centreInto(block);
    return block;
  }
}

/**
 * Subtracts the mean, summed in float64 and rounded to float32, from the rows in place: a stretch of all rows at a time,
 * so that its sums stay in the cache.
 */
export function centreInto({ mean, rows }: RowTensor): void {
  const sums = new Float64Array(STRETCH);
  for (let start = 0; start < mean.length; start += STRETCH) {
    const length = Math.min(STRETCH, mean.length - start);
    sums.fill(0);
    for (const row of rows) for (let k = 0; k < length; k++) sums[k] = sums[k]! + row[start + k]!;
    for (let k = 0; k < length; k++) mean[start + k] = sums[k]! / rows.length;
    for (const row of rows) {
      for (let k = start; k < start + length; k++) row[k] = row[k]! - mean[k]!;
    }
  }
}
