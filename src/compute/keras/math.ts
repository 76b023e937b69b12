/** Tensor functions that TensorFlow.js lacks, or whose gradient it lacks or has wrong on one of its backends. */
import { tf } from '../tf.ts';
import type { Tensor, Tensor4D } from '../tf.ts';

/** More than any layer's output has. */
const MAX_ELEMENTS = 2 ** 31;

/** Before anything is allocated on the word of a file. */
export function requireModest(shape: readonly number[]): void {
  if (shape.reduce((product, length) => product * length, 1) < MAX_ELEMENTS) return;
  throw new Error(
    `it would give a tensor of the shape [${shape.join(', ')}], which is more than there is memory for`,
  );
}

export const positive = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

/** Softmax over any axis; tfjs has it for the last one only. */
export function softmax(x: Tensor, axis = -1): Tensor {
  const at = positive(axis, x.rank);
  if (at === x.rank - 1) return tf.softmax(x);
  const order = moved(x.rank, at);
  return tf.transpose(tf.softmax(tf.transpose(x, order)), order);
}

/** The order that swaps an axis with the last one; its own inverse. */
function moved(rank: number, axis: number): number[] {
  const order = Array.from({ length: rank }, (_, i) => i);
  order[axis] = rank - 1;
  order[rank - 1] = axis;
  return order;
}

/** Mean and (biased) variance, axes kept. */
export function moments(x: Tensor, axes: readonly number[]): { mean: Tensor; variance: Tensor } {
  const mean = tf.mean(x, [...axes], true);
  return { mean, variance: tf.mean(tf.square(tf.sub(x, mean)), [...axes], true) };
}

/** Each slice along an axis several times in a row; tfjs's resize has no right gradient for it. */
export function repeat(x: Tensor, axis: number, times: number): Tensor {
  if (times === 1) return x;
  const shape = [...x.shape];
  shape[axis] = shape[axis]! * times;
  requireModest(shape);
  return tf.reshape(tf.stack(new Array<Tensor>(times).fill(x), axis + 1), shape);
}

/** Along an axis of length `in`, the product with a constant matrix [out, in]: any linear resampling. */
export function resample(x: Tensor, axis: number, matrix: readonly (readonly number[])[]): Tensor {
  const order = moved(x.rank, axis);
  const last = tf.transpose(x, order);
  const length = x.shape[axis]!;
  requireModest([x.size / length, matrix.length]);
  const weights = tf.tensor2d(
    matrix.map((row) => [...row]),
    [matrix.length, length],
  );
  const flat = tf.reshape(last, [-1, length]);
  const mixed = tf.matMul(flat, weights, false, true);
  return tf.transpose(tf.reshape(mixed, [...last.shape.slice(0, -1), matrix.length]), order);
}

/**
 * Einstein's summation over two tensors, as a matrix product.
 * @param equation "abc,cde->abde"; `...` stands for all other axes of the first.
 */
export function contract(equation: string, x: Tensor, y: Tensor): Tensor {
  const { left, right, result } = labels(equation, x.rank);
  const sizes = new Map<string, number>();
  for (const [axes, { shape }] of [
    [left, x],
    [right, y],
  ] as const) {
    axes.forEach((label, at) => sizes.set(label, shape[at]!));
  }
  const shared = left.filter((label) => right.includes(label) && result.includes(label));
  const summed = left.filter((label) => right.includes(label) && !result.includes(label));
  const ofLeft = left.filter((label) => !right.includes(label));
  const ofRight = right.filter((label) => !left.includes(label));
  const size = (group: readonly string[]): number =>
    group.reduce((product, label) => product * sizes.get(label)!, 1);
  const arrange = (
    tensor: Tensor,
    axes: readonly string[],
    groups: readonly (readonly string[])[],
  ): Tensor => {
    const order = groups.flat().map((label) => axes.indexOf(label));
    return tf.reshape(tf.transpose(tensor, order), groups.map(size));
  };
  const a = arrange(x, left, shared.length > 0 ? [shared, ofLeft, summed] : [ofLeft, summed]);
  const b = arrange(y, right, shared.length > 0 ? [shared, summed, ofRight] : [summed, ofRight]);
  const axes = [...shared, ...ofLeft, ...ofRight];
  const product = tf.reshape(
    tf.matMul(a, b),
    axes.map((label) => sizes.get(label)!),
  );
  return tf.transpose(
    product,
    result.map((label) => axes.indexOf(label)),
  );
}

