/**
 * BatchNorm's running statistics for a mix. They cannot be averaged from the checkpoints' (the activations that they
 * describe are the mix's own), so they are measured: reset, then one pass over training data in training mode,
 * without gradients, every example counting the same.
 *
 * The running mean becomes the mean over all examples, and the running variance the variance over all examples by
 * the law of total variance: the mean of the batches' variances plus the variance of their means (Chan, Golub and
 * LeVeque's update, in float64). For a layer whose input does not depend on the batch, both are exactly those of
 * the whole pass, however it was cut into batches. PyTorch's `torch.optim.swa_utils.update_bn` keeps the first term
 * only and so comes out lower by the variance of the batch means; the difference vanishes for large batches.
 */
import type { BufferValue } from '../../core/averaging/types.ts';
import { throwIfAborted, TwaError } from '../../core/errors.ts';
import { tf } from '../tf.ts';
import { disposeBatch } from './dataset.ts';
import type { TaskEngine } from './engine.ts';
import type { ModelWeight } from './model.ts';

/**
 * The weights of the mix must be in the model. Running statistics in the model are left in disorder. A layer that is
 * used several times in one pass gets the statistics of its last use.
 * @throws TwaError `bad-task` when there are no examples.
 */
export async function recalibrate(
  engine: TaskEngine,
  examples: Int32Array,
  signal?: AbortSignal,
): Promise<readonly BufferValue[]> {
  const { model, task } = engine;
  if (examples.length === 0) {
    throw new TwaError(
      'bad-task',
      `${task.path}: recomputing BatchNorm's running statistics needs a training split; add one, or average them.`,
      { place: { path: task.path } },
    );
  }
  const weights = new Map(model.weights.map((weight) => [weight.name, weight]));
  const layers = model.norms.map((norm) => {
    const mean = weights.get(norm.mean)!;
    const variance = weights.get(norm.variance)!;
    return { norm, mean, variance, moments: new Moments(mean.variable.size), momentum: norm.momentum };
  });
  try {
    // Without memory, and from zero, the "moving average" after a batch is that batch's statistic, bit for bit.
    for (const { norm } of layers) norm.momentum = 0;
    for (const indices of evenly(examples, task.batchSize)) {
      throwIfAborted(signal);
      for (const { mean, variance } of layers) {
        reset(mean);
        reset(variance);
      }
      const batch = await engine.batch('train', indices);
      try {
        tf.tidy(() => engine.forward(batch));
        for (const { mean, variance, moments } of layers) {
          moments.add(indices.length, await mean.variable.data(), await variance.variable.data());
        }
      } finally {
        disposeBatch(batch);
      }
      await new Promise(setImmediate);
    }
  } finally {
    for (const { norm, momentum } of layers) norm.momentum = momentum;
  }
  return layers.flatMap(({ norm, moments }) => [
    { name: norm.mean, values: moments.mean },
    { name: norm.variance, values: moments.variance },
  ]);
}

/** About `size` each and nearly alike: a last batch of two or three would be normalised by statistics of nothing. */
function* evenly(examples: Int32Array, size: number): Generator<Int32Array> {
  const count = Math.max(1, Math.round(examples.length / size));
  const start = (batch: number): number => Math.floor((batch * examples.length) / count);
  for (let batch = 0; batch < count; batch++) yield examples.subarray(start(batch), start(batch + 1));
}

function reset({ variable }: ModelWeight): void {
  tf.tidy(() => variable.assign(tf.zeros(variable.shape)));
}

/** Mean and variance per channel over batches of different sizes. */
export class Moments {
  readonly mean: Float64Array;
  readonly #squares: Float64Array;
  #count = 0;

  constructor(channels: number) {
    this.mean = new Float64Array(channels);
    this.#squares = new Float64Array(channels);
  }

  /** Of a batch that counts `count`, with the (biased) variance within it. */
  add(count: number, mean: ArrayLike<number>, variance: ArrayLike<number>): void {
    const total = this.#count + count;
    for (let c = 0; c < this.mean.length; c++) {
      const shift = mean[c]! - this.mean[c]!;
      this.mean[c] = this.mean[c]! + (shift * count) / total;
      const between = (shift * shift * this.#count * count) / total;
      this.#squares[c] = this.#squares[c]! + variance[c]! * count + between;
    }
    this.#count = total;
  }

  get variance(): Float64Array {
    return this.#squares.map((sum) => sum / this.#count);
  }
}
