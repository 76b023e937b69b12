/** Convolutions of one, two and three dimensions, with groups, holes and transposed. */
import { tf } from '../../tf.ts';
import type { Tensor, Tensor4D } from '../../tf.ts';
import { activationOf } from '../activations.ts';
import type { Activation } from '../activations.ts';
import { Refusal } from '../config.ts';
import type { LayerBuilder, LayerDefinition, Slot } from '../layer.ts';
import { convolve, requireModest } from '../math.ts';
import type { ConvOptions } from '../math.ts';
import { asImage, channelsLast, dimensionsOf, padSpace } from './spatial.ts';

interface Geometry extends ConvOptions {
  readonly rank: 1 | 2 | 3;
  readonly size: readonly number[];
  /** All padding before: a step sees no later one. */
  readonly causal: boolean;
}

function geometryOf(builder: LayerBuilder): Geometry {
  const { config } = builder;
  const rank = dimensionsOf(builder);
  const padding = config.choice('padding', ['valid', 'same', 'causal'], 'valid');
  if (padding === 'causal' && rank !== 1)
    throw new Refusal('has the padding "causal" in more than one dimension.');
  const geometry = {
    rank,
    size: config.counts('kernel_size', rank),
    strides: config.counts('strides', rank, 1),
    dilation: config.counts('dilation_rate', rank, 1),
    padding: padding === 'same' ? 'same' : 'valid',
    causal: padding === 'causal',
  } as const;
  const { strides, dilation } = geometry;
  if (dilation.some((d) => d > 1) && strides.some((s) => s > 1)) {
    throw new Refusal('has both strides and a dilation_rate above 1, which Keras does not allow.');
  }
  if (rank === 3 && dilation.some((d) => d > 1)) {
    throw new Refusal(
      'has a dilation_rate above 1 in three dimensions, which has no gradient in TensorFlow.js.',
    );
  }
  return geometry;
}

/** A convolution as one of images: of one dimension, with a height of 1. */
function onImages(
  x: Tensor,
  geometry: Geometry,
  plain: (x: Tensor4D, strides: [number, number], padding: 'valid' | 'same') => Tensor,
): Tensor {
  const { rank, size, strides, dilation, padding, causal } = geometry;
  if (rank === 2) return convolve(x, size, geometry, plain);
  const padded = causal ? padSpace(x, [[(size[0]! - 1) * dilation[0]!, 0]]) : x;
  const flat = { padding, strides: [1, strides[0]!], dilation: [1, dilation[0]!] };
  return asImage(padded, (image) => convolve(image, [1, size[0]!], flat, plain));
}

/** A kernel [k, in, out] as [1, k, in, out]. */
const imageKernel = (kernel: Tensor, rank: number): Tensor4D =>
  (rank === 1 ? tf.expandDims(kernel, 0) : kernel) as Tensor4D;

const conv: LayerDefinition = {
  build(builder) {
    const { config, weight } = builder;
    const geometry = geometryOf(builder);
    const { rank, size, strides, padding } = geometry;
    const filters = config.count('filters');
    const groups = config.count('groups', 1);
    const kernel = weight('kernel', [...size, undefined, filters]);
    const finish = endOf(builder, [filters]);
    return channelsLast(builder, (x) => {
      if (rank === 3) {
        if (groups > 1) throw new Error('it has groups in three dimensions, which TensorFlow.js has not');
        const weights = kernel.read() as unknown as Parameters<typeof tf.conv3d>[1];
        const volume = x as unknown as Parameters<typeof tf.conv3d>[0];
        return finish(tf.conv3d(volume, weights, strides as [number, number, number], padding));
      }
      const weights = imageKernel(kernel.read(), rank);
      return finish(
        onImages(x, geometry, (image, steps, pad) => grouped(image, weights, groups, steps, pad)),
      );
    });
  },
};

/** Groups of channels that each have filters of their own. */
function grouped(
  x: Tensor4D,
  kernel: Tensor4D,
  groups: number,
  strides: [number, number],
  padding: 'valid' | 'same',
): Tensor {
  if (groups === 1) return tf.conv2d(x, kernel, strides, padding);
  const kernels = tf.split(kernel, groups, 3);
  const parts = tf
    .split(x, groups, 3)
    .map((part, i) => tf.conv2d(part as Tensor4D, kernels[i] as Tensor4D, strides, padding));
  return tf.concat(parts, 3);
}

