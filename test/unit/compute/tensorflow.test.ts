/** What is particular to TensorFlow's kernels. Their gradients: gradient.test.ts and keras.test.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { selectBackend } from '../../../src/compute/backends/select.ts';
import { tf } from '../../../src/compute/tf.ts';
import { hasTensorflow, NO_TENSORFLOW, tensorflowRoots } from './tensorflow.ts';

const skip = hasTensorflow ? false : NO_TENSORFLOW;

test('step, of which the gradient of relu is made, in few operations', { skip }, async (context) => {
  await selectBackend('tensorflow', tensorflowRoots);
  const x = tf.tensor1d([-2, -0, 0, 1e-30, 3]);
  const before = tf.memory().numTensors;
  const [zeros, leaky, gradient] = [tf.step(x), tf.step(x, 0.25), tf.grad((v) => tf.relu(v))(x)];
  assert.deepEqual([...(await zeros.data())], [0, 0, 0, 1, 1]);
  assert.deepEqual([...(await leaky.data())], [0.25, 0.25, 0.25, 1, 1]);
  assert.deepEqual([...(await gradient.data())], [0, 0, 0, 1, 1]);
  tf.dispose([zeros, leaky, gradient]);
  assert.equal(tf.memory().numTensors, before, 'tensors are left over');

  const operations = await kernelsOf(() => tf.dispose(tf.step(x)));
  context.diagnostic(operations.join());
  assert.ok(!operations.includes('Fill') && operations.length <= 3, operations.join());
  x.dispose();
});

/** The kernels that ran. */
async function kernelsOf(work: () => void): Promise<readonly string[]> {
  const { kernelNames } = await tf.profile(() => {
    work();
    return tf.scalar(0);
  });
  return kernelNames;
}
