/** Layers of the user's own, exported by a task module. */
import { isRecord } from '../../core/checkpoints/json.ts';
import { tf } from '../tf.ts';
import type { Tensor, Variable } from '../tf.ts';
import type { CustomLayers } from './build.ts';
import { firstTensor, tensorsIn } from './layer.ts';
import type { LayerDefinition, Output } from './layer.ts';

/** What the function for a class gets: once for each layer of the class. */
export interface CustomLayer {
  readonly tf: typeof tf;
  /** As the class's `get_config` gave it. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly name: string;
  /**
   * A weight of the layer, in the order in which the class makes them; `undefined` in its shape is a length that
   * the checkpoint knows. `read()` gives the variable, within the layer's own function.
   */
  weight(
    name: string,
    shape: readonly (number | undefined)[],
    options?: { readonly trainable?: boolean },
  ): { read(): Variable };
}

/** Computes the layer: of one tensor, or of a list. */
export type CustomCall = (
  input: Tensor | readonly Tensor[],
  options: { readonly training: boolean; readonly mask: Tensor | undefined },
) => unknown;

/**
 * @param exported The module's `layers`: a function for each class, by "package>Class" or "Class".
 * @param fail Makes an error about the module.
 */
export function customLayers(exported: unknown, fail: (message: string) => Error): CustomLayers {
  if (exported === undefined) return new Map();
  if (!isRecord(exported))
    throw fail('its export "layers" is not an object of functions by the names of classes.');
  return new Map(
    Object.entries(exported).map(([className, make]) => {
      if (typeof make !== 'function') throw fail(`layers["${className}"] is not a function.`);
      return [className, definitionOf(className, make as (layer: CustomLayer) => unknown, fail)] as const;
    }),
  );
}

function definitionOf(
  className: string,
  make: (layer: CustomLayer) => unknown,
  fail: (message: string) => Error,
): LayerDefinition {
  return {
    masking: 'keep',
    build(builder) {
      const call = make({
        tf,
        config: builder.config.fields,
        name: builder.name,
        weight: (name, shape, { trainable = true } = {}) =>
          builder.weight(name, shape, trainable ? 'parameter' : 'state'),
      });
      if (typeof call !== 'function') throw fail(`layers["${className}"] must give a function of a tensor.`);
      return (args, named, run) => {
        const tensors = tensorsIn([...args]);
        const input = tensors.length > 1 ? tensors : firstTensor(args, named);
        const mask = run.masks.of(tensors[0]);
        const output = (call as CustomCall)(input, { training: run.training, mask });
        if (output instanceof tf.Tensor) return output;
        const several = Array.isArray(output) ? tensorsIn(output) : [];
        if (several.length === 0) throw fail(`layers["${className}"] gave something that is no tensor.`);
        return several satisfies Output;
      };
    },
  };
}
