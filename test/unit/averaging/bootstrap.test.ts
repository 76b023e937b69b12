import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  pairedInterval,
  percentileInterval,
  resampleMeans,
  weightedMean,
} from '../../../src/core/averaging/bootstrap.ts';
import type { Interval } from '../../../src/core/averaging/types.ts';
import { seededRandom } from '../../../src/core/averaging/rng.ts';
import { bestOf, isBetter, score, summarize } from '../../../src/core/averaging/summary.ts';
import { TwaError } from '../../../src/core/errors.ts';
import { randomVector } from './logistic.ts';

const SIZE = 400;
const values = randomVector(seededRandom(1, 'values'), SIZE);
const ones = new Float64Array(SIZE).fill(1);

/** Of the mean of the values; the bootstrap's own, with n in the denominator. */
function standardError(numbers: Float64Array): number {
  const mean = weightedMean(numbers, new Float64Array(numbers.length).fill(1));
  return Math.sqrt(numbers.reduce((sum, value) => sum + (value - mean) ** 2, 0)) / numbers.length;
}

// So many leave 1 / sqrt(2 * 20000) = 0.5 % of noise in a standard error and, by the formula beside RESAMPLES in the
// source, 0.02 standard errors in each end of an interval. Five times that is allowed below.
const RESAMPLES = 20_000;

function intervalOf(numbers: Float64Array, weights: Float64Array, seed: number): Interval {
  return percentileInterval(resampleMeans([numbers], weights, seed, RESAMPLES)[0]!);
}

describe('bootstrap', () => {
  test('the samples have the analytic standard error of the mean', () => {
    const [samples] = resampleMeans([values], ones, 1, RESAMPLES);
    const mean = samples!.reduce((sum, value) => sum + value, 0) / RESAMPLES;
    const deviation = Math.sqrt(samples!.reduce((sum, value) => sum + (value - mean) ** 2, 0) / RESAMPLES);
    assert.ok(Math.abs(deviation / standardError(values) - 1) < 0.025, `${deviation}`);
  });

  test('the interval is the normal one for a mean of many', () => {
    const { low, high } = intervalOf(values, ones, 1);
    const mean = weightedMean(values, ones);
    assert.ok(Math.abs((mean - low) / standardError(values) - 1.96) < 0.1);
    assert.ok(Math.abs((high - mean) / standardError(values) - 1.96) < 0.1);
  });

  test('weighted: the ratio estimate and its linearised standard error', () => {
    const weights = Float64Array.from({ length: SIZE }, (_, i) => 1 + (i % 4));
    const [samples] = resampleMeans([values], weights, 1, RESAMPLES);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const mean = values.reduce((sum, value, i) => sum + weights[i]! * value, 0) / total;
    assert.ok(Math.abs(weightedMean(values, weights) - mean) < 1e-15);
    const residuals = values.map((value, i) => (weights[i]! * (value - mean)) / total);
    const analytic = Math.sqrt(residuals.reduce((sum, value) => sum + value * value, 0));
    const centre = samples!.reduce((sum, value) => sum + value, 0) / RESAMPLES;
    const deviation = Math.sqrt(samples!.reduce((sum, value) => sum + (value - centre) ** 2, 0) / RESAMPLES);
    assert.ok(Math.abs(deviation / analytic - 1) < 0.025, `${deviation} ${analytic}`);
  });

  test('paired: what two columns have in common cancels', () => {
    const noise = randomVector(seededRandom(2, 'values'), SIZE, 0.01);
    const other = values.map((value, i) => value - 0.1 + noise[i]!);
    const [a, b] = resampleMeans([values, other], ones, 1, RESAMPLES);
    const { low, high } = pairedInterval(a!, b!);
    const differences = values.map((value, i) => value - other[i]!);
    assert.ok(low < weightedMean(differences, ones) && weightedMean(differences, ones) < high);
    assert.ok(Math.abs((high - low) / (2 * 1.96 * standardError(differences)) - 1) < 0.05);
    const unpaired = intervalOf(values, ones, 1);
    assert.ok(high - low < (unpaired.high - unpaired.low) / 50);
  });

  test('the same seed gives the same interval, and columns share their resamples', () => {
    assert.deepEqual(intervalOf(values, ones, 5), intervalOf(values, ones, 5));
    assert.notDeepEqual(intervalOf(values, ones, 5), intervalOf(values, ones, 6));
    const doubled = values.map((value) => 2 * value);
    const [a, b] = resampleMeans([values, doubled], ones, 5, 50);
    assert.ok(a!.every((mean, draw) => Math.abs(2 * mean - b![draw]!) < 1e-15));
  });

  test('quantiles as NumPy gives them', () => {
    // numpy.quantile([0, 1, 4, 9, 16], [0.025, 0.975]) = [0.1, 15.3]
    const { low, high } = percentileInterval(Float64Array.of(16, 0, 9, 1, 4));
    assert.ok(Math.abs(low - 0.1) < 1e-15 && Math.abs(high - 15.3) < 1e-14);
  });

  test('numbers that are not finite give an interval that is not a number', () => {
    const broken = values.slice();
    broken[3] = NaN;
    assert.deepEqual(intervalOf(broken, ones, 1), { low: NaN, high: NaN });
    assert.deepEqual(percentileInterval(Float64Array.of(1, Infinity)), { low: NaN, high: NaN });
    assert.deepEqual(percentileInterval(new Float64Array(0)), { low: NaN, high: NaN });
  });
});

