/**
 * The loops of `rows.ts` in SIMD, for numbers that lie where the loops see them: {@link allocateRows}. Others, and the
 * products of the Gram matrix, which are needed once, go to the plain loops.
 */
import { sharedMemory } from '../../core/kernels/assembler.ts';
import { groupsOf, ROW_ENTRY, ROW_STEP, rowKernels, type RowKernels } from '../../core/kernels/rows.ts';
import { rowLoops, type RowLoops, type RowTensor } from './rows.ts';

/** Elements of a mix, or of the vector that is projected, at a time: 128 kB stay in the cache while the rows go by. */
const BLOCK = 32768;
/** Tensors share memories of this size, because each takes gigabytes of address space. */
const MEMORY = 2 ** 30;
/** The most that one memory can have. */
const LARGEST_MEMORY = 2 ** 32 - 2 ** 16;

/** One memory: room for the loops' operands first, then tensors. */
interface Arena {
  readonly kernels: RowKernels;
  /** Of n + 1 rows, at address 0. */
  readonly table: DataView;
  /** As many inner products. */
  readonly results: Float64Array;
  /** A block of what is mixed, or of the vector that is projected. */
  readonly block: Float32Array;
}

const arenas = new WeakMap<ArrayBufferLike, Arena>();

const toLine = (bytes: number): number => Math.ceil(bytes / 64) * 64;

/** Where things are in the memory of an arena. */
function layout(n: number): { readonly results: number; readonly block: number; readonly tensors: number } {
  const results = toLine((n + 1) * ROW_ENTRY);
  const block = results + toLine(8 * (n + 1));
  return { results, block, tensors: block + 4 * BLOCK };
}

/** Zeros: for every tensor, of so many elements, a mean and n rows. */
export function allocateRows(n: number, sizes: readonly number[]): RowTensor[] {
  const start = layout(n).tensors;
  const tensors: RowTensor[] = [];
  for (let first = 0; first < sizes.length;) {
    let end = first;
    let bytes = start;
    do bytes += bytesOf(n, sizes[end++]!);
    while (end < sizes.length && bytes + bytesOf(n, sizes[end]!) <= MEMORY);
    const buffer = bytes <= LARGEST_MEMORY ? openArena(n, bytes) : undefined;
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

/** The loops take several elements at a time; zeros after the last one let them run over. */
function paddedBytes(size: number): number {
  return 4 * Math.ceil(size / ROW_STEP) * ROW_STEP;
}

function bytesOf(n: number, size: number): number {
  return (n + 1) * paddedBytes(size);
}

function openArena(n: number, bytes: number): ArrayBufferLike {
  const memory = sharedMemory(bytes);
  const { buffer } = memory;
  const { results, block } = layout(n);
  arenas.set(buffer, {
    kernels: rowKernels(memory),
    table: new DataView(buffer),
    results: new Float64Array(buffer, results, n + 1),
    block: new Float32Array(buffer, block, BLOCK),
  });
  return buffer;
}

/** The mean last: what is small is added up first. */
const vectorsOf = ({ rows, mean }: RowTensor): readonly Float32Array[] => [...rows, mean];

function combine(tensor: RowTensor, a: Float64Array, out: Float32Array): void {
  const arena = arenas.get(tensor.mean.buffer);
  if (arena === undefined) {
    rowLoops.combine(tensor, a, out);
    return;
  }
  const { kernels, table, block } = arena;
  const vectors = vectorsOf(tensor);
  const total = a.reduce((sum, value) => sum + value, 0);
  for (const [i, { byteOffset }] of vectors.entries()) {
    table.setFloat32(i * ROW_ENTRY, a[i] ?? total, true);
    table.setUint32(i * ROW_ENTRY + 4, byteOffset, true);
  }
  const groups = groupsOf(vectors.length);
  for (let start = 0; start < out.length; start += BLOCK) {
    const length = Math.min(BLOCK, out.length - start);
    for (const { first, count } of groups) {
      const accumulate = first === 0 ? 0 : 1;
      kernels.mix(count)(first * ROW_ENTRY, 4 * start, block.byteOffset, paddedBytes(length), accumulate);
    }
    out.set(block.subarray(0, length), start);
  }
}

function project(tensor: RowTensor, gradient: Float32Array, into: Float64Array): void {
  const arena = arenas.get(tensor.mean.buffer);
  if (arena === undefined) {
    rowLoops.project(tensor, gradient, into);
    return;
  }
  const { kernels, table, results, block } = arena;
  const vectors = vectorsOf(tensor);
  for (const [i, { byteOffset }] of vectors.entries()) {
    table.setUint32(i * ROW_ENTRY + 4, byteOffset, true);
  }
  results.fill(0);
  const groups = groupsOf(vectors.length);
  for (let start = 0; start < gradient.length; start += BLOCK) {
    const length = Math.min(BLOCK, gradient.length - start);
    block.set(gradient.subarray(start, start + length));
    block.fill(0, length, paddedBytes(length) / 4);
    for (const { first, count } of groups) {
      const sums = results.byteOffset + 8 * first;
      kernels.project(count)(first * ROW_ENTRY, 4 * start, block.byteOffset, paddedBytes(length), sums);
    }
  }
  const onMean = results[tensor.rows.length]!;
  for (let i = 0; i < tensor.rows.length; i++) into[i] = into[i]! + results[i]! + onMean;
}

export const simdRowLoops: RowLoops = { ...rowLoops, combine, project };
