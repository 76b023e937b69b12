/** Gradient kernels that tfjs's wasm backend 4.22.0 lacks, gets wrong or does slowly: each file says which and why. */
import { batchMatMul } from './batch-mat-mul.ts';
import { conv2d, conv2dBackpropFilter, conv2dBackpropInput } from './conv2d.ts';
import { depthwiseBackpropFilter, depthwiseBackpropInput } from './depthwise-backprop.ts';
import { reroute, supply } from './kernel.ts';
import { maxPoolGrad } from './max-pool-grad.ts';
import { tile } from './tile.ts';
import { unsortedSegmentSum } from './unsorted-segment-sum.ts';

let registered = false;

export function registerWasmKernels(): void {
  if (registered) return;
  registered = true;
  supply('Conv2DBackpropFilter', conv2dBackpropFilter);
  supply('Conv2DBackpropInput', conv2dBackpropInput);
  reroute('Conv2D', conv2d);
  supply('DepthwiseConv2dNativeBackpropInput', depthwiseBackpropInput);
  supply('DepthwiseConv2dNativeBackpropFilter', depthwiseBackpropFilter);
  supply('MaxPoolGrad', maxPoolGrad);
  supply('UnsortedSegmentSum', unsortedSegmentSum);
  reroute('BatchMatMul', batchMatMul);
  reroute('Tile', tile);
}
