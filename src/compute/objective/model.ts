/** What the objective needs of a model, whoever made it. */
import type { Tensor, Variable } from '../tf.ts';

/** A tensor, or several in a list or by name: what goes into a model or comes out of a data loader. */
export type Tensors = Tensor | Tensor[] | Record<string, Tensor>;

/**
 * - `parameter`: mixed, with a gradient;
 * - `running`: BatchNorm's running mean or variance, which a mix may recompute;
 * - `state`: any other number that is not trained: mixed, without a gradient.
 */
export type Role = 'parameter' | 'running' | 'state';

export interface ModelWeight {
  /** As in the checkpoint. */
  readonly name: string;
  readonly variable: Variable;
  readonly role: Role;
}

/** One BatchNormalization layer. */
export interface NormLayer {
  /** Name of the weight, as in the checkpoint. */
  readonly mean: string;
  readonly variance: string;
  /** Of its exponential moving averages: new = momentum * old + (1 - momentum) * batch. */
  momentum: number;
}

export interface TaskModel {
  readonly weights: readonly ModelWeight[];
  readonly norms: readonly NormLayer[];
  /** Sentences about how it differs from the user's own, for the report. */
  readonly notes?: readonly string[];
  /** What the user's `loss` and `metrics` get: exactly what their `model` gave, or the LayersModel. */
  readonly handle: unknown;
  /** Outputs of a batch. In training mode BatchNorm uses the batch's statistics and dropout drops. */
  apply(inputs: Tensors, training: boolean): Tensor;
  dispose(): void;
}
