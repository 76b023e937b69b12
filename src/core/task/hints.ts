/** What a checkpoint tells about its model, as far as a first task file can use it. */
import { readFile } from 'node:fs/promises';
import type { CheckpointHeader } from '../checkpoints/types.ts';

export interface ModelHints {
  /** The checkpoint has the architecture in it, so that no code is needed to build the model. */
  readonly architecture: boolean;
  /** Of one example. */
  readonly inputShape?: readonly number[];
  /** Of the last layer that has one: "softmax", "sigmoid", "linear", ... */
  readonly activation?: string;
  /** Numbers that the model gives per example. */
  readonly outputs?: number;
}

/** Reads the topology of a TensorFlow.js LayersModel; of other formats nothing is known. */
export async function readModelHints(header: CheckpointHeader): Promise<ModelHints> {
  const file = header.files[0];
  if (header.format !== 'tfjs-layers' || file === undefined) return { architecture: false };
  const layers = layersOf(JSON.parse(await readFile(file.path, 'utf8')));
  const last = layers.findLast(({ config }) => config !== undefined);
  const inputShape = layers
    .map(({ config }) => config?.['batch_input_shape'] ?? config?.['batchInputShape'])
    .find(Array.isArray)
    ?.slice(1);
  const outputs = layers
    .map(({ config }) => config?.['units'])
    .findLast((units) => typeof units === 'number');
  const activation = last?.className === 'Softmax' ? 'softmax' : last?.config?.['activation'];
  return {
    architecture: true,
    ...(isShape(inputShape) ? { inputShape } : {}),
    ...(typeof activation === 'string' ? { activation } : {}),
    ...(outputs === undefined ? {} : { outputs }),
  };
}

type Fields = Readonly<Record<string, unknown>>;

/** modelTopology[.model_config].config.layers (Functional) or .config itself (Sequential, older files). */
function layersOf(model: unknown): { className: unknown; config: Fields | undefined }[] {
  const topology = fieldsOf(fieldsOf(model)?.['modelTopology']);
  const config = fieldsOf(topology?.['model_config'] ?? topology)?.['config'];
  const layers = Array.isArray(config) ? config : fieldsOf(config)?.['layers'];
  if (!Array.isArray(layers)) return [];
  return layers.map((layer: unknown) => ({
    className: fieldsOf(layer)?.['class_name'],
    config: fieldsOf(fieldsOf(layer)?.['config']),
  }));
}

function fieldsOf(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}

function isShape(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((length) => typeof length === 'number');
}
