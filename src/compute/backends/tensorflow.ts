/**
 * TensorFlow's own kernels through `@tensorflow/tfjs-node-gpu` or `@tensorflow/tfjs-node`: the fastest path on a CPU
 * by far, and CUDA where it is set up. Neither is bundled or installed with this tool (hundreds of megabytes, native
 * code); if the user's project has one, it is loaded from there. It brings its own tfjs-core, which shares engine
 * and kernel registry with ours through a global, as tfjs intends.
 */
import { createRequire } from 'node:module';
import path from 'node:path';
import util from 'node:util';
import { tf } from '../tf.ts';
import { Unavailable } from './types.ts';
import type { Backend } from './types.ts';

const PACKAGES = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'] as const;

/** What tfjs-node registers as the backend `tensorflow`. */
interface NodeBackend {
  readonly isUsingGpuDevice?: boolean;
  readonly binding?: { readonly TF_Version?: string };
}

async function start(roots: readonly string[]): Promise<string> {
  const failures: string[] = [];
  for (const name of PACKAGES) {
    const found = resolveFrom(roots, name);
    if (found === undefined) continue;
    try {
      found.require(found.file);
      if (!(await tf.setBackend('tensorflow'))) throw new Error('the backend did not start');
      await tf.ready();
      const backend = tf.backend() as unknown as NodeBackend;
      const version = backend.binding?.TF_Version;
      const device = backend.isUsingGpuDevice === true ? 'GPU' : 'CPU';
      return `TensorFlow${version === undefined ? '' : ` ${version}`} through ${name}, ${device}`;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      failures.push(
        `${name} in ${path.dirname(found.manifest)} does not load: ${message.split('\n')[0] ?? ''}`,
      );
    }
  }
  if (failures.length > 0) throw new Unavailable(failures.join('; '));
  throw new Unavailable(
    'Neither @tensorflow/tfjs-node-gpu nor @tensorflow/tfjs-node is installed; `npm install @tensorflow/tfjs-node` ' +
      'in your project adds it.',
  );
}

function resolveFrom(roots: readonly string[], name: string) {
  for (const root of roots) {
    const require = createRequire(path.join(root, 'noop.js'));
    try {
      return { require, file: require.resolve(name), manifest: require.resolve(`${name}/package.json`) };
    } catch {
      // Not under this root.
    }
  }
  return undefined;
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
  start(roots) {
    restoreRemovedUtilities();
    return start(roots);
  },
};

/** Whether the running tensorflow backend computes on a GPU. Only asked after it has started. */
export function usesGpu(): boolean {
  return (tf.backend() as unknown as NodeBackend).isUsingGpuDevice === true;
}
