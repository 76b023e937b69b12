/**
 * dL/dinput of a 2-D convolution. The wasm backend's own kernel is right but scalar code, 5 to 10 times slower than
 * its forward convolution. The gradient is a convolution of dy, with stride - 1 zeros between its pixels, with the
 * filter turned by 180 degrees and its channels swapped, so the forward kernel (XNNPACK, SIMD) can do it.
 */
import { tf } from '../../tf.ts';
import type { Tensor4D } from '../../tf.ts';
import { convInfo } from './kernel.ts';
import type { Reroute } from './kernel.ts';

export const conv2dBackpropInput: Reroute = (original) => (call) => {
  const dy = call.inputs['dy'] as Tensor4D;
  const filter = call.inputs['filter'] as Tensor4D;
  if (call.attrs['dataFormat'] === 'NCHW') return original(call);
  const inputShape = call.attrs['inputShape'] as [number, number, number, number];
  const info = convInfo(inputShape, filter.shape, call.attrs);
  const { batchSize, outHeight, outWidth, outChannels, strideHeight, strideWidth } = info;
  const before = {
    rows: info.filterHeight - 1 - info.padInfo.top,
    columns: info.filterWidth - 1 - info.padInfo.left,
  };
  const spread = { rows: (outHeight - 1) * strideHeight + 1, columns: (outWidth - 1) * strideWidth + 1 };
  const after = {
    rows: info.inHeight + info.filterHeight - 1 - before.rows - spread.rows,
    columns: info.inWidth + info.filterWidth - 1 - before.columns - spread.columns,
  };
  // More padding than the filter reaches: dy would have to be cropped. Rare enough to be left to the slow kernel.
  if (Math.min(before.rows, before.columns, after.rows, after.columns) < 0) return original(call);

  return tf.tidy(() => {
    let spaced = dy;
    if (strideHeight > 1 || strideWidth > 1) {
      const wide = tf.pad(tf.reshape(dy, [batchSize * outHeight, 1, outWidth, outChannels]), [
        [0, 0],
        [0, strideHeight - 1],
        [0, 0],
        [0, 0],
      ]);
      const spacedOut = tf.pad(
        tf.reshape(wide, [batchSize * outHeight * strideHeight * outWidth, 1, outChannels]),
        [
          [0, 0],
          [0, strideWidth - 1],
          [0, 0],
        ],
      );
      // The zeros after the last row and column take the place of padding; surplus ones are cut off.
      spaced = tf.slice<Tensor4D['rankType'], Tensor4D>(
        tf.reshape(spacedOut, [batchSize, outHeight * strideHeight, outWidth * strideWidth, outChannels]),
        0,
        [batchSize, spread.rows, spread.columns, outChannels],
      );
    }
    const turned = tf.transpose(tf.reverse(filter, [0, 1]), [0, 1, 3, 2]);
    return tf.conv2d(spaced, turned, 1, [
      [0, 0],
      [before.rows, after.rows],
      [before.columns, after.columns],
      [0, 0],
    ]);
  });
};
