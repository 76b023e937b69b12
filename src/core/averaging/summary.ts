/** From one number per example to the few numbers that people compare. */
import { TwaError } from '../errors.ts';
import type { Goal } from '../runs/types.ts';
import { percentileInterval, resampleMeans, weightedMean } from './bootstrap.ts';
import type { Interval, SplitEvaluation } from './types.ts';

/** The metric to decide by. */
export interface Metric {
  readonly name: string;
  readonly goal: Goal;
}

/** Weighted means over a split. */
export interface Score {
  readonly metric: number;
  readonly loss: number;
}

/** Means and their 95 % bootstrap intervals. */
export interface Summary extends Score {
  readonly metricInterval: Interval;
  readonly lossInterval: Interval;
}

/** The metric's column; `loss` is always one. Throws `bad-task` for a metric that the task does not compute. */
export function metricValues(evaluation: SplitEvaluation, metricName: string): Float64Array {
  const values = evaluation.metrics[metricName] ?? (metricName === 'loss' ? evaluation.loss : undefined);
  if (values === undefined) {
    const known = [...Object.keys(evaluation.metrics), 'loss'].join(', ');
    throw new TwaError(
      'bad-task',
      `The task does not compute the metric "${metricName}": name one of ${known} in the task file.`,
    );
  }
  return values;
}

export function score(evaluation: SplitEvaluation, metricName: string): Score {
  return {
    metric: weightedMean(metricValues(evaluation, metricName), evaluation.weights),
    loss: weightedMean(evaluation.loss, evaluation.weights),
  };
}

/** Same seed and same number of examples: same resamples, so that summaries of two models can be compared. */
export function summarize(evaluation: SplitEvaluation, metricName: string, seed: number): Summary {
  const metric = metricValues(evaluation, metricName);
  const [metricSamples, lossSamples] = resampleMeans([metric, evaluation.loss], evaluation.weights, seed);
  return {
    ...score(evaluation, metricName),
    metricInterval: percentileInterval(metricSamples!),
    lossInterval: percentileInterval(lossSamples!),
  };
}

/** By the metric; the lower loss breaks ties. A NaN is worse than anything. */
export function isBetter(a: Score, b: Score, goal: Goal): boolean {
  const sign = goal === 'maximize' ? -1 : 1;
  const [metricA, metricB] = [badness(sign * a.metric), badness(sign * b.metric)];
  return metricA === metricB ? badness(a.loss) < badness(b.loss) : metricA < metricB;
}

function badness(value: number): number {
  return Number.isNaN(value) ? Infinity : value;
}

/**
 * The index of the best of several models on the same examples, by the one-standard-error rule (Breiman et al.,
 * "Classification and Regression Trees", 1984, section 3.4.3): models whose metric is within one standard error, of
 * the paired difference, of the best metric count as tied, and of those the lowest loss wins. On a few hundred
 * examples accuracy is a coarse measure, one example of difference is always a tie, and the loss sees more; but what
 * loses more of the metric than that is out, whatever its loss.
 */
export function bestOf(evaluations: readonly SplitEvaluation[], metric: Metric): number {
  const scores = evaluations.map((evaluation) => score(evaluation, metric.name));
  const indices = [...evaluations.keys()];
  const top = indices.reduce((a, b) => (isBetter(scores[b]!, scores[a]!, metric.goal) ? b : a), 0);
  const isTied = (index: number): boolean => {
    if (index === top) return true;
    const [a, b] = [evaluations[index]!, evaluations[top]!];
    const bValues = metricValues(b, metric.name);
    const differences = metricValues(a, metric.name).map((value, i) => value - bValues[i]!);
    // One example of difference is exactly one standard error, but for rounding.
    const noise = standardError(differences, a.weights) * (1 + 1e-9);
    return Math.abs(weightedMean(differences, a.weights)) <= noise;
  };
  return indices
    .filter(isTied)
    .reduce((a, b) => (badness(scores[b]!.loss) < badness(scores[a]!.loss) ? b : a), top);
}

/**
 * Whether a model is worse than another on the same examples by more than one standard error of the paired difference,
 * in the metric or in the loss. A NaN is worse than anything.
 */
export function isWorse(a: SplitEvaluation, b: SplitEvaluation, metric: Metric): boolean {
  const sign = metric.goal === 'maximize' ? -1 : 1;
  const columns = [
    [metricValues(a, metric.name), metricValues(b, metric.name), sign],
    [a.loss, b.loss, 1],
  ] as const;
  return columns.some(([ofA, ofB, direction]) => {
    const differences = ofA.map((value, i) => direction * (value - ofB[i]!));
    const difference = weightedMean(differences, a.weights);
    // Where neither has a number (a command that prints no loss) there is nothing to compare.
    if (Number.isNaN(difference))
      return Number.isNaN(weightedMean(ofA, a.weights)) && !Number.isNaN(weightedMean(ofB, b.weights));
    const noise = standardError(differences, a.weights);
    // One number alone has no standard error: then every loss counts.
    return difference > (Number.isNaN(noise) ? 0 : noise * (1 + 1e-9));
  });
}

/** Of a weighted mean, as a ratio of sums: sqrt(n / (n - 1) sum (w (x - mean))^2) / sum w. */
function standardError(values: Float64Array, weights: Float64Array): number {
  const mean = weightedMean(values, weights);
  let squares = 0;
  let total = 0;
  for (let i = 0; i < values.length; i++) {
    squares += (weights[i]! * (values[i]! - mean)) ** 2;
    total += weights[i]!;
  }
  return Math.sqrt((squares * values.length) / (values.length - 1)) / total;
}