/** The letters of each axis. @throws for an equation that {@link contract} does not know. */
export function labels(
  equation: string,
  rank: number,
): { left: readonly string[]; right: readonly string[]; result: readonly string[] } {
  const parts = /^([a-zA-Z.]+),([a-zA-Z]+)->([a-zA-Z.]+)$/.exec(equation.replaceAll(/\s/g, ''));
  if (parts === null) throw new Error(`it has the equation "${equation}", which is not known`);
  const named = parts[1]!.replace('...', '').length;
  const rest = Array.from({ length: Math.max(0, rank - named) }, (_, i) => `*${i}`);
  const expand = (text: string): string[] => {
    const at = text.indexOf('...');
    if (at === -1) return Array.from(text);
    return [...Array.from(text.slice(0, at)), ...rest, ...Array.from(text.slice(at + 3))];
  };
  const [left, right, result] = [expand(parts[1]!), expand(parts[2]!), expand(parts[3]!)];
  const known = new Set([...left, ...right]);
  const plain = [left, right, result].every((axes) => new Set(axes).size === axes.length);
  const alone = [...left, ...right].some(
    (label) => !(left.includes(label) && right.includes(label)) && !result.includes(label),
  );
  if (!plain || alone || left.length !== rank || result.some((label) => !known.has(label))) {
    throw new Error(`it has the equation "${equation}", which does not fit its input`);
  }
  return { left, right, result };
}

export interface ConvOptions {
  readonly strides: readonly number[];
  readonly padding: 'valid' | 'same';
  readonly dilation: readonly number[];
}

/**
 * A 2D convolution [N, H, W, C], also with holes in its kernel (dilation), whose gradient tfjs lacks: there, the
 * pixels of each of the d x d offsets make an image of their own.
 */
export function convolve(
  x: Tensor,
  kernelSize: readonly number[],
  { strides, padding, dilation }: ConvOptions,
  plain: (x: Tensor4D, strides: [number, number], padding: 'valid' | 'same') => Tensor,
): Tensor {
  const image = x as Tensor4D;
  if (dilation.every((d) => d === 1)) return plain(image, [strides[0]!, strides[1]!], padding);
  const pads = [0, 1].map((i) => {
    const total = padding === 'same' ? (kernelSize[i]! - 1) * dilation[i]! : 0;
    const before = Math.floor(total / 2);
    const length = x.shape[i + 1]! + total;
    const more = (dilation[i]! - (length % dilation[i]!)) % dilation[i]!;
    return { before, after: total - before + more, more };
  });
  const apart = tf.spaceToBatchND(
    image,
    [...dilation],
    pads.map(({ before, after }) => [before, after]),
  );
  return tf.batchToSpaceND(
    plain(apart, [1, 1], 'valid') as Tensor4D,
    [...dilation],
    pads.map(({ more }) => [0, more]),
  );
}

/** Of average pooling with padding: how often each position of the output counts a position of the input, per axis. */
export function poolCounts(
  length: number,
  size: number,
  stride: number,
): { before: number; after: number; counts: number[] } {
  const outputs = Math.ceil(length / stride);
  const total = Math.max(0, (outputs - 1) * stride + size - length);
  const before = Math.floor(total / 2);
  const counts = Array.from({ length: outputs }, (_, i) => {
    const start = i * stride - before;
    return Math.min(length, start + size) - Math.max(0, start);
  });
  return { before, after: total - before, counts };
}
