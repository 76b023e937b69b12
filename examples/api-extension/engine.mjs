// @ts-check
// Softmax regression in plain JavaScript: z = W x + b, loss = -log softmax(z)[y]. A framework would stand here.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { readExamples, scores, softmax, tensor } from './model.mjs';

/** @type {import('../../api/twa.d.ts').Engine} */
export const engine = {
  async open({ task, settings }) {
    const { data } = settings;
    if (typeof data !== 'string')
      throw new Error(`${task}: "settings" needs "data", the path of a CSV file.`);
    const splits = readExamples(await readFile(path.resolve(path.dirname(task), data), 'utf8'));
    return {
      label: 'plain JavaScript',
      sizes: { train: splits.train.length, validation: splits.validation.length, test: splits.test.length },

      evaluate(weights, split, examples) {
        const loss = [];
        const accuracy = [];
        for (const index of examples) {
          const { x, y } = splits[split][index];
          const probabilities = softmax(scores(weights, x));
          loss.push(-Math.log(probabilities[y]));
          accuracy.push(probabilities.indexOf(Math.max(...probabilities)) === y ? 1 : 0);
        }
        return { loss, metrics: { accuracy } };
      },

      lossAndGradient(weights, split, examples) {
        const ofW = new Float32Array(tensor(weights, 'W').length);
        const ofB = new Float32Array(tensor(weights, 'b').length);
        let loss = 0;
        for (const index of examples) {
          const { x, y } = splits[split][index];
          const probabilities = softmax(scores(weights, x));
          loss -= Math.log(probabilities[y]) / examples.length;
          // dL/dz = softmax(z) - onehot(y)
          for (const [k, p] of probabilities.entries()) {
            const ofZ = (p - (k === y ? 1 : 0)) / examples.length;
            ofB[k] += ofZ;
            for (const [j, value] of x.entries()) ofW[k * x.length + j] += ofZ * value;
          }
        }
        return {
          loss,
          gradients: new Map([
            ['W', ofW],
            ['b', ofB],
          ]),
        };
      },
    };
  },
};
