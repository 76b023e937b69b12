/**
 * The loops of `rows.ts` in SIMD, for numbers that lie where the loops see them: {@link allocateRows}. Others, and the
 * products of the Gram matrix, which are needed once, go to the plain loops.
 */
import { sharedMemory } from '../../core/kernels/assembler.ts';
import { mixLoops, TABLE_ENTRY, type Mix } from '../../core/kernels/mix.ts';
import { dotLoop, type Dot } from '../../core/kernels/rows.ts';
import { rowLoops, type RowLoops, type RowTensor } from './rows.ts';

/** Elements: 64 kB of float64 stay in the cache while the rows stream by. */
const BLOCK = 8192;
/** Tensors share memories of this size, because each takes gigabytes of address space. */
const MEMORY = 2 ** 30;
/** The most that one memory can have. */
const LARGEST_MEMORY = 2 ** 32 - 2 ** 16;

/** One memory: room for the loops' operands first, then tensors. */
interface Arena {
  readonly mix: Mix;
  readonly dot: Dot;
  readonly table: DataView;
  /** Of the n rows, then of the mean. */
  readonly results: Float64Array;
  readonly vector: Float64Array;
  readonly out: Float32Array;
}

const arenas = new WeakMap<ArrayBufferLike, Arena>();

/** Zeros: for every tensor, of so many elements, a mean and n rows. */
export function allocateRows(n: number, sizes: readonly number[]): RowTensor[] {
  const start = (n + 1) * (TABLE_ENTRY + 8) + BLOCK * (8 + 4) + 64;
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
  const results = (n + 1) * TABLE_ENTRY;
  const vector = Math.ceil((results + (n + 1) * 8) / 16) * 16;
  arenas.set(buffer, {
    mix: mixLoops(memory).F32,
    dot: dotLoop(memory),
    table: new DataView(buffer),
    results: new Float64Array(buffer, results, n + 1),
    vector: new Float64Array(buffer, vector, BLOCK),
    out: new Float32Array(buffer, vector + BLOCK * 8, BLOCK),
  });
  return buffer;
}

function combine(tensor: RowTensor, a: Float64Array, out: Float32Array): void {
  const arena = arenas.get(tensor.mean.buffer);
  if (arena === undefined) {
    rowLoops.combine(tensor, a, out);
    return;
  }
  const vectors = [...tensor.rows, tensor.mean];
  const total = a.reduce((sum, value) => sum + value, 0);
  for (let i = 0; i < vectors.length; i++) arena.table.setFloat64(i * TABLE_ENTRY, a[i] ?? total, true);
  for (let start = 0; start < out.length; start += BLOCK) {
    const length = Math.min(BLOCK, out.length - start);
    for (const [i, { byteOffset }] of vectors.entries()) {
      arena.table.setUint32(i * TABLE_ENTRY + 8, byteOffset + 4 * start, true);
    }
    arena.mix(0, vectors.length * TABLE_ENTRY, 4 * length, arena.out.byteOffset);
    out.set(arena.out.subarray(0, length), start);
  }
}

function project(tensor: RowTensor, gradient: Float32Array, into: Float64Array): void {
  const arena = arenas.get(tensor.mean.buffer);
  if (arena === undefined) {
    rowLoops.project(tensor, gradient, into);
    return;
  }
  const { results, vector, dot } = arena;
  const vectors = [...tensor.rows, tensor.mean];
  results.fill(0);
  for (let start = 0; start < gradient.length; start += BLOCK) {
    const length = Math.min(BLOCK, gradient.length - start);
    vector.set(gradient.subarray(start, start + length));
    vector.fill(0, length, Math.ceil(length / 16) * 16);
    for (const [i, { byteOffset }] of vectors.entries()) {
      dot(byteOffset + 4 * start, vector.byteOffset, 4 * length, results.byteOffset + 8 * i);
    }
  }
  const onMean = results[tensor.rows.length]!;
  for (let i = 0; i < tensor.rows.length; i++) into[i] = into[i]! + results[i]! + onMean;
}

export const simdRowLoops: RowLoops = { ...rowLoops, combine, project };
