/** Sum of slices by segment: the gradient of `gather`, and so of every embedding. The wasm backend lacks it. */
import { zeros } from './kernel.ts';
import type { Kernel } from './kernel.ts';

export const unsortedSegmentSum: Kernel = ({ inputs, attrs, backend }) => {
  const x = inputs['x']!;
  const segmentIds = inputs['segmentIds']!;
  const sliceShape = x.shape.slice(segmentIds.shape.length);
  const sliceSize = sliceShape.reduce((product, length) => product * length, 1);
  const { info, values: sums } = zeros(backend, [attrs['numSegments'] as number, ...sliceShape]);
  const from = backend.typedArrayFromHeap(x);
  const segments = backend.typedArrayFromHeap(segmentIds);
  for (let slice = 0; slice < segments.length; slice++) {
    const segment = segments[slice]!;
    // TensorFlow drops negative segments.
    if (segment < 0) continue;
    const to = segment * sliceSize;
    const start = slice * sliceSize;
    for (let k = 0; k < sliceSize; k++) sums[to + k] = sums[to + k]! + from[start + k]!;
  }
  return info;
};
