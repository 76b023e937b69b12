/** Gradient kernels that tfjs's wasm backend 4.22.0 lacks, gets wrong or does slowly: each file says which and why. */
import { batchMatMul } from './batch-mat-mul.ts';
import { conv2d, conv2dBackpropFilter, conv2dBackpropInput } from './conv2d.ts';
import { conv3dBackpropFilter, conv3dBackpropInput } from './conv3d-backprop.ts';
import { depthwise, depthwiseBackpropFilter, depthwiseBackpropInput } from './depthwise.ts';
import { einsum } from './einsum.ts';
import { reroute, supply } from './kernel.ts';
import { maxPoolGrad } from './max-pool-grad.ts';
import { slice, splitV } from './slice.ts';
import { mean, sum } from './sums.ts';
import { tanh } from './tanh.ts';
import { tile } from './tile.ts';
import { unsortedSegmentSum } from './unsorted-segment-sum.ts';
import { cast, identity } from './views.ts';

let registered = false;

export function registerWasmKernels(): void {
  if (registered) return;
  registered = true;
  supply('Conv2DBackpropFilter', conv2dBackpropFilter);
  supply('Conv2DBackpropInput', conv2dBackpropInput);
  reroute('Conv2D', conv2d);
  reroute('DepthwiseConv2dNative', depthwise);
  supply('DepthwiseConv2dNativeBackpropInput', depthwiseBackpropInput);
  supply('DepthwiseConv2dNativeBackpropFilter', depthwiseBackpropFilter);
  supply('Conv3DBackpropInputV2', conv3dBackpropInput);
  supply('Conv3DBackpropFilterV2', conv3dBackpropFilter);
  supply('Einsum', einsum);
  supply('MaxPoolGrad', maxPoolGrad);
  supply('UnsortedSegmentSum', unsortedSegmentSum);
  reroute('BatchMatMul', batchMatMul);
  reroute('Tile', tile);
  reroute('Slice', slice);
  supply('SplitV', splitV);
  reroute('Tanh', tanh);
  reroute('Sum', sum);
  reroute('Mean', mean);
  reroute('Identity', identity);
  reroute('Cast', cast);
}
