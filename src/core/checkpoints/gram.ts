/**
 * The centred Gram matrix of checkpoints, <w_i - m, w_j - m> with m their mean, in float64, from the files.
 *
 * Memory: a chunk of every checkpoint per thread and one more, {@link BUFFER_BYTES} in all (or
 * {@link MIN_CHUNK_ELEMENTS} elements each where more checkpoints would leave less), and per thread one block of rows that
 * the second-level cache holds; whatever the size of the model. Time: every byte is read once, while the chunks before it
 * are multiplied.
 *
 * Precision: the mean is subtracted before anything is multiplied, so what checkpoints have in common does not use up
 * the digits of what they differ in. Sums run over blocks, then over chunks with Neumaier's compensation, so their error
 * does not grow with the size of the model.
 */
import { basename } from 'node:path';

import type { CentredGram } from '../averaging/types.ts';
import { throwIfAborted, TwaError } from '../errors.ts';
import { sharedMemory } from '../kernels/assembler.ts';
import { ROW_LANES, rowScale, TILE } from '../kernels/gram.ts';
import { isMixDType, MIX_LANES, TABLE_ENTRY, type MixDType } from '../kernels/mix.ts';
import { requireSameArchitecture } from './compare.ts';
import { bytesPerElement, decodeToFloat64, elementCount, floatComponents } from './dtype.ts';
import { requireUnchanged } from './files.ts';
import {
  MAX_THREADS,
  openMultipliers,
  threadsFor,
  type Area,
  type Multipliers,
  type Shape,
} from './multiply.ts';
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
  let stream: GramStream | undefined;
  try {
    for (const header of headers) readers.push(await formatById(header.format).open(header));
    stream = new GramStream(readers, tensors);
    let done = 0;
    await stream.run(signal, (numbers) => onProgress?.((done += numbers) / stream!.elements));
    for (const header of headers) await requireUnchanged(header.files);
    return { gram: stream.result(), elements: stream.elements, tensors: tensors.length };
  } catch (error) {
    throw error instanceof NotFinite ? await explain(error, headers, readers) : error;
  } finally {
    stream?.close();
    await Promise.all(readers.map((reader) => reader.close()));
  }
}

/** Elements of one tensor. */
interface Place {
  readonly tensor: TensorInfo;
  readonly start: number;
  readonly count: number;
}

/** Among the numbers at a place, or their products, is one that is infinite or none. */
class NotFinite extends Error {
  readonly place: Place;

  constructor(place: Place) {
    super(place.tensor.name);
    this.place = place;
  }
}

class GramStream {
  /** Real numbers per checkpoint. */
  readonly elements: number;
  readonly #readers: readonly TensorReader[];
  readonly #tensors: readonly TensorInfo[];
  readonly #shape: Shape;
  readonly #chunkElements: number;
  readonly #memory: ReturnType<typeof layOut>;
  readonly #multipliers: Multipliers;
  readonly #sum: Float64Array;
  readonly #compensation: Float64Array;

  constructor(readers: readonly TensorReader[], tensors: readonly TensorInfo[]) {
    const n = readers.length;
    this.#readers = readers;
    this.#tensors = tensors;
    const counts = tensors.map(({ shape }) => elementCount(shape)!);
    this.elements = tensors.reduce((sum, tensor, t) => sum + numbersOf(tensor, counts[t]!), 0);
    const size = tensors.reduce((sum, tensor, t) => sum + counts[t]! * bytesPerElement(tensor.dtype), 0);
    const threads = threadsFor(n * size);
    // One chunk is read while all threads have one to multiply.
    const chunks = threads + 1;
    // 8-bit floats are widened to float64 where they lie.
    const widest = tensors.reduce((most, tensor) => Math.max(most, placeBytes(tensor)), 1);
    // The same chunks on every machine, so that sums round the same way.
    const affordable = Math.floor(BUFFER_BYTES / (widest * (MAX_THREADS + 1) * n));
    const largest = counts.reduce((most, count) => Math.max(most, count), 1);
    const bounded = Math.min(MAX_CHUNK_ELEMENTS, Math.max(MIN_CHUNK_ELEMENTS, affordable));
    this.#chunkElements = Math.min(bounded, largest);
    const order = Math.ceil((n + 1) / TILE) * TILE;
    const fitting = Math.floor(BLOCK_BYTES / (8 * order) / ROW_LANES) * ROW_LANES;
    this.#shape = { n, order, blockElements: Math.max(MIN_BLOCK_ELEMENTS, fitting) };
    this.#memory = layOut(this.#shape, threads, chunks, this.#chunkElements * widest);
    this.#multipliers = openMultipliers(this.#memory.memory, this.#shape, threads);
    this.#sum = new Float64Array(order ** 2);
    this.#compensation = new Float64Array(order ** 2);
  }

  close(): void {
    this.#multipliers.close();
  }

  /**
   * Products are added in the order of the chunks, so the result does not depend on which thread is done first.
   * @param onAdded with how many numbers per checkpoint.
   */
  async run(signal: AbortSignal | undefined, onAdded: (numbers: number) => void): Promise<void> {
    const { areas, slots } = this.#memory;
    const added: Promise<void>[] = [];
    try {
      let k = 0;
      for (const place of this.#places()) {
        // What was in this slot is multiplied by now, and so is what this thread had before.
        await added[k - slots.length];
        throwIfAborted(signal);
        const at = await this.#read(place, slots[k % slots.length]!);
        const thread = k % areas.length;
        const ready = Promise.resolve(added[k - areas.length]);
        const before = added[k - 1];
        const adding = ready.then(async () => {
          const finite = await this.#multiply(place, at, thread);
          await before;
          this.#add(place, thread, finite);
          onAdded(numbersOf(place.tensor, place.count));
        });
        // Whoever awaits it sees the failure; until then it is not an unhandled one.
        adding.catch(() => undefined);
        added.push(adding);
        k++;
      }
      await added.at(-1);
    } finally {
      await Promise.allSettled(added);
    }
  }

