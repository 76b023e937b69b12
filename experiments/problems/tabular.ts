/** Visits to the doctor (none, 1 to 3, more) of the RAND Health Insurance Experiment. A perceptron, without BatchNorm. */
import { readFileSync } from 'node:fs';
import type { TaskContext } from '../../src/compute/objective/task-module.ts';
import { pick, type Examples } from './data.ts';

const rows = readFileSync(new URL('../data/randhie.csv', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .slice(1)
  .map((line) => line.split(',').map(Number));
const columns = rows[0]!.length - 1;
const means = Array.from(
  { length: columns },
  (_, c) => rows.reduce((sum, row) => sum + row[c + 1]!, 0) / rows.length,
);
const deviations = means.map((mean, c) =>
  Math.sqrt(rows.reduce((sum, row) => sum + (row[c + 1]! - mean) ** 2, 0) / rows.length),
);
const examples: Examples = {
  inputs: rows.map((row) =>
    Float32Array.from(row.slice(1), (value, c) => (value - means[c]!) / deviations[c]!),
  ),
  inputShape: [columns],
  labels: rows.map((row) => Int32Array.of(row[0]!)),
  classes: 3,
};

export function model({ tf }: TaskContext) {
  const dense = (name: string, units: number, activation?: 'relu') =>
    tf.layers.dense({
      name,
      units,
      kernelInitializer: tf.initializers.heNormal({ seed: Math.floor(Math.random() * 2 ** 20) }),
      ...(activation === undefined ? {} : { activation }),
    });
  const built = tf.sequential();
  built.add(tf.layers.inputLayer({ inputShape: [columns] }));
  built.add(dense('hidden1', 64, 'relu'));
  built.add(dense('hidden2', 64, 'relu'));
  built.add(dense('logits', 3));
  return built;
}

export const data = (split: string, context: TaskContext) =>
  pick(examples, { train: 1500, validation: 1000, test: 1538 }, split, context);
