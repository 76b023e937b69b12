/**
 * LeNet with wide layers for 28x28 images: 455,000 parameters, most of them in a dense layer, where a step has little
 * to compute per parameter. Mixing and projecting weigh most here.
 */
import type { TaskContext } from '../../src/compute/objective/task-module.ts';
import { randomData } from './random-data.ts';

export function model({ tf }: TaskContext) {
  const { layers } = tf;
  const conv = (name: string, filters: number, more: object = {}) =>
    layers.conv2d({ name, filters, kernelSize: 5, padding: 'same', activation: 'relu', ...more });
  return tf.sequential({
    layers: [
      conv('conv1', 32, { inputShape: [28, 28, 1] }),
      layers.maxPooling2d({ poolSize: 2 }),
      conv('conv2', 64),
      layers.maxPooling2d({ poolSize: 2 }),
      layers.flatten(),
      layers.dense({ name: 'hidden', units: 128, activation: 'relu' }),
      layers.dropout({ rate: 0.5 }),
      layers.dense({ name: 'logits', units: 10 }),
    ],
  });
}
export const data = (_split: string, { tf }: TaskContext) => randomData(tf, [28, 28, 1]);