describe('summary', () => {
  const evaluation = {
    loss: Float64Array.of(1, 2, 3, 6),
    metrics: { accuracy: Float64Array.of(1, 0, 1, 1) },
    weights: Float64Array.of(1, 1, 1, 3),
  };

  test('means are weighted, with their intervals', () => {
    assert.deepEqual(score(evaluation, 'accuracy'), { metric: 5 / 6, loss: 4 });
    const summary = summarize(evaluation, 'accuracy', 1);
    assert.equal(summary.metric, 5 / 6);
    assert.ok(summary.metricInterval.low < 5 / 6 && summary.metricInterval.high === 1);
    assert.ok(summary.lossInterval.low < 4 && summary.lossInterval.high > 4);
  });

  test('the loss can be the metric; another name is an error that lists the names', () => {
    assert.equal(score(evaluation, 'loss').metric, 4);
    assert.throws(
      () => score(evaluation, 'f1'),
      (error) =>
        error instanceof TwaError && error.code === 'bad-task' && /accuracy, loss/.test(error.message),
    );
  });

  test('better is by the metric, then by the loss; NaN is worst', () => {
    const at = (metric: number, loss: number) => ({ metric, loss });
    assert.ok(isBetter(at(0.9, 5), at(0.8, 1), 'maximize'));
    assert.ok(isBetter(at(0.8, 5), at(0.9, 1), 'minimize'));
    assert.ok(isBetter(at(0.9, 1), at(0.9, 2), 'maximize'));
    assert.ok(!isBetter(at(0.9, 1), at(0.9, 1), 'maximize'));
    assert.ok(isBetter(at(0, 9), at(NaN, 1), 'maximize'));
    assert.ok(!isBetter(at(NaN, 1), at(0, 9), 'minimize'));
    assert.ok(isBetter(at(NaN, 1), at(NaN, NaN), 'minimize'));
  });

  describe('bestOf', () => {
    const SIZE = 200;
    const model = (right: number, loss: number, from = 0) => ({
      loss: new Float64Array(SIZE).fill(loss),
      metrics: {
        accuracy: Float64Array.from({ length: SIZE }, (_, i) => (i >= from && i < from + right ? 1 : 0)),
      },
      weights: new Float64Array(SIZE).fill(1),
    });
    const accuracy = { name: 'accuracy', goal: 'maximize' } as const;

    test('a clear difference of the metric decides, whatever the loss', () => {
      assert.equal(bestOf([model(180, 2), model(170, 0.1)], accuracy), 0);
      assert.equal(bestOf([model(170, 0.1), model(180, 2)], accuracy), 1);
    });

    test('one example of difference is a tie, and the loss decides; two the same way are not', () => {
      assert.equal(bestOf([model(180, 0.5), model(179, 0.4)], accuracy), 1);
      assert.equal(bestOf([model(180, 0.5), model(178, 0.4)], accuracy), 0);
      // 10 examples gained and 12 lost: two more, but within the noise of 22 that changed.
      assert.equal(bestOf([model(160, 0.5), model(158, 0.4, 12)], accuracy), 1);
    });

    test('ties are with the best metric of all, so that they do not add up', () => {
      const chain = [180, 179, 178, 177, 176].map((right, i) => model(right, 1 - i / 10));
      assert.equal(bestOf(chain, accuracy), 1);
    });

    test('with the loss as the metric, the lowest loss wins; NaN never does', () => {
      const loss = { name: 'loss', goal: 'minimize' } as const;
      assert.equal(bestOf([model(1, 0.5), model(1, 0.4), model(1, NaN)], loss), 1);
      assert.equal(bestOf([model(180, NaN), model(180, 0.5)], accuracy), 1);
      assert.equal(bestOf([model(1, NaN), model(1, NaN)], loss), 0);
    });
  });
});
