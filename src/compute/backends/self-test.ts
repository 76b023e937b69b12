/**
 * A start-up examination of the current tfjs backend: gradients of tiny operations against stored float64 values
 * (test/fixtures/compute/make_references.py). Some backends compute wrong gradients without a word; training
 * coefficients with them would give a result that looks fine and is not.
 */
import { tf } from '../tf.ts';
import type { Scalar, Tensor, Tensor1D, Tensor2D, Tensor4D } from '../tf.ts';
import reference from './self-test.reference.json' with { type: 'json' };

/**
 * Largest error accepted, relative to the gradient's largest element. float32 stays under 1e-5; TensorFlow on
 * recent NVIDIA GPUs multiplies in TF32 (10-bit mantissa), which stays under 2e-3; every wrong kernel known is off
 * by more than 0.1.
 */
export const TOLERANCE = 5e-3;

const INDICES = [
  [1, 2, 3],
  [3, 3, 0],
];
const LABELS = [0, 3, 1, 1, 2];
const TARGETS = [
  [0, 1, 1],
  [1, 0, 0],
];

type Operation = (...inputs: readonly Tensor[]) => Tensor;

const operations: Readonly<Record<string, Operation>> = {
  'conv2d stride 1': (x, w) => tf.conv2d(x as Tensor4D, w as Tensor4D, 1, 'same'),
  'conv2d stride 2': (x, w) => tf.conv2d(x as Tensor4D, w as Tensor4D, 2, 'same'),
  depthwiseConv2d: (x, w) => tf.depthwiseConv2d(x as Tensor4D, w as Tensor4D, 1, 'same'),
  'depthwiseConv2d stride 2': (x, w) => tf.depthwiseConv2d(x as Tensor4D, w as Tensor4D, 2, 'same'),
  maxPool: (x) => tf.maxPool(x as Tensor4D, 2, 2, 'valid'),
  'maxPool overlapping': (x) => tf.maxPool(x as Tensor4D, 3, 2, 'same'),
  batchNorm: (x, gamma, beta) => {
    const { mean, variance } = tf.moments(x, [0, 1, 2]);
    const vector = (tensor: Tensor) => tensor as Tensor1D;
    return tf.batchNorm(x, vector(mean), vector(variance), vector(beta), vector(gamma), 1e-3);
  },
  gather: (x) => tf.gather(x, tf.tensor2d(INDICES, undefined, 'int32')),
  softmaxCrossEntropy: (x) =>
    tf.losses.softmaxCrossEntropy(
      tf.oneHot(tf.tensor1d(LABELS, 'int32'), 4),
      x,
      undefined,
      0,
      tf.Reduction.NONE,
    ),
  sigmoidCrossEntropy: (x) =>
    tf.losses.sigmoidCrossEntropy(tf.tensor2d(TARGETS), x, undefined, 0, tf.Reduction.NONE),
  dense: (x, w, b) => tf.relu(tf.add(tf.matMul(x as Tensor2D, w as Tensor2D), b)),
  gated: (x, y) => tf.mul(tf.tanh(x), tf.sigmoid(y)),
};

/** Throws an Error that names the operation, or resolves to the milliseconds taken. */
export async function selfTest(): Promise<number> {
  const start = performance.now();
  for (const { name, inputs, gradients } of reference) {
    const operation = operations[name];
    if (operation === undefined) throw new Error(`The self-test has no operation "${name}".`);
    const tensors = inputs.map(({ values, shape }) => tf.tensor(values, shape));
    let computed: Tensor[] = [];
    try {
      computed = tf.tidy(() => tf.grads((...x: Tensor[]) => weightedSum(operation(...x)))(tensors));
      for (const [position, { values }] of gradients.entries()) {
        const error = relativeError(await computed[position]!.data(), values);
        if (!(error <= TOLERANCE)) {
          throw new Error(
            `wrong gradient of ${name}: off by ${error.toPrecision(2)} relative to its largest element`,
          );
        }
      }
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw new Error(message.includes(name) ? message : `${name}: ${message}`, { cause: error });
    } finally {
      tf.dispose([tensors, computed]);
    }
  }
  return performance.now() - start;
}

/** Tells every output element from every other; the same weights as in make_references.py. */
function weightedSum(y: Tensor): Scalar {
  const weights = Float32Array.from({ length: y.size }, (_, k) => (((k * 7) % 11) - 4.5) / 8);
  return tf.sum(tf.mul(y, tf.tensor(weights, y.shape)));
}

function relativeError(values: ArrayLike<number>, expected: readonly number[]): number {
  if (values.length !== expected.length) return Infinity;
  let largest = 0;
  let error = 0;
  expected.forEach((value, index) => {
    largest = Math.max(largest, Math.abs(value));
    error = Math.max(error, Math.abs(values[index]! - value));
    if (Number.isNaN(values[index]!)) error = Infinity;
  });
  return error / largest;
}
