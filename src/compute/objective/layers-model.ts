/** A tfjs LayersModel as a {@link TaskModel}. */
import { readFile } from 'node:fs/promises';
import { TwaError } from '../../core/errors.ts';
import { tf } from '../tf.ts';
import type { LayersModel, Tensor, Variable } from '../tf.ts';
import type { ModelWeight, NormLayer, TaskModel, Tensors } from './model.ts';

/** What tfjs's own declarations keep private or leave out. */
interface LayerWeight {
  /** The name that is saved; `name` is made unique among all models of the process. */
  readonly originalName: string;
  trainable: boolean;
  read(): Variable;
}
interface AnyLayer {
  getClassName(): string;
  readonly layers?: readonly AnyLayer[];
  /** Of a wrapper such as TimeDistributed. */
  readonly layer?: AnyLayer;
}
interface BatchNormalization extends AnyLayer {
  readonly movingMean: LayerWeight;
  readonly movingVariance: LayerWeight;
  momentum: number;
}

export function isLayersModel(value: unknown): value is LayersModel {
  return (
    value instanceof tf.LayersModel || (typeof value === 'object' && value !== null && 'getLayer' in value)
  );
}

/** The architecture in a `model.json`; weights are not read, the stack brings them. */
export async function readLayersModel(file: string): Promise<LayersModel> {
  const place = { path: file };
  try {
    const document = JSON.parse(await readFile(file, 'utf8')) as unknown;
    const topology = (document as { modelTopology?: unknown } | null)?.modelTopology;
    if (typeof topology !== 'object' || topology === null) {
      throw new TwaError('bad-task', `${file} has no modelTopology: it does not describe a LayersModel.`, {
        place,
      });
    }
    return await tf.loadLayersModel({ load: () => Promise.resolve({ modelTopology: topology }) });
  } catch (error) {
    if (error instanceof TwaError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new TwaError('bad-task', `The model in ${file} cannot be built: ${reason}`, {
      place,
      cause: error,
    });
  }
}

export function layersTaskModel(model: LayersModel): TaskModel {
  const normLayers = batchNormalizations(model);
  const running = new Set(normLayers.flatMap((layer) => [layer.movingMean, layer.movingVariance]));
  const weights = (model.weights as unknown as LayerWeight[]).map((weight): ModelWeight => {
    if (running.has(weight)) return { name: weight.originalName, variable: weight.read(), role: 'running' };
    // Frozen layers take part as well: if the checkpoints differ there, so does the loss.
    weight.trainable = true;
    return { name: weight.originalName, variable: weight.read(), role: 'parameter' };
  });
  return {
    weights,
    norms: normLayers.map((layer): NormLayer => ({
      mean: layer.movingMean.originalName,
      variance: layer.movingVariance.originalName,
      get momentum() {
        return layer.momentum;
      },
      set momentum(value) {
        layer.momentum = value;
      },
    })),
    handle: model,
    apply(inputs, training) {
      const output = model.apply(asInputs(model, inputs), { training }) as Tensor | Tensor[];
      if (!Array.isArray(output)) return output;
      if (output.length === 1) return output[0]!;
      throw new TwaError(
        'bad-task',
        `The model has ${output.length} outputs: a declared loss is for one; export "loss" and "metrics" from a module.`,
      );
    },
    dispose: () => void model.dispose(),
  };
}

function asInputs(model: LayersModel, inputs: Tensors): Tensor | Tensor[] {
  if (inputs instanceof tf.Tensor) return inputs;
  if (Array.isArray(inputs)) return inputs;
  return model.inputNames.map((name) => {
    const input = (inputs as Record<string, Tensor>)[name];
    if (input !== undefined) return input;
    throw new TwaError(
      'bad-task',
      `The data has no input "${name}"; the model has ${model.inputNames.join(', ')}, the data ` +
        `${Object.keys(inputs).join(', ')}.`,
    );
  });
}

/** All of them, those of nested models and wrapped layers included, each once. */
function batchNormalizations(root: AnyLayer): BatchNormalization[] {
  const found = new Set<BatchNormalization>();
  const visit = (layer: AnyLayer): void => {
    if (layer.getClassName() === 'BatchNormalization') found.add(layer as BatchNormalization);
    layer.layers?.forEach(visit);
    if (layer.layer !== undefined) visit(layer.layer);
  };
  visit(root);
  return [...found];
}
