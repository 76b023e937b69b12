/** Normalization layers with Keras's own formulas. */
import { tf } from '../../tf.ts';
import type { Tensor, Variable } from '../../tf.ts';
import { Refusal } from '../config.ts';
import { one } from '../layer.ts';
import type { LayerDefinition, Slot } from '../layer.ts';
import { moments, positive } from '../math.ts';

/** Keras's own for means of masked steps. */
const EPSILON = 1e-7;

const batch: LayerDefinition = {
  masking: 'keep',
  build({ config, weight, norm, trainable }) {
    if (config.flag('renorm', false))
      throw new Refusal('uses batch renormalization, which is not known here.');
    const epsilon = config.number('epsilon', 1e-3);
    const [axis, ...more] = config.axes('axis', -1);
    if (axis === undefined || more.length > 0)
      throw new Refusal('normalizes several axes, which is not known here.');
    const gamma = config.flag('scale', true) ? weight('gamma', [undefined]) : undefined;
    const beta = config.flag('center', true) ? weight('beta', [undefined]) : undefined;
    // A frozen layer uses its running statistics in training, too, and so keeps them.
    const mean = weight('moving_mean', [undefined], 'state');
    const variance = weight('moving_variance', [undefined], 'state');
    const momentum = config.number('momentum', 0.99);
    const running = trainable ? norm(mean, variance, momentum) : undefined;
    return one((x, { training, masks }) => {
      const at = positive(axis, x.rank);
      const shape = x.shape.map((length, i) => (i === at ? length : 1));
      const now = training && running !== undefined ? batchMoments(x, at, masks.of(x)) : undefined;
      if (now !== undefined) {
        update(mean.read(), now.mean, running!.momentum);
        update(variance.read(), now.variance, running!.momentum);
      }
      const channels = (tensor: Tensor): Tensor =>
        tensor.rank === 1 && at < x.rank - 1 ? tf.reshape(tensor, shape) : tensor;
      const inverse = tf.rsqrt(tf.add(now?.variance ?? channels(variance.read()), epsilon));
      const scale = gamma === undefined ? inverse : tf.mul(inverse, channels(gamma.read()));
      const shift = tf.neg(tf.mul(now?.mean ?? channels(mean.read()), scale));
      const offset = beta === undefined ? shift : tf.add(shift, channels(beta.read()));
      return tf.add(tf.mul(x, scale), offset);
    });
  },
};

/** Of every axis but one; steps that are masked do not count. */
function batchMoments(x: Tensor, axis: number, mask: Tensor | undefined): { mean: Tensor; variance: Tensor } {
  const others = x.shape.map((_, i) => i).filter((i) => i !== axis);
  if (mask === undefined) return moments(x, others);
  const counts = tf.cast(tf.broadcastTo(tf.expandDims(mask, -1), x.shape), 'float32');
  const total = tf.add(tf.sum(counts, others, true), EPSILON);
  const mean = tf.div(tf.sum(tf.mul(x, counts), others, true), total);
  const squares = tf.mul(tf.square(tf.sub(x, mean)), counts);
  return { mean, variance: tf.div(tf.sum(squares, others, true), total) };
}

function update(variable: Variable, value: Tensor, momentum: number): void {
  const now = tf.reshape(value, variable.shape);
  variable.assign(tf.add(tf.mul(variable, momentum), tf.mul(now, 1 - momentum)));
}

/** A weight for some axes, brought to the rank of the input. */
function along(slot: Slot | undefined, x: Tensor, axes: readonly number[]): Tensor | undefined {
  if (slot === undefined) return undefined;
  return tf.reshape(
    slot.read(),
    x.shape.map((length, i) => (axes.includes(i) ? length : 1)),
  );
}

const layer: LayerDefinition = {
  masking: 'keep',
  build({ config, weight }) {
    const epsilon = config.number('epsilon', 1e-3);
    const named = config.axes('axis', -1);
    const isRms = config.flag('rms_scaling', false);
    const shape = named.length === 1 ? [undefined] : named.map(() => undefined);
    const gamma = config.flag('scale', true) || isRms ? weight('gamma', shape) : undefined;
    const beta = config.flag('center', true) && !isRms ? weight('beta', shape) : undefined;
    return one((x) => {
      const axes = named.map((axis) => positive(axis, x.rank)).sort((a, b) => a - b);
      const { mean, variance } = moments(x, axes);
      const inverse = tf.rsqrt(tf.add(variance, epsilon));
      const factor = along(gamma, x, axes);
      const scale = factor === undefined ? inverse : tf.mul(inverse, factor);
      // What Keras calls RMS scaling divides by the deviation and subtracts no mean.
      if (isRms) return tf.mul(x, scale);
      const centred = tf.mul(tf.sub(x, mean), scale);
      const offset = along(beta, x, axes);
      return offset === undefined ? centred : tf.add(centred, offset);
    });
  },
};

