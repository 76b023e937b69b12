/**
 * TensorFlow's own kernels through `@tensorflow/tfjs-node-gpu` or `@tensorflow/tfjs-node`: the fastest path on a CPU
 * by far, and CUDA where it is set up. Neither is bundled or installed with this tool (hundreds of megabytes, native
 * code); if the user's project has one, it is loaded from there. It brings its own tfjs-core, which shares engine
 * and the registries of kernels and gradients with ours through a global, as tfjs intends.
 */
import util from 'node:util';
import { registerGradients } from '../gradients.ts';
import { tf } from '../tf.ts';
import { findPackage, type FoundPackage } from './packages.ts';
import { registerTensorflowKernels } from './tensorflow-kernels.ts';
import { Unavailable } from './types.ts';
import type { Backend, Started } from './types.ts';

export const PACKAGES = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'] as const;

/** What tfjs-node registers as the backend `tensorflow`. */
interface NodeBackend {
  readonly isUsingGpuDevice?: boolean;
  readonly binding?: { readonly TF_Version?: string };
}

/** Root by root, so that what the project itself has comes before what we installed. */
async function start(roots: readonly string[]): Promise<Started> {
  const failures: string[] = [];
  const tried = new Set<string>();
  for (const found of roots.flatMap((root) => PACKAGES.flatMap((name) => findPackage([root], name) ?? []))) {
    if (tried.has(found.folder)) continue;
    tried.add(found.folder);
    try {
      load(found);
      registerTensorflowKernels();
      if (!(await tf.setBackend('tensorflow'))) throw new Error('the backend did not start');
      await tf.ready();
      const backend = tf.backend() as unknown as NodeBackend;
      const version = backend.binding?.TF_Version;
      const gpu = backend.isUsingGpuDevice === true;
      return {
        detail: `TensorFlow${version === undefined ? '' : ` ${version}`} through ${found.name}, ${gpu ? 'GPU' : 'CPU'}`,
        gpu,
      };
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      failures.push(`${found.name} in ${found.folder} does not load: ${message.split('\n')[0] ?? ''}`);
    }
  }
  if (failures.length > 0) throw new Unavailable(failures.join('; '));
  throw new Unavailable(
    'Neither @tensorflow/tfjs-node-gpu nor @tensorflow/tfjs-node is installed: `twa setup-gpu`, in VS Code the command ' +
      'TWA: Set Up GPU, makes one from the TensorFlow in your Python; `npm install @tensorflow/tfjs-node` in your ' +
      'project adds one with a TensorFlow of its own.',
  );
}

/** With it comes a whole TensorFlow.js, even where its binding is missing, which puts its own gradients before ours. */
function load({ require, file }: FoundPackage): void {
  try {
    require(file);
  } finally {
    registerGradients();
  }
}

/**
 * tfjs-node 4.22 calls two functions of `node:util` that Node 23 removed (tfjs#8609; mended upstream, not released).
 * Without them every operation throws.
 */
function restoreRemovedUtilities(): void {
  const utilities = util as unknown as Record<string, unknown>;
  utilities['isNullOrUndefined'] ??= (value: unknown) => value === null || value === undefined;
  utilities['isArray'] ??= Array.isArray;
}

export const tensorflow: Backend = {
  name: 'tensorflow',
  start({ roots }) {
    restoreRemovedUtilities();
    // TensorFlow's own words about its build and its instruction sets; what is an error is still said.
    process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '2';
    return start(roots);
  },
};
