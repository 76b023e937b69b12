/** The names of everything that can be chosen, as values: for parsers, messages and menus. */

/** Simplest first: by how much of the result was found by looking at data. The recommendation prefers in this order. */
export const METHODS = [
  /** The plain average (SWA). */
  'uniform',
  /** The plain average of the newest k (LAWA). */
  'last-k',
  /** Exponential moving average over the checkpoints. */
  'ema',
  /** The plain average of the k best by the metric. */
  'best-k',
  /** The plain average of those that leave-one-out pruning keeps. */
  'prune',
  /** Greedy soup (Wortsman et al., "Model soups", 2022): the plain average of those that help, best first. */
  'greedy',
  /** Given coefficients. */
  'manual',
  /** Coefficients by gradient-free search on the metric. */
  'search',
  /** Coefficients trained on the loss. */
  'twa',
] as const;
export type Method = (typeof METHODS)[number];

export const RULES = [
  /** arXiv v4: centred, normalised rows; AdamW. */
  'v4',
  /** ICLR 2023: span of the checkpoints, orthonormalised; SGD with momentum. */
  'iclr',
  /** Full batches, no learning rate: limited-memory BFGS, projected where the constraint asks for it. */
  'lbfgs',
] as const;
export type TwaRule = (typeof RULES)[number];

export const CONSTRAINTS = [
  /** Coefficients of at least 0 that sum to 1. */
  'simplex',
  /** Coefficients that sum to 1. */
  'affine',
  /** Any coefficients. */
  'free',
] as const;
export type Constraint = (typeof CONSTRAINTS)[number];

export const GRANULARITIES = [
  /** One coefficient per checkpoint. */
  'one',
  /** One per checkpoint and parameter tensor. */
  'tensor',
  /** One per checkpoint and group of parameters, as the user groups them. */
  'groups',
] as const;
export type Granularity = (typeof GRANULARITIES)[number];

export const STARTS = ['mean', 'last', 'best', 'given'] as const;
export type Start = (typeof STARTS)[number];

/** Of the learning rate. */
export const SCHEDULES = ['step', 'linear', 'cosine'] as const;
export type Schedule = (typeof SCHEDULES)[number];
