/**
 * The loops of `rows.ts` in SIMD, for numbers that lie where the loops see them: {@link allocateRows}. Others, and the
 * products of the Gram matrix, which are needed once, go to the plain loops. Rows that are rounded,
 * {@link allocateRounded}, are read as they are.
 */
import { sharedMemory } from '../../core/kernels/assembler.ts';
import {
  CODE_BLOCK,
  COLUMN_STEP,
  ROW_ENTRY,
  rowBytes,
  rowKernels,
  type RoundedFormat,
  type RowFormat,
  type RowKernels,
} from '../../core/kernels/rows.ts';
import { doRowWork, type RowWork } from './row-work.ts';
import { rowLoops, type RoundedTensor, type RowLoops, type RowTensor } from './rows.ts';
import { secondThread } from './second-thread.ts';

/** Numbers in rows that are worth waking a second thread: a third of a millisecond. */
const WORTH_A_THREAD = 2 ** 21;
/** Tensors share memories of this size, because each takes gigabytes of address space. */
const MEMORY = 2 ** 30;
/** The most that one memory can have. */
const LARGEST_MEMORY = 2 ** 32 - 2 ** 16;

/** One memory: room for the loops' operands first, then tensors. */
interface Arena {
  readonly number: number;
  readonly kernels: RowKernels;
  /** Of n + 1 rows, at address 0. */
  readonly table: DataView;
  /** As many inner products, of the first half of the columns and of the second. */
  readonly sums: readonly [Float64Array, Float64Array];
  /** What is mixed, or projected: as long as the longest tensor. */
  readonly vector: Float32Array;
}

const arenas = new WeakMap<ArrayBufferLike, Arena>();

const toLine = (bytes: number): number => Math.ceil(bytes / 64) * 64;

/** Where things are in the memory of an arena for tensors of up to so many elements. */
function layout(n: number, longest: number) {
  const first = toLine((n + 1) * ROW_ENTRY);
  const second = first + toLine(8 * (n + 1));
  const vector = second + toLine(8 * (n + 1));
  return { sums: [first, second], vector, tensors: vector + rowBytes('f32', longest) } as const;
}

interface Room {
  readonly size: number;
  readonly mean: Uint8Array;
  readonly rows: readonly Uint8Array[];
}

/** Zeros: for every tensor, of so many elements, a mean in float32 and n rows. */
function allocate(n: number, sizes: readonly number[], format: RowFormat): Room[] {
  const longest = Math.max(0, ...sizes);
  const start = layout(n, longest).tensors;
  const bytesOf = (size: number): number => rowBytes('f32', size) + n * rowBytes(format, size);
  const tensors: Room[] = [];
  for (let first = 0; first < sizes.length;) {
    let end = first;
    let bytes = start;
    do bytes += bytesOf(sizes[end++]!);
    while (end < sizes.length && bytes + bytesOf(sizes[end]!) <= MEMORY);
    const buffer = bytes <= LARGEST_MEMORY ? openArena(n, longest, bytes) : undefined;
    let at = start;
    for (const size of sizes.slice(first, end)) {
      const next = (length: number): Uint8Array => {
        if (buffer === undefined) return new Uint8Array(length);
        const values = new Uint8Array(buffer, at, length);
        at += length;
        return values;
      };
      const mean = next(rowBytes('f32', size));
      tensors.push({ size, mean, rows: Array.from({ length: n }, () => next(rowBytes(format, size))) });
    }
    first = end;
  }
  return tensors;
}

const floats = ({ buffer, byteOffset }: Uint8Array, size: number): Float32Array =>
  new Float32Array(buffer, byteOffset, size);

/** Zeros: for every tensor, of so many elements, a mean and n rows. */
export function allocateRows(n: number, sizes: readonly number[]): RowTensor[] {
  return allocate(n, sizes, 'f32').map(({ size, mean, rows }) => ({
    mean: floats(mean, size),
    rows: rows.map((row) => floats(row, size)),
  }));
}

/** The same with rows that are rounded: {@link roundInto} fills them. Each tensor fits into one memory. */
export function allocateRounded(n: number, sizes: readonly number[], format: RoundedFormat): RoundedTensor[] {
  return allocate(n, sizes, format).map(({ size, mean, rows }) => ({
    format,
    mean: floats(mean, size),
    rows,
  }));
}

let arenaCount = 0;

function openArena(n: number, longest: number, bytes: number): ArrayBufferLike {
  const memory = sharedMemory(bytes);
  const { buffer } = memory;
  const { sums, vector } = layout(n, longest);
  const number = arenaCount++;
  const [first, second] = sums.map((address) => new Float64Array(buffer, address, n + 1));
  arenas.set(buffer, {
    number,
    kernels: rowKernels(memory),
    table: new DataView(buffer),
    sums: [first!, second!],
    vector: new Float32Array(buffer, vector, rowBytes('f32', longest) / 4),
  });
  if ((n + 1) * longest > WORTH_A_THREAD) secondThread()?.addArena({ arena: number, memory });
  return buffer;
}

