/** A pull toward the plain average, for any rule. */
import type { Objective } from './types.ts';

/**
 * The objective's loss and gradient with ridge / 2 * n * sum_i (a_i - 1/n)^2 added; of blocks, their mean. With shares
 * whose inverse sum of squares ("how many checkpoints they amount to") is n_eff, this is ridge / 2 * (n / n_eff - 1).
 */
export function ridged(objective: Objective, ridge: number): Objective['lossAndGradient'] {
  if (ridge === 0) return (...args) => objective.lossAndGradient(...args);
  return async (coefficients, ...rest) => {
    const { loss, gradient } = await objective.lossAndGradient(coefficients, ...rest);
    const n = objective.checkpoints.length;
    const strength = (ridge * n * n) / coefficients.length;
    const squares = coefficients.reduce((sum, value) => sum + (value - 1 / n) ** 2, 0);
    return {
      loss: loss + (strength / 2) * squares,
      gradient: gradient.map((value, i) => value + strength * (coefficients[i]! - 1 / n)),
    };
  };
}
