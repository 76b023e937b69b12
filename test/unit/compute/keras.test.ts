/** Whole models of Keras: outputs, BatchNorm's statistics and gradients against Keras's own. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { selectBackend } from '../../../src/compute/backends/select.ts';
import { declaredModel } from '../../../src/compute/objective/declared-model.ts';
import type { BackendName } from '../../../src/compute/protocol.ts';
import { tf } from '../../../src/compute/tf.ts';
import { readParameter } from '../../../src/core/checkpoints/merge.ts';
import { formatById, requireComplete } from '../../../src/core/checkpoints/registry.ts';
import { readArchitecture } from '../../../src/core/keras/architecture.ts';
import { temporaryDirectory, writeText } from './files.ts';
import {
  apply,
  asInputs,
  kerasFixtures,
  largestDifference,
  loadWeights,
  openKeras,
  readKerasFixture,
  toTensor,
} from './keras.ts';
import type { Expected } from './keras.ts';
import { NO_VULKAN, useSoftwareVulkan } from './software-vulkan.ts';
import { hasTensorflow, NO_TENSORFLOW, tensorflowRoots } from './tensorflow.ts';

/** float32 through a few layers: sums of up to a few hundred products, in another order than TensorFlow's. */
const TOLERANCE = 1e-5;

const models = [
  { name: 'cnn', files: ['cnn.keras', 'cnn.h5'] },
  { name: 'mobile', files: ['mobile.keras'] },
  { name: 'resnet', files: ['resnet.keras'] },
  { name: 'transformer', files: ['transformer.keras', 'transformer.h5'] },
  { name: 'recurrent', files: ['recurrent.keras', 'recurrent.h5'] },
  { name: 'nested', files: ['nested.keras', 'nested.h5'] },
];

const skipped: Readonly<Record<BackendName, string | false>> = {
  cpu: false,
  wasm: false,
  webgpu: useSoftwareVulkan() ? false : NO_VULKAN,
  tensorflow: hasTensorflow ? false : NO_TENSORFLOW,
};

for (const [backend, skip] of Object.entries(skipped) as [BackendName, string | false][]) {
  for (const { name, files } of models) {
    const expected = readKerasFixture(`${name}.json`) as Expected;
    // In software WebGPU takes seconds for what others do in milliseconds: there the last file, with gradients, will do.
    for (const file of backend === 'webgpu' ? files.slice(-1) : files) {
      test(`${file} on ${backend}`, { skip }, async (context) => {
        await selectBackend(backend, [process.cwd(), ...tensorflowRoots]);
        const tensors = tf.memory().numTensors;
        const model = await openKeras(path.join(kerasFixtures, file));
        const compare = (what: string, found: ArrayLike<number>, wanted: ArrayLike<number>): void => {
          const difference = largestDifference(found, wanted);
          context.diagnostic(`${what}: ${difference.toExponential(1)}`);
          assert.ok(difference < TOLERANCE, `${what} differs by ${difference}`);
        };

        const outputs = apply(model, expected.inputs, false);
        assert.deepEqual(outputs.shape, expected.outputs.shape);
        compare('outputs', await outputs.data(), expected.outputs.values);
        outputs.dispose();

        if (expected.gradients !== undefined && file.endsWith('.h5')) {
          const before = model.weights.map(({ variable }) => tf.clone(variable));
          await compareGradients(model, expected, compare);
          model.weights.forEach(({ variable }, i) => variable.assign(before[i]!));
          tf.dispose(before);
        }

        const training = apply(model, expected.inputs, true);
        compare('outputs in training', await training.data(), expected.training.outputs.values);
        training.dispose();
        const named = new Map(model.weights.map((weight) => [weight.name, weight]));
        if (file.endsWith('.h5')) {
          for (const [weight, { values }] of Object.entries(expected.training.running)) {
            compare(weight, await named.get(weight)!.variable.data(), values);
          }
        }
        model.dispose();
        assert.equal(tf.memory().numTensors, tensors, 'tensors are left over');
      });
    }
  }
}

