/**
 * The three models that backends are compared on, as functions of named weights: LeNet on 28x28 images (batch 128),
 * ResNet-20 with BatchNorm on CIFAR-sized images (batch 128) and a small transformer encoder (width 128, 4 layers,
 * 4 heads, 64 tokens, batch 32). Weights and data come from a fixed sequence, so that every backend computes the same.
 */
import type { Rank, Tensor, Tensor1D, Tensor4D, Variable } from '../../src/compute/tf.ts';
import type { TaskContext } from '../../src/compute/objective/task-module.ts';

type Tf = TaskContext['tf'];

export interface ReferenceModel {
  readonly weights: Record<string, Variable>;
  apply(inputs: Tensor): Tensor;
  /** Multiplications of one forward pass over a batch. */
  readonly multiplications: number;
}

export const BATCH_SIZES: Readonly<Record<string, number>> = { lenet28: 128, resnet20: 128, transformer: 32 };
const CLASSES = 10;

/** Numbers in (-1, 1): a linear congruential generator. */
function sequence(seed: number): () => number {
  let state = seed;
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 31 - 1;
}

/** Makes weights one after another, from one sequence. */
class Weights {
  readonly all: Record<string, Variable> = {};
  readonly #tf: Tf;
  readonly #next: () => number;

  constructor(tf: Tf, seed: number) {
    this.#tf = tf;
    this.#next = sequence(seed);
  }

  uniform(name: string, shape: number[], limit: number): void {
    const values = Float32Array.from({ length: product(shape) }, () => this.#next() * limit);
    this.#add(name, this.#tf.tensor(values, shape));
  }

  filter(name: string, shape: [number, number, number, number]): void {
    this.uniform(name, shape, Math.sqrt((6 * shape[3]) / product(shape)));
  }

  matrix(name: string, rows: number, columns: number): void {
    this.uniform(name, [rows, columns], Math.sqrt(6 / (rows + columns)));
  }

  constant(name: string, length: number, value: number): void {
    this.#add(name, this.#tf.fill([length], value));
  }

  #add(name: string, initial: Tensor): void {
    this.all[name] = this.#tf.variable(initial, true);
    initial.dispose();
  }
}

const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

export function images(tf: Tf, count: number, shape: readonly number[]) {
  const next = sequence(7);
  return {
    xs: tf.tensor(Float32Array.from({ length: count * product(shape) }, next), [count, ...shape]),
    ys: classes(tf, count),
  };
}

export function sentences(tf: Tf, count: number) {
  const next = sequence(7);
  const ids = Int32Array.from({ length: count * TOKENS }, () => Math.floor(((next() + 1) / 2) * VOCABULARY));
  return { xs: tf.tensor2d(ids, [count, TOKENS], 'int32'), ys: classes(tf, count) };
}

function classes(tf: Tf, count: number): Tensor {
  const values = new Float32Array(count * CLASSES);
  for (let example = 0; example < count; example++) values[example * CLASSES + (example % CLASSES)] = 1;
  return tf.tensor2d(values, [count, CLASSES]);
}

export function lenet(tf: Tf): ReferenceModel {
  const weights = new Weights(tf, 42);
  weights.filter('conv1/kernel', [5, 5, 1, 32]);
  weights.constant('conv1/bias', 32, 0);
  weights.filter('conv2/kernel', [5, 5, 32, 64]);
  weights.constant('conv2/bias', 64, 0);
  weights.matrix('hidden/kernel', 3136, 128);
  weights.constant('hidden/bias', 128, 0);
  weights.matrix('logits/kernel', 128, CLASSES);
  weights.constant('logits/bias', CLASSES, 0);
  const of = weights.all;
  const block = (x: Tensor, name: string): Tensor =>
    tf.maxPool(
      tf.relu<Tensor4D>(
        tf.add(tf.conv2d(x as Tensor4D, of[`${name}/kernel`] as Tensor4D, 1, 'same'), of[`${name}/bias`]!),
      ),
      2,
      2,
      'valid',
    );
  const dense = (x: Tensor, name: string): Tensor =>
    tf.add(tf.matMul(x, of[`${name}/kernel`]!), of[`${name}/bias`]!);
  return {
    weights: of,
    apply: (x) => {
      const features = block(block(x, 'conv1'), 'conv2');
      return dense(tf.relu(dense(tf.reshape(features, [-1, 3136]), 'hidden')), 'logits');
    },
    multiplications: 128 * (784 * 25 * 32 + 196 * 25 * 32 * 64 + 3136 * 128 + 1280),
  };
}