/** Both halves of the columns, each by a thread of its own where that is worth it. */
function compute(
  arena: Arena,
  product: RowWork['product'],
  format: RowFormat,
  rows: number,
  length: number,
): void {
  const step = COLUMN_STEP[format];
  const middle = Math.min(Math.ceil(length / 2 / step) * step, length);
  const [first, second] = arena.sums.map(({ byteOffset }) => byteOffset);
  const common = { product, format, rows, vector: arena.vector.byteOffset };
  const secondHalf = { ...common, from: middle, to: length, sums: second! };
  const thread = rows * length > WORTH_A_THREAD ? secondThread() : undefined;
  const wait = thread?.ready === true ? thread.start(arena.number, secondHalf) : undefined;
  doRowWork(arena.kernels, { ...common, from: 0, to: middle, sums: first! });
  if (wait === undefined) doRowWork(arena.kernels, secondHalf);
  else wait();
}

/** The mean last: what is small is added up first. */
const vectorsOf = ({ rows, mean }: RowTensor | RoundedTensor) => [...rows, mean];

function mix(arena: Arena, tensor: RowTensor | RoundedTensor, a: Float64Array, out: Float32Array): void {
  const { table, vector } = arena;
  const vectors = vectorsOf(tensor);
  const total = a.reduce((sum, value) => sum + value, 0);
  for (const [i, { byteOffset }] of vectors.entries()) {
    table.setFloat32(i * ROW_ENTRY, a[i] ?? total, true);
    table.setUint32(i * ROW_ENTRY + 4, byteOffset, true);
  }
  compute(arena, 'mix', formatOf(tensor), vectors.length, out.length);
  out.set(vector.subarray(0, out.length));
}

function innerProducts(
  arena: Arena,
  tensor: RowTensor | RoundedTensor,
  gradient: Float32Array,
  into: Float64Array,
): void {
  const { table, sums } = arena;
  const vectors = vectorsOf(tensor);
  for (const [i, { byteOffset }] of vectors.entries()) {
    table.setUint32(i * ROW_ENTRY + 4, byteOffset, true);
  }
  setVector(arena, gradient);
  const [first, second] = sums;
  first.fill(0);
  second.fill(0);
  compute(arena, 'project', formatOf(tensor), vectors.length, gradient.length);
  const n = tensor.rows.length;
  const onMean = first[n]! + second[n]!;
  for (let i = 0; i < n; i++) into[i] = into[i]! + first[i]! + second[i]! + onMean;
}

const formatOf = (tensor: RowTensor | RoundedTensor): RowFormat =>
  'format' in tensor ? tensor.format : 'f32';

function setVector({ vector }: Arena, values: Float32Array): void {
  vector.set(values);
  vector.fill(0, values.length, rowBytes('f32', values.length) / 4);
}

/** For numbers that lie in no arena, the plain loops. */
export const simdRowLoops: RowLoops = {
  ...rowLoops,
  combine(tensor, a, out) {
    const arena = arenas.get(tensor.mean.buffer);
    if (arena === undefined) rowLoops.combine(tensor, a, out);
    else mix(arena, tensor, a, out);
  },
  project(tensor, gradient, into) {
    const arena = arenas.get(tensor.mean.buffer);
    if (arena === undefined) rowLoops.project(tensor, gradient, into);
    else innerProducts(arena, tensor, gradient, into);
  },
};

/** `combine` and `project` of {@link RowLoops}, of rows that are rounded. */
export const roundedRowLoops = {
  combine(tensor: RoundedTensor, a: Float64Array, out: Float32Array): void {
    mix(arenas.get(tensor.mean.buffer)!, tensor, a, out);
  },
  project(tensor: RoundedTensor, gradient: Float32Array, into: Float64Array): void {
    innerProducts(arenas.get(tensor.mean.buffer)!, tensor, gradient, into);
  },
};

/** Copies the mean and rounds the rows of a tensor of the same size. */
export function roundInto({ format, mean, rows }: RoundedTensor, exact: RowTensor): void {
  const arena = arenas.get(mean.buffer)!;
  const round = arena.kernels.round(format);
  mean.set(exact.mean);
  for (const [i, { byteOffset }] of rows.entries()) {
    setVector(arena, exact.rows[i]!);
    for (let start = 0; start < mean.length; start += CODE_BLOCK) {
      const bytes = rowBytes('f32', Math.min(CODE_BLOCK, mean.length - start));
      round(arena.vector.byteOffset + 4 * start, byteOffset + rowBytes(format, start), bytes);
    }
  }
}