const rms: LayerDefinition = {
  build({ config, weight }) {
    const epsilon = config.number('epsilon', 1e-6);
    const named = config.axes('axis', -1);
    const scale = weight(
      'scale',
      named.map(() => undefined),
    );
    return one((x) => {
      const axes = named.map((axis) => positive(axis, x.rank));
      const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(x), axes, true), epsilon));
      return tf.mul(tf.mul(x, inverse), along(scale, x, axes)!);
    });
  },
};

const group: LayerDefinition = {
  masking: 'keep',
  build({ config, weight }) {
    const epsilon = config.number('epsilon', 1e-3);
    const wanted = config.integer('groups', 32);
    const [axis = -1] = config.axes('axis', -1);
    const gamma = config.flag('scale', true) ? weight('gamma', [undefined]) : undefined;
    const beta = config.flag('center', true) ? weight('beta', [undefined]) : undefined;
    return one((x) => {
      const at = positive(axis, x.rank);
      const channels = x.shape[at]!;
      const groups = wanted === -1 ? channels : wanted;
      if (groups < 1 || channels % groups !== 0)
        throw new Error(`it cannot put ${channels} channels into ${groups} groups`);
      const shape = [...x.shape.slice(0, at), groups, channels / groups, ...x.shape.slice(at + 1)];
      const grouped = tf.reshape(x, shape);
      const { mean, variance } = moments(
        grouped,
        shape.map((_, i) => i).filter((i) => i !== 0 && i !== at),
      );
      const inverse = tf.rsqrt(tf.add(variance, epsilon));
      const own = (slot: Slot): Tensor =>
        tf.reshape(
          slot.read(),
          shape.map((length, i) => (i === at || i === at + 1 ? length : 1)),
        );
      const scale = gamma === undefined ? inverse : tf.mul(inverse, own(gamma));
      const centred = tf.mul(tf.sub(grouped, mean), scale);
      return tf.reshape(beta === undefined ? centred : tf.add(centred, own(beta)), x.shape);
    });
  },
};

const unit: LayerDefinition = {
  masking: 'keep',
  build({ config }) {
    const named = config.axes('axis', -1);
    return one((x) => {
      const axes = named.map((axis) => positive(axis, x.rank));
      return tf.mul(x, tf.rsqrt(tf.maximum(tf.sum(tf.square(x), axes, true), 1e-12)));
    });
  },
};

/** Keras keeps means and variances of the data, once adapted, or has them in the configuration. */
const normalization: LayerDefinition = {
  masking: 'keep',
  build({ config, weight }) {
    const named = config.has('axis') ? config.axes('axis', -1) : [];
    const invert = config.flag('invert', false);
    const fixed = config.has('mean')
      ? { mean: numbersOf(config.raw('mean')), variance: numbersOf(config.raw('variance')) }
      : undefined;
    const kept =
      fixed === undefined ? [weight('mean', undefined, 'state'), weight('variance', undefined, 'state')] : [];
    if (fixed === undefined) weight('count', [], 'counter');
    return one((x) => {
      const axes = named.map((axis) => positive(axis, x.rank));
      const shape = x.shape.map((length, i) => (axes.includes(i) ? length : 1));
      const read = (i: 0 | 1): Tensor => {
        if (fixed === undefined) return tf.reshape(kept[i]!.read(), shape);
        const values = tf.tensor([...(i === 0 ? fixed.mean : fixed.variance)]);
        return values.size === 1 ? tf.reshape(values, []) : tf.reshape(values, shape);
      };
      const deviation = tf.maximum(tf.sqrt(read(1)), EPSILON);
      return invert ? tf.add(tf.mul(x, deviation), read(0)) : tf.div(tf.sub(x, read(0)), deviation);
    });
  },
};

function numbersOf(value: unknown): readonly number[] {
  const flat: unknown[] = Array.isArray(value) ? (value.flat(8) as unknown[]) : [value];
  if (flat.every((number): number is number => typeof number === 'number')) return flat;
  throw new Refusal('has a mean or variance that is no number.');
}

const rescaling: LayerDefinition = {
  masking: 'keep',
  build({ config }) {
    const [scale, offset] = [numbersOf(config.raw('scale') ?? 1), numbersOf(config.raw('offset') ?? 0)];
    const constant = (values: readonly number[]): Tensor =>
      values.length === 1 ? tf.scalar(values[0]!) : tf.tensor1d([...values]);
    return one((x) => tf.add(tf.mul(x, constant(scale)), constant(offset)));
  },
};

export const normalizationLayers: readonly (readonly [string, LayerDefinition])[] = [
  ['BatchNormalization', batch],
  // Keras 1 of TensorFlow 2 kept the two versions apart.
  ['BatchNormalizationV2', batch],
  ['SyncBatchNormalization', batch],
  ['LayerNormalization', layer],
  ['RMSNormalization', rms],
  ['GroupNormalization', group],
  ['UnitNormalization', unit],
  ['Normalization', normalization],
  ['Rescaling', rescaling],
];
