/**
 * The one place that imports TensorFlow.js. tfjs-layers comes along in any case because it registers the gradients
 * of every operation: tfjs-core's Node build alone computes forward passes only. Code that must run without a GPU
 * library (merging, listing jobs) reaches this module through dynamic imports only.
 */
import * as core from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import { registerGradients } from './gradients.ts';

/** What a task module receives as `ctx.tf`: the functions of tfjs-core and tfjs-layers under one name. */
export const tf = { ...core, ...layers } as unknown as typeof core & typeof layers;

// Without it tfjs advertises its Node package on stderr and warns about deprecated names in our users' modules.
tf.enableProdMode();
registerGradients();

export type { LayersModel } from '@tensorflow/tfjs-layers';
export type {
  NamedTensorMap,
  Rank,
  Scalar,
  Tensor,
  Tensor1D,
  Tensor2D,
  Tensor4D,
  TensorInfo,
  Variable,
} from '@tensorflow/tfjs-core';
