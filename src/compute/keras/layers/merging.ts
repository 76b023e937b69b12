/** Several tensors into one. */
import { tf } from '../../tf.ts';
import type { Tensor } from '../../tf.ts';
import { isIntegers, Refusal } from '../config.ts';
import { several } from '../layer.ts';
import type { LayerDefinition } from '../layer.ts';
import { positive } from '../math.ts';

/** Inputs of a lower rank get axes of length 1 after the batch, as in Keras. */
function elementwise(join: (xs: readonly Tensor[]) => Tensor): LayerDefinition {
  return {
    masking: 'any',
    build: () =>
      several((xs) => {
        const rank = Math.max(...xs.map((x) => x.rank));
        return join(
          xs.map((x) => {
            let y = x;
            while (y.rank < rank) y = tf.expandDims(y, 1);
            return y;
          }),
        );
      }),
  };
}

const fold =
  (join: (x: Tensor, y: Tensor) => Tensor) =>
  (xs: readonly Tensor[]): Tensor =>
    xs.slice(1).reduce(join, xs[0]!);

const sum = fold((x, y) => tf.add(x, y));

const concatenate: LayerDefinition = {
  masking: 'own',
  build({ config }) {
    const axis = config.integer('axis', -1);
    return several((xs, { masks }) => {
      const at = positive(axis, xs[0]!.rank);
      const result = tf.concat([...xs], at);
      if (xs.some((x) => masks.of(x) !== undefined)) {
        const all = xs.map((x) => {
          const mask = masks.of(x);
          if (mask === undefined) return tf.onesLike(tf.cast(x, 'bool'));
          return mask.rank < x.rank ? tf.broadcastTo(tf.expandDims(mask, -1), x.shape) : mask;
        });
        masks.set(result, tf.any(tf.concat(all, at), -1));
      }
      return result;
    });
  },
};

const dot: LayerDefinition = {
  build({ config }) {
    const axes = config.raw('axes');
    const isPair = isIntegers(axes) && axes.length === 2;
    if (typeof axes !== 'number' && !isPair) throw new Refusal('has axes that are none.');
    const normalize = config.flag('normalize', false);
    return several((xs) => {
      const [a, b] = xs as [Tensor, Tensor];
      const at = [isPair ? axes[0]! : (axes as number), isPair ? axes[1]! : (axes as number)];
      const [left, right] = [positive(at[0]!, a.rank), positive(at[1]!, b.rank)];
      const unit = (x: Tensor, axis: number): Tensor =>
        normalize ? tf.mul(x, tf.rsqrt(tf.maximum(tf.sum(tf.square(x), axis, true), 1e-12))) : x;
      return batchDot(unit(a, left), left, unit(b, right), right);
    });
  },
};

/** For each example, the sum over an axis of either; both others in order, one of length 1 where none is left. */
function batchDot(x: Tensor, xAxis: number, y: Tensor, yAxis: number): Tensor {
  const rest = (tensor: Tensor, axis: number): number[] =>
    tensor.shape.map((_, i) => i).filter((i) => i !== 0 && i !== axis);
  const [ofX, ofY] = [rest(x, xAxis), rest(y, yAxis)];
  const size = (tensor: Tensor, axes: readonly number[]): number =>
    axes.reduce((product, axis) => product * tensor.shape[axis]!, 1);
  const batch = x.shape[0];
  const a = tf.reshape(tf.transpose(x, [0, ...ofX, xAxis]), [batch, size(x, ofX), x.shape[xAxis]!]);
  const b = tf.reshape(tf.transpose(y, [0, yAxis, ...ofY]), [batch, y.shape[yAxis]!, size(y, ofY)]);
  const shape = [batch, ...ofX.map((axis) => x.shape[axis]!), ...ofY.map((axis) => y.shape[axis]!)];
  return tf.reshape(tf.matMul(a, b), shape.length === 1 ? [batch, 1] : shape);
}

export const mergingLayers: readonly (readonly [string, LayerDefinition])[] = [
  ['Add', elementwise(sum)],
  ['Subtract', elementwise(fold((x, y) => tf.sub(x, y)))],
  ['Multiply', elementwise(fold((x, y) => tf.mul(x, y)))],
  ['Average', elementwise((xs) => tf.div(sum(xs), xs.length))],
  ['Maximum', elementwise(fold((x, y) => tf.maximum(x, y)))],
  ['Minimum', elementwise(fold((x, y) => tf.minimum(x, y)))],
  ['Concatenate', concatenate],
  ['Dot', dot],
];
