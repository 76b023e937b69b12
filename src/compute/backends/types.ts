import type { BackendName } from '../protocol.ts';

/** One way to run TensorFlow.js. */
export interface Backend {
  readonly name: BackendName;
  /**
   * Makes it tfjs's current backend and says what it runs on ("1 thread, SIMD"). Throws {@link Unavailable} where this
   * machine lacks something.
   *
   * @param roots Directories whose node_modules may hold optional packages, nearest first.
   */
  start(roots: readonly string[]): Promise<string>;
}

/** Why a backend cannot be used here, and what would change that, in a sentence or two. */
export class Unavailable extends Error {
  override readonly name = 'Unavailable';
}
