/**
 * tfjs-node composes Step, and with it the gradient of every relu, from seven operations and an array of ones as large as
 * the activations, filled in JavaScript. Two operations will do.
 */
import { tf } from '../tf.ts';
import type { Tensor } from '../tf.ts';

/** May be called again. A NaN becomes 0 here; it has made the loss NaN long before a gradient sees it. */
export function registerTensorflowKernels(): void {
  const kernel = tf.getKernel('Step', 'tensorflow') as ReturnType<typeof tf.getKernel> | undefined;
  if (kernel === undefined || registered.has(kernel.kernelFunc)) return;
  const step: typeof kernel.kernelFunc = (call) => {
    const x = call.inputs['x'] as Tensor;
    if (call.attrs?.['alpha'] !== 0 || x.dtype !== 'float32') return kernel.kernelFunc(call);
    return tf.tidy(() => tf.cast(tf.greater(x, 0), 'float32'));
  };
  registered.add(step);
  tf.unregisterKernel('Step', 'tensorflow');
  tf.registerKernel({ ...kernel, kernelFunc: step });
}

const registered = new WeakSet<object>();