  *#places(): Generator<Place, undefined> {
    for (const tensor of this.#tensors) {
      const total = elementCount(tensor.shape)!;
      for (let start = 0; start < total; start += this.#chunkElements) {
        yield { tensor, start, count: Math.min(this.#chunkElements, total - start) };
      }
    }
  }

  /** Gives the addresses of the checkpoints' chunks. */
  async #read({ tensor, start, count }: Place, slot: readonly Room[]): Promise<readonly number[]> {
    const { dtype } = floatComponents(tensor.dtype)!;
    const bytes = count * bytesPerElement(tensor.dtype);
    const reads = this.#readers.map(async (reader, i) => {
      const room = slot[i]!.bytes;
      const into = room.subarray(0, bytes);
      const found = await reader.read(tensor, start, count, into);
      let used = bytes;
      if (!isMixDType(dtype)) {
        const wide = new Float64Array(room.buffer, room.byteOffset, numbersOf(tensor, count));
        decodeToFloat64(found === into ? found.slice() : found, dtype, wide);
        used = wide.byteLength;
      } else if (found !== into) into.set(found);
      // The loops take several elements at a time: what follows the last one counts as equal.
      room.fill(0, used, used + MIX_LANES * Float64Array.BYTES_PER_ELEMENT);
    });
    // After a failure no read may still be under way when the files are closed.
    await Promise.allSettled(reads);
    await Promise.all(reads);
    return slot.map((room) => room.at);
  }

  #multiply({ tensor, count }: Place, at: readonly number[], thread: number): Promise<boolean> {
    const dtype = loopOf(tensor);
    return this.#multipliers.run(
      {
        area: this.#memory.areas[thread]!,
        dtype,
        bytesPerElement: bytesPerElement(dtype),
        count: numbersOf(tensor, count),
        at,
      },
      thread,
    );
  }

  #add(place: Place, thread: number, finite: boolean): void {
    const { order } = this.#shape;
    const { matrix } = this.#memory.areas[thread]!;
    const products = new Float64Array(this.#memory.memory.buffer, matrix, order ** 2);
    if (!finite || !products.every(Number.isFinite)) throw new NotFinite(place);
    addCompensated(this.#sum, this.#compensation, products, rowScale(loopOf(place.tensor)) ** 2);
  }

  /**
   * The mean that was subtracted is rounded, so the rows are off centre by their own mean r, which the matrix tells: what
   * is left after taking it away has an error relative to the differences alone, however long the mean.
   */
  result(): CentredGram {
    const { n, order } = this.#shape;
    const product = (i: number, j: number): number => {
      const at = Math.min(i, j) * order + Math.max(i, j);
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
}

/** Whose fault it is: looked up only now, so that multiplying stays fast. */
async function explain(
  { place: { tensor, start, count } }: NotFinite,
  headers: readonly CheckpointHeader[],
  readers: readonly TensorReader[],
): Promise<TwaError> {
  const { dtype, perElement } = floatComponents(tensor.dtype)!;
  for (const [i, reader] of readers.entries()) {
    const numbers = new Float64Array(numbersOf(tensor, count));
    decodeToFloat64(await reader.read(tensor, start, count), dtype, numbers);
    const bad = numbers.findIndex((number) => !Number.isFinite(number));
    if (bad === -1) continue;
    const { path } = headers[i]!;
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

/** A checkpoint's chunk. */
interface Room {
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** The memory that the SIMD loops see: what each thread has for itself, and the chunks. */
function layOut(
  { n, order, blockElements }: Shape,
  threads: number,
  chunks: number,
  chunkBytes: number,
): { memory: WebAssembly.Memory; areas: readonly Area[]; slots: readonly (readonly Room[])[] } {
  const align = (bytes: number): number => Math.ceil(bytes / 64) * 64;
  const matrix = align(n * TABLE_ENTRY);
  const rows = matrix + align(order ** 2 * 8);
  const areaBytes = rows + align(order * blockElements * 8);
  // The loops take several elements at a time, and may run over by that.
  const step = align(chunkBytes + MIX_LANES * Float64Array.BYTES_PER_ELEMENT);
  const memory = sharedMemory(threads * areaBytes + chunks * n * step);
  const view = new DataView(memory.buffer);
  const areas = Array.from({ length: threads }, (_, thread) => {
    const table = thread * areaBytes;
    for (let i = 0; i < n; i++) view.setFloat64(table + i * TABLE_ENTRY, 1 / n, true);
    return { table, matrix: table + matrix, rows: table + rows };
  });
  const room = (index: number): Room => {
    const at = threads * areaBytes + index * step;
    return { at, bytes: new Uint8Array(memory.buffer, at, step) };
  };
  const slots = Array.from({ length: chunks }, (_, slot) =>
    Array.from({ length: n }, (__, i) => room(slot * n + i)),
  );
  return { memory, areas, slots };
}

/** The loop that multiplies a tensor's numbers. */
function loopOf({ dtype }: TensorInfo): MixDType {
  const { dtype: component } = floatComponents(dtype)!;
  return isMixDType(component) ? component : 'F64';
}

function numbersOf({ dtype }: TensorInfo, elements: number): number {
  return elements * floatComponents(dtype)!.perElement;
}

/** Of an element in memory. */
function placeBytes(tensor: TensorInfo): number {
  return numbersOf(tensor, 1) * bytesPerElement(loopOf(tensor));
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
