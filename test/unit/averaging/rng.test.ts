import assert from 'node:assert/strict';
import { test } from 'node:test';
import { below, permutation, seededRandom, xoshiro128 } from '../../../src/core/averaging/rng.ts';

test('xoshiro128** gives the numbers of the reference implementation', () => {
  // xoshiro128starstar.c (version 1.1) from state {1, 2, 3, 4}, as in the tests of Rust's rand_xoshiro.
  const random = xoshiro128(1, 2, 3, 4);
  assert.deepEqual(
    Array.from({ length: 10 }, random),
    [11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804],
  );
});

test('a stream depends on seed and purpose, and on nothing else', () => {
  const take = (seed: number, purpose: string): number[] =>
    Array.from({ length: 4 }, seededRandom(seed, purpose));
  assert.deepEqual(take(1, 'splits'), take(1, 'splits'));
  assert.notDeepEqual(take(1, 'splits'), take(2, 'splits'));
  assert.notDeepEqual(take(1, 'splits'), take(1, 'batches'));
  assert.notDeepEqual(take(0, ''), [0, 0, 0, 0]);
});

test('below is uniform', () => {
  const random = seededRandom(7, 'test');
  const counts = new Array<number>(10).fill(0);
  for (let draw = 0; draw < 100_000; draw++) counts[below(random, 10)]!++;
  const chiSquared = counts.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0);
  // 99.9 % quantile of chi-squared with 9 degrees of freedom.
  assert.ok(chiSquared < 27.9, `chi-squared ${chiSquared}`);
});

test('every permutation of three is equally likely', () => {
  const random = seededRandom(7, 'test');
  const counts = new Map<string, number>();
  for (let draw = 0; draw < 6000; draw++) {
    const order = permutation(random, 3).join('');
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  assert.equal(counts.size, 6);
  const chiSquared = [...counts.values()].reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
  // 99.9 % quantile of chi-squared with 5 degrees of freedom.
  assert.ok(chiSquared < 20.6, `chi-squared ${chiSquared}`);
});
