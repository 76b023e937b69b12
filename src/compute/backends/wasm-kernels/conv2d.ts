/**
 * Convolution and its two gradients. The wasm backend (4.22.0) has no gradient of the filter, so nothing with a
 * convolution can be trained on it; its gradient of the input is right but scalar code; its forward pass (XNNPACK) is
 * right and fast, and still slower than the product here, because it packs the images anew in every call.
 */
import { backpropFilter, backpropInput, forward } from './convolution.ts';
import { heapOf } from './heap.ts';
import { convInfo } from './kernel.ts';
import type { Kernel, Reroute } from './kernel.ts';

export const conv2d: Reroute = (original) => (call) => {
  const { inputs, attrs, backend } = call;
  const [x, filter] = [inputs['x']!, inputs['filter']!];
  if (attrs['dataFormat'] === 'NCHW' || x.dtype !== 'float32') return original(call);
  const info = convInfo(x.shape, filter.shape, attrs);
  if (x.size === 0) return original(call);
  const y = backend.makeOutput(info.outShape, 'float32');
  const heap = heapOf(backend);
  forward(heap, info, heap.address(x), heap.address(filter), heap.address(y));
  return y;
};

export const conv2dBackpropInput: Kernel = ({ inputs, attrs, backend }) => {
  const [dy, filter] = [inputs['dy']!, inputs['filter']!];
  const info = convInfo(attrs['inputShape'] as readonly number[], filter.shape, attrs);
  const dx = backend.makeOutput(info.inShape, 'float32');
  const heap = heapOf(backend);
  backpropInput(heap, info, heap.address(dy), heap.address(filter), heap.address(dx));
  return dx;
};

export const conv2dBackpropFilter: Kernel = ({ inputs, attrs, backend }) => {
  const [x, dy] = [inputs['x']!, inputs['dy']!];
  const info = convInfo(x.shape, attrs['filterShape'] as readonly number[], attrs);
  const dfilter = backend.makeOutput(info.filterShape, 'float32');
  const heap = heapOf(backend);
  backpropFilter(heap, info, heap.address(x), heap.address(dy), heap.address(dfilter));
  return dfilter;
};
