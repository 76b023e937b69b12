import assert from 'node:assert/strict';
import { test } from 'node:test';
import { meanSpacing, smooth, Smoother, weightFor } from '../../../webview/curves/smooth.ts';

/** The definition, term by term. */
const byDefinition = (y: readonly number[], weight: number): number[] =>
  y.map((_, k) => {
    let sum = 0;
    let norm = 0;
    for (let i = 0; i <= k; i++) {
      sum += weight ** (k - i) * y[i]!;
      norm += weight ** (k - i);
    }
    return sum / norm;
  });

test('smooth is the debiased moving average by its definition', () => {
  const y = Array.from({ length: 200 }, (_, index) => Math.sin(index) + index / 50);
  for (const weight of [0.1, 0.6, 0.9, 0.99]) {
    const expected = byDefinition(y, weight);
    smooth(Float64Array.from(y), weight).forEach((value, index) => {
      // 200 float64 additions of numbers below 5: far below 1e-12.
      assert.ok(Math.abs(value - expected[index]!) < 1e-12);
    });
  }
});

test('a constant stays itself from the first point on', () => {
  for (const value of smooth(new Float64Array(50).fill(3.25), 0.97)) {
    // Both sums round at each of 50 steps.
    assert.ok(Math.abs(value - 3.25) < 1e-13);
  }
});

test('of an impulse remains w^k (1 - w) / (1 - w^(k+1))', () => {
  const weight = 0.8;
  const y = new Float64Array(30);
  y[0] = 1;
  smooth(y, weight).forEach((value, k) => {
    const expected = (weight ** k * (1 - weight)) / (1 - weight ** (k + 1));
    assert.ok(Math.abs(value - expected) < 1e-15);
  });
});

test('0 is off', () => assert.deepEqual([...smooth(Float64Array.of(3, 1, 2), 0)], [3, 1, 2]));

test('values that are not finite stay gaps and change nothing after them', () => {
  const out = smooth(Float64Array.of(1, NaN, 2, Infinity, 4), 0.5);
  const [a, b, c] = smooth(Float64Array.of(1, 2, 4), 0.5);
  assert.deepEqual([...out], [a, NaN, b, Infinity, c]);
});

const line = (...x: readonly number[]) => ({
  x: Float64Array.from(x),
  y: Float64Array.from(x),
  map: undefined,
});

test('a sparser series has the time constant of the densest one', () => {
  const dense = line(...Array.from({ length: 101 }, (_, index) => index));
  const sparse = line(0, 8, 16, 24);
  assert.equal(meanSpacing(dense), 1);
  assert.equal(meanSpacing(sparse), 8);
  // After 8 steps an impulse is worth the same in both.
  assert.ok(Math.abs(weightFor(0.6, meanSpacing(sparse), 1) - 0.6 ** 8) < 1e-15);
  assert.equal(weightFor(0.6, meanSpacing(dense), 1), 0.6);
  assert.equal(weightFor(0, meanSpacing(sparse), 1), 0);
  assert.equal(weightFor(0.6, meanSpacing(line(5)), 1), 0);
});

test('a point more does not change the weight, a spacing that differs does', () => {
  const nearly = line(...Array.from({ length: 1000 }, (_, index) => index * 1.01));
  assert.equal(weightFor(0.6, meanSpacing(nearly), 1), 0.6);
  // To a quarter of an octave, so at most an eighth off: 2^(1/8) is 9 %.
  const exponent = Math.log(weightFor(0.6, meanSpacing(line(0, 10, 20)), 1)) / Math.log(0.6);
  assert.ok(exponent > 10 / 1.091 && exponent < 10 * 1.091, String(exponent));
});

test('what is added to a growing column is averaged as if it had been there', () => {
  const y = Float64Array.from({ length: 1000 }, (_, index) => (index % 97 === 0 ? NaN : Math.cos(index)));
  const smoother = new Smoother(0.93);
  let before = 0;
  for (const length of [1, 2, 300, 301, 999, 1000]) {
    assert.equal(smoother.follow(y.subarray(0, length), before), before);
    before = length;
  }
  assert.deepEqual([...smoother.y], [...smooth(y, 0.93)]);
  y[500] = 7;
  assert.equal(smoother.follow(y, 500), 0);
  assert.deepEqual([...smoother.y], [...smooth(y, 0.93)]);
});