async function compareGradients(
  model: Awaited<ReturnType<typeof openKeras>>,
  { inputs, cotangent, gradients = {} }: Expected,
  compare: (what: string, found: ArrayLike<number>, wanted: ArrayLike<number>) => void,
): Promise<void> {
  const parameters = model.weights.filter(({ role }) => role === 'parameter');
  const { value, grads } = tf.variableGrads(
    () => tf.sum(tf.mul(model.apply(asInputs(inputs), true), toTensor(cotangent!))),
    parameters.map(({ variable }) => variable),
  );
  assert.deepEqual(parameters.map(({ name }) => name).sort(), Object.keys(gradients).sort());
  for (const { name, variable } of parameters) {
    compare(`gradient of ${name}`, await grads[variable.name]!.data(), gradients[name]!.values);
  }
  tf.dispose([value, grads]);
}

test('the roles of weights: a frozen BatchNorm keeps its statistics', async () => {
  await selectBackend('cpu', []);
  const model = await openKeras(path.join(kerasFixtures, 'nested.keras'));
  const running = model.weights.filter(({ role }) => role === 'running').map(({ name }) => name);
  assert.deepEqual(running, [
    'layers/sequential/layers/batch_normalization/vars/2',
    'layers/sequential/layers/batch_normalization/vars/3',
    'layers/batch_normalization/vars/2',
    'layers/batch_normalization/vars/3',
  ]);
  assert.deepEqual(
    model.norms.flatMap(({ mean, variance }) => [mean, variance]),
    running,
  );
  assert.equal(model.weights.filter(({ role }) => role === 'state').length, 2);
  model.dispose();
});

/** By declaredModel, as a task has it. */
async function outputsOf(declared: string, checkpoint: string): Promise<number[]> {
  const header = await requireComplete(checkpoint);
  const model = await declaredModel(declared, header, new Map());
  await loadWeights(model, header);
  const output = apply(model, [{ shape: [2, 3], values: [1, -2, 0.5, 0.1, 3, -1] }], false);
  const values = [...(await output.data())];
  output.dispose();
  model.dispose();
  return values;
}

test('one model in every file: .keras, .h5, .weights.h5 with each kind of architecture, converted model.json', async () => {
  await selectBackend('cpu', []);
  const file = (name: string): string => path.join(kerasFixtures, '../checkpoints/keras', name);
  const archive = file('zip/epoch-1.keras');
  const expected = await outputsOf('checkpoint', archive);
  assert.equal(expected.length, 4);
  assert.ok(expected.every(Number.isFinite) && new Set(expected).size === 4);

  const { model } = (await readArchitecture(archive))!;
  const directory = temporaryDirectory();
  const json = writeText(path.join(directory, 'architecture.json'), JSON.stringify(model));
  const weights = file('weights/epoch-1.weights.h5');
  for (const [declared, checkpoint] of [
    ['checkpoint', file('legacy/epoch-1.h5')],
    [archive, weights],
    [file('legacy/epoch-1.h5'), weights],
    [json, weights],
    [json, archive],
    [archive, file('legacy/epoch-1.h5')],
  ] as const) {
    assert.deepEqual(await outputsOf(declared, checkpoint), expected, `${declared} with ${checkpoint}`);
  }

  // As tensorflowjs_converter writes one.
  const legacy = await requireComplete(file('legacy/epoch-1.h5'));
  const reader = await formatById(legacy.format).open(legacy);
  const parts: Uint8Array[] = [];
  const manifest: object[] = [];
  for (const tensor of legacy.tensors) {
    const values = Float32Array.from(await readParameter(reader, tensor));
    parts.push(new Uint8Array(values.buffer));
    const name = tensor.name.split('/').slice(-2).join('/');
    manifest.push({ name, shape: tensor.shape, dtype: 'float32' });
  }
  await reader.close();
  const converted = path.join(directory, 'converted');
  mkdirSync(converted);
  writeFileSync(path.join(converted, 'weights.bin'), Buffer.concat(parts));
  const weightsManifest = [{ paths: ['weights.bin'], weights: manifest }];
  const document = { format: 'layers-model', modelTopology: { model_config: model }, weightsManifest };
  writeText(path.join(converted, 'model.json'), JSON.stringify(document));
  assert.deepEqual(await outputsOf('checkpoint', converted), expected);
});
