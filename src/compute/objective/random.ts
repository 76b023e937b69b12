/** Determinism: tfjs draws dropout masks (and initial weights) from Math.random. */
import { seededRandom } from '../../core/averaging/rng.ts';

/**
 * Runs `work` with Math.random replaced by a stream of its own, so that its result depends on seed and purpose and
 * not on what ran before.
 */
export async function withSeed<T>(seed: number, purpose: string, work: () => Promise<T> | T): Promise<T> {
  const original = Math.random;
  const next = seededRandom(seed, purpose);
  Math.random = () => next() / 2 ** 32;
  try {
    return await work();
  } finally {
    Math.random = original;
  }
}
