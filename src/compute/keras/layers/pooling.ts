/** Pooling in windows and over everything; padding, cropping, upsampling. */
import { tf } from '../../tf.ts';
import type { Tensor, Tensor4D } from '../../tf.ts';
import { Refusal } from '../config.ts';
import { one } from '../layer.ts';
import type { LayerBuilder, LayerDefinition } from '../layer.ts';
import { poolCounts, repeat, requireModest, resample } from '../math.ts';
import { asImage, channelsLast, dimensionsOf, padSpace } from './spatial.ts';
import { resamplingOf } from './resampling.ts';

const pool = (kind: 'max' | 'avg'): LayerDefinition => ({
  build(builder) {
    const { config } = builder;
    const rank = dimensionsOf(builder);
    const size = config.counts('pool_size', rank, 2);
    const strides = config.has('strides') ? config.counts('strides', rank) : size;
    const padding = config.choice('padding', ['valid', 'same'], 'valid');
    return channelsLast(builder, (x) => {
      if (rank === 1) {
        return asImage(x, (image) => pooled(kind, image, [1, ...size], [1, ...strides], padding));
      }
      return pooled(kind, x, size, strides, padding);
    });
  },
});

function pooled(
  kind: 'max' | 'avg',
  x: Tensor,
  size: readonly number[],
  strides: readonly number[],
  padding: 'valid' | 'same',
): Tensor {
  if (kind === 'max' || padding === 'valid') return windows(kind, x, size, strides, padding);
  // A window at the border averages what is inside; tfjs's gradient takes it for a whole one. Zeros, and a factor.
  const borders = size.map((length, i) => poolCounts(x.shape[i + 1]!, length, strides[i]!));
  const padded = padSpace(
    x,
    borders.map(({ before, after }) => [before, after] as const),
  );
  const y = windows('avg', padded, size, strides, 'valid');
  return borders.reduce((result: Tensor, { counts }, i) => {
    const shape = y.shape.map((_, axis) => (axis === i + 1 ? counts.length : 1));
    return tf.mul(
      result,
      tf.tensor(
        counts.map((count) => size[i]! / count),
        shape,
      ),
    );
  }, y);
}

function windows(
  kind: 'max' | 'avg',
  x: Tensor,
  size: readonly number[],
  strides: readonly number[],
  padding: 'valid' | 'same',
): Tensor {
  if (size.length === 2) {
    const pool2 = kind === 'max' ? tf.maxPool : tf.avgPool;
    return pool2(x as Tensor4D, size as [number, number], strides as [number, number], padding);
  }
  const pool3 = kind === 'max' ? tf.maxPool3d : tf.avgPool3d;
  const volume = x as unknown as Parameters<typeof tf.maxPool3d>[0];
  return pool3(volume, size as [number, number, number], strides as [number, number, number], padding);
}

const globalPool = (kind: 'max' | 'avg'): LayerDefinition => ({
  build(builder) {
    const keep = builder.config.flag('keepdims', false);
    const isAverage1 = kind === 'avg' && dimensionsOf(builder) === 1;
    return channelsLast(builder, (x, { masks }) => {
      const axes = x.shape.slice(1, -1).map((_, i) => i + 1);
      if (kind === 'max') return tf.max(x, axes, keep);
      const mask = isAverage1 ? masks.of(x) : undefined;
      if (mask === undefined) return tf.mean(x, axes, keep);
      // The mean over the steps that count.
      const counts = tf.cast(tf.expandDims(mask, 2), 'float32');
      return tf.div(tf.sum(tf.mul(x, counts), axes, keep), tf.sum(counts, axes, keep));
    });
  },
});

/** Windows that split each axis into a given number of parts, which may overlap by one. */
const adaptivePool = (kind: 'max' | 'avg'): LayerDefinition => ({
  build(builder) {
    const sizes = builder.config.counts('output_size', dimensionsOf(builder));
    return channelsLast(builder, (x) =>
      sizes.reduce((y: Tensor, parts, i) => {
        const axis = i + 1;
        const length = y.shape[axis]!;
        const ends = Array.from({ length: parts }, (_, p) => {
          return [Math.floor((p * length) / parts), Math.ceil(((p + 1) * length) / parts)] as const;
        });
        if (kind === 'avg') {
          const row = ([start, end]: readonly [number, number]): number[] =>
            Array.from({ length }, (_, at) => (at >= start && at < end ? 1 / (end - start) : 0));
          return resample(y, axis, ends.map(row));
        }
        const part = ([start, end]: readonly [number, number]): Tensor =>
          tf.max(sliced(y, axis, start, end - start), axis);
        return tf.stack(ends.map(part), axis);
      }, x),
    );
  },
});

function sliced(x: Tensor, axis: number, start: number, length: number): Tensor {
  const begin = x.shape.map((_, i) => (i === axis ? start : 0));
  const size = x.shape.map((all, i) => (i === axis ? length : all));
  return tf.slice(x, begin, size);
}

