/**
 * Gradients of a 3-D convolution. The wasm backend's own kernels (4.22.0) give wrong results, off by nine tenths: for
 * the input always, for the filter where the stride is not 1. Plain loops over the heap, with channels innermost in all
 * arrays.
 */
import { tf } from '../../tf.ts';
import { zeros } from './kernel.ts';
import type { Kernel } from './kernel.ts';

type Shape5 = [number, number, number, number, number];
type Info = ReturnType<typeof convInfo3d>;

function convInfo3d(
  inputShape: readonly number[],
  filterShape: readonly number[],
  attrs: Readonly<Record<string, unknown>>,
) {
  return tf.backend_util.computeConv3DInfo(
    inputShape as Shape5,
    filterShape as Shape5,
    attrs['strides'] as number,
    1,
    attrs['pad'] as 'valid',
  );
}

/** Calls `visit` with the offsets of each (input pixel, filter tap, output pixel) that meet in the forward pass. */
function forEachTap(info: Info, visit: (x: number, w: number, y: number) => void): void {
  const { inChannels, outChannels } = info;
  const tapsAt = (out: number, stride: number, padding: number, taps: number, length: number) => {
    const start = out * stride - padding;
    return { start, from: Math.max(0, -start), to: Math.min(taps, length - start) };
  };
  let y = 0;
  for (let n = 0; n < info.batchSize; n++) {
    for (let p = 0; p < info.outDepth; p++) {
      const depth = tapsAt(p, info.strideDepth, info.padInfo.front, info.filterDepth, info.inDepth);
      for (let q = 0; q < info.outHeight; q++) {
        const row = tapsAt(q, info.strideHeight, info.padInfo.top, info.filterHeight, info.inHeight);
        for (let r = 0; r < info.outWidth; r++, y += outChannels) {
          const column = tapsAt(r, info.strideWidth, info.padInfo.left, info.filterWidth, info.inWidth);
          for (let a = depth.from; a < depth.to; a++) {
            for (let b = row.from; b < row.to; b++) {
              for (let c = column.from; c < column.to; c++) {
                const plane = (n * info.inDepth + depth.start + a) * info.inHeight + row.start + b;
                const pixel = plane * info.inWidth + column.start + c;
                const tap = (a * info.filterHeight + b) * info.filterWidth + c;
                visit(pixel * inChannels, tap * inChannels * outChannels, y);
              }
            }
          }
        }
      }
    }
  }
}

export const conv3dBackpropInput: Kernel = ({ inputs, attrs, backend }) => {
  const filter = inputs['filter']!;
  const info = convInfo3d(attrs['inputShape'] as readonly number[], filter.shape, attrs);
  const { inChannels, outChannels } = info;
  const { info: output, values: dx } = zeros(backend, info.inShape);
  const w = backend.typedArrayFromHeap(filter);
  const dy = backend.typedArrayFromHeap(inputs['dy']!);
  forEachTap(info, (xAt, wAt, yAt) => {
    for (let i = 0, tap = wAt; i < inChannels; i++) {
      let sum = dx[xAt + i]!;
      for (let o = 0; o < outChannels; o++) sum += w[tap++]! * dy[yAt + o]!;
      dx[xAt + i] = sum;
    }
  });
  return output;
};

export const conv3dBackpropFilter: Kernel = ({ inputs, attrs, backend }) => {
  const input = inputs['x']!;
  const info = convInfo3d(input.shape, attrs['filterShape'] as readonly number[], attrs);
  const { inChannels, outChannels } = info;
  const { info: output, values: dw } = zeros(backend, info.filterShape);
  const x = backend.typedArrayFromHeap(input);
  const dy = backend.typedArrayFromHeap(inputs['dy']!);
  // Summed in double: a filter tap collects one product per pixel of the whole batch.
  const sums = new Float64Array(dw.length);
  forEachTap(info, (xAt, wAt, yAt) => {
    for (let i = 0, tap = wAt; i < inChannels; i++) {
      const value = x[xAt + i]!;
      for (let o = 0; o < outChannels; o++, tap++) sums[tap] = sums[tap]! + value * dy[yAt + o]!;
    }
  });
  dw.set(sums);
  return output;
};
