/**
 * SHA-256 of long runs of bytes, and CRC-32 of stretches of them, beside the work of this thread: hashing takes longer
 * than everything else in merging together. One worker per run, as far as there are processors; they end with the last
 * run.
 */
import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { crc32 } from 'node:zlib';

/** A part of a piece of bytes that belongs to a stretch with a CRC-32; a stretch goes on in the next piece unless it ends. */
export interface CrcSegment {
  readonly from: number;
  readonly to: number;
  readonly ends: boolean;
}

export interface Sha256 {
  /**
   * Resolves when the bytes are in the hash; only then may the next ones come. Bytes in shared memory are hashed
   * where they are and must stay as they are until then; others may change as soon as this returns. Gives the CRC-32 of
   * every stretch that ends in these bytes.
   */
  update(bytes: Uint8Array, segments?: readonly CrcSegment[]): Promise<readonly number[]>;
  /** Hex; once, after the last update. */
  digest(): Promise<string>;
  /** Also after a failure. */
  close(): void;
}

/** Starting a worker takes as long as hashing some ten megabytes. */
const WORTH_A_WORKER = 16 << 20;
/** Each takes about 10 MB of memory. */
const MAX_WORKERS = 6;

/** @param size of what will be hashed, in bytes: little is hashed in this thread. */
export function openSha256(size: number): Sha256 {
  return size < WORTH_A_WORKER || availableParallelism() === 1 ? inThisThread() : HashWorker.open();
}

function inThisThread(): Sha256 {
  const hash = createHash('sha256');
  let crc = 0;
  return {
    update: (bytes, segments = []) => {
      hash.update(bytes);
      const crcs: number[] = [];
      for (const { from, to, ends } of segments) {
        crc = crc32(bytes.subarray(from, to), crc);
        if (!ends) continue;
        crcs.push(crc);
        crc = 0;
      }
      return Promise.resolve(crcs);
    },
    digest: () => Promise.resolve(hash.digest('hex')),
    close: () => undefined,
  };
}

interface Request {
  readonly id: number;
  /** None: the digest is wanted. */
  readonly bytes?: Uint8Array;
  readonly segments?: readonly CrcSegment[];
}

interface Reply {
  readonly id: number;
  readonly crcs?: readonly number[];
  readonly digest?: string;
}

interface Waiting {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
}

/** Text, so that it is in every bundle without a file of its own. Takes {@link Request}s, answers each by a {@link Reply}. */
const SOURCE = `
const { createHash } = require('node:crypto');
const { parentPort } = require('node:worker_threads');
const { crc32 } = require('node:zlib');
const runs = new Map();
parentPort.on('message', ({ id, bytes, segments = [] }) => {
  const run = runs.get(id) ?? { hash: createHash('sha256'), crc: 0 };
  if (bytes === undefined) {
    runs.delete(id);
    parentPort.postMessage({ id, digest: run.hash.digest('hex') });
    return;
  }
  runs.set(id, run);
  run.hash.update(bytes);
  const crcs = [];
  for (const { from, to, ends } of segments) {
    run.crc = crc32(bytes.subarray(from, to), run.crc);
    if (!ends) continue;
    crcs.push(run.crc);
    run.crc = 0;
  }
  parentPort.postMessage({ id, crcs });
});`;

class HashWorker {
  static readonly #all: HashWorker[] = [];
  static #nextId = 0;

  readonly #worker = new Worker(SOURCE, { eval: true, execArgv: [], name: 'sha256' });
  /** By the id of a run: it has one question at a time. */
  readonly #waiting = new Map<number, Waiting>();
  #runs = 0;
  #failure: Error | undefined;

  private constructor() {
    this.#worker.on('message', (reply: Reply) => {
      this.#waiting.get(reply.id)?.resolve(reply);
      this.#waiting.delete(reply.id);
    });
    this.#worker.on('error', (error: Error) => this.#fail(error));
    this.#worker.on('exit', () => this.#fail(ended()));
  }

  static open(): Sha256 {
    const least = this.#all.toSorted((a, b) => a.#runs - b.#runs)[0];
    const room = this.#all.length < Math.min(MAX_WORKERS, availableParallelism());
    let worker = least;
    if (worker === undefined || (worker.#runs > 0 && room)) this.#all.push((worker = new HashWorker()));
    return worker.#open();
  }

  #open(): Sha256 {
    const id = HashWorker.#nextId++;
    let open = true;
    this.#runs++;
    return {
      update: async (bytes, segments = []) => (await this.#ask({ id, bytes, segments })).crcs!,
      digest: async () => (await this.#ask({ id })).digest!,
      close: () => {
        if (open && --this.#runs === 0) this.#end();
        open = false;
      },
    };
  }

  #ask(request: Request): Promise<Reply> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#waiting.set(request.id, { resolve, reject });
      if (request.bytes === undefined || request.bytes.buffer instanceof SharedArrayBuffer) {
        this.#worker.postMessage(request);
      } else {
        const bytes = request.bytes.slice();
        this.#worker.postMessage({ ...request, bytes }, [bytes.buffer]);
      }
    });
  }

  #end(): void {
    HashWorker.#all.splice(HashWorker.#all.indexOf(this), 1);
    this.#failure ??= ended();
    void this.#worker.terminate();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.values()) reject(this.#failure);
    this.#waiting.clear();
  }
}

function ended(): Error {
  return new Error('The thread that computes checksums has ended.');
}
