/**
 * What the numbers of a checkpoint are like, and how two checkpoints differ, tensor by tensor.
 *
 * Accumulated in float64 from the original elements, chunk by chunk: memory is a few chunks whatever the size of the
 * model. Complex numbers count as their two parts. 64-bit integers beyond 2^53 are rounded.
 */
import { throwIfAborted, TwaError } from '../errors.ts';
import { sameShape, type TensorChange, type TensorStatistics } from './changes.ts';
import { decodeToFloat64, elementCount, floatComponents } from './dtype.ts';
import { formatById } from './registry.ts';
import type { CheckpointHeader, DType, TensorInfo, TensorReader } from './types.ts';

export interface StatisticsHooks {
  readonly signal?: AbortSignal;
  /** Of the elements, 0..1. */
  readonly onProgress?: (fraction: number, tensor: string) => void;
}

const CHUNK_ELEMENTS = 1 << 17;

/**
 * Statistics of the named tensors, of all without names, in header order.
 * @throws TwaError `incomplete-checkpoint`, `not-found` for a file that changed or vanished since its header was read;
 * `mismatch` for a name that is not in it; `cancelled`.
 */
export async function tensorStatistics(
  header: CheckpointHeader,
  names?: readonly string[],
  hooks: StatisticsHooks = {},
): Promise<TensorStatistics[]> {
  const wanted = names === undefined ? undefined : new Set(names);
  const tensors = header.tensors.filter(({ name }) => wanted?.has(name) ?? true);
  if (wanted !== undefined && tensors.length < wanted.size) {
    const missing = [...wanted].find((name) => !tensors.some((tensor) => tensor.name === name))!;
    throw new TwaError('mismatch', `${header.path} has no tensor ${missing}; open it again.`, {
      place: { path: header.path },
    });
  }
  const reader = await formatById(header.format).open(header);
  const progress = progressOf(tensors, hooks);
  const values = new Float64Array(CHUNK_ELEMENTS * 2);
  try {
    const rows: TensorStatistics[] = [];
    for (const tensor of tensors) {
      const moments = newMoments();
      for (const { start, count } of chunksOf(tensor, hooks.signal)) {
        addMoments(moments, await readNumbers(reader, tensor, start, count, values));
        progress(count, tensor.name);
      }
      rows.push(finishMoments(tensor.name, moments));
    }
    return rows;
  } finally {
    await reader.close();
  }
}

/**
 * Compares every tensor that both have with the same shape, also across dtypes and formats, in `a`'s order.
 * @throws TwaError as {@link tensorStatistics}.
 */
export async function compareTensors(
  a: CheckpointHeader,
  b: CheckpointHeader,
  hooks: StatisticsHooks = {},
): Promise<TensorChange[]> {
  const inB = new Map(b.tensors.map((tensor) => [tensor.name, tensor]));
  const pairs = a.tensors.flatMap((tensor) => {
    const other = inB.get(tensor.name);
    return other !== undefined && comparable(tensor, other) ? [[tensor, other] as const] : [];
  });
  const readerA = await formatById(a.format).open(a);
  let readerB: TensorReader | undefined;
  try {
    readerB = await formatById(b.format).open(b);
    const progress = progressOf(
      pairs.map(([tensor]) => tensor),
      hooks,
    );
    const [bufferA, bufferB] = [new Float64Array(CHUNK_ELEMENTS * 2), new Float64Array(CHUNK_ELEMENTS * 2)];
    const changes: TensorChange[] = [];
    for (const [tensor, other] of pairs) {
      const sums = newSums();
      for (const { start, count } of chunksOf(tensor, hooks.signal)) {
        const reads = [
          readNumbers(readerA, tensor, start, count, bufferA),
          readNumbers(readerB, other, start, count, bufferB),
        ] as const;
        // After a failure no read may still be under way when the files are closed.
        await Promise.allSettled(reads);
        addSums(sums, await reads[0], await reads[1]);
        progress(count, tensor.name);
      }
      changes.push(finishSums(tensor.name, sums));
    }
    return changes;
  } finally {
    await Promise.all([readerA.close(), readerB?.close()]);
  }
}

const isComplex = (dtype: DType): boolean => floatComponents(dtype)?.perElement === 2;

/** Across dtypes too, as long as an element is as many numbers in both. */
function comparable(a: TensorInfo, b: TensorInfo): boolean {
  return sameShape(a, b) && isComplex(a.dtype) === isComplex(b.dtype);
}

