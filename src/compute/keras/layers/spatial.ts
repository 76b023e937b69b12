/** Axes of space or time: [N, L, C], [N, H, W, C], [N, D, H, W, C]. */
import { tf } from '../../tf.ts';
import type { Tensor } from '../../tf.ts';
import { one } from '../layer.ts';
import type { LayerBuilder, LayerCall, Run } from '../layer.ts';

/** 1 of Conv1D, 2 of Conv2D, 3 of Conv3D. */
export function dimensionsOf({ className }: LayerBuilder): 1 | 2 | 3 {
  const digit = /([123])D/.exec(className)?.[1] ?? '2';
  return Number(digit) as 1 | 2 | 3;
}

/** The function of a layer, computed with channels last, as tfjs has it on every backend. */
export function channelsLast({ config }: LayerBuilder, compute: (x: Tensor, run: Run) => Tensor): LayerCall {
  if (
    config.choice('data_format', ['channels_last', 'channels_first'], 'channels_last') === 'channels_last'
  ) {
    return one(compute);
  }
  return one((x, run) => {
    const space = x.shape.slice(2).map((_, i) => i + 2);
    const y = compute(tf.transpose(x, [0, ...space, 1]), run);
    // Global pooling leaves no axes of space.
    if (y.rank !== x.rank) return y;
    return tf.transpose(y, [0, y.rank - 1, ...space.map((axis) => axis - 1)]);
  });
}

/** [N, L, C] -> [N, 1, L, C], which has more functions, and back. */
export function asImage(x: Tensor, compute: (image: Tensor) => Tensor): Tensor {
  return tf.squeeze(compute(tf.expandDims(x, 1)), [1]);
}

/** Zeros before and after along each of the axes 1, 2, ... */
export function padSpace(x: Tensor, pads: readonly (readonly [number, number])[]): Tensor {
  if (pads.every(([before, after]) => before === 0 && after === 0)) return x;
  const all: [number, number][] = [[0, 0], ...pads.map(([a, b]) => [a, b] as [number, number])];
  while (all.length < x.rank) all.push([0, 0]);
  return tf.pad(x, all);
}
