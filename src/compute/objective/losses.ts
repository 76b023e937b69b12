/** The losses and metrics that a twa.json can name, one number per example. */
import { TwaError } from '../../core/errors.ts';
import type { DeclaredMetric, TaskFile } from '../../core/task/types.ts';
import { tf } from '../tf.ts';
import type { Tensor, Tensor1D } from '../tf.ts';

/** Keras's: keeps log(p) finite for a probability of 0. */
const EPSILON = 1e-7;

/**
 * Loss per example of a batch [N, ...]. Cross-entropies follow the textbook with natural logarithms; what is left
 * of the output's axes is averaged.
 */
export function declaredLoss(task: TaskFile, outputs: Tensor, targets: Tensor): Tensor1D {
  requireSameShape(task, outputs, targets);
  const logits = task.output === 'logits';
  if (task.loss === undefined) throw noLoss(task);
  switch (task.loss) {
    case 'softmaxCrossEntropy': {
      const logProbabilities = logits ? tf.logSoftmax(outputs) : tf.log(tf.clipByValue(outputs, EPSILON, 1));
      return perExample(tf.neg(tf.sum(tf.mul(targets, logProbabilities), -1)));
    }
    case 'sigmoidCrossEntropy': {
      if (logits) return perExample(sigmoidCrossEntropy(outputs, targets));
      const probabilities = tf.clipByValue(outputs, EPSILON, 1 - EPSILON);
      const others = tf.mul(tf.sub(1, targets), tf.log(tf.sub(1, probabilities)));
      return perExample(tf.neg(tf.add(tf.mul(targets, tf.log(probabilities)), others)));
    }
    case 'meanSquaredError':
      return perExample(tf.squaredDifference(outputs, targets));
  }
}

export function noLoss(task: TaskFile): TwaError {
  return new TwaError(
    'bad-task',
    `${task.path}: there is no loss: name one as "loss", or export "loss" from the module.`,
    { place: { path: task.path } },
  );
}

/** max(z, 0) - z y + log(1 + exp(-|z|)), which overflows nowhere. */
function sigmoidCrossEntropy(z: Tensor, y: Tensor): Tensor {
  return tf.add(tf.sub(tf.relu(z), tf.mul(z, y)), tf.log1p(tf.exp(tf.neg(tf.abs(z)))));
}

export const declaredMetrics: readonly DeclaredMetric[] = [
  'accuracy',
  'meanSquaredError',
  'meanAbsoluteError',
];

/** Metric per example. Accuracy is 1 or 0, or for several independent yes-or-no outputs the share that is right. */
export function declaredMetric(
  task: TaskFile,
  metric: DeclaredMetric,
  outputs: Tensor,
  targets: Tensor,
): Tensor1D {
  requireSameShape(task, outputs, targets);
  switch (metric) {
    case 'accuracy': {
      const yesOrNo = task.loss === 'sigmoidCrossEntropy' || outputs.shape.at(-1) === 1;
      const right = yesOrNo
        ? tf.equal(tf.greater(outputs, task.output === 'logits' ? 0 : 0.5), tf.greater(targets, 0.5))
        : tf.equal(tf.argMax(outputs, -1), tf.argMax(targets, -1));
      return perExample(tf.cast(right, 'float32'));
    }
    case 'meanSquaredError':
      return perExample(tf.squaredDifference(outputs, targets));
    case 'meanAbsoluteError':
      return perExample(tf.abs(tf.sub(outputs, targets)));
  }
}

/** [N, ...] -> [N], the mean over all other axes. */
function perExample(values: Tensor): Tensor1D {
  if (values.rank <= 1) return values as Tensor1D;
  return tf.mean(tf.reshape(values, [values.shape[0], -1]), 1);
}

/** Broadcasting would hide the mistake and give a number that means nothing. */
function requireSameShape(task: TaskFile, outputs: Tensor, targets: Tensor): void {
  if (tf.util.arraysEqual(outputs.shape, targets.shape)) return;
  const one = (shape: readonly number[]) => `[${shape.slice(1).join(', ')}]`;
  throw new TwaError(
    'bad-task',
    `${task.path}: the model gives ${one(outputs.shape)} numbers per example and the targets are ` +
      `${one(targets.shape)}: they must be alike ("classes" turns class numbers into one-hot targets).`,
    { place: { path: task.path } },
  );
}
