/**
 * A second thread for the products over all checkpoints: one alone cannot use all that memory gives. It computes in the
 * same memories as the main thread, and is told what to do through a few shared numbers, so nothing is copied and nothing
 * waits for the event loop. Who computes which part makes no difference to any bit of the results.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { RowFormat } from '../../core/kernels/rows.ts';
import type { RowWork } from './row-work.ts';

/** Places in the shared numbers. */
export const CONTROL = {
  ready: 0,
  /** How often there was work, and how often it was done. */
  asked: 1,
  done: 2,
  arena: 3,
  mix: 4,
  format: 5,
  rows: 6,
  from: 7,
  to: 8,
  vector: 9,
  sums: 10,
} as const;

/** By their number. */
export const FORMATS: readonly RowFormat[] = ['f32', 'bf16', 'int8'];

export interface ThreadMessage {
  readonly arena: number;
  readonly memory: WebAssembly.Memory;
}

/** A thread that has taken work up is done in milliseconds. */
const LIMIT_MS = 60_000;

class SecondThread {
  readonly #control = new Int32Array(new SharedArrayBuffer(4 * Object.keys(CONTROL).length));
  readonly #worker: Worker;
  #failed = false;

  constructor() {
    // Beside the bundle, or the source itself.
    const file = import.meta.url.endsWith('.ts') ? './row-thread.ts' : './row-thread.mjs';
    const workerData = { control: this.#control.buffer };
    this.#worker = new Worker(new URL(file, import.meta.url), { workerData, execArgv: [] });
    this.#worker.on('error', () => (this.#failed = true));
    this.#worker.unref();
  }

  /** Before that, and if it never starts, the main thread does everything. */
  get ready(): boolean {
    return !this.#failed && Atomics.load(this.#control, CONTROL.ready) === 1;
  }

  /** How often there was work for it. */
  get started(): number {
    return Atomics.load(this.#control, CONTROL.asked);
  }

  addArena(message: ThreadMessage): void {
    this.#worker.postMessage(message);
  }

  /** Starts work. It has been done when the function that this gives returns. */
  start(arena: number, { product, format, ...numbers }: RowWork): () => void {
    const control = this.#control;
    Atomics.store(control, CONTROL.arena, arena);
    Atomics.store(control, CONTROL.mix, product === 'mix' ? 1 : 0);
    Atomics.store(control, CONTROL.format, FORMATS.indexOf(format));
    for (const [name, value] of Object.entries(numbers)) {
      Atomics.store(control, CONTROL[name as keyof typeof numbers], value);
    }
    const asked = Atomics.add(control, CONTROL.asked, 1);
    Atomics.notify(control, CONTROL.asked);
    return () => {
      if (Atomics.wait(control, CONTROL.done, asked, LIMIT_MS) === 'timed-out') {
        throw new Error('The second thread does not answer.');
      }
    };
  }
}

let thread: SecondThread | undefined | null = null;

/** Undefined where there is one processor only, or no thread can be started. Starts it the first time. */
export function secondThread(): SecondThread | undefined {
  if (thread === null) {
    try {
      thread = availableParallelism() > 1 ? new SecondThread() : undefined;
    } catch {
      thread = undefined;
    }
  }
  return thread;
}
