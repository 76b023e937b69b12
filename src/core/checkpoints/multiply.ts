/**
 * Multiplies chunks of checkpoints with each other, several at a time on threads of their own where there are processors:
 * that takes longer than reading them.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';

import { gramLoops, gramModule, TILE, type GramLoops } from '../kernels/gram.ts';
import { MIX_LANES, TABLE_ENTRY, type MixDType } from '../kernels/mix.ts';

/** What every chunk has in common. Sizes in bytes where nothing else is said. */
export interface Shape {
  /** Checkpoints. */
  readonly n: number;
  /** Of the matrix: checkpoints and their mean, made up to whole tiles. */
  readonly order: number;
  /** Elements that are multiplied at a time: their rows stay in the second-level cache. */
  readonly blockElements: number;
}

/** Addresses of what one thread has for itself. */
export interface Area {
  /** Of the sources; their coefficients are in it. */
  readonly table: number;
  /** [order, order]: set to the products of the chunk. */
  readonly matrix: number;
  /** [order, blockElements]; those behind the mean are zero. */
  readonly rows: number;
}

export interface Job {
  readonly area: Area;
  readonly dtype: MixDType;
  readonly bytesPerElement: number;
  /** Elements of the chunk. */
  readonly count: number;
  /** Addresses of the checkpoints' chunks. */
  readonly at: readonly number[];
}

export interface Multipliers {
  /** How many jobs may run at a time, each in an area of its own. */
  readonly threads: number;
  /** Whether all numbers were finite, where that is not sure to show in the matrix. */
  run(job: Job, thread: number): Promise<boolean>;
  close(): void;
}

/** Starting a thread takes as long as multiplying some ten megabytes. */
const WORTH_A_THREAD = 32 << 20;
/** Each takes about 10 MB of memory. */
export const MAX_THREADS = 6;

/** @param size of all checkpoints together. */
export function threadsFor(size: number): number {
  return size < WORTH_A_THREAD ? 1 : Math.min(MAX_THREADS, availableParallelism());
}

export function openMultipliers(memory: WebAssembly.Memory, shape: Shape, threads: number): Multipliers {
  if (threads > 1) return new Threads(memory, shape, threads);
  const loops = gramLoops(memory);
  const view = new DataView(memory.buffer);
  return {
    threads,
    run: (job) => Promise.resolve(multiply(loops, view, { ...shape, ...job, ...CONSTANTS })),
    close: () => undefined,
  };
}

const CONSTANTS = { lanes: MIX_LANES, entryBytes: TABLE_ENTRY, tile: TILE };

/** Its text runs in the threads, so it knows nothing but its parameters. */
function multiply(loops: GramLoops, view: DataView, job: Shape & Job & typeof CONSTANTS): boolean {
  const { n, order, blockElements, lanes, entryBytes, tile } = job;
  const { area, dtype, bytesPerElement, count, at } = job;
  const stride = blockElements * 8;
  new Float64Array(view.buffer, area.matrix, order ** 2).fill(0);
  let finite = true;
  for (let start = 0; start < count; start += blockElements) {
    // What follows the last element counts as equal in all checkpoints.
    const padded = Math.ceil(Math.min(blockElements, count - start) / lanes) * lanes;
    for (let i = 0; i < n; i++) {
      view.setUint32(area.table + i * entryBytes + 8, at[i]! + start * bytesPerElement, true);
    }
    const tableEnd = area.table + n * entryBytes;
    const centre = loops.centre[dtype];
    if (centre(area.table, tableEnd, padded * bytesPerElement, area.rows, stride) === 0) finite = false;
    for (let i = 0; i < order; i += tile) {
      for (let j = i; j < order; j += tile) {
        const into = area.matrix + (i * order + j) * 8;
        loops.tile(area.rows + i * stride, area.rows + j * stride, stride, padded * 8, into, order * 8);
      }
    }
  }
  return finite;
}

/** Text, so that it is in every bundle without a file of its own. */
const SOURCE = `
const { parentPort, workerData } = require('node:worker_threads');
const { module, memory } = workerData;
const { exports } = new WebAssembly.Instance(module, { env: { memory } });
const loops = { centre: exports, tile: exports.tile };
const view = new DataView(memory.buffer);
const multiply = ${multiply.toString()};
parentPort.on('message', (job) => parentPort.postMessage(multiply(loops, view, job)));`;

interface Waiting {
  readonly resolve: (finite: boolean) => void;
  readonly reject: (error: Error) => void;
}

class Threads implements Multipliers {
  readonly threads: number;
  readonly #shape: Shape;
  readonly #workers: readonly Worker[];
  /** By thread: each has one job at a time. */
  readonly #waiting = new Map<number, Waiting>();
  #failure: Error | undefined;

  constructor(memory: WebAssembly.Memory, shape: Shape, threads: number) {
    this.threads = threads;
    this.#shape = shape;
    const workerData = { module: gramModule(), memory };
    this.#workers = Array.from({ length: threads }, (_, thread) => {
      const worker = new Worker(SOURCE, { eval: true, execArgv: [], name: 'gram', workerData });
      worker.on('message', (finite: boolean) => {
        this.#waiting.get(thread)?.resolve(finite);
        this.#waiting.delete(thread);
      });
      worker.on('error', (error: Error) => this.#fail(error));
      worker.on('exit', () => this.#fail(new Error('A thread that multiplies checkpoints has ended.')));
      return worker;
    });
  }

  run(job: Job, thread: number): Promise<boolean> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#waiting.set(thread, { resolve, reject });
      this.#workers[thread]!.postMessage({ ...this.#shape, ...job, ...CONSTANTS });
    });
  }

  close(): void {
    for (const worker of this.#workers) void worker.terminate();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.values()) reject(this.#failure);
    this.#waiting.clear();
  }
}
