/** Digits of 8 x 8 pixels: 400 to train on, of which 30 % have a wrong label. A CNN with BatchNorm and dropout. */
import { readFileSync } from 'node:fs';
import { digitsModel } from '../../examples/digits/model.ts';
import { below, seededRandom } from '../../src/core/averaging/rng.ts';
import type { TaskContext } from '../../src/compute/objective/task-module.ts';
import { pick, type Examples } from './data.ts';

const WRONG = 0.3;

const rows = readFileSync(new URL('../../examples/digits/data/digits.csv', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => line.split(',').map(Number));
const examples: Examples = {
  inputs: rows.map((row) => Float32Array.from(row.slice(0, 64), (pixel) => pixel / 16)),
  inputShape: [8, 8, 1],
  labels: rows.map((row) => Int32Array.of(row[64]!)),
  classes: 10,
};

export const model = () => digitsModel(Math.floor(Math.random() * 2 ** 20));

export function data(split: string, context: TaskContext) {
  const random = seededRandom(1, 'wrong labels');
  const wrong = (labels: Int32Array): Int32Array => {
    const changed = random() / 2 ** 32 < WRONG;
    const by = 1 + below(random, 9);
    return changed ? labels.map((label) => (label + by) % 10) : labels;
  };
  return pick(examples, { train: 400, validation: 600, test: 797 }, split, context, wrong);
}
