/** The memory of tfjs's wasm backend, with the loops of `loops.ts` on it. */
import type { TensorInfo } from '../../tf.ts';
import type { WasmBackend } from './kernel.ts';
import { loopsOn, type Loops } from './loops.ts';

/** Bytes that a loop may read or write behind what it was asked to. */
const SLACK = 64;

type Scratch = 'table' | 'segments' | 'panels' | 'left' | 'result' | 'dump';

export class Heap {
  readonly loops: Loops;
  readonly #backend: WasmBackend;
  readonly #scratch = new Map<Scratch, { address: number; bytes: number }>();

  constructor(backend: WasmBackend) {
    this.#backend = backend;
    this.loops = loopsOn(backend.wasm.asm.memory);
  }

  address({ dataId }: Pick<TensorInfo, 'dataId'>): number {
    return this.#backend.dataIdMap.get(dataId).memoryOffset;
  }

  /** Room for intermediate results, kept from call to call; its content is whatever was there. */
  scratch(purpose: Scratch, bytes: number): number {
    const known = this.#scratch.get(purpose);
    if (known !== undefined && known.bytes >= bytes) return known.address;
    if (known !== undefined) this.#backend.wasm._free(known.address);
    const address = this.#backend.wasm._malloc(bytes + SLACK) >>> 0;
    this.#scratch.set(purpose, { address, bytes });
    return address;
  }

  /** Views end with the next allocation. */
  ints(address: number, length: number): Int32Array {
    return new Int32Array(this.#backend.wasm.HEAPU8.buffer, address, length);
  }

  floats(address: number, length: number): Float32Array {
    return new Float32Array(this.#backend.wasm.HEAPU8.buffer, address, length);
  }
}

const heaps = new WeakMap<WasmBackend, Heap>();

export function heapOf(backend: WasmBackend): Heap {
  const known = heaps.get(backend);
  if (known !== undefined) return known;
  const heap = new Heap(backend);
  heaps.set(backend, heap);
  return heap;
}
