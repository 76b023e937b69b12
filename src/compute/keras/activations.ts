/** Keras's activations by name, or as written in a configuration. */
import { isRecord } from '../../core/checkpoints/json.ts';
import { tf } from '../tf.ts';
import type { Tensor } from '../tf.ts';
import { Refusal } from './config.ts';
import { softmax } from './math.ts';

export type Activation = (x: Tensor) => Tensor;

const SQRT_HALF = Math.SQRT1_2;

/** Not tf.relu6 and the like throughout: what is built of these few has a gradient on every backend. */
const clip = (x: Tensor, low: number, high: number): Tensor => tf.clipByValue(x, low, high);
/** x / 6 + 1 / 2 between 0 and 1; of Keras 2, x / 5 + 1 / 2. */
export const hardSigmoid = (x: Tensor): Tensor => tf.div(clip(tf.add(x, 3), 0, 6), 6);
const hardSigmoid2 = (x: Tensor): Tensor => clip(tf.add(tf.mul(x, 0.2), 0.5), 0, 1);
const silu = (x: Tensor): Tensor => tf.mul(x, tf.sigmoid(x));
const softplus = (x: Tensor): Tensor => tf.add(tf.relu(x), tf.log1p(tf.exp(tf.neg(tf.abs(x)))));

export function gelu(x: Tensor, approximate: boolean): Tensor {
  const half = tf.mul(x, 0.5);
  if (!approximate) return tf.mul(half, tf.add(tf.erf(tf.mul(x, SQRT_HALF)), 1));
  const cubic = tf.mul(tf.add(x, tf.mul(tf.mul(tf.square(x), x), 0.044715)), Math.sqrt(2 / Math.PI));
  return tf.mul(half, tf.add(tf.tanh(cubic), 1));
}

export function leakyRelu(x: Tensor, slope: number): Tensor {
  return slope === 0 ? tf.relu(x) : tf.sub(tf.relu(x), tf.mul(tf.relu(tf.neg(x)), slope));
}

/** alpha (exp(x) - 1) below 0. The exponent never sees a number that would overflow, nor does its gradient. */
export function elu(x: Tensor, alpha: number): Tensor {
  return tf.add(tf.relu(x), tf.mul(tf.expm1(tf.neg(tf.relu(tf.neg(x)))), alpha));
}

function shrink(x: Tensor, threshold: number): Tensor {
  return tf.sub(tf.relu(tf.sub(x, threshold)), tf.relu(tf.sub(tf.neg(x), threshold)));
}

const SELU_ALPHA = 1.6732632423543772;
const SELU_SCALE = 1.0507009873554805;

const ACTIVATIONS: ReadonlyMap<string, Activation> = new Map<string, Activation>([
  ['linear', (x) => x],
  ['relu', (x) => tf.relu(x)],
  ['relu6', (x) => clip(x, 0, 6)],
  ['leaky_relu', (x) => leakyRelu(x, 0.2)],
  ['elu', (x) => elu(x, 1)],
  ['celu', (x) => elu(x, 1)],
  ['selu', (x) => tf.mul(elu(x, SELU_ALPHA), SELU_SCALE)],
  ['sigmoid', (x) => tf.sigmoid(x)],
  ['log_sigmoid', (x) => tf.neg(softplus(tf.neg(x)))],
  ['hard_sigmoid', hardSigmoid],
  ['tanh', (x) => tf.tanh(x)],
  ['hard_tanh', (x) => clip(x, -1, 1)],
  ['tanh_shrink', (x) => tf.sub(x, tf.tanh(x))],
  ['soft_shrink', (x) => shrink(x, 0.5)],
  ['softmax', (x) => softmax(x)],
  ['log_softmax', (x) => tf.logSoftmax(x)],
  ['softplus', softplus],
  ['softsign', (x) => tf.div(x, tf.add(tf.abs(x), 1))],
  ['silu', silu],
  ['swish', silu],
  ['hard_silu', (x) => tf.mul(x, hardSigmoid(x))],
  ['hard_swish', (x) => tf.mul(x, hardSigmoid(x))],
  ['gelu', (x) => gelu(x, false)],
  ['gelu_tanh', (x) => gelu(x, true)],
  ['mish', (x) => tf.mul(x, tf.tanh(softplus(x)))],
  ['exponential', (x) => tf.exp(x)],
  ['squareplus', (x) => tf.mul(tf.add(x, tf.sqrt(tf.add(tf.square(x), 4))), 0.5)],
]);

/**
 * "relu", or an object that holds a name. Missing is linear.
 * @throws Refusal
 */
export function activationOf(value: unknown, isKeras2: boolean): Activation {
  const name = nameOf(value ?? 'linear');
  if (name === 'hard_sigmoid' && isKeras2) return hardSigmoid2;
  const found = name === undefined ? undefined : ACTIVATIONS.get(name);
  if (found !== undefined) return found;
  const text = name ?? JSON.stringify(value);
  throw new Refusal(`has the activation ${text.slice(0, 80)}, which is not known here.`);
}

/** { module, class_name: 'function', config: 'relu' }, or an activation layer in its place. */
function nameOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (!isRecord(value)) return undefined;
  const { class_name: className, config } = value;
  // A function that a user has registered has "package>name".
  if (className === 'function' && typeof config === 'string') return config;
  const layers: ReadonlyMap<unknown, string> = new Map([
    ['ReLU', 'relu'],
    ['Softmax', 'softmax'],
    ['ELU', 'elu'],
  ]);
  const plain =
    isRecord(config) && !['max_value', 'negative_slope', 'threshold', 'alpha'].some((key) => config[key]);
  return plain ? layers.get(className) : undefined;
}
