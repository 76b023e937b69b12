/**
 * The centred Gram matrix of checkpoints, <w_i - m, w_j - m> with m their mean, in float64, from the files.
 *
 * Memory: two chunks of every checkpoint, {@link BUFFER_BYTES} in all (or {@link MIN_CHUNK_ELEMENTS} elements each where
 * more checkpoints would leave less), and one block of rows that the second-level cache holds; whatever the size of
 * the model. Time: every byte is read once, while the chunk before it is multiplied.
 *
 * Precision: the mean is subtracted before anything is multiplied, so what checkpoints have in common does not use up
 * the digits of what they differ in. Sums run over blocks, then over chunks with Neumaier's compensation, so their error
 * does not grow with the size of the model.
 */
import { basename } from 'node:path';

import type { CentredGram } from '../averaging/types.ts';
import { throwIfAborted, TwaError } from '../errors.ts';
import { sharedMemory } from '../kernels/assembler.ts';
import { gramLoops, ROW_LANES, rowScale, TILE } from '../kernels/gram.ts';
import { isMixDType, MIX_LANES, TABLE_ENTRY, type MixDType } from '../kernels/mix.ts';
import { requireSameArchitecture } from './compare.ts';
import { bytesPerElement, decodeToFloat64, elementCount, floatComponents } from './dtype.ts';
import { requireUnchanged } from './files.ts';
import { formatById } from './registry.ts';
import type { CheckpointHeader, TensorInfo, TensorReader } from './types.ts';

export interface GramRequest {
  /** Complete checkpoints of one architecture. */
  readonly headers: readonly CheckpointHeader[];
  /**
   * Which tensors count. Integers and booleans never do, and tied tensors count once; complex numbers are two real
   * ones. All when absent.
   */
  readonly counts?: (tensor: TensorInfo) => boolean;
  readonly signal?: AbortSignal;
  /** 0..1, of the bytes. */
  readonly onProgress?: (fraction: number) => void;
}

export interface GramResult {
  readonly gram: CentredGram;
  /** That took part; a complex number is two. */
  readonly elements: number;
  readonly tensors: number;
}

const BUFFER_BYTES = 48 << 20;
const MAX_CHUNK_ELEMENTS = 1 << 17;
const MIN_CHUNK_ELEMENTS = 1 << 12;
/** Of the float64 rows that are multiplied with each other: half of a second-level cache. */
const BLOCK_BYTES = 256 << 10;
const MIN_BLOCK_ELEMENTS = 8 * ROW_LANES;

/**
 * @throws TwaError `mismatch`; `non-finite` naming file, tensor and index of a NaN or infinity, or saying that numbers
 * are too large to square; `incomplete-checkpoint` or `not-found` for a file that changed or vanished meanwhile;
 * `cancelled`; `usage` without checkpoints or without numbers in them.
 */
export async function streamGram(request: GramRequest): Promise<GramResult> {
  const { headers, signal, onProgress, counts = () => true } = request;
  throwIfAborted(signal);
  const [first] = headers;
  if (first === undefined)
    throw new TwaError('usage', 'There is no checkpoint to look at: name at least one.');
  requireSameArchitecture(headers);
  const tensors = first.tensors.filter(
    (tensor) =>
      tensor.aliasOf === undefined &&
      floatComponents(tensor.dtype) !== undefined &&
      elementCount(tensor.shape)! > 0 &&
      counts(tensor),
  );
  if (tensors.length === 0) {
    throw new TwaError('usage', `${basename(first.path)} has no weights that are floating-point numbers.`);
  }
  const readers: TensorReader[] = [];
  try {
    for (const header of headers) readers.push(await formatById(header.format).open(header));
    const multiplier = new Multiplier(headers, readers, tensors);
    const total = multiplier.elements;
    let done = 0;
    // One chunk is on its way from the disk while the one before it is multiplied.
    let next: Promise<Chunk> | undefined;
    try {
      const chunks = multiplier.chunks();
      next = multiplier.read(chunks.next().value!);
      while (next !== undefined) {
        const chunk: Chunk = await next;
        throwIfAborted(signal);
        const { value } = chunks.next();
        next = value === undefined ? undefined : multiplier.read(value);
        await multiplier.add(chunk);
        done += chunk.numbers;
        onProgress?.(done / total);
      }
    } finally {
      // After a failure no read may still be under way when the files are closed.
      await next?.catch(() => undefined);
    }
    for (const header of headers) await requireUnchanged(header.files);
    return { gram: multiplier.result(), elements: total, tensors: tensors.length };
  } finally {
    await Promise.all(readers.map((reader) => reader.close()));
  }
}

interface Place {
  readonly tensor: TensorInfo;
  readonly start: number;
  readonly count: number;
}