export function resnet20(tf: Tf): ReferenceModel {
  const weights = new Weights(tf, 43);
  const of = weights.all;
  let perExample = 0;
  const convolution = (name: string, kernel: number, from: number, to: number, size: number): void => {
    weights.filter(`${name}/kernel`, [kernel, kernel, from, to]);
    weights.constant(`${name}/gamma`, to, 1);
    weights.constant(`${name}/beta`, to, 0);
    perExample += size * size * kernel * kernel * from * to;
  };
  convolution('stem', 3, 3, 16, 32);
  const blocks: { name: string; stride: number; shortcut: boolean }[] = [];
  let [from, size] = [16, 32];
  for (const [to, firstStride] of [
    [16, 1],
    [32, 2],
    [64, 2],
  ] as const) {
    for (let b = 0; b < 3; b++) {
      const stride = b === 0 ? firstStride : 1;
      const name = `block-${to}-${b}`;
      const shortcut = stride !== 1;
      size /= stride;
      convolution(`${name}/a`, 3, from, to, size);
      convolution(`${name}/b`, 3, to, to, size);
      if (shortcut) convolution(`${name}/shortcut`, 1, from, to, size);
      blocks.push({ name, stride, shortcut });
      from = to;
    }
  }
  weights.matrix('logits/kernel', 64, CLASSES);
  weights.constant('logits/bias', CLASSES, 0);

  const apply = (x: Tensor, name: string, stride: number): Tensor => {
    const kernel = of[`${name}/kernel`] as Tensor4D;
    // Explicit padding is not supported by tfjs-node.
    const padded =
      kernel.shape[0] === 3 && stride !== 1
        ? tf.pad(x, [
            [0, 0],
            [1, 1],
            [1, 1],
            [0, 0],
          ])
        : x;
    const padding = kernel.shape[0] === 3 && stride === 1 ? 'same' : 'valid';
    const y = tf.conv2d(padded as Tensor4D, kernel, stride, padding);
    const { mean, variance } = tf.moments(y, [0, 1, 2]);
    const vector = (tensor: Tensor): Tensor1D => tensor as Tensor1D;
    const [beta, gamma] = [of[`${name}/beta`] as Tensor1D, of[`${name}/gamma`] as Tensor1D];
    return tf.batchNorm(y, vector(mean), vector(variance), beta, gamma, 1e-5);
  };
  return {
    weights: of,
    apply: (x) => {
      let h = tf.relu(apply(x, 'stem', 1));
      for (const { name, stride, shortcut } of blocks) {
        const inner = apply(tf.relu(apply(h, `${name}/a`, stride)), `${name}/b`, 1);
        h = tf.relu(tf.add(inner, shortcut ? apply(h, `${name}/shortcut`, stride) : h));
      }
      return tf.add(tf.matMul(tf.mean(h, [1, 2]), of['logits/kernel']!), of['logits/bias']!);
    },
    multiplications: 128 * perExample,
  };
}

const [VOCABULARY, TOKENS, WIDTH, LAYERS, HEADS] = [1000, 64, 128, 4, 4];

export function transformer(tf: Tf): ReferenceModel {
  const weights = new Weights(tf, 44);
  const of = weights.all;
  const norm = (name: string): void => {
    weights.constant(`${name}/gamma`, WIDTH, 1);
    weights.constant(`${name}/beta`, WIDTH, 0);
  };
  const dense = (name: string, from: number, to: number): void => {
    weights.matrix(`${name}/kernel`, from, to);
    weights.constant(`${name}/bias`, to, 0);
  };
  weights.matrix('tokens', VOCABULARY, WIDTH);
  weights.matrix('positions', TOKENS, WIDTH);
  for (let layer = 0; layer < LAYERS; layer++) {
    norm(`${layer}/norm-1`);
    dense(`${layer}/qkv`, WIDTH, 3 * WIDTH);
    dense(`${layer}/out`, WIDTH, WIDTH);
    norm(`${layer}/norm-2`);
    dense(`${layer}/up`, WIDTH, 4 * WIDTH);
    dense(`${layer}/down`, 4 * WIDTH, WIDTH);
  }
  norm('norm');
  dense('logits', WIDTH, CLASSES);

  const applyNorm = (x: Tensor, name: string): Tensor => {
    const { mean, variance } = tf.moments(x, -1, true);
    const scaled = tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-5)));
    return tf.add(tf.mul(scaled, of[`${name}/gamma`]!), of[`${name}/beta`]!);
  };
  const applyDense = (x: Tensor, name: string): Tensor =>
    tf.add(tf.matMul(x, of[`${name}/kernel`]!), of[`${name}/bias`]!);
  const gelu = (x: Tensor): Tensor =>
    tf.mul(
      tf.mul(x, 0.5),
      tf.add(1, tf.tanh(tf.mul(0.7978845608, tf.add(x, tf.mul(0.044715, tf.mul(x, tf.square(x))))))),
    );
  const headWidth = WIDTH / HEADS;
  const attention = (x: Tensor, layer: number): Tensor => {
    const qkv = tf.reshape(applyDense(x, `${layer}/qkv`), [-1, TOKENS, 3 * WIDTH]);
    const [q, k, v] = tf
      .split(qkv, 3, 2)
      .map((part) => tf.transpose(tf.reshape(part, [-1, TOKENS, HEADS, headWidth]), [0, 2, 1, 3]));
    const scores = tf.softmax(tf.mul(tf.matMul(q!, k!, false, true), 1 / Math.sqrt(headWidth)));
    const heads = tf.transpose(tf.matMul(scores, v!), [0, 2, 1, 3]);
    return applyDense(tf.reshape(heads, [-1, WIDTH]), `${layer}/out`);
  };
  return {
    weights: of,
    apply: (ids) => {
      const embedded = tf.reshape(tf.gather(of['tokens']!, tf.reshape<Rank.R1>(ids, [-1])), [
        -1,
        TOKENS,
        WIDTH,
      ]);
      let h: Tensor = tf.reshape(tf.add(embedded, of['positions']!), [-1, WIDTH]);
      for (let layer = 0; layer < LAYERS; layer++) {
        h = tf.add(h, attention(applyNorm(h, `${layer}/norm-1`), layer));
        const hidden = gelu(applyDense(applyNorm(h, `${layer}/norm-2`), `${layer}/up`));
        h = tf.add(h, applyDense(hidden, `${layer}/down`));
      }
      const pooled = tf.mean(tf.reshape(applyNorm(h, 'norm'), [-1, TOKENS, WIDTH]), 1);
      return applyDense(pooled, 'logits');
    },
    multiplications: 32 * TOKENS * LAYERS * (12 * WIDTH ** 2 + 2 * TOKENS * WIDTH),
  };
}
