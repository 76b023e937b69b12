/**
 * Default options, and where each number comes from. "Published" is nblt/TWA: branch `main` for `iclr` (run.sh and
 * the argument defaults of train_twa.py), branch `journal` for `v4`.
 */
import { TwaError } from '../errors.ts';
import type { TwaOptions, TwaRule } from './types.ts';

/** Which rule `twa` means when none is named: the newer paper's, whose coefficients sum to one. */
export const DEFAULT_RULE: TwaRule = 'v4';

const COMMON = {
  /** TWA-v, as v4: on data that the checkpoints were trained on, coefficients follow their over-fitting. */
  fitData: 'validation',
  /** Both papers. */
  start: 'mean',
  /** Per tensor over-fits a few thousand examples (measured); the published code calls it an option too. */
  granularity: 'one',
  ridge: 0,
  sparse: false,
  /** Published for CIFAR; 1 to 10 elsewhere. */
  epochs: 10,
  /** Published for CIFAR. Less for a small fit split, see {@link optionsFor}. */
  batchSize: 128,
  /**
   * Ours, the published code has no early stopping. Both schedules end low, and the best often comes then, so all
   * default epochs are run; the best of them is kept either way. (With 3, the head stage of digits and tabular ends at
   * the same mix after 15 to 35 % fewer examples, but on the last epochs of the digits example v4 gives up while its
   * learning rate is still high, and finds nothing.)
   */
  patience: 10,
} as const;

/** Learning rates are the published ones for CIFAR; a pass takes the rule's own choice instead when none is named. */
export const DEFAULTS: Readonly<Record<TwaRule, TwaOptions>> = {
  /** All published. */
  iclr: {
    ...COMMON,
    rule: 'iclr',
    constraint: 'free',
    schedule: 'step',
    learningRate: 2,
    weightDecay: 1e-5,
    momentum: 0.9,
  },
  /** Published, but for the momentum, which is not used: AdamW has its own beta1. */
  v4: {
    ...COMMON,
    rule: 'v4',
    constraint: 'affine',
    schedule: 'cosine',
    learningRate: 1e-3,
    weightDecay: 0,
    momentum: 0,
  },
  /** Ours. It stops by itself when the gradient is flat or the stop split has had enough, mostly before 20 steps. */
  lbfgs: {
    ...COMMON,
    rule: 'lbfgs',
    constraint: 'simplex',
    schedule: 'step',
    epochs: 30,
    batchSize: 8192,
    learningRate: 1,
    weightDecay: 0,
    momentum: 0,
    /** There is no schedule to wait for: 5 ended at the same mix in eight of ten head stages, a third dearer. */
    patience: 3,
  },
};

/** An epoch over a small fit split still has this many steps, if need be with smaller batches. */
const STEPS_PER_EPOCH = 10;

/** Below this a batch's gradient is mostly noise, and so are the batch statistics of BatchNorm. */
const SMALLEST_BATCH = 16;

/**
 * Options with everything filled in. Knowing how many examples there are to fit on, the default batch size shrinks
 * for a small fit split. Throws `usage` for numbers that make no sense.
 */
export function optionsFor(rule: TwaRule, partial: Partial<TwaOptions>, fitSize?: number): TwaOptions {
  const base = DEFAULTS[rule];
  const batchSize =
    fitSize === undefined || rule === 'lbfgs'
      ? base.batchSize
      : Math.min(base.batchSize, Math.max(SMALLEST_BATCH, Math.ceil(fitSize / STEPS_PER_EPOCH)));
  const options: TwaOptions = { ...base, batchSize, ...partial, rule };
  requireSensible(options);
  return options;
}

function requireSensible(options: TwaOptions): void {
  const rules: readonly (readonly [keyof TwaOptions, boolean, string])[] = [
    ['epochs', isCount(options.epochs), 'a whole number above 0'],
    ['batchSize', isCount(options.batchSize), 'a whole number above 0'],
    ['patience', isCount(options.patience), 'a whole number above 0'],
    ['learningRate', Number.isFinite(options.learningRate) && options.learningRate > 0, 'above 0'],
    ['weightDecay', Number.isFinite(options.weightDecay) && options.weightDecay >= 0, '0 or above'],
    ['ridge', Number.isFinite(options.ridge) && options.ridge >= 0, '0 or above'],
    ['momentum', options.momentum >= 0 && options.momentum < 1, 'at least 0 and below 1'],
  ];
  const broken = rules.find(([, fine]) => !fine);
  if (broken !== undefined) {
    const [name, , expected] = broken;
    throw new TwaError('usage', `The option ${name} is ${String(options[name])}: it must be ${expected}.`);
  }
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value > 0;
}

/** How many mixes a search looks at: a CMA-ES needs some ten generations per handful of dimensions. */
export function defaultEvaluations(n: number): number {
  return Math.min(600, 60 + 20 * n);
}
