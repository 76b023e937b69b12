/** The losses and metrics that a twa.json can name, one number per example. */
import { TwaError } from '../../core/errors.ts';
import type { DeclaredMetric, TaskFile } from '../../core/task/types.ts';
import { tf } from '../tf.ts';
import type { Tensor, Tensor1D } from '../tf.ts';

/** Keras's: keeps log(p) finite for a probability of 0. */
const EPSILON = 1e-7;
/** How far float16 arithmetic may leave a sum of probabilities from 1. */
const ROUNDING = 0.01;

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

/**
 * Holds the numbers that a model gives against what `output` says they are: a cross-entropy of the wrong one still
 * falls while it trains, and means nothing.
 * @param values Some outputs, row-major [N, ..., C], in evaluation mode.
 * @returns Whether they could tell: outputs that are not finite cannot.
 */
export function requireDeclaredOutput(
  task: TaskFile,
  values: Float32Array,
  shape: readonly number[],
): boolean {
  if (task.loss !== 'softmaxCrossEntropy' && task.loss !== 'sigmoidCrossEntropy') return true;
  if (!values.every(Number.isFinite)) return false;
  const wrong = (message: string): TwaError =>
    new TwaError('bad-task', `${task.path}: "output" is "${task.output}", but ${message}`, {
      place: { path: task.path },
    });
  const outside = values.find((value) => value < -ROUNDING || value > 1 + ROUNDING);
  if (task.output === 'probabilities' && outside !== undefined) {
    throw wrong(`the model gives numbers such as ${outside.toPrecision(4)}: they are "logits".`);
  }
  const classes = shape.at(-1) ?? 1;
  if (task.loss === 'sigmoidCrossEntropy' || classes < 2) return true;
  const sums = Array.from({ length: values.length / classes }, (_, row) =>
    values.subarray(row * classes, (row + 1) * classes).reduce((sum, value) => sum + value, 0),
  );
  const odd = sums.find((sum) => Math.abs(sum - 1) > ROUNDING);
  if (task.output === 'probabilities' && odd !== undefined) {
    throw wrong(
      `those of one example sum to ${odd.toPrecision(4)}, not to 1: end the model with a softmax, or use "sigmoidCrossEntropy".`,
    );
  }
  if (task.output === 'logits' && outside === undefined && odd === undefined) {
    throw wrong('the model gives numbers from 0 to 1 that sum to 1: they are "probabilities".');
  }
  return true;
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
