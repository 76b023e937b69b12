/** Models of Keras with what Keras computes of them: test/fixtures/keras/make_keras.py. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { readParameter } from '../../../src/core/checkpoints/merge.ts';
import { formatById, requireComplete } from '../../../src/core/checkpoints/registry.ts';
import type { CheckpointHeader } from '../../../src/core/checkpoints/types.ts';
import { readArchitecture } from '../../../src/core/keras/architecture.ts';
import type { CustomLayers } from '../../../src/compute/keras/build.ts';
import { kerasTaskModel } from '../../../src/compute/keras/model.ts';
import type { KerasModel } from '../../../src/compute/keras/model.ts';
import type { TaskModel } from '../../../src/compute/objective/model.ts';
import { tf } from '../../../src/compute/tf.ts';
import type { Tensor } from '../../../src/compute/tf.ts';
import type { Values } from './files.ts';

export const kerasFixtures = path.join(import.meta.dirname, '../../fixtures/keras');

export interface Expected {
  readonly inputs: readonly Values[];
  readonly outputs: Values;
  readonly training: { readonly outputs: Values; readonly running: Readonly<Record<string, Values>> };
  readonly cotangent?: Values;
  /** By the name of the weight in the legacy file. */
  readonly gradients?: Readonly<Record<string, Values>>;
}

/** A layer as a model of its own. */
export interface LayerCase {
  readonly model: Readonly<Record<string, unknown>>;
  readonly weights: Readonly<Record<string, Values>>;
  readonly inputs: readonly Values[];
  readonly outputs: Values;
  readonly tolerance?: number;
}

export function readKerasFixture(name: string): unknown {
  return JSON.parse(readFileSync(path.join(kerasFixtures, name), 'utf8')) as unknown;
}

/** The model in a checkpoint, with its weights; dispose of it. */
export async function openKeras(file: string, architectureFile = file): Promise<TaskModel> {
  const header = await requireComplete(file);
  const architecture = await readArchitecture(architectureFile);
  const model = await kerasTaskModel(architecture!, header);
  await loadWeights(model, header);
  return model;
}

export async function loadWeights(model: TaskModel, header: CheckpointHeader): Promise<void> {
  const reader = await formatById(header.format).open(header);
  try {
    for (const { name, variable } of model.weights) {
      const tensor = header.tensors.find((candidate) => candidate.name === name)!;
      const values = Float32Array.from(await readParameter(reader, tensor));
      tf.tidy(() => variable.assign(tf.tensor(values, variable.shape)));
    }
  } finally {
    await reader.close();
  }
}

/** The model of one layer, without any file. */
export async function modelOfCase(
  { model, weights }: LayerCase,
  custom: CustomLayers = new Map(),
): Promise<TaskModel> {
  const tensors = Object.entries(weights).map(([name, { shape, values }]) => ({
    name,
    shape: [...shape],
    dtype:
      Array.from(values).every(Number.isInteger) && /seed|count/.test(name)
        ? ('I32' as const)
        : ('F32' as const),
  }));
  const header: CheckpointHeader = {
    path: 'layers.json',
    format: 'keras',
    tensors,
    metadata: {},
    files: [],
  };
  const built = await kerasTaskModel({ path: 'layers.json', model, version: '3.15.1' }, header, custom);
  for (const { name, variable } of built.weights) {
    tf.tidy(() => variable.assign(toTensor(weights[name]!)));
  }
  return built;
}

export const toTensor = ({ shape, values }: Values): Tensor =>
  tf.tensor(Float32Array.from(values), [...shape]);

export function apply(model: TaskModel, inputs: readonly Values[], training: boolean): Tensor {
  return tf.tidy(() => model.apply(asInputs(inputs), training));
}

export const asInputs = (inputs: readonly Values[]): Tensor | Tensor[] =>
  inputs.length === 1 ? toTensor(inputs[0]!) : inputs.map(toTensor);

export const handleOf = (model: TaskModel): KerasModel => model.handle as KerasModel;

/** The largest difference of one element, in units of the largest expected one (but no smaller than 1). */
export function largestDifference(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (found.length !== expected.length) return Infinity;
  let difference = 0;
  let scale = 1;
  for (let k = 0; k < expected.length; k++) {
    difference = Math.max(difference, Math.abs(found[k]! - expected[k]!));
    scale = Math.max(scale, Math.abs(expected[k]!));
    if (!Number.isFinite(found[k]!)) return Infinity;
  }
  return difference / scale;
}
