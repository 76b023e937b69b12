/** Coefficients that follow from a rule alone, without data; oldest checkpoint first, summing to 1. */

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
