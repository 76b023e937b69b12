/**
 * Slice, and split, which is several. The wasm backend first copies the whole tensor out of its memory, and then small
 * pieces of it back in.
 */
import { tf } from '../../tf.ts';
import { heapOf } from './heap.ts';
import type { Kernel, Reroute } from './kernel.ts';
import { sizeOf } from './shapes.ts';

export const slice: Reroute = (original) => (call) => {
  const x = call.inputs['x']!;
  if (x.dtype !== 'float32') return original(call);
  const [begin, size] = tf.slice_util.parseSliceParams(
    x,
    call.attrs['begin'] as number[],
    call.attrs['size'] as number[],
  ) as [number[], number[]];
  tf.slice_util.assertParamsValid(x, begin, size);
  if (sizeOf(size) === 0) return original(call);

  // Axes that are taken whole belong to the last one that is cut.
  let cut = x.rank - 1;
  while (cut > 0 && size[cut] === x.shape[cut]) cut--;
  const strides = x.shape.map((_, axis) => sizeOf(x.shape.slice(axis + 1)));
  const bytes = 4 * Math.max(sizeOf(size.slice(Math.max(cut, 0))), 1);
  const output = call.backend.makeOutput(size, 'float32');
  const heap = heapOf(call.backend);
  const from = heap.address(x);
  let to = heap.address(output);
  const copy = (axis: number, offset: number): void => {
    const start = offset + (begin[axis] ?? 0) * (strides[axis] ?? 1);
    if (axis >= cut - 1) {
      const rows = axis < cut ? size[axis]! : 1;
      const at = axis < cut ? start + begin[cut]! * strides[cut]! : start;
      const rowBytes = 4 * (strides[axis] ?? 1);
      heap.loops.copyRows(from + 4 * at, rowBytes, to, bytes, to + rows * bytes, bytes);
      to += rows * bytes;
      return;
    }
    for (let k = 0; k < size[axis]!; k++) copy(axis + 1, start + k * strides[axis]!);
  };
  copy(0, 0);
  return output;
};

export const splitV: Kernel = ({ inputs, attrs }) => {
  const x = inputs['x']!;
  const [axis] = tf.util.parseAxisParam(attrs['axis'] as number, x.shape) as [number];
  const sizes = tf.backend_util.prepareSplitSize(x, attrs['numOrSizeSplits'] as number[], axis);
  const begin = x.shape.map(() => 0);
  return sizes.map((length) => {
    const part = tf.slice(
      x,
      begin,
      x.shape.map((whole, k) => (k === axis ? length : whole)),
    );
    begin[axis] = begin[axis]! + length;
    return part;
  });
};
