/**
 * A rule is how coefficients are trained: what is optimised (its own coordinates of the mix) and by which optimiser.
 * It is a set of plain functions around a state of O(n) numbers that is never changed in place; the D-dimensional
 * gradient reaches it only as dL/da_i = <w_i, dL/dw>.
 */
export interface Rule<State> {
  /** The state whose mix is sum_i coefficients_i w_i, with a fresh optimiser. */
  init(coefficients: Float64Array): State;
  /** One step against `gradient`, which is dL/da, [n]. */
  update(state: State, gradient: Float64Array, learningRate: number): State;
  /** a, [n]. */
  coefficients(state: State): Float64Array;
  /** The same optimiser at another mix. */
  moveTo(state: State, coefficients: Float64Array): State;
  /** What the base learning rate is multiplied by at a point of training. */
  schedule(at: Moment): number;
  /** The base learning rate that suits these checkpoints and this loss, when the user names none. */
  learningRate(about: Outlook): number;
}

/** What is known before the first step. */
export interface Outlook {
  /** dL/da of some batches where training starts, each [n]. */
  readonly gradients: readonly Float64Array[];
  /** How many steps there will be. */
  readonly steps: number;
}

/** A point of training; counts from 0. */
export interface Moment {
  readonly step: number;
  readonly steps: number;
  readonly epoch: number;
  readonly epochs: number;
}
