/** Whole models of Keras: outputs, BatchNorm's statistics and gradients against Keras's own. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { selectBackend } from '../../../src/compute/backends/select.ts';
import type { BackendName } from '../../../src/compute/protocol.ts';
import { tf } from '../../../src/compute/tf.ts';
import {
  apply,
  asInputs,
  kerasFixtures,
  largestDifference,
  openKeras,
  readKerasFixture,
  toTensor,
} from './keras.ts';
import type { Expected } from './keras.ts';

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

for (const backend of ['cpu', 'wasm'] as const satisfies readonly BackendName[]) {
  for (const { name, files } of models) {
    const expected = readKerasFixture<Expected>(`${name}.json`);
    for (const file of files) {
      test(`${file} on ${backend}`, async (context) => {
        await selectBackend(backend, []);
        const tensors = tf.memory().numTensors;
        const model = await openKeras(path.join(kerasFixtures, file));
        const compare = async (
          what: string,
          found: ArrayLike<number>,
          wanted: ArrayLike<number>,
        ): Promise<void> => {
          const difference = largestDifference(found, wanted);
          context.diagnostic(`${what}: ${difference.toExponential(1)}`);
          assert.ok(difference < TOLERANCE, `${what} differs by ${difference}`);
        };

        const outputs = apply(model, expected.inputs, false);
        assert.deepEqual(outputs.shape, expected.outputs.shape);
        await compare('outputs', await outputs.data(), expected.outputs.values);
        outputs.dispose();

        if (expected.gradients !== undefined && file.endsWith('.h5')) {
          const before = model.weights.map(({ variable }) => tf.clone(variable));
          await compareGradients(model, expected, compare);
          model.weights.forEach(({ variable }, i) => variable.assign(before[i]!));
          tf.dispose(before);
        }

        const training = apply(model, expected.inputs, true);
        await compare('outputs in training', await training.data(), expected.training.outputs.values);
        training.dispose();
        const named = new Map(model.weights.map((weight) => [weight.name, weight]));
        if (file.endsWith('.h5')) {
          for (const [weight, { values }] of Object.entries(expected.training.running)) {
            await compare(weight, await named.get(weight)!.variable.data(), values);
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
  compare: (what: string, found: ArrayLike<number>, wanted: ArrayLike<number>) => Promise<void>,
): Promise<void> {
  const parameters = model.weights.filter(({ role }) => role === 'parameter');
  const { value, grads } = tf.variableGrads(
    () => tf.sum(tf.mul(model.apply(asInputs(inputs), true), toTensor(cotangent!))),
    parameters.map(({ variable }) => variable),
  );
  assert.deepEqual(parameters.map(({ name }) => name).sort(), Object.keys(gradients).sort());
  for (const { name, variable } of parameters) {
    await compare(`gradient of ${name}`, await grads[variable.name]!.data(), gradients[name]!.values);
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
