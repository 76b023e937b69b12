/** Every layer alone against Keras, in evaluation; and that its gradient exists. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { selectBackend } from '../../../src/compute/backends/select.ts';
import type { BackendName } from '../../../src/compute/protocol.ts';
import { tf } from '../../../src/compute/tf.ts';
import { apply, asInputs, largestDifference, modelOfCase, readKerasFixture } from './keras.ts';
import type { LayerCase } from './keras.ts';

/** float32 sums of a few dozen products of numbers about 1. */
const TOLERANCE = 1e-5;

const cases = readKerasFixture('layers.json') as LayerCase[];

for (const backend of ['cpu', 'wasm'] as const satisfies readonly BackendName[]) {
  test(`layers of Keras on ${backend}`, async (context) => {
    await selectBackend(backend, []);
    for (const [number, one] of cases.entries()) {
      await context.test(`${number}: ${titleOf(one)}`, async () => {
        const tensors = tf.memory().numTensors;
        const model = await modelOfCase(one);
        const output = apply(model, one.inputs, false);
        assert.deepEqual(output.shape, one.outputs.shape);
        const difference = largestDifference(await output.data(), one.outputs.values);
        output.dispose();
        assert.ok(difference < (one.tolerance ?? TOLERANCE), `differs by ${difference}`);
        const parameters = model.weights.filter(({ role }) => role === 'parameter');
        if (parameters.length > 0) {
          const { value, grads } = tf.variableGrads(
            () => tf.mean(tf.square(model.apply(asInputs(one.inputs), true))),
            parameters.map(({ variable }) => variable),
          );
          assert.equal(Object.keys(grads).length, parameters.length);
          tf.dispose([value, grads]);
        }
        model.dispose();
        assert.equal(tf.memory().numTensors, tensors, 'tensors are left over');
      });
    }
  });
}

function titleOf({ model }: LayerCase): string {
  const { layers } = model['config'] as { layers: { class_name: string; config: Record<string, unknown> }[] };
  const { class_name: name, config } = layers.at(-1)!;
  const activation = config['activation'];
  return `${name}${typeof activation === 'string' ? ` ${activation}` : ''}`;
}
