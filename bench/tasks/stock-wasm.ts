/**
 * TensorFlow.js's own wasm backend (4.22.0) as it comes, with nothing but what training the reference models lacks: the
 * gradient of a convolution's filter (a matrix product per filter position), of max pooling (theirs is wrong) and of
 * gather, each written down plainly. What the project's own wasm backend is measured against.
 */
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import { createRequire } from 'node:module';
import path from 'node:path';
import { maxPoolGrad } from '../../src/compute/backends/wasm-kernels/max-pool-grad.ts';
import { unsortedSegmentSum } from '../../src/compute/backends/wasm-kernels/unsorted-segment-sum.ts';
import { convInfo, supply, type Kernel } from '../../src/compute/backends/wasm-kernels/kernel.ts';
import { tf } from '../../src/compute/tf.ts';
import type { Tensor } from '../../src/compute/tf.ts';

export async function startStockWasm(): Promise<string> {
  const manifest = createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm/package.json');
  setWasmPaths(`${path.join(path.dirname(manifest), 'dist')}${path.sep}`);
  supply('Conv2DBackpropFilter', conv2dBackpropFilter);
  supply('MaxPoolGrad', maxPoolGrad);
  supply('UnsortedSegmentSum', unsortedSegmentSum);
  await tf.setBackend('wasm');
  await tf.ready();
  return 'tfjs 4.22 as it comes, missing kernels supplied plainly';
}

const conv2dBackpropFilter: Kernel = ({ inputs, attrs }) =>
  tf.tidy(() => {
    const filterShape = attrs['filterShape'] as [number, number, number, number];
    const x = inputs['x']!;
    const info = convInfo(x.shape, filterShape, attrs);
    const { top, bottom, left, right } = info.padInfo;
    const padded = tf.pad(x, [
      [0, 0],
      [top, bottom],
      [left, right],
      [0, 0],
    ]);
    const dy = tf.reshape(inputs['dy']!, [-1, info.outChannels]);
    const products: Tensor[] = [];
    for (let row = 0; row < info.filterHeight; row++) {
      for (let column = 0; column < info.filterWidth; column++) {
        const seen = tf.stridedSlice(
          padded,
          [0, row, column, 0],
          [
            info.batchSize,
            row + (info.outHeight - 1) * info.strideHeight + 1,
            column + (info.outWidth - 1) * info.strideWidth + 1,
            info.inChannels,
          ],
          [1, info.strideHeight, info.strideWidth, 1],
        );
        products.push(tf.matMul(tf.reshape(seen, [-1, info.inChannels]), dy, true));
      }
    }
    return tf.reshape(tf.stack(products), filterShape);
  });
