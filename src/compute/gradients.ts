/**
 * Gradients of tfjs-core 4.22 that are written anew, for all backends: the same mathematics in fewer passes over the
 * activations, or where it has none at all.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { Tensor } from '@tensorflow/tfjs-core';
import { einsumGradient, parseEquation } from './einsum.ts';

type GradFunc = (
  dy: Tensor,
  saved: Tensor[],
  attrs: Readonly<Record<string, unknown>>,
) => Readonly<Record<string, () => Tensor>>;

interface GradientConfig {
  readonly kernelName: string;
  readonly inputsToSave?: string[];
  readonly saveAllInputs?: boolean;
  readonly gradFunc: GradFunc;
}

/** Every example's share of a sum is the gradient of the sum. tfjs multiplies it with a tensor of ones. */
function spread(dy: Tensor, x: Tensor, axis: unknown): Tensor {
  const axes = tf.util.parseAxisParam(axis as number[], x.shape);
  const kept = x.shape.map((length, k) => (axes.includes(k) ? 1 : length));
  return tf.broadcastTo(tf.reshape(dy, kept), x.shape);
}

const sum: GradientConfig = {
  kernelName: 'Sum',
  inputsToSave: ['x'],
  gradFunc: (dy, [x], { axis }) => ({ x: () => spread(dy, x!, axis) }),
};

const mean: GradientConfig = {
  kernelName: 'Mean',
  inputsToSave: ['x'],
  gradFunc: (dy, [x], { axis }) => ({ x: () => spread(tf.mul(dy, dy.size / x!.size), x!, axis) }),
};

/**
 * y = scale (x - mean) / sqrt(variance + epsilon) + offset. With s = 1 / sqrt(variance + epsilon), everything but dx
 * follows from two sums per channel, of dy and of dy (x - mean); tfjs goes over the activations a dozen times.
 */
const fusedBatchNorm: GradientConfig = {
  kernelName: 'FusedBatchNorm',
  inputsToSave: ['x', 'mean', 'variance', 'scale'],
  gradFunc: (dy, [x, mean, variance, given], { varianceEpsilon }) => {
    const scale = given ?? tf.scalar(1);
    const s = tf.rsqrt(tf.add(variance!, varianceEpsilon as number));
    // Statistics of another shape than [channels] are those of every element by itself.
    const axes = x!.shape.slice(0, x!.rank - mean!.rank).map((_, axis) => axis);
    const total = (values: Tensor): Tensor =>
      tf.reshape(axes.length === 0 ? values : tf.sum(values, axes), mean!.shape);
    const ofDy = total(dy);
    const ofDyX = total(tf.mul(dy, tf.sub(x!, mean!)));
    return {
      x: () => tf.mul(dy, tf.mul(s, scale)),
      mean: () => tf.mul(tf.mul(ofDy, tf.mul(s, scale)), -1),
      variance: () => tf.mul(tf.mul(ofDyX, tf.mul(scale, tf.mul(s, tf.square(s)))), -0.5),
      scale: () => tf.mul(ofDyX, s),
      offset: () => tf.clone(ofDy),
    };
  },
};

/** tfjs has none. */
const einsum: GradientConfig = {
  kernelName: 'Einsum',
  saveAllInputs: true,
  gradFunc: (dy, tensors, { equation }) => {
    const parsed = parseEquation(equation as string);
    return Object.fromEntries(
      tensors.map((_, k) => [k, () => einsumGradient(parsed, dy, tensors, k)] as const),
    );
  },
};

/** May be called again: another copy of TensorFlow.js that is loaded later puts its own in their place. */
export function registerGradients(): void {
  for (const config of [sum, mean, fusedBatchNorm, einsum]) {
    if ((tf.getGradient(config.kernelName) as unknown) !== undefined)
      tf.unregisterGradient(config.kernelName);
    tf.registerGradient(config as never);
  }
}
