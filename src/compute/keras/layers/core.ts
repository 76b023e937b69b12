/** Dense, Embedding and what else has no axes in space or time; activations as layers. */
import { tf } from '../../tf.ts';
import type { Tensor } from '../../tf.ts';
import { activationOf, elu, leakyRelu } from '../activations.ts';
import { isIntegers, Refusal } from '../config.ts';
import { one } from '../layer.ts';
import type { LayerBuilder, LayerDefinition } from '../layer.ts';
import { contract, labels, softmax } from '../math.ts';

const identity: LayerDefinition = { masking: 'keep', build: () => one((x) => x) };

/** Applied to the last axis. */
export function denseOf(x: Tensor, kernel: Tensor, bias: Tensor | undefined): Tensor {
  const [inputs, outputs] = kernel.shape as [number, number];
  const flat = tf.matMul(tf.reshape(x, [-1, inputs]), kernel);
  const product = x.rank === 2 ? flat : tf.reshape(flat, [...x.shape.slice(0, -1), outputs]);
  return bias === undefined ? product : tf.add(product, bias);
}

const dense: LayerDefinition = {
  masking: 'keep',
  build({ config, weight, isKeras2 }) {
    const units = config.count('units');
    const activation = activationOf(config.raw('activation'), isKeras2);
    const kernel = weight('kernel', [undefined, units]);
    const bias = config.flag('use_bias', true) ? weight('bias', [units]) : undefined;
    return one((x) => activation(denseOf(x, kernel.read(), bias?.read())));
  },
};

const einsumDense: LayerDefinition = {
  build({ config, weight, isKeras2 }) {
    const equation = config.text('equation');
    const activation = activationOf(config.raw('activation'), isKeras2);
    const [, kernelText] = /^[^,]*,([a-zA-Z]+)->/.exec(equation.replaceAll(/\s/g, '')) ?? [];
    if (kernelText === undefined) throw new Refusal(`has the equation "${equation}", which is not known.`);
    const kernel = weight(
      'kernel',
      Array.from(kernelText).map(() => undefined),
    );
    const biasAxes = config.has('bias_axes') ? config.text('bias_axes') : undefined;
    const resultAxes = equation.split('->')[1]!.replace('...', '').trim();
    // From its first axis on, a bias has all axes of the output; those that are not named have length 1.
    const first =
      biasAxes === undefined ? 0 : Array.from(resultAxes).findIndex((label) => biasAxes.includes(label));
    const biasShape = Array.from(resultAxes)
      .slice(first)
      .map((label) => (biasAxes?.includes(label) === true ? undefined : 1));
    const bias = biasAxes === undefined ? undefined : weight('bias', biasShape);
    return one((x) => {
      const y = contract(equation, x, kernel.read());
      if (bias === undefined) return activation(y);
      const { result } = labels(equation, x.rank);
      const shape = result.map((label, at) => (biasAxes!.includes(label) ? y.shape[at]! : 1));
      return activation(tf.add(y, tf.reshape(bias.read(), shape)));
    });
  },
};

const embedding: LayerDefinition = {
  masking: 'own',
  build({ config, weight }) {
    const table = weight('embeddings', [config.count('input_dim'), config.count('output_dim')]);
    const masksZero = config.flag('mask_zero', false);
    return one((x, { masks }) => {
      const indices = tf.cast(x, 'int32');
      const rows = tf.gather(table.read(), indices);
      if (masksZero) masks.set(rows, tf.notEqual(indices, 0));
      return rows;
    });
  },
};

const masking: LayerDefinition = {
  masking: 'own',
  build({ config }) {
    const value = config.number('mask_value', 0);
    return one((x, { masks }) => {
      const counts = tf.any(tf.notEqual(x, value), -1, true);
      const result = tf.mul(x, tf.cast(counts, 'float32'));
      masks.set(result, tf.squeeze(counts, [x.rank - 1]));
      return result;
    });
  },
};

const activation: LayerDefinition = {
  masking: 'keep',
  build: ({ config, isKeras2 }) => one(activationOf(config.raw('activation'), isKeras2)),
};

