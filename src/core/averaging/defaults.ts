/**
 * Default options, and where each number comes from. "Published" is nblt/TWA: branch `main` for `iclr`
 * (run.sh and the argument defaults of train_twa.py), branch `journal` for `v4`.
 */
import { TwaError } from '../errors.ts';
import type { TwaOptions, TwaRule } from './types.ts';

const COMMON = {
  /** TWA-v, as v4: coefficients fitted on data that the checkpoints have fitted too follow its over-fitting. */
  fitData: 'validation',
  /** Both papers. */
  start: 'mean',
  /** Published for CIFAR. Both papers use 1 to 10. */
  epochs: 10,
  /** Published: 128 for CIFAR. Less for a small fit split, see {@link optionsFor}. */
  batchSize: 128,
  /** Ours: the published code has no early stopping. Longer than v4's warm-up, which is a fifth of the epochs. */
  patience: 5,
} as const;

const DEFAULTS: Readonly<Record<TwaRule, TwaOptions>> = {
  iclr: {
    ...COMMON,
    rule: 'iclr',
    /** Published for CIFAR: 2; 0.3 and 0.03 elsewhere. Too high a rate is halved during training. */
    learningRate: 2,
    /** Published. */
    weightDecay: 1e-5,
    /** Published. */
    momentum: 0.9,
  },
  v4: {
    ...COMMON,
    rule: 'v4',
    /** Published for CIFAR; in units of distance in weight space, so it suits one model only: see {@link optionsFor}. */
    learningRate: 1e-3,
    /** Published. */
    weightDecay: 0,
    /** Not used: AdamW has its own beta1. */
    momentum: 0,
  },
};

/** What defaults may depend on. */
export interface Problem {
  /** Examples to fit on. */
  readonly fitSize: number;
  /** Root mean square distance of the checkpoints from their mean. */
  readonly distance: number;
}

/** At least this many steps per epoch, if need be with smaller batches: a tenth of an epoch's data for each step. */
const STEPS_PER_EPOCH = 10;
/** Below this a batch's gradient is mostly noise, and BatchNorm in training mode does not work. */
const SMALLEST_BATCH = 16;

/**
 * Options with everything filled in. With a problem, the batch size shrinks for a small fit split so that an epoch
 * has enough steps, and v4's learning rate becomes relative to how far the checkpoints lie apart. Throws `usage` for
 * numbers that make no sense.
 */
export function optionsFor(rule: TwaRule, partial: Partial<TwaOptions>, problem?: Problem): TwaOptions {
  const base = DEFAULTS[rule];
  const batchSize =
    problem === undefined
      ? base.batchSize
      : Math.min(base.batchSize, Math.max(SMALLEST_BATCH, Math.ceil(problem.fitSize / STEPS_PER_EPOCH)));
  const sized: TwaOptions = { ...base, batchSize, ...partial, rule };
  requireSensible(sized);
  if (problem === undefined || rule !== 'v4' || partial.learningRate !== undefined) return sized;
  const steps = sized.epochs * Math.ceil(problem.fitSize / sized.batchSize);
  return { ...sized, learningRate: relativeRate(problem.distance, steps) };
}

/**
 * AdamW moves each x_i by about the learning rate per step, whatever the size of the gradient, and x_i is a distance
 * in weight space. This rate lets it travel, over the whole schedule (mean height 0.5), the distance between the mean
 * and a typical checkpoint: enough to reach or to remove any single checkpoint.
 */
function relativeRate(distance: number, steps: number): number {
  return distance / (0.5 * steps);
}

function requireSensible(options: TwaOptions): void {
  const rules: readonly (readonly [keyof TwaOptions, boolean, string])[] = [
    ['epochs', isCount(options.epochs), 'a whole number above 0'],
    ['batchSize', isCount(options.batchSize), 'a whole number above 0'],
    ['patience', isCount(options.patience), 'a whole number above 0'],
    ['learningRate', Number.isFinite(options.learningRate) && options.learningRate > 0, 'above 0'],
    ['weightDecay', Number.isFinite(options.weightDecay) && options.weightDecay >= 0, '0 or above'],
    ['momentum', options.momentum >= 0 && options.momentum < 1, 'at least 0 and below 1'],
  ];
  for (const [name, fine, expected] of rules) {
    if (!fine)
      throw new TwaError('usage', `The option ${name} is ${String(options[name])}: it must be ${expected}.`);
  }
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value > 0;
}
