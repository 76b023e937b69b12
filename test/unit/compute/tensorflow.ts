/** TensorFlow's own kernels, where somebody has set them up: `twa setup-gpu` did, or `npm test` did. */
import { PACKAGES } from '../../../src/compute/backends/tensorflow.ts';
import { findPackage } from '../../../src/compute/backends/packages.ts';
import { managedRoots } from '../../../src/compute/setup/home.ts';

/** Directories whose node_modules may have it. `npm test` names the one that it filled. */
export const tensorflowRoots: readonly string[] = [
  process.env['TWA_TENSORFLOW_ROOT'] ?? process.cwd(),
  ...managedRoots(),
];

export const hasTensorflow = PACKAGES.some((name) => findPackage(tensorflowRoots, name) !== undefined);

/** Why a test is skipped. */
export const NO_TENSORFLOW =
  'no TensorFlow for Node.js: name a Python that imports tensorflow in TWA_TENSORFLOW_PYTHON for `npm test`, or `twa setup-gpu`';
