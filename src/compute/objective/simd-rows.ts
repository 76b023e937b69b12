/**
 * The loops of `rows.ts` in SIMD, for numbers that lie where the loops see them: {@link allocateRows}. Others, and the
 * products of the Gram matrix, which are needed once, go to the plain loops.
 */
import { sharedMemory } from '../../core/kernels/assembler.ts';
import { PROJECTED, ROW_ENTRY, ROW_STEP, rowKernels, type RowKernels } from '../../core/kernels/rows.ts';
import { rowLoops, type RowLoops, type RowTensor } from './rows.ts';

/** Elements of a mix: 64 kB stay in the cache until they are copied out. */
const BLOCK = 16384;
/** Elements of an inner product that are added up in float32: 128 or so in each lane of two vectors. */
const STRETCH = 1024;
/** Tensors share memories of this size, because each takes gigabytes of address space. */
const MEMORY = 2 ** 30;
/** The most that one memory can have. */
const LARGEST_MEMORY = 2 ** 32 - 2 ** 16;

/** One memory: room for the loops' operands first, then tensors. */
interface Arena {
  readonly kernels: RowKernels;
  readonly table: DataView;
  /** Of as many rows as are projected at a time. */
  readonly results: Float32Array;
  /** A block of what is mixed, or of the vector that is projected. */
  readonly block: Float32Array;
}

const arenas = new WeakMap<ArrayBufferLike, Arena>();

/** Zeros: for every tensor, of so many elements, a mean and n rows. */
export function allocateRows(n: number, sizes: readonly number[]): RowTensor[] {
  const start = (n + 1) * ROW_ENTRY + 4 * (PROJECTED + BLOCK) + 64;
  const tensors: RowTensor[] = [];
  for (let first = 0; first < sizes.length;) {
    let end = first;
    let bytes = start;
    do bytes += bytesOf(n, sizes[end++]!);
    while (end < sizes.length && bytes + bytesOf(n, sizes[end]!) <= MEMORY);
    const buffer = bytes <= LARGEST_MEMORY ? openArena(n, bytes) : undefined;
    let at = Math.ceil(start / 64) * 64;
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
  return Math.ceil(size / 16) * 64;
}

function bytesOf(n: number, size: number): number {
  return (n + 1) * paddedBytes(size);
}

function openArena(n: number, bytes: number): ArrayBufferLike {
  const memory = sharedMemory(bytes + 64);
  const { buffer } = memory;
  const results = Math.ceil(((n + 1) * ROW_ENTRY) / 16) * 16;
  arenas.set(buffer, {
    kernels: rowKernels(memory),
    table: new DataView(buffer),
    results: new Float32Array(buffer, results, PROJECTED),
    block: new Float32Array(buffer, results + 4 * PROJECTED, BLOCK),
  });
  return buffer;
}

function combine(tensor: RowTensor, a: Float64Array, out: Float32Array): void {
  const arena = arenas.get(tensor.mean.buffer);
  if (arena === undefined) {
    rowLoops.combine(tensor, a, out);
    return;
  }
  const { kernels, table, block } = arena;
  // The mean last: what is small is added up first.
  const vectors = [...tensor.rows, tensor.mean];
  const total = a.reduce((sum, value) => sum + value, 0);
  for (let i = 0; i < vectors.length; i++) table.setFloat32(i * ROW_ENTRY, a[i] ?? total, true);
  for (let start = 0; start < out.length; start += BLOCK) {
    const length = Math.min(BLOCK, out.length - start);
    for (const [i, { byteOffset }] of vectors.entries()) {
      table.setUint32(i * ROW_ENTRY + 4, byteOffset + 4 * start, true);
    }
    kernels.mixRows(0, vectors.length * ROW_ENTRY, paddedBytes(length), block.byteOffset);
    out.set(block.subarray(0, length), start);
  }
}

function project(tensor: RowTensor, gradient: Float32Array, into: Float64Array): void {
  const arena = arenas.get(tensor.mean.buffer);
  if (arena === undefined) {
    rowLoops.project(tensor, gradient, into);
    return;
  }
  const { kernels, results, block } = arena;
  const vectors = [...tensor.rows, tensor.mean];
  const sums = new Float64Array(vectors.length);
  // The last few are made up to as many as go together by the mean again, whose surplus sums are dropped.
  const addresses = vectors.map(({ byteOffset }) => byteOffset);
  while (addresses.length % PROJECTED !== 0) addresses.push(tensor.mean.byteOffset);
  for (let start = 0; start < gradient.length; start += STRETCH) {
    const length = Math.min(STRETCH, gradient.length - start);
    block.set(gradient.subarray(start, start + length));
    block.fill(0, length, Math.ceil(length / ROW_STEP) * ROW_STEP);
    for (let i = 0; i < addresses.length; i += PROJECTED) {
      const [row0, row1, row2, row3] = [0, 1, 2, 3].map((k) => addresses[i + k]! + 4 * start) as [
        number,
        number,
        number,
        number,
      ];
      kernels.projectRows(row0, row1, row2, row3, block.byteOffset, paddedBytes(length), results.byteOffset);
      for (let k = 0; k < PROJECTED && i + k < sums.length; k++) sums[i + k] = sums[i + k]! + results[k]!;
    }
  }
  const onMean = sums[tensor.rows.length]!;
  for (let i = 0; i < tensor.rows.length; i++) into[i] = into[i]! + sums[i]! + onMean;
}

export const simdRowLoops: RowLoops = { ...rowLoops, combine, project };
