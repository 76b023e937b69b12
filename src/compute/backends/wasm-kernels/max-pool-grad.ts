/**
 * dL/dinput of 2-D max pooling. The wasm backend's own kernel (4.22.0) mixes up channels: with more than one its
 * result is off by half and more. This one sends each dy to the first largest element of its window, as the
 * CPU backend and TensorFlow do.
 */
import { tf } from '../../tf.ts';
import { zeros } from './kernel.ts';
import type { Kernel } from './kernel.ts';

export const maxPoolGrad: Kernel = ({ inputs, attrs, backend }) => {
  const input = inputs['input']!;
  const dy = inputs['dy']!;
  const info = tf.backend_util.computePool2DInfo(
    input.shape as [number, number, number, number],
    attrs['filterSize'] as number,
    attrs['strides'] as number,
    1,
    attrs['pad'] as 'valid',
    attrs['dimRoundingMode'] as undefined,
  );
  const { batchSize, inHeight, inWidth, inChannels: channels, outHeight, outWidth } = info;
  const { strideHeight, strideWidth, effectiveFilterHeight, effectiveFilterWidth } = info;
  const { info: output, values: dx } = zeros(backend, input.shape);
  const x = backend.typedArrayFromHeap(input);
  const gradient = backend.typedArrayFromHeap(dy);

  let from = 0;
  for (let n = 0; n < batchSize; n++) {
    for (let p = 0; p < outHeight; p++) {
      const top = p * strideHeight - info.padInfo.top;
      const rowStart = Math.max(top, 0);
      const rowEnd = Math.min(top + effectiveFilterHeight, inHeight);
      for (let q = 0; q < outWidth; q++) {
        const left = q * strideWidth - info.padInfo.left;
        const columnStart = Math.max(left, 0);
        const columnEnd = Math.min(left + effectiveFilterWidth, inWidth);
        for (let c = 0; c < channels; c++, from++) {
          let largest = -Infinity;
          let at = -1;
          for (let row = rowStart; row < rowEnd; row++) {
            let index = ((n * inHeight + row) * inWidth + columnStart) * channels + c;
            for (let column = columnStart; column < columnEnd; column++, index += channels) {
              const value = x[index]!;
              if (value > largest) {
                largest = value;
                at = index;
              }
            }
          }
          if (at >= 0) dx[at] = dx[at]! + gradient[from]!;
        }
      }
    }
  }
  return output;
};
