/** The model and data pairs, and how each is trained. */
import path from 'node:path';
import type { TaskFile } from '../src/core/task/types.ts';

export interface Problem {
  readonly name: 'digits' | 'tabular' | 'text';
  readonly label: string;
  readonly batchSize: number;
  /** Of the full schedule. */
  readonly epochs: number;
  /** Tried for the full schedule, on a seed that the experiments do not use. */
  readonly rates: readonly [number, number, number];
  readonly optimizer: 'momentum' | 'adam';
}

export const problems: readonly Problem[] = [
  {
    name: 'digits',
    label: 'CNN with BatchNorm, digits, 30 % wrong labels',
    batchSize: 32,
    epochs: 24,
    rates: [0.02, 0.05, 0.12],
    optimizer: 'momentum',
  },
  {
    name: 'tabular',
    label: 'perceptron, RAND visits',
    batchSize: 32,
    epochs: 24,
    rates: [0.005, 0.015, 0.05],
    optimizer: 'momentum',
  },
  {
    name: 'text',
    label: 'character transformer, Genesis',
    batchSize: 32,
    epochs: 24,
    rates: [0.001, 0.003, 0.009],
    optimizer: 'adam',
  },
];

export function taskOf(problem: Problem): TaskFile {
  return {
    path: path.join(import.meta.dirname, 'twa.json'),
    engine: 'tfjs',
    module: path.join(import.meta.dirname, 'problems', `${problem.name}.ts`),
    model: 'checkpoint',
    output: 'logits',
    loss: 'softmaxCrossEntropy',
    metric: { name: 'accuracy', goal: 'maximize' },
    batchSize: 128,
  };
}
