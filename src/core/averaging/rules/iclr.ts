/**
 * The rule of the ICLR 2023 paper (arXiv 2205.13104v1; nblt/TWA, branch `main`, train_twa.py): SGD on w with the
 * gradient projected onto the span of the checkpoints, w <- w - lr * momentum(P^T P g + wd w).
 *
 * With P orthonormal and w = P^T beta, that is the same as SGD on beta with gradient P g and weight decay on beta:
 * multiply the update by P and use P P^T = 1. So n numbers are optimised, and P never exists.
 *
 * The published coefficients are free. With `affine` only the directions between checkpoints are taken, so that the sum
 * of the coefficients stays what it was.
 */
import { coefficientsOf, coordinatesOf, project, spanBasis } from '../basis.ts';
import { DEFAULTS } from '../defaults.ts';
import { typicalDistance } from '../gram.ts';
import type { CentredGram, Constraint, Schedule } from '../types.ts';
import type { Rule } from './rule.ts';
import { schedules } from './schedules.ts';

export interface IclrState {
  /** Coordinates in the orthonormal basis, [rank]. */
  readonly beta: Float64Array;
  /** Momentum buffer; undefined before the first step, which takes the gradient as it is (as in PyTorch). */
  readonly velocity: Float64Array | undefined;
  /** Where this training began. Only what has moved since is expressed in the basis, so that it begins exactly there. */
  readonly origin: { readonly beta: Float64Array; readonly coefficients: Float64Array };
}

export function iclr(
  gram: CentredGram,
  options: {
    readonly momentum: number;
    readonly weightDecay: number;
    readonly constraint?: Constraint;
    readonly schedule?: Schedule;
  },
): Rule<IclrState> {
  const span = spanBasis(gram);
  const basis =
    (options.constraint ?? 'free') === 'free' ? span : { ...span, meanLength: 0, rank: span.centredRank };
  return {
    init(coefficients) {
      const beta = coordinatesOf(basis, coefficients);
      return { beta, velocity: undefined, origin: { beta, coefficients } };
    },

    update(state, gradient, learningRate) {
      const decayed = project(basis, gradient).map(
        (value, k) => value + options.weightDecay * state.beta[k]!,
      );
      const { velocity: before } = state;
      const velocity =
        before === undefined ? decayed : decayed.map((value, k) => options.momentum * before[k]! + value);
      const beta = state.beta.map((value, k) => value - learningRate * velocity[k]!);
      return { ...state, beta, velocity };
    },

    coefficients({ beta, origin }) {
      const moved = beta.map((value, k) => value - origin.beta[k]!);
      const change = coefficientsOf(basis, moved);
      return origin.coefficients.map((value, i) => value + change[i]!);
    },

    moveTo(state, coefficients) {
      const beta = coordinatesOf(basis, coefficients);
      return { ...state, beta, origin: { beta, coefficients } };
    },

    schedule: schedules[options.schedule ?? 'step'],

    /**
     * The published rate for CIFAR (0.3 and 0.03 elsewhere), or less: with momentum mu, steps in one direction add up
     * to 1 / (1 - mu) of them, and those should lead no further than a quarter of the distance between the mean and a
     * typical checkpoint. (With the whole distance, the loss of the digits example rises in the first epochs.)
     */
    learningRate({ gradients }) {
      const squared = gradients.map((gradient) => {
        const projected = project(basis, gradient);
        return projected.reduce((sum, value) => sum + value * value, 0);
      });
      const steepness = Math.sqrt(squared.reduce((sum, value) => sum + value, 0) / squared.length);
      return Math.min(
        DEFAULTS.iclr.learningRate,
        ((1 - options.momentum) * 0.25 * typicalDistance(gram)) / steepness,
      );
    },
  };
}
