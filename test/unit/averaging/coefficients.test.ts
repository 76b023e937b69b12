import assert from 'node:assert/strict';
import { test } from 'node:test';

import { emaCoefficients } from '../../../src/core/averaging/coefficients.ts';

test('coefficients of the exponential moving average give what the recursion gives', () => {
  const weights = [3, -1, 4, 1, -5];
  for (const decay of [0, 0.3, 0.9, 0.999]) {
    let expected = weights[0]!;
    for (const weight of weights.slice(1)) expected = decay * expected + (1 - decay) * weight;
    const mixed = emaCoefficients(5, decay).reduce((sum, a, i) => sum + a * weights[i]!, 0);
    // Five products and sums of numbers up to 5 in float64.
    assert.ok(Math.abs(mixed - expected) < 1e-14, `${decay}: ${mixed} is not ${expected}`);
  }
});

test('they sum to 1; without decay the newest is alone', () => {
  const sum = emaCoefficients(20, 0.8).reduce((total, a) => total + a, 0);
  assert.ok(Math.abs(sum - 1) < 1e-15 * 20);
  assert.deepEqual(emaCoefficients(3, 0), [0, 0, 1]);
});