// Reading --------------------------------------------------------------------------------------------------------

function* chunksOf(tensor: TensorInfo, signal: AbortSignal | undefined) {
  const total = elementCount(tensor.shape)!;
  for (let start = 0; start < total; start += CHUNK_ELEMENTS) {
    throwIfAborted(signal);
    yield { start, count: Math.min(CHUNK_ELEMENTS, total - start) };
  }
}

function progressOf(tensors: readonly TensorInfo[], { onProgress }: StatisticsHooks) {
  const total = tensors.reduce((sum, { shape }) => sum + elementCount(shape)!, 0);
  let done = 0;
  return (count: number, tensor: string): void => {
    done += count;
    onProgress?.(done / total, tensor);
  };
}

async function readNumbers(
  reader: TensorReader,
  tensor: TensorInfo,
  start: number,
  count: number,
  into: Float64Array,
): Promise<Float64Array> {
  const stored = tensor.aliasOf === undefined ? tensor : { ...tensor, name: tensor.aliasOf };
  const bytes = await reader.read(stored, start, count);
  const { dtype, perElement } = floatComponents(tensor.dtype) ?? { dtype: tensor.dtype, perElement: 1 };
  const values = into.subarray(0, count * perElement);
  decodeToFloat64(bytes, dtype, values);
  return values;
}

// Moments: exact to rounding by two passes over a chunk, chunks joined as in Chan, Golub and LeVeque (1983) -----------

interface Moments {
  count: number;
  mean: number;
  /** Sum of the squared deviations from the mean. */
  squares: number;
  min: number;
  max: number;
  nan: number;
  infinite: number;
}

const newMoments = (): Moments => ({
  count: 0,
  mean: 0,
  squares: 0,
  min: Infinity,
  max: -Infinity,
  nan: 0,
  infinite: 0,
});

function addMoments(moments: Moments, values: Float64Array): void {
  let { min, max } = moments;
  let nan = 0;
  let infinite = 0;
  let sum = 0;
  for (const value of values) {
    if (value - value === 0) {
      sum += value;
      if (value < min) min = value;
      if (value > max) max = value;
    } else if (value !== value) nan++;
    else infinite++;
  }
  moments.nan += nan;
  moments.infinite += infinite;
  const count = values.length - nan - infinite;
  if (count === 0) return;
  const mean = sum / count;
  let squares = 0;
  for (const value of values) {
    if (value - value === 0) squares += (value - mean) * (value - mean);
  }
  const all = moments.count + count;
  const apart = mean - moments.mean;
  moments.squares += squares + apart * apart * ((moments.count * count) / all);
  moments.mean += apart * (count / all);
  moments.count = all;
  moments.min = min;
  moments.max = max;
}

function finishMoments(name: string, moments: Moments): TensorStatistics {
  const { count, nan, infinite } = moments;
  if (count === 0) return { name, min: NaN, max: NaN, mean: NaN, std: NaN, nan, infinite };
  const { min, max, mean, squares } = moments;
  return { name, min, max, mean, std: Math.sqrt(squares / count), nan, infinite };
}

// Changes --------------------------------------------------------------------------------------------------------

interface Sums {
  a: number;
  b: number;
  difference: number;
  dot: number;
  largest: number;
  notFinite: number;
}

const newSums = (): Sums => ({ a: 0, b: 0, difference: 0, dot: 0, largest: 0, notFinite: 0 });

function addSums(sums: Sums, a: Float64Array, b: Float64Array): void {
  let { largest, notFinite } = sums;
  let [aa, bb, dd, ab] = [0, 0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const x = a[i]!;
    const y = b[i]!;
    if (x - x !== 0 || y - y !== 0) {
      notFinite++;
      continue;
    }
    const change = Math.abs(x - y);
    if (change > largest) largest = change;
    aa += x * x;
    bb += y * y;
    ab += x * y;
    dd += change * change;
  }
  sums.a += aa;
  sums.b += bb;
  sums.difference += dd;
  sums.dot += ab;
  sums.largest = largest;
  sums.notFinite = notFinite;
}

function finishSums(name: string, { a, b, difference, dot, largest, notFinite }: Sums): TensorChange {
  return {
    name,
    normA: Math.sqrt(a),
    normB: Math.sqrt(b),
    distance: Math.sqrt(difference),
    dot,
    largest,
    notFinite,
  };
}
