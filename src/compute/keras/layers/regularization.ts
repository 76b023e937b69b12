/** What changes its input at random in training, and not otherwise. */
import { tf } from '../../tf.ts';
import type { Tensor } from '../../tf.ts';
import { Refusal } from '../config.ts';
import { one } from '../layer.ts';
import type { LayerBuilder, LayerDefinition } from '../layer.ts';

function rateOf({ config }: LayerBuilder): number {
  const rate = config.number('rate');
  if (rate >= 0 && rate <= 1) return rate;
  throw new Refusal(`has the rate ${rate}, which is not between 0 and 1.`);
}

/** Zeros for a share of all elements, the others made larger by as much. `shape` has 1 where they drop together. */
export function drop(x: Tensor, rate: number, shape: readonly number[] = x.shape): Tensor {
  if (rate === 0) return x;
  if (rate === 1) return tf.zerosLike(x);
  const kept = tf.cast(tf.greaterEqual(tf.randomUniform([...shape]), rate), 'float32');
  return tf.mul(x, tf.div(kept, 1 - rate));
}

function random(change: (x: Tensor, rate: number, builder: LayerBuilder) => Tensor): LayerDefinition {
  return {
    masking: 'keep',
    build(builder) {
      const rate = rateOf(builder);
      return one((x, { training }) => (training && rate > 0 ? change(x, rate, builder) : x));
    },
  };
}

const dropout = random((x, rate, { config }) => {
  const shape = config.list('noise_shape');
  return drop(
    x,
    rate,
    shape === undefined ? x.shape : x.shape.map((length, i) => lengthOf(shape[i], length)),
  );
});

const lengthOf = (value: unknown, length: number): number => (typeof value === 'number' ? value : length);

/** Whole channels. */
const spatialDropout = random((x, rate, { config }) => {
  const first = config.text('data_format', 'channels_last') === 'channels_first';
  return drop(
    x,
    rate,
    x.shape.map((length, i) => (i === 0 || i === (first ? 1 : x.rank - 1) ? length : 1)),
  );
});

const gaussianDropout = random((x, rate) =>
  tf.mul(x, tf.randomNormal(x.shape, 1, Math.sqrt(rate / (1 - rate)))),
);

const alphaDropout = random((x, rate, { config }) => {
  const low = -1.6732632423543772 * 1.0507009873554805;
  const shape = config.list('noise_shape');
  const noise = shape === undefined ? x.shape : x.shape.map((length, i) => lengthOf(shape[i], length));
  const kept = tf.cast(tf.greaterEqual(tf.randomUniform(noise), rate), 'float32');
  const a = 1 / Math.sqrt((1 - rate) * (1 + rate * low ** 2));
  const mixed = tf.add(tf.mul(x, kept), tf.mul(tf.sub(1, kept), low));
  return tf.add(tf.mul(mixed, a), -a * low * rate);
});

const gaussianNoise: LayerDefinition = {
  masking: 'keep',
  build({ config }) {
    const deviation = config.number('stddev');
    return one((x, { training }) =>
      training && deviation > 0 ? tf.add(x, tf.randomNormal(x.shape, 0, deviation)) : x,
    );
  },
};

/** Of keras.applications: whole examples, or a learned factor per channel. */
const stochasticDepth: LayerDefinition = {
  build({ config }) {
    const rate = config.number('drop_path_rate');
    return one((x, { training }) =>
      training
        ? drop(
            x,
            rate,
            x.shape.map((length, i) => (i === 0 ? length : 1)),
          )
        : x,
    );
  },
};
const layerScale: LayerDefinition = {
  build({ config, weight }) {
    const gamma = weight('gamma', [config.count('projection_dim')]);
    return one((x) => tf.mul(x, gamma.read()));
  },
};

export const regularizationLayers: readonly (readonly [string, LayerDefinition])[] = [
  ['Dropout', dropout],
  ['SpatialDropout1D', spatialDropout],
  ['SpatialDropout2D', spatialDropout],
  ['SpatialDropout3D', spatialDropout],
  ['GaussianDropout', gaussianDropout],
  ['AlphaDropout', alphaDropout],
  ['GaussianNoise', gaussianNoise],
  ['StochasticDepth', stochasticDepth],
  ['LayerScale', layerScale],
];
