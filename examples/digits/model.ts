/** A small convolutional network with BatchNorm and dropout for 8x8 images: about 11,000 parameters. */
import * as tf from '@tensorflow/tfjs-layers';

export function digitsModel(seed: number): tf.LayersModel {
  const conv = (name: string, filters: number, strides: number, offset: number, first: boolean) =>
    tf.layers.conv2d({
      name,
      filters,
      kernelSize: 3,
      strides,
      padding: 'same',
      useBias: false,
      kernelInitializer: tf.initializers.heNormal({ seed: seed + offset }),
      ...(first ? { inputShape: [8, 8, 1] } : {}),
    });
  return tf.sequential({
    name: 'digits',
    layers: [
      conv('conv1', 16, 1, 1, true),
      tf.layers.batchNormalization({ name: 'bn1', momentum: 0.9 }),
      tf.layers.activation({ name: 'relu1', activation: 'relu' }),
      conv('conv2', 32, 2, 2, false),
      tf.layers.batchNormalization({ name: 'bn2', momentum: 0.9 }),
      tf.layers.activation({ name: 'relu2', activation: 'relu' }),
      tf.layers.flatten({ name: 'flatten' }),
      tf.layers.dropout({ name: 'dropout', rate: 0.25 }),
      tf.layers.dense({
        name: 'logits',
        units: 10,
        kernelInitializer: tf.initializers.glorotNormal({ seed: seed + 3 }),
      }),
    ],
  });
}
