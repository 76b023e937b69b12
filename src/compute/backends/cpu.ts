/** tfjs in plain JavaScript: ten to a hundred times slower than wasm. For tests, and never taken by `auto`. */
import '@tensorflow/tfjs-backend-cpu';
import { tf } from '../tf.ts';
import type { Backend } from './types.ts';

export const cpu: Backend = {
  name: 'cpu',
  async start() {
    if (!(await tf.setBackend('cpu'))) throw new Error('The JavaScript backend could not be started.');
    await tf.ready();
    return { detail: 'plain JavaScript, 1 thread; slow, for tests', gpu: false };
  },
};
