/** Coefficients that follow from a rule alone, without data; oldest checkpoint first. */
import { TwaError } from '../errors.ts';
import type { Method, MethodSettings } from './types.ts';

/** The newest, when nobody says how many: more than 16 hurt and 6 were best in LAWA's own study. */
export const LAST_K = 6;

/** When nobody says: the newest ten make up nine tenths of the average. */
export const EMA_DECAY = 0.8;

/** 1 / (number of `indices`) for each of them, 0 for the others. */
export function meanOf(n: number, indices: readonly number[]): Float64Array {
  const coefficients = new Float64Array(n);
  for (const index of indices) coefficients[index] = 1 / indices.length;
  return coefficients;
}

/** The indices of the newest `k`. */
export function newest(n: number, k: number): number[] {
  return Array.from({ length: k }, (_, index) => n - k + index);
}

/**
 * Those of the exponential moving average e_0 = w_0, e_t = decay * e_(t-1) + (1 - decay) * w_t over `count`
 * checkpoints (Polyak averaging over checkpoints). `decay` lies in [0, 1): 0 is the newest alone.
 */
export function emaCoefficients(count: number, decay: number): number[] {
  return Array.from({ length: count }, (_, t) => {
    const age = count - 1 - t;
    return t === 0 ? decay ** age : (1 - decay) * decay ** age;
  });
}

/** One of {@link METHODS} whose coefficients need no data. */
export type FormulaMethod = Extract<Method, 'uniform' | 'last-k' | 'ema' | 'manual'>;

export function isFormula(method: Method): method is FormulaMethod {
  return method === 'uniform' || method === 'last-k' || method === 'ema' || method === 'manual';
}

/** Settings with everything filled in that the method needs. Throws `usage` for numbers that make no sense. */
export function settingsFor(method: Method, n: number, given: MethodSettings = {}): MethodSettings {
  const { decay, evaluations } = given;
  switch (method) {
    case 'last-k':
      return { ...given, k: requireCount(given.k ?? Math.min(LAST_K, n), n) };
    case 'best-k':
      return given.k === undefined ? given : { ...given, k: requireCount(given.k, n) };
    case 'ema':
      if (decay !== undefined && !(decay >= 0 && decay < 1)) {
        throw new TwaError('usage', `The decay is ${decay}: it must be at least 0 and below 1.`);
      }
      return { ...given, decay: decay ?? EMA_DECAY };
    case 'search':
      if (evaluations !== undefined && !(Number.isInteger(evaluations) && evaluations > 0)) {
        throw new TwaError('usage', `${evaluations} evaluations: it must be a whole number above 0.`);
      }
      return given;
    case 'uniform':
    case 'prune':
    case 'greedy':
    case 'manual':
    case 'twa':
      return given;
  }
}

function requireCount(k: number, n: number): number {
  if (Number.isInteger(k) && k > 0 && k <= n) return k;
  throw new TwaError(
    'usage',
    `k is ${k}, and there are ${n} checkpoints: it must be a number from 1 to ${n}.`,
  );
}

/** Throws `usage` for numbers that make no sense. */
export function formulaCoefficients(
  method: FormulaMethod,
  n: number,
  settings: MethodSettings,
  given: readonly number[] | undefined,
): Float64Array {
  const { k, decay } = settingsFor(method, n, settings);
  switch (method) {
    case 'uniform':
      return meanOf(n, newest(n, n));
    case 'last-k':
      return meanOf(n, newest(n, k!));
    case 'ema':
      return Float64Array.from(emaCoefficients(n, decay!));
    case 'manual':
      return requireCoefficients(given, n);
  }
}

export function requireCoefficients(given: readonly number[] | undefined, n: number): Float64Array {
  if (given?.length !== n) {
    throw new TwaError(
      'usage',
      `${given?.length ?? 0} coefficients were given for ${n} checkpoints: give one for each, oldest first.`,
    );
  }
  if (!given.every(Number.isFinite)) {
    throw new TwaError('usage', `The coefficients ${given.join(', ')} must all be finite numbers.`);
  }
  return Float64Array.from(given);
}
