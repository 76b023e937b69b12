/**
 * tfjs's AddN binds one storage buffer per input and one for the sum, and a shader may have 8 to 16 of them: with more,
 * the command is dropped and the sum reads as zero. Here many are added up in several steps.
 */
import { tf } from '../../tf.ts';
import type { TensorInfo } from '../../tf.ts';

/** WebGPU promises 8 storage buffers per shader; one of them holds the sum. */
const MOST_INPUTS = 7;

/** May be called again. */
export function registerKernels(): void {
  const kernel = tf.getKernel('AddN', 'webgpu') as ReturnType<typeof tf.getKernel> | undefined;
  if (kernel === undefined || registered.has(kernel.kernelFunc)) return;
  const { kernelFunc: addN } = kernel;
  const inSteps: typeof addN = ({ inputs, backend, attrs }) => {
    const add = (terms: readonly TensorInfo[]): TensorInfo =>
      addN({
        inputs: terms as unknown as typeof inputs,
        backend,
        ...(attrs === undefined ? {} : { attrs }),
      }) as TensorInfo;
    const terms = inputs as unknown as readonly TensorInfo[];
    let sum = add(terms.slice(0, MOST_INPUTS));
    for (let at = MOST_INPUTS; at < terms.length; at += MOST_INPUTS - 1) {
      const before = sum;
      sum = add([before, ...terms.slice(at, at + MOST_INPUTS - 1)]);
      (backend as { disposeData(id: object): unknown }).disposeData(before.dataId);
    }
    return sum;
  };
  registered.add(inSteps);
  tf.unregisterKernel('AddN', 'webgpu');
  tf.registerKernel({ ...kernel, kernelFunc: inSteps });
}

const registered = new WeakSet<object>();
