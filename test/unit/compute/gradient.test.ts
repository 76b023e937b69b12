/**
 * dL/da through the real chain (checkpoint files, stack, tfjs model, gradient kernels, projection) against central
 * differences of an independent float64 implementation of the network: test/fixtures/compute/make_references.py. And
 * what follows from it: the same coefficients by a whole pass on every backend.
 */
import assert from 'node:assert/strict';
import path from 'node:path';
import { before, test } from 'node:test';
import { selectBackend, stopBackend } from '../../../src/compute/backends/select.ts';
import { tf } from '../../../src/compute/tf.ts';
import type { BackendName } from '../../../src/compute/protocol.ts';
import { runPass } from '../../../src/core/averaging/pass.ts';
import { loadTask } from '../../../src/core/task/load.ts';
import { temporaryDirectory, writeSafetensors, writeTask } from './files.ts';
import type { Values } from './files.ts';
import { openObjective, readFixture, relativeError, saveLayersModel } from './helpers.ts';
import { NO_VULKAN, useSoftwareVulkan } from './software-vulkan.ts';
import { hasTensorflow, NO_TENSORFLOW, tensorflowRoots } from './tensorflow.ts';

interface Reference {
  readonly checkpoints: readonly Readonly<Record<string, Values>>[];
  readonly inputs: Values;
  readonly targets: Values;
  readonly coefficients: readonly number[];
  readonly loss: number;
  readonly centralDifferences: readonly number[];
}

const reference = readFixture('conv-bn.json') as Reference;
const directory = temporaryDirectory();
const checkpoints: string[] = [];
let task = '';

before(async () => {
  await selectBackend('cpu', []);
  const { layers } = tf;
  const model = tf.sequential({
    layers: [
      layers.conv2d({ name: 'conv_a', inputShape: [5, 6, 2], filters: 4, kernelSize: 3, padding: 'same' }),
      layers.batchNormalization({ name: 'norm_a' }),
      layers.activation({ activation: 'tanh' }),
      layers.conv2d({
        name: 'conv_b',
        filters: 6,
        kernelSize: 3,
        strides: 2,
        padding: 'same',
        useBias: false,
      }),
      layers.batchNormalization({ name: 'norm_b' }),
      layers.activation({ activation: 'tanh' }),
      layers.flatten(),
      layers.dense({ name: 'dense', units: 3 }),
    ],
  });
  await saveLayersModel(model, path.join(directory, 'model'));
  model.dispose();
  reference.checkpoints.forEach((weights, index) => {
    const running = Object.fromEntries(
      [4, 6].flatMap((channels, at) => {
        const layer = at === 0 ? 'norm_a' : 'norm_b';
        const vector = (value: number): Values => ({
          shape: [channels],
          values: new Array(channels).fill(value),
        });
        return [
          [`${layer}/moving_mean`, vector(0)],
          [`${layer}/moving_variance`, vector(1)],
        ];
      }),
    );
    checkpoints.push(
      writeSafetensors(path.join(directory, `step-${index}.safetensors`), { ...weights, ...running }),
    );
  });
  // Written so often that every fit split of this task is a number of copies of the same eight examples.
  task = writeTask(
    directory,
    { inputs: repeat(reference.inputs, 20), targets: repeat(reference.targets, 20) },
    { model: 'model/model.json' },
  );
});

/** The whole data set several times, one after another. */
function repeat({ shape, values }: Values, times: number): Values {
  const [rows, ...rest] = shape;
  return {
    shape: [rows! * times, ...rest],
    values: Array.from({ length: times }, () => Array.from(values)).flat(),
  };
}

const vulkan = useSoftwareVulkan();

/** Why a backend is left out; false: it is there. */
const skipped: Readonly<Record<BackendName, string | false>> = {
  cpu: false,
  wasm: false,
  webgpu: vulkan ? false : NO_VULKAN,
  tensorflow: hasTensorflow ? false : NO_TENSORFLOW,
};
const roots = [process.cwd(), ...tensorflowRoots];

for (const [backend, skip] of Object.entries(skipped) as [BackendName, string | false][]) {
  test(`loss and dL/da on ${backend} against float64 central differences`, { skip }, async (context) => {
    await selectBackend(backend, roots);
    const { engine, objective } = await openObjective(await loadTask(task), checkpoints);
    // One of each of the eight examples: positions in the fit split whose row in the data is 0 to 7 modulo 8.
    const { indices } = engine.splits.fit;
    const examples = Int32Array.from({ length: 8 }, (_, k) => indices.findIndex((index) => index % 8 === k));
    assert.ok(examples.every((example) => example >= 0));
    const a = Float64Array.from(reference.coefficients);

    await objective.lossAndGradient(a, examples);
    const before = tf.memory().numTensors;
    const { loss, gradient } = await objective.lossAndGradient(a, examples);
    assert.equal(tf.memory().numTensors, before, 'tensors are left over');

    const lossError = Math.abs(loss / reference.loss - 1);
    const gradientError = relativeError(gradient, reference.centralDifferences);
    context.diagnostic(`relative error of the loss ${lossError.toExponential(1)}`);
    context.diagnostic(`relative error of dL/da ${gradientError.toExponential(1)}`);
    // float32 forward and backward through two batch normalisations; the reference is good to 1e-11.
    assert.ok(lossError < 1e-6, `loss ${loss}, expected ${reference.loss}`);
    assert.ok(
      gradientError < 1e-5,
      `gradient ${gradient.join()}, expected ${reference.centralDifferences.join()}`,
    );
    engine.dispose();
    stopBackend(backend);
  });
}

/** What a pass comes to on cpu, by rule: descent in steps, and a line search over the whole split. */
const rules = ['v4', 'lbfgs'] as const;
let onCpu: readonly Float64Array[] = [];

for (const [backend, skip] of Object.entries(skipped) as [BackendName, string | false][]) {
  test(`a pass on ${backend} gives the coefficients of one on cpu`, { skip }, async (context) => {
    await selectBackend(backend, roots);
    const { engine, objective } = await openObjective(await loadTask(task), checkpoints);
    const tensors = tf.memory().numTensors;
    const found: Float64Array[] = [];
    for (const rule of rules) {
      const result = await runPass(
        objective,
        { method: 'twa', options: { rule, epochs: 2, batchSize: 16 }, buffers: 'average', seed: 1 },
        { signal: new AbortController().signal },
      );
      found.push(Float64Array.from(result.coefficients));
    }
    assert.equal(tf.memory().numTensors, tensors, 'tensors are left over');
    if (backend === 'cpu') onCpu = found;
    for (const [k, values] of found.entries()) {
      const error = relativeError(values, onCpu[k]!);
      context.diagnostic(`${rules[k]!}: ${values.join(', ')}, off by ${error.toExponential(1)}`);
      // Gradients are within 1e-5 of the truth on either (above), and each step moves the coefficients by less than their
      // own length: a dozen steps cannot add up to more. A step too many, or another choice, moves them by a hundredth.
      assert.ok(error < 1e-4, `${rules[k]!} on ${backend}: ${values.join()}, on cpu ${onCpu[k]!.join()}`);
      assert.ok(relativeError(values, new Float64Array(values.length).fill(1 / values.length)) > 0.01);
    }
    await objective.dispose();
    engine.dispose();
    stopBackend(backend);
  });
}