const zeroPadding: LayerDefinition = {
  build(builder) {
    const pads = builder.config.pairs('padding', dimensionsOf(builder));
    return channelsLast(builder, (x) => {
      requireModest(x.shape.map((length, i) => length + (pads[i - 1]?.[0] ?? 0) + (pads[i - 1]?.[1] ?? 0)));
      return padSpace(x, pads);
    });
  },
};

const cropping: LayerDefinition = {
  build(builder) {
    const crops = builder.config.pairs('cropping', dimensionsOf(builder));
    return channelsLast(builder, (x) =>
      crops.reduce((y: Tensor, [before, after], i) => {
        const length = y.shape[i + 1]! - before - after;
        if (length < 1) throw new Error('it crops away the whole of its input');
        return sliced(y, i + 1, before, length);
      }, x),
    );
  },
};

const upSampling: LayerDefinition = {
  build(builder) {
    const { config } = builder;
    const rank = dimensionsOf(builder);
    const factors = config.counts('size', rank, 2);
    const kind = rank === 2 ? config.text('interpolation', 'nearest') : 'nearest';
    if (kind === 'nearest') {
      return channelsLast(builder, (x) =>
        factors.reduce((y: Tensor, times, i) => repeat(y, i + 1, times), x),
      );
    }
    const resampling = resamplingOf(kind);
    if (resampling === undefined)
      throw new Refusal(`has the interpolation "${kind}", which is not known here.`);
    return channelsLast(builder, (x) =>
      factors.reduce((y: Tensor, times, i) => {
        const length = y.shape[i + 1]!;
        return resample(y, i + 1, resampling(length, length * times));
      }, x),
    );
  },
};

/** To a size of its own; with `crop_to_aspect_ratio`, after cutting the middle out. */
const resizing: LayerDefinition = {
  build(builder) {
    const { config } = builder;
    const target = [config.count('height'), config.count('width')];
    const kind = config.text('interpolation', 'bilinear');
    const resampling = resamplingOf(kind);
    if (resampling === undefined)
      throw new Refusal(`has the interpolation "${kind}", which is not known here.`);
    for (const key of ['crop_to_aspect_ratio', 'pad_to_aspect_ratio', 'antialias']) {
      if (config.flag(key, false)) throw new Refusal(`has ${key}, which is not known here.`);
    }
    return channelsLast(builder, (x) =>
      target.reduce((y: Tensor, length, i) => resample(y, i + 1, resampling(y.shape[i + 1]!, length)), x),
    );
  },
};

/** The middle, where it is large enough. */
const centerCrop: LayerDefinition = {
  build(builder: LayerBuilder) {
    const { config } = builder;
    const target = [config.count('height'), config.count('width')];
    return channelsLast(builder, (x) =>
      target.reduce((y: Tensor, length, i) => {
        const more = y.shape[i + 1]! - length;
        if (more < 0) throw new Error('it crops an image that is smaller than what it crops to');
        return sliced(y, i + 1, Math.floor(more / 2), length);
      }, x),
    );
  },
};

/** Changes images at random in training in Keras. Here they stay as they are, which is what it does in evaluation. */
const augmentation: LayerDefinition = {
  build({ className, note }) {
    note(`${className} changes examples at random in Keras's training; here they are fitted on as they are.`);
    return one((x) => x);
  },
};

const AUGMENTATIONS = [
  'RandomFlip',
  'RandomRotation',
  'RandomZoom',
  'RandomTranslation',
  'RandomContrast',
  'RandomBrightness',
  'RandomSaturation',
  'RandomHue',
  'RandomColorJitter',
  'RandomColorDegeneration',
  'RandomGrayscale',
  'RandomShear',
  'RandomSharpness',
  'RandomPosterization',
  'RandomInvert',
  'RandomErasing',
  'RandomGaussianBlur',
  'RandomPerspective',
  'RandomElasticTransform',
  'MixUp',
  'CutMix',
  'RandAugment',
  'AugMix',
];

const dimensions = (name: string, definition: LayerDefinition): [string, LayerDefinition][] =>
  ['1D', '2D', '3D'].map((suffix) => [name + suffix, definition]);

export const poolingLayers: readonly (readonly [string, LayerDefinition])[] = [
  ...dimensions('MaxPooling', pool('max')),
  ...dimensions('AveragePooling', pool('avg')),
  ...dimensions('GlobalMaxPooling', globalPool('max')),
  ...dimensions('GlobalAveragePooling', globalPool('avg')),
  ...dimensions('AdaptiveMaxPooling', adaptivePool('max')),
  ...dimensions('AdaptiveAveragePooling', adaptivePool('avg')),
  ...dimensions('ZeroPadding', zeroPadding),
  ...dimensions('Cropping', cropping),
  ...dimensions('UpSampling', upSampling),
  ['Resizing', resizing],
  ['CenterCrop', centerCrop],
  ...AUGMENTATIONS.map((name) => [name, augmentation] as const),
];
