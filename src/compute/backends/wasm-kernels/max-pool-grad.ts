/**
 * dL/dinput of 2-D max pooling. The wasm backend's own kernel (4.22.0) mixes up channels: with more than one its
 * result is off by half and more. This one sends each dy to the first largest element of its window, as the
 * CPU backend and TensorFlow do; four channels at a time, and what is left over one by one.
 */
import { tf } from '../../tf.ts';
import { heapOf } from './heap.ts';
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
  const { info: output } = zeros(backend, input.shape);
  const heap = heapOf(backend);
  const table = heap.scratch('table', 4 * effectiveFilterHeight * effectiveFilterWidth);
  const [xAt, dxAt, dyAt] = [heap.address(input), heap.address(output), heap.address(dy)];
  const taps = heap.ints(table, effectiveFilterHeight * effectiveFilterWidth);
  const dx = heap.floats(dxAt, input.size);
  const x = heap.floats(xAt, input.size);
  const gradient = heap.floats(dyAt, dy.size);
  const together = channels - (channels % 4);

  let from = 0;
  for (let n = 0; n < batchSize; n++) {
    for (let p = 0; p < outHeight; p++) {
      const top = p * strideHeight - info.padInfo.top;
      const rowStart = Math.max(top, 0);
      const rowEnd = Math.min(top + effectiveFilterHeight, inHeight);
      for (let q = 0; q < outWidth; q++, from += channels) {
        const left = q * strideWidth - info.padInfo.left;
        const columnStart = Math.max(left, 0);
        const columnEnd = Math.min(left + effectiveFilterWidth, inWidth);
        let count = 0;
        for (let row = rowStart; row < rowEnd; row++) {
          for (let column = columnStart; column < columnEnd; column++) {
            taps[count++] = 4 * ((n * inHeight + row) * inWidth + column) * channels;
          }
        }
        if (count > 0 && together > 0) {
          heap.loops.maxPoolGrad(xAt, dxAt, dyAt + 4 * from, table, table + 4 * count, 4 * together);
        }
        for (let c = together; c < channels; c++) {
          let largest = -Infinity;
          let at = -1;
          for (let k = 0; k < count; k++) {
            const index = taps[k]! / 4 + c;
            const value = x[index]!;
            if (value > largest) {
              largest = value;
              at = index;
            }
          }
          if (at >= 0) dx[at] = dx[at]! + gradient[from + c]!;
        }
      }
    }
  }
  return output;
};
