/** From one number per example to the few numbers that people compare. */
import { TwaError } from '../errors.ts';
import type { Goal } from '../runs/types.ts';
import { percentileInterval, resampleMeans, weightedMean } from './bootstrap.ts';
import type { Interval, SplitEvaluation } from './types.ts';

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