/** Elements of all checkpoints, as the loops find them. */
interface Chunk extends Place {
  readonly dtype: MixDType;
  /** Real numbers per checkpoint. */
  readonly numbers: number;
  /** Addresses of the checkpoints' chunks. */
  readonly at: readonly number[];
}

class Multiplier {
  /** Real numbers per checkpoint. */
  readonly elements: number;
  readonly #headers: readonly CheckpointHeader[];
  readonly #readers: readonly TensorReader[];
  readonly #tensors: readonly TensorInfo[];
  readonly #chunkElements: number;
  readonly #blockElements: number;
  /** Of the matrix: checkpoints and their mean, made up to whole tiles. */
  readonly #order: number;
  readonly #memory: ReturnType<typeof layOut>;
  readonly #sum: Float64Array;
  readonly #compensation: Float64Array;
  #reads = 0;

  constructor(
    headers: readonly CheckpointHeader[],
    readers: readonly TensorReader[],
    tensors: readonly TensorInfo[],
  ) {
    const n = headers.length;
    this.#headers = headers;
    this.#readers = readers;
    this.#tensors = tensors;
    this.elements = tensors.reduce((sum, tensor) => sum + numbersOf(tensor, elementCount(tensor.shape)!), 0);
    // 8-bit floats are widened to float64 where they lie.
    const widest = tensors.reduce((most, tensor) => Math.max(most, placeBytes(tensor, 1)), 1);
    const affordable = Math.floor(BUFFER_BYTES / (widest * 2 * n));
    const largest = tensors.reduce((most, tensor) => Math.max(most, elementCount(tensor.shape)!), 1);
    const bounded = Math.min(MAX_CHUNK_ELEMENTS, Math.max(MIN_CHUNK_ELEMENTS, affordable));
    this.#chunkElements = Math.min(bounded, largest);
    this.#order = Math.ceil((n + 1) / TILE) * TILE;
    const fitting = Math.floor(BLOCK_BYTES / (8 * this.#order) / ROW_LANES) * ROW_LANES;
    this.#blockElements = Math.max(MIN_BLOCK_ELEMENTS, fitting);
    this.#memory = layOut(n, this.#order, this.#blockElements, this.#chunkElements * widest);
    this.#sum = new Float64Array(this.#order ** 2);
    this.#compensation = new Float64Array(this.#order ** 2);
  }

  *chunks(): Generator<Place, undefined> {
    for (const tensor of this.#tensors) {
      const total = elementCount(tensor.shape)!;
      for (let start = 0; start < total; start += this.#chunkElements) {
        yield { tensor, start, count: Math.min(this.#chunkElements, total - start) };
      }
    }
  }

  async read(place: Place): Promise<Chunk> {
    const { tensor, start, count } = place;
    const side = this.#reads++ % 2;
    const { dtype } = floatComponents(tensor.dtype)!;
    const numbers = numbersOf(tensor, count);
    const bytes = count * bytesPerElement(tensor.dtype);
    const reads = this.#readers.map(async (reader, i) => {
      const room = this.#memory.sources[i]![side]!.bytes;
      const into = room.subarray(0, bytes);
      const found = await reader.read(tensor, start, count, into);
      let used = bytes;
      if (!isMixDType(dtype)) {
        const wide = new Float64Array(room.buffer, room.byteOffset, numbers);
        decodeToFloat64(found === into ? found.slice() : found, dtype, wide);
        used = wide.byteLength;
      } else if (found !== into) into.set(found);
      // The loops take several elements at a time: what follows the last one counts as equal.
      room.fill(0, used, used + MIX_LANES * Float64Array.BYTES_PER_ELEMENT);
    });
    await Promise.allSettled(reads);
    await Promise.all(reads);
    const at = this.#memory.sources.map((places) => places[side]!.at);
    return { ...place, dtype: isMixDType(dtype) ? dtype : 'F64', numbers, at };
  }

  async add(chunk: Chunk): Promise<void> {
    const { view, loops, rows, matrix, products } = this.#memory;
    const n = this.#readers.length;
    const size = bytesPerElement(chunk.dtype);
    products.fill(0);
    let finite = true;
    for (let start = 0; start < chunk.numbers; start += this.#blockElements) {
      const count = Math.min(this.#blockElements, chunk.numbers - start);
      const padded = Math.ceil(count / MIX_LANES) * MIX_LANES;
      for (let i = 0; i < n; i++) view.setUint32(i * TABLE_ENTRY + 8, chunk.at[i]! + start * size, true);
      const stride = this.#blockElements * 8;
      if (loops.centre[chunk.dtype](0, n * TABLE_ENTRY, padded * size, rows, stride) === 0) finite = false;
      for (let i = 0; i < this.#order; i += TILE) {
        for (let j = i; j < this.#order; j += TILE) {
          const into = matrix + (i * this.#order + j) * 8;
          loops.tile(rows + i * stride, rows + j * stride, stride, padded * 8, into, this.#order * 8);
        }
      }
    }
    if (!finite || !products.every(Number.isFinite)) throw await this.#explain(chunk);
    addCompensated(this.#sum, this.#compensation, products, rowScale(chunk.dtype) ** 2);
  }

  /**
   * The mean that was subtracted is rounded, so the rows are off centre by their own mean r, which the matrix tells: what
   * is left after taking it away has an error relative to the differences alone, however long the mean.
   */
  result(): CentredGram {
    const n = this.#readers.length;
    const product = (i: number, j: number): number => {
      const at = Math.min(i, j) * this.#order + Math.max(i, j);
      return this.#sum[at]! + this.#compensation[at]!;
    };
    const withR = Float64Array.from({ length: n + 1 }, (_, i) => {
      let sum = 0;
      for (let j = 0; j < n; j++) sum += product(i, j);
      return sum / n;
    });
    const rr = withR.subarray(0, n).reduce((sum, value) => sum + value, 0) / n;
    const mr = withR[n]!;
    return {
      n,
      centred: Float64Array.from({ length: n * n }, (_, at) => {
        const [i, j] = [Math.floor(at / n), at % n];
        return product(i, j) - (withR[i]! + withR[j]!) + rr;
      }),
      withMean: Float64Array.from({ length: n }, (_, i) => product(i, n) - mr + (withR[i]! - rr)),
      meanSquared: product(n, n) + 2 * mr + rr,
    };
  }

  /** Whose fault it is: looked up only now, so that multiplying stays fast. */
  async #explain({ tensor, start, count }: Chunk): Promise<TwaError> {
    const { dtype, perElement } = floatComponents(tensor.dtype)!;
    for (const [i, reader] of this.#readers.entries()) {
      const numbers = new Float64Array(numbersOf(tensor, count));
      decodeToFloat64(await reader.read(tensor, start, count), dtype, numbers);
      const bad = numbers.findIndex((number) => !Number.isFinite(number));
      if (bad === -1) continue;
      const { path } = this.#headers[i]!;
      const index = start + Math.floor(bad / perElement);
      return new TwaError(
        'non-finite',
        `${basename(path)} has ${numbers[bad]} in ${tensor.name} at index ${index}; leave that checkpoint out.`,
        { place: { path } },
      );
    }
    return new TwaError(
      'non-finite',
      `${tensor.name} has numbers too large to be squared; leave that checkpoint out.`,
    );
  }
}

/** The memory that the SIMD loops see: the table of sources, the matrix, the rows, and the chunks. */
function layOut(n: number, order: number, blockElements: number, chunkBytes: number) {
  const align = (bytes: number): number => Math.ceil(bytes / 64) * 64;
  const matrix = align(n * TABLE_ENTRY);
  const rows = matrix + align(order ** 2 * 8);
  const first = rows + align(order * blockElements * 8);
  // The loops take several elements at a time, and may run over by that.
  const step = align(chunkBytes + MIX_LANES * Float64Array.BYTES_PER_ELEMENT);
  const memory = sharedMemory(first + 2 * n * step);
  const view = new DataView(memory.buffer);
  for (let i = 0; i < n; i++) view.setFloat64(i * TABLE_ENTRY, 1 / n, true);
  const place = (index: number) => {
    const at = first + index * step;
    return { at, bytes: new Uint8Array(memory.buffer, at, step) };
  };
  return {
    view,
    loops: gramLoops(memory),
    matrix,
    /** Rows behind the mean stay zero. */
    rows,
    products: new Float64Array(memory.buffer, matrix, order ** 2),
    sources: Array.from({ length: n }, (_, i) => [place(2 * i), place(2 * i + 1)] as const),
  };
}

function numbersOf({ dtype }: TensorInfo, elements: number): number {
  return elements * floatComponents(dtype)!.perElement;
}

function placeBytes({ dtype }: TensorInfo, elements: number): number {
  const components = floatComponents(dtype)!;
  const size = isMixDType(components.dtype) ? bytesPerElement(dtype) : Float64Array.BYTES_PER_ELEMENT;
  return elements * size;
}

/** Neumaier's sum, per entry. */
function addCompensated(
  sum: Float64Array,
  compensation: Float64Array,
  values: Float64Array,
  factor: number,
): void {
  for (let k = 0; k < sum.length; k++) {
    const before = sum[k]!;
    const value = factor * values[k]!;
    const after = before + value;
    compensation[k]! += Math.abs(before) >= Math.abs(value) ? before - after + value : value - after + before;
    sum[k] = after;
  }
}
