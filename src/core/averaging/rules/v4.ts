/**
 * The rule of arXiv 2205.13104v4 (nblt/TWA, branch `journal`, one block): w = m + sum_i x_i r_i / |r_i| with m the
 * mean and r_i = w_i - m, the rows not orthogonalised; AdamW on x with a cosine schedule after a warm-up. In
 * coefficients, a_i = 1/n + x_i/|r_i| - mean_j(x_j/|r_j|), so they sum to one and may be negative.
 *
 * A checkpoint that equals the mean has no direction: its x stays where it is, where the published code divides by
 * zero.
 */
import { subtractMean } from '../basis.ts';
import { distancesFromMean, typicalDistance } from '../gram.ts';
import type { CentredGram } from '../types.ts';
import type { Rule } from './rule.ts';

/** torch.optim.AdamW's defaults, which the published code uses. */
const BETA1 = 0.9;
const BETA2 = 0.999;
const EPSILON = 1e-8;

/** Share of the steps during which the learning rate rises to its full height. */
const WARM_UP = 0.2;

export interface V4State {
  /** [n] */
  readonly x: Float64Array;
  /** Running mean and mean square of the gradient, not yet corrected for starting at zero. */
  readonly mean: Float64Array;
  readonly square: Float64Array;
  readonly steps: number;
}

export function v4(gram: CentredGram, options: { readonly weightDecay: number }): Rule<V4State> {
  const { n } = gram;
  const distances = distancesFromMean(gram);
  const inverse = distances.map((distance) => (distance === 0 ? 0 : 1 / distance));
  return {
    init(coefficients) {
      const x = coefficients.map((value, i) => (value - 1 / n) * distances[i]!);
      return { x, mean: new Float64Array(n), square: new Float64Array(n), steps: 0 };
    },

    update(state, gradient, learningRate) {
      // dL/dx_i = <r_i, g> / |r_i|, and <r_i, g> = dL/da_i - mean_j dL/da_j.
      const ofX = subtractMean(gradient).map((value, i) => value * inverse[i]!);
      const steps = state.steps + 1;
      const mean = ofX.map((value, i) => BETA1 * state.mean[i]! + (1 - BETA1) * value);
      const square = ofX.map((value, i) => BETA2 * state.square[i]! + (1 - BETA2) * value * value);
      const meanScale = 1 / (1 - BETA1 ** steps);
      const squareScale = 1 / (1 - BETA2 ** steps);
      const x = state.x.map((value, i) => {
        const step = (mean[i]! * meanScale) / (Math.sqrt(square[i]! * squareScale) + EPSILON);
        return value * (1 - learningRate * options.weightDecay) - learningRate * step;
      });
      return { x, mean, square, steps };
    },

    coefficients({ x }) {
      return subtractMean(x.map((value, i) => value * inverse[i]!)).map((value) => 1 / n + value);
    },

    /** As `cosine_lr` of the published code. */
    schedule({ step, steps }) {
      const warmUp = Math.floor(steps * WARM_UP);
      if (step < warmUp) return (step + 1) / warmUp;
      return 0.5 * (1 + Math.cos((Math.PI * (step - warmUp)) / (steps - warmUp)));
    },

    /**
     * AdamW moves each x_i by about the learning rate per step, whatever the size of the gradient, and x_i is a
     * distance in weight space, so a rate that was published for one model means little for another. This one lets
     * x_i travel, over the whole schedule (mean height 0.5), the distance between the mean and a typical checkpoint:
     * enough to take any single checkpoint out, or to end at it.
     */
    learningRate: ({ steps }) => typicalDistance(gram) / (0.5 * steps),
  };
}
