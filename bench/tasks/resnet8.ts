/** A residual network with BatchNorm for 32x32 colour images, one block per width: 78,000 parameters. */
import type { SymbolicTensor } from '@tensorflow/tfjs-layers';
import type { TaskContext } from '../../src/compute/objective/task-module.ts';
import { randomData } from './random-data.ts';

interface Layer {
  apply(inputs: SymbolicTensor | SymbolicTensor[]): unknown;
}

export function model({ tf }: TaskContext) {
  const { layers } = tf;
  const apply = (layer: Layer, inputs: SymbolicTensor | SymbolicTensor[]) =>
    layer.apply(inputs) as SymbolicTensor;
  const relu = (x: SymbolicTensor) => apply(layers.activation({ activation: 'relu' }), x);
  const conv = (name: string, x: SymbolicTensor, filters: number, kernelSize: number, strides: number) =>
    apply(
      layers.batchNormalization({ name: `${name}-norm` }),
      apply(layers.conv2d({ name, filters, kernelSize, strides, padding: 'same', useBias: false }), x),
    );

  const input = tf.input({ shape: [32, 32, 3] });
  let x = relu(conv('stem', input, 16, 3, 1));
  for (const [filters, strides] of [
    [16, 1],
    [32, 2],
    [64, 2],
  ] as const) {
    const name = `block-${filters}`;
    const shortcut = strides === 1 ? x : conv(`${name}-shortcut`, x, filters, 1, strides);
    const first = relu(conv(`${name}-1`, x, filters, 3, strides));
    x = relu(apply(layers.add(), [conv(`${name}-2`, first, filters, 3, 1), shortcut]));
  }
  const pooled = apply(layers.globalAveragePooling2d({}), x);
  return tf.model({ inputs: input, outputs: apply(layers.dense({ name: 'logits', units: 10 }), pooled) });
}
export const data = (_split: string, { tf }: TaskContext) => randomData(tf, [32, 32, 3]);
