import type { BackendName } from '../protocol.ts';

export interface StartOptions {
  /** Directories whose node_modules may hold optional packages, nearest first. */
  readonly roots: readonly string[];
  /** It was asked for by name: then a graphics adapter that is only software will do, which is slower than wasm. */
  readonly asked: boolean;
}

export interface Started {
  /** What it runs on: "1 thread, SIMD". */
  readonly detail: string;
  /** A real one. */
  readonly gpu: boolean;
}

/** One way to run TensorFlow.js. */
export interface Backend {
  readonly name: BackendName;
  /** Makes it tfjs's current backend. Throws {@link Unavailable} where this machine lacks something. */
  start(options: StartOptions): Promise<Started>;
  /**
   * Why nothing that it computes from now on can be trusted, in a sentence; undefined as long as all is well. To be
   * asked after every error, and before a result is believed. Absent: it cannot fail so.
   */
  failure?(): Promise<string | undefined>;
  /** Lets go of the device. Its tensors are lost; it can be started again. */
  stop?(): void;
}

/** Why a backend cannot be used here, and what would change that, in a sentence or two. */
export class Unavailable extends Error {
  override readonly name = 'Unavailable';
}