/** Keras 2 had another name. */
const slopeOf = ({ config }: LayerBuilder, key: string, fallback: number): number =>
  config.number(config.has(key) ? key : 'alpha', fallback);

const relu: LayerDefinition = {
  masking: 'keep',
  build(builder) {
    const { config } = builder;
    const slope = config.number('negative_slope', 0);
    const threshold = config.number('threshold', 0);
    const top = config.has('max_value') ? config.number('max_value') : undefined;
    return one((x) => {
      if (threshold === 0) {
        const y = slope === 0 && top !== undefined ? tf.clipByValue(x, 0, top) : leakyRelu(x, slope);
        return top === undefined || slope === 0 ? y : tf.minimum(y, top);
      }
      // x from the threshold on, slope (x - threshold) below it.
      const above = tf.mul(x, tf.cast(tf.greaterEqual(x, threshold), 'float32'));
      const limited = top === undefined ? above : tf.clipByValue(above, 0, top);
      return slope === 0 ? limited : tf.sub(limited, tf.mul(tf.relu(tf.sub(threshold, x)), slope));
    });
  },
};

const leaky: LayerDefinition = {
  masking: 'keep',
  build(builder) {
    const slope = slopeOf(builder, 'negative_slope', 0.3);
    return one((x) => leakyRelu(x, slope));
  },
};

const eluLayer: LayerDefinition = {
  masking: 'keep',
  build({ config }) {
    const alpha = config.number('alpha', 1);
    return one((x) => elu(x, alpha));
  },
};

const prelu: LayerDefinition = {
  masking: 'keep',
  build({ weight }) {
    // Its shape is that of the input, with 1 for shared axes: the file has it.
    const alpha = weight('alpha', undefined);
    return one((x) => tf.sub(tf.relu(x), tf.mul(tf.relu(tf.neg(x)), alpha.read())));
  },
};

const softmaxLayer: LayerDefinition = {
  masking: 'keep',
  build({ config }) {
    const axes = config.axes('axis', -1);
    if (axes.length > 1) throw new Refusal('has a softmax over several axes, which is not known here.');
    return one((x, { masks }) => {
      const mask = masks.of(x);
      if (mask === undefined || mask.rank !== x.rank) return softmax(x, axes[0]);
      const kept = tf.where(mask, x, -1e9);
      return tf.mul(softmax(kept, axes[0]), tf.cast(mask, 'float32'));
    });
  },
};

const flatten: LayerDefinition = {
  build({ config }) {
    const first = config.text('data_format', 'channels_last') === 'channels_first';
    return one((x) => {
      const order = [0, ...x.shape.slice(2).map((_, i) => i + 2), 1];
      const last = first && x.rank > 2 ? tf.transpose(x, order) : x;
      return tf.reshape(last, [x.shape[0], -1]);
    });
  },
};

const reshape: LayerDefinition = {
  build({ config }) {
    const shape = config.list('target_shape');
    if (!isIntegers(shape)) throw new Refusal('has a target_shape that is none.');
    return one((x) => tf.reshape(x, [x.shape[0], ...shape]));
  },
};

const permute: LayerDefinition = {
  build({ config }) {
    const dims = config.axes('dims', 0);
    return one((x) => tf.transpose(x, [0, ...dims]));
  },
};

const repeatVector: LayerDefinition = {
  build({ config }) {
    const n = config.count('n');
    if (n > 1_000_000) throw new Refusal(`repeats its input ${n} times.`);
    return one((x) => tf.stack(new Array<Tensor>(n).fill(x), 1));
  },
};

export const coreLayers: readonly (readonly [string, LayerDefinition])[] = [
  ['Dense', dense],
  ['EinsumDense', einsumDense],
  ['Embedding', embedding],
  ['Masking', masking],
  ['Activation', activation],
  ['ReLU', relu],
  ['LeakyReLU', leaky],
  ['ELU', eluLayer],
  ['PReLU', prelu],
  ['Softmax', softmaxLayer],
  ['Flatten', flatten],
  ['Reshape', reshape],
  ['Permute', permute],
  ['RepeatVector', repeatVector],
  ['Identity', identity],
  // It adds to the loss in training and leaves its input as it is.
  ['ActivityRegularization', identity],
];
