/** A perceptron on random numbers: only its size and its time count. */
import type { TaskContext } from '../../src/compute/objective/task-module.ts';
import { randomData } from '../../bench/tasks/random-data.ts';

export function perceptron({ tf }: TaskContext, width: number) {
  const model = tf.sequential();
  model.add(tf.layers.dense({ name: 'dense1', units: width, activation: 'relu', inputShape: [64] }));
  model.add(tf.layers.dense({ name: 'dense2', units: width, activation: 'relu' }));
  model.add(tf.layers.dense({ name: 'logits', units: 10 }));
  return model;
}

export const data = (_split: string, { tf }: TaskContext) => randomData(tf, [64]);
