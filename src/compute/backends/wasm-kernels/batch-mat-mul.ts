/**
 * Matrix product. The wasm backend hands only untransposed products to XNNPACK; with `transposeA` or `transposeB`,
 * which every gradient of a matrix product has, it runs a scalar triple loop.
 */
import { heapOf } from './heap.ts';
import type { Reroute } from './kernel.ts';
import { multiply } from './product.ts';

const size = (shape: readonly number[]): number => shape.reduce((product, length) => product * length, 1);

export const batchMatMul: Reroute = (original) => (call) => {
  const { inputs, backend } = call;
  const [a, b] = [inputs['a']!, inputs['b']!];
  const [transposeA, transposeB] = [call.attrs['transposeA'] === true, call.attrs['transposeB'] === true];
  const [lastA, nextA] = [a.shape.at(-1)!, a.shape.at(-2)!];
  const [lastB, nextB] = [b.shape.at(-1)!, b.shape.at(-2)!];
  const [rows, depth] = transposeA ? [lastA, nextA] : [nextA, lastA];
  const [columns, depthB] = transposeB ? [nextB, lastB] : [lastB, nextB];
  const outer = a.shape.slice(0, -2);
  const pairs = size(outer);
  const sameBatch = outer.join() === b.shape.slice(0, -2).join();
  const oneB = pairs > 1 && size(b.shape.slice(0, -2)) === 1 && b.shape.length <= a.shape.length;
  const float = a.dtype === 'float32' && b.dtype === 'float32';
  // Broadcasting of other kinds, and mistakes, which the original words.
  if (!float || depth !== depthB || !(sameBatch || oneB) || pairs * rows * columns * depth === 0) {
    return original(call);
  }
  const product = backend.makeOutput([...outer, rows, columns], 'float32');
  const heap = heapOf(backend);
  const factors = { a: heap.address(a), transposeA, b: heap.address(b), transposeB, rows, columns, depth };
  multiply(heap, factors, heap.address(product), pairs, oneB);
  return product;
};
