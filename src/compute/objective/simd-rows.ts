/**
 * The loops of `rows.ts` in SIMD, for numbers that lie where the loops see them: {@link allocateRows}. Others, and the
 * products of the Gram matrix, which are needed once, go to the plain loops.
 */
import { sharedMemory } from '../../core/kernels/assembler.ts';
import { ROW_ENTRY, ROW_STEP, rowKernels, type RowKernels } from '../../core/kernels/rows.ts';
import { doRowWork, paddedBytes, type RowWork } from './row-work.ts';
import { rowLoops, type RowLoops, type RowTensor } from './rows.ts';
import { secondThread } from './second-thread.ts';

/** Bytes of rows that are worth waking a second thread: a third of a millisecond. */
const WORTH_A_THREAD = 8 * 2 ** 20;
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
  return { sums: [first, second], vector, tensors: vector + paddedBytes(longest) } as const;
}

/** Zeros: for every tensor, of so many elements, a mean and n rows. */
export function allocateRows(n: number, sizes: readonly number[]): RowTensor[] {
  const start = layout(n, Math.max(0, ...sizes)).tensors;
  const tensors: RowTensor[] = [];
  for (let first = 0; first < sizes.length;) {
    let end = first;
    let bytes = start;
    do bytes += bytesOf(n, sizes[end++]!);
    while (end < sizes.length && bytes + bytesOf(n, sizes[end]!) <= MEMORY);
    const buffer = bytes <= LARGEST_MEMORY ? openArena(n, Math.max(0, ...sizes), bytes) : undefined;
    let at = start;
    for (const size of sizes.slice(first, end)) {
      const next = (): Float32Array => {
        if (buffer === undefined) return new Float32Array(size);
        const values = new Float32Array(buffer, at, size);
        at += paddedBytes(size);
        return values;
      };
      tensors.push({ mean: next(), rows: Array.from({ length: n }, next) });
    }
    first = end;
  }
  return tensors;
}

/** Rows are padded by zeros. */
function bytesOf(n: number, size: number): number {
  return (n + 1) * paddedBytes(size);
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
    vector: new Float32Array(buffer, vector, paddedBytes(longest) / 4),
  });
  if (bytes > WORTH_A_THREAD) secondThread()?.addArena({ arena: number, memory });
  return buffer;
}

/** The mean last: what is small is added up first. */
const vectorsOf = ({ rows, mean }: RowTensor): readonly Float32Array[] => [...rows, mean];

/** Both halves of the columns, each by a thread of its own where that is worth it. */
function compute(arena: Arena, product: RowWork['product'], rows: number, length: number): void {
  const middle = Math.ceil(length / 2 / ROW_STEP) * ROW_STEP;
  const [first, second] = arena.sums.map(({ byteOffset }) => byteOffset);
  const common = { product, rows, vector: arena.vector.byteOffset };
  const secondHalf = { ...common, from: middle, to: length, sums: second! };
  const thread = 4 * rows * length > WORTH_A_THREAD ? secondThread() : undefined;
  const wait = thread?.ready === true ? thread.start(arena.number, secondHalf) : undefined;
  doRowWork(arena.kernels, { ...common, from: 0, to: middle, sums: first! });
  if (wait === undefined) doRowWork(arena.kernels, secondHalf);
  else wait();
}

function combine(tensor: RowTensor, a: Float64Array, out: Float32Array): void {
  const arena = arenas.get(tensor.mean.buffer);
  if (arena === undefined) {
    rowLoops.combine(tensor, a, out);
    return;
  }
  const { table, vector } = arena;
  const vectors = vectorsOf(tensor);
  const total = a.reduce((sum, value) => sum + value, 0);
  for (const [i, { byteOffset }] of vectors.entries()) {
    table.setFloat32(i * ROW_ENTRY, a[i] ?? total, true);
    table.setUint32(i * ROW_ENTRY + 4, byteOffset, true);
  }
  compute(arena, 'mix', vectors.length, out.length);
  out.set(vector.subarray(0, out.length));
}

function project(tensor: RowTensor, gradient: Float32Array, into: Float64Array): void {
  const arena = arenas.get(tensor.mean.buffer);
  if (arena === undefined) {
    rowLoops.project(tensor, gradient, into);
    return;
  }
  const { table, vector, sums } = arena;
  const vectors = vectorsOf(tensor);
  for (const [i, { byteOffset }] of vectors.entries()) {
    table.setUint32(i * ROW_ENTRY + 4, byteOffset, true);
  }
  vector.set(gradient);
  vector.fill(0, gradient.length, paddedBytes(gradient.length) / 4);
  const [first, second] = sums;
  first.fill(0);
  second.fill(0);
  compute(arena, 'project', vectors.length, gradient.length);
  const n = tensor.rows.length;
  const onMean = first[n]! + second[n]!;
  for (let i = 0; i < n; i++) into[i] = into[i]! + first[i]! + second[i]! + onMean;
}

export const simdRowLoops: RowLoops = { ...rowLoops, combine, project };