const depthwise: LayerDefinition = {
  build(builder) {
    const { config, weight } = builder;
    const geometry = geometryOf(builder);
    const { rank, size } = geometry;
    const multiplier = config.count('depth_multiplier', 1);
    const kernel = weight(builder.isKeras2 ? 'depthwise_kernel' : 'kernel', [...size, undefined, multiplier]);
    const finish = endOf(builder, [undefined]);
    return channelsLast(builder, (x) => {
      const weights = imageKernel(kernel.read(), rank);
      return finish(
        onImages(x, geometry, (image, steps, pad) => tf.depthwiseConv2d(image, weights, steps, pad)),
      );
    });
  },
};

const separable: LayerDefinition = {
  build(builder) {
    const { config, weight } = builder;
    const geometry = geometryOf(builder);
    const { rank, size } = geometry;
    const filters = config.count('filters');
    const first = weight('depthwise_kernel', [...size, undefined, config.count('depth_multiplier', 1)]);
    const second = weight('pointwise_kernel', [...size.map(() => 1), undefined, filters]);
    const finish = endOf(builder, [filters]);
    return channelsLast(builder, (x) => {
      const [deep, points] = [imageKernel(first.read(), rank), imageKernel(second.read(), rank)];
      return finish(
        onImages(x, geometry, (image, steps, pad) =>
          tf.conv2d(tf.depthwiseConv2d<Tensor4D>(image, deep, steps, pad), points, 1, 'valid'),
        ),
      );
    });
  },
};

const transposed: LayerDefinition = {
  build(builder) {
    const { config, weight } = builder;
    const { rank, size, strides, dilation, padding } = geometryOf(builder);
    if (rank === 3) throw new Refusal('has no gradient in TensorFlow.js.');
    if (config.has('output_padding')) throw new Refusal('has an output_padding, which is not known here.');
    if (dilation.some((d) => d > 1)) throw new Refusal('is transposed and has a dilation_rate above 1.');
    const filters = config.count('filters');
    const kernel = weight('kernel', [...size, filters, undefined]);
    const finish = endOf(builder, [filters]);
    const lengthened = (length: number, i: number): number =>
      length * strides[i]! + (padding === 'valid' ? Math.max(size[i]! - strides[i]!, 0) : 0);
    return channelsLast(builder, (x) => {
      const shape = [x.shape[0], ...x.shape.slice(1, -1).map(lengthened), filters];
      requireModest(shape);
      const weights = imageKernel(kernel.read(), rank);
      const steps = (rank === 1 ? [1, ...strides] : strides) as [number, number];
      const upwards = (image: Tensor): Tensor =>
        tf.conv2dTranspose(
          image as Tensor4D,
          weights,
          (rank === 1 ? [shape[0]!, 1, ...shape.slice(1)] : shape) as [number, number, number, number],
          steps,
          padding,
        );
      return finish(rank === 1 ? asImage(x, upwards) : upwards(x));
    });
  },
};

/** Bias and activation. */
function endOf(
  { config, weight, isKeras2 }: LayerBuilder,
  shape: readonly (number | undefined)[],
): (y: Tensor) => Tensor {
  const activation: Activation = activationOf(config.raw('activation'), isKeras2);
  const bias: Slot | undefined = config.flag('use_bias', true) ? weight('bias', shape) : undefined;
  return (y) => activation(bias === undefined ? y : tf.add(y, bias.read()));
}

export const convolutionalLayers: readonly (readonly [string, LayerDefinition])[] = [
  ['Conv1D', conv],
  ['Conv2D', conv],
  ['Conv3D', conv],
  ['DepthwiseConv1D', depthwise],
  ['DepthwiseConv2D', depthwise],
  ['SeparableConv1D', separable],
  ['SeparableConv2D', separable],
  ['Conv1DTranspose', transposed],
  ['Conv2DTranspose', transposed],
  ['Conv3DTranspose', transposed],
];
