/**
 * Gradients of a depthwise convolution, which the wasm backend lacks. Plain loops over the heap: channels lie
 * innermost in all four arrays, so every access of the inner loop is sequential.
 */
import type { Kernel } from './kernel.ts';
import { convInfo, zeros } from './kernel.ts';

type Shape4 = [number, number, number, number];
type Info = ReturnType<typeof convInfo>;

/** Calls `visit` with the offsets of each (input pixel, filter tap, output pixel) that meet in the forward pass. */
function forEachTap(info: Info, visit: (x: number, w: number, y: number) => void): void {
  const { batchSize, inHeight, inWidth, inChannels, outHeight, outWidth, outChannels } = info;
  for (let n = 0; n < batchSize; n++) {
    for (let p = 0; p < outHeight; p++) {
      for (let q = 0; q < outWidth; q++) {
        const y = ((n * outHeight + p) * outWidth + q) * outChannels;
        for (let a = 0; a < info.filterHeight; a++) {
          const row = p * info.strideHeight + a * info.dilationHeight - info.padInfo.top;
          if (row < 0 || row >= inHeight) continue;
          for (let b = 0; b < info.filterWidth; b++) {
            const column = q * info.strideWidth + b * info.dilationWidth - info.padInfo.left;
            if (column < 0 || column >= inWidth) continue;
            visit(
              ((n * inHeight + row) * inWidth + column) * inChannels,
              (a * info.filterWidth + b) * outChannels,
              y,
            );
          }
        }
      }
    }
  }
}

export const depthwiseBackpropInput: Kernel = ({ inputs, attrs, backend }) => {
  const filter = inputs['filter']!;
  const info = convInfo(attrs['inputShape'] as Shape4, filter.shape, attrs, true);
  const multiplier = info.outChannels / info.inChannels;
  const { info: output, values: dx } = zeros(backend, info.inShape);
  const w = backend.typedArrayFromHeap(filter);
  const dy = backend.typedArrayFromHeap(inputs['dy']!);
  forEachTap(info, (xAt, wAt, yAt) => {
    for (let i = 0, o = 0; i < info.inChannels; i++) {
      let sum = dx[xAt + i]!;
      for (let m = 0; m < multiplier; m++, o++) sum += w[wAt + o]! * dy[yAt + o]!;
      dx[xAt + i] = sum;
    }
  });
  return output;
};

export const depthwiseBackpropFilter: Kernel = ({ inputs, attrs, backend }) => {
  const input = inputs['x']!;
  const info = convInfo(input.shape, attrs['filterShape'] as Shape4, attrs, true);
  const multiplier = info.outChannels / info.inChannels;
  const { info: output, values: dw } = zeros(backend, info.filterShape);
  const x = backend.typedArrayFromHeap(input);
  const dy = backend.typedArrayFromHeap(inputs['dy']!);
  // Summed in double: a filter tap collects one product per pixel of the whole batch.
  const sums = new Float64Array(dw.length);
  forEachTap(info, (xAt, wAt, yAt) => {
    for (let i = 0, o = 0; i < info.inChannels; i++) {
      const value = x[xAt + i]!;
      for (let m = 0; m < multiplier; m++, o++) sums[wAt + o] = sums[wAt + o]! + value * dy[yAt + o]!;
    }
  });
  dw.set(sums);
  return output;
};
