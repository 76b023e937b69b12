import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seededRandom } from '../../../src/core/averaging/rng.ts';
import { Pyramid } from '../../../webview/curves/pyramid.ts';

const uniformFrom = (seed: number): (() => number) => {
  const random = seededRandom(seed, 'pyramid');
  return () => random() / 2 ** 32;
};

/** A walk with NaN, infinities and negative stretches. */
function rough(length: number, uniform: () => number): Float64Array {
  let value = 0;
  return Float64Array.from({ length }, () => {
    value += uniform() - 0.5;
    const odd = uniform();
    return odd < 0.02 ? NaN : odd < 0.03 ? Infinity : odd < 0.04 ? -Infinity : value;
  });
}

function bruteForce(y: Float64Array, from: number, to: number, positive: boolean): readonly [number, number] {
  const drawable = [...y.subarray(from, to)].filter(
    (value) => Number.isFinite(value) && (!positive || value > 0),
  );
  return [Math.min(...drawable), Math.max(...drawable)];
}

describe('Pyramid against brute force', () => {
  for (const length of [0, 1, 15, 16, 17, 128, 129, 1000, 5000]) {
    for (const positive of [false, true]) {
      test(`${length} points${positive ? ', positive values only' : ''}`, () => {
        const uniform = uniformFrom(length + Number(positive));
        const y = rough(length, uniform);
        const pyramid = new Pyramid(positive);
        pyramid.update(y, 0);
        for (let round = 0; round < 300; round++) {
          const a = Math.floor(uniform() * (length + 1));
          const b = Math.floor(uniform() * (length + 1));
          const [from, to] = round === 0 ? [0, length] : [Math.min(a, b), Math.max(a, b)];
          pyramid.query(from, to);
          assert.deepEqual([pyramid.low, pyramid.high], bruteForce(y, from, to, positive), `${from}..${to}`);
        }
      });
    }
  }

  test('grown, cut and changed bit by bit', () => {
    const uniform = uniformFrom(9);
    const all = rough(4000, uniform);
    const pyramid = new Pyramid();
    let length = 0;
    for (let round = 0; round < 200; round++) {
      const before = length;
      // Sometimes the end is taken back and written anew, as when a run is resumed.
      const from = uniform() < 0.2 ? Math.floor(before * uniform()) : before;
      for (let index = from; index < before; index++) all[index] = uniform() * 10;
      length = Math.min(all.length, from + Math.floor(uniform() * 60));
      const y = all.subarray(0, length);
      pyramid.update(y, from);
      const at = Math.floor(uniform() * (length + 1));
      for (const [first, last] of [
        [0, length],
        [at, length],
        [0, at],
      ] as const) {
        pyramid.query(first, last);
        assert.deepEqual([pyramid.low, pyramid.high], bruteForce(y, first, last, false));
      }
    }
  });
});

test('a stretch of a million points takes as many steps as one of a thousand, about', () => {
  const y = Float64Array.from({ length: 1_000_000 }, (_, index) => Math.sin(index));
  const pyramid = new Pyramid();
  pyramid.update(y, 0);
  const time = (length: number): number => {
    const begun = process.cpuUsage();
    for (let round = 0; round < 20_000; round++) pyramid.query(3 + (round % 100), length - 5);
    return process.cpuUsage(begun).user / 1000;
  };
  time(1000);
  // Looking at every point would take a thousand times as long; the levels take a few times as long.
  assert.ok(time(1_000_000) < 50 * Math.max(1, time(1000)));
  // Two numbers per 16 points, an eighth more for each level above.
  assert.ok(pyramid.bytes < 1.2 * ((1_000_000 / 16) * 16));
});
