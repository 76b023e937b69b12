/** What a checkpoint tells about its model, as far as a first task file can use it. */
import { readFile } from 'node:fs/promises';
import type { CheckpointHeader } from '../checkpoints/types.ts';
import { mayHoldArchitecture, readArchitecture } from '../keras/architecture.ts';

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

/** Reads the architecture of a TensorFlow.js LayersModel or of Keras; of other formats nothing is known. */
export async function readModelHints(header: CheckpointHeader): Promise<ModelHints> {
  const model = await modelIn(header);
  if (model === undefined) return { architecture: false };
  const layers = layersOf(model);
  const last = layers.findLast(({ config }) => config !== undefined);
  const inputShape = layers
    .map(
      ({ config }) => config?.['batch_shape'] ?? config?.['batch_input_shape'] ?? config?.['batchInputShape'],
    )
    .find(Array.isArray)
    ?.slice(1)
    .map((length: unknown) => (length === null ? 0 : length));
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

async function modelIn({ path, format, files: [file] }: CheckpointHeader): Promise<unknown> {
  if (format === 'tfjs-layers' && file !== undefined) {
    return fieldsOf(JSON.parse(await readFile(file.path, 'utf8')))?.['modelTopology'];
  }
  return mayHoldArchitecture(path) ? (await readArchitecture(path))?.model : undefined;
}

/** [model_config.]config.layers (Functional) or .config itself (Sequential, older files). */
function layersOf(model: unknown): { className: unknown; config: Fields | undefined }[] {
  const topology = fieldsOf(model);
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
