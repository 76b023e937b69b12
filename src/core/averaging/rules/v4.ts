/**
 * The rule of arXiv 2205.13104v4 (nblt/TWA, branch `journal`, one block): w = m + sum_i x_i r_i / |r_i| with m the
 * mean and r_i = w_i - m, the rows not orthogonalised; AdamW on x with a cosine schedule after a warm-up. In
 * coefficients, a_i = 1/n + x_i/|r_i| - mean_j(x_j/|r_j|), so they sum to one and may be negative.
 *
 * The published coefficients are affine. With `free` the mean gets a coordinate of its own beside the x_i: it adds
 * x m / |m|.
 *
 * A checkpoint that equals the mean has no direction: its x stays where it is, where the published code divides by
 * zero.
 */
import { subtractMean } from '../basis.ts';
import { distancesFromMean, typicalDistance } from '../gram.ts';
import type { CentredGram, Constraint, Schedule } from '../types.ts';
import type { Rule } from './rule.ts';
import { schedules } from './schedules.ts';

/** torch.optim.AdamW's defaults, which the published code uses. */
const BETA1 = 0.9;
const BETA2 = 0.999;
const EPSILON = 1e-8;

export interface V4State {
  /** [n], and one more for the mean where coefficients are free. */
  readonly x: Float64Array;
  /** Running mean and mean square of the gradient, not yet corrected for starting at zero. */
  readonly mean: Float64Array;
  readonly square: Float64Array;
  readonly steps: number;
}

export function v4(
  gram: CentredGram,
  options: {
    readonly weightDecay: number;
    readonly constraint?: Constraint;
    readonly schedule?: Schedule;
  },
): Rule<V4State> {
  const { n } = gram;
  const distances = distancesFromMean(gram);
  const inverse = distances.map((distance) => (distance === 0 ? 0 : 1 / distance));
  const length = Math.sqrt(gram.meanSquared);
  const onMean = options.constraint === 'free' && length > 0;
  const size = onMean ? n + 1 : n;

  const position = (coefficients: Float64Array): Float64Array => {
    const sum = onMean ? coefficients.reduce((total, value) => total + value, 0) : 1;
    const x = new Float64Array(size);
    for (let i = 0; i < n; i++) x[i] = (coefficients[i]! - sum / n) * distances[i]!;
    if (onMean) x[n] = (sum - 1) * length;
    return x;
  };
  /** dL/dx_i = <r_i, g> / |r_i|, where <r_i, g> = dL/da_i - mean_j dL/da_j, and <m, g> is that mean. */
  const gradientOf = (gradient: Float64Array): Float64Array => {
    const ofX = new Float64Array(size);
    ofX.set(subtractMean(gradient).map((value, i) => value * inverse[i]!));
    if (onMean) ofX[n] = gradient.reduce((sum, value) => sum + value, 0) / n / length;
    return ofX;
  };

  return {
    init(coefficients) {
      return {
        x: position(coefficients),
        mean: new Float64Array(size),
        square: new Float64Array(size),
        steps: 0,
      };
    },

    update(state, gradient, learningRate) {
      const ofX = gradientOf(gradient);
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
      const each = (onMean ? 1 + x[n]! / length : 1) / n;
      return subtractMean(inverse.map((value, i) => x[i]! * value)).map((value) => each + value);
    },

    moveTo(state, coefficients) {
      return { ...state, x: position(coefficients) };
    },

    schedule: schedules[options.schedule ?? 'cosine'],

    /**
     * AdamW moves each x_i by about the learning rate per step, whatever the size of the gradient, and x_i is a
     * distance in weight space, so a rate that was published for one model means little for another. This one lets
     * x_i travel, over the whole schedule (mean height 0.5), the distance between the mean and a typical checkpoint:
     * enough to take any single checkpoint out, or to end at it.
     */
    learningRate: ({ steps }) => typicalDistance(gram) / (0.5 * steps),
  };
}
