/** A task module's own model, `{ weights, apply }`, as a {@link TaskModel}. */
import { tf } from '../tf.ts';
import type { Tensor, Variable } from '../tf.ts';
import { isLayersModel, layersTaskModel } from './layers-model.ts';
import type { ModelWeight, TaskModel } from './model.ts';
import type { TaskModule } from './task-module.ts';

interface CustomModel {
  /** By their names in the checkpoint. Those that are not trainable are mixed like the others, without a gradient. */
  readonly weights: Readonly<Record<string, Variable>>;
  apply(inputs: unknown, options: { readonly training: boolean }): unknown;
  dispose?(): void;
}

export function moduleModel(module: TaskModule, given: unknown): TaskModel {
  if (isLayersModel(given)) return layersTaskModel(given);
  if (!isCustomModel(given)) {
    throw module.error(
      'model() must give a tf.LayersModel or { weights: { name: tf.Variable, ... }, apply(x, { training }) }.',
    );
  }
  const weights = Object.entries(given.weights).map(([name, variable]): ModelWeight => {
    return { name, variable, role: variable.trainable ? 'parameter' : 'state' };
  });
  return {
    weights,
    norms: [],
    handle: given,
    apply(inputs, training) {
      let output: unknown;
      try {
        output = given.apply(inputs, { training });
      } catch (error) {
        throw module.failure('apply() failed', error);
      }
      if (output instanceof tf.Tensor) return output as Tensor;
      throw module.error('apply() must give one tensor unless the module exports "loss" and "metrics".');
    },
    dispose() {
      if (given.dispose === undefined) tf.dispose(weights.map(({ variable }) => variable));
      else given.dispose();
    },
  };
}

function isCustomModel(value: unknown): value is CustomModel {
  if (typeof value !== 'object' || value === null) return false;
  const { weights, apply } = value as Partial<Record<keyof CustomModel, unknown>>;
  if (typeof apply !== 'function' || typeof weights !== 'object' || weights === null) return false;
  const variables = Object.values(weights);
  return variables.length > 0 && variables.every((variable) => variable instanceof tf.Variable);
}
