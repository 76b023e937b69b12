import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seededRandom } from '../../../src/core/averaging/rng.ts';
import { glanceAt, pick, planOverviews } from '../../../webview/curves/overview.ts';
import { smooth } from '../../../webview/curves/smooth.ts';

/** A walk with values that are none here and there, and a stretch of them. */
function walk(length: number, seed: number): { readonly steps: number[]; readonly values: number[] } {
  const random = seededRandom(seed, 'overview');
  const uniform = (): number => random() / 2 ** 32;
  let value = 0;
  let step = 0;
  const steps: number[] = [];
  const values: number[] = [];
  for (let index = 0; index < length; index++) {
    step += 1 + Math.floor(3 * uniform());
    value += uniform() - 0.5;
    const none = uniform() < 0.02 || (index > length * 0.4 && index < length * 0.45);
    steps.push(step);
    values.push(none ? (uniform() < 0.5 ? NaN : Infinity) : value);
  }
  return { steps, values };
}

const extremes = (numbers: readonly number[]): readonly [number, number] => {
  const finite = numbers.filter(Number.isFinite);
  return [Math.min(...finite), Math.max(...finite)];
};

describe('An overview has of every stretch what a picture of it shows', () => {
  const STRETCHES = 100;
  for (const [length, weight, values] of [
    [10_000, 0, true],
    [10_000, 0.6, true],
    [9999, 0.6, false],
    [2000, 0.99, true],
  ] as const) {
    test(`${length} points, weight ${weight}, ${values ? 'values and averages' : 'averages'}`, () => {
      const logged = walk(length, length);
      const { indices, averages } = glanceAt(logged, weight, { stretches: STRETCHES, values })!;
      const whole = weight === 0 ? logged.values : [...smooth(Float64Array.from(logged.values), weight)];
      if (weight === 0) assert.equal(averages, undefined);
      else assert.deepEqual([...averages!], [...pick(whole, indices)], 'averages are those over all points');
      assert.ok(
        indices.every((index, at) => at === 0 || index > indices[at - 1]!),
        'ascending, none twice',
      );
      assert.deepEqual([indices[0], indices.at(-1)], [0, length - 1]);
      const size = Math.ceil(length / STRETCHES);
      for (let from = 0; from < length; from += size) {
        const to = Math.min(length, from + size);
        const here = indices.filter((index) => index >= from && index < to);
        const shown = (numbers: readonly number[]): readonly number[] => here.map((index) => numbers[index]!);
        assert.deepEqual(extremes(shown(whole)), extremes(whole.slice(from, to)));
        if (values) assert.deepEqual(extremes(shown(logged.values)), extremes(logged.values.slice(from, to)));
        if (!logged.values.slice(from, to).some(Number.isFinite)) {
          assert.ok(here.length > 0 && !shown(logged.values).some(Number.isFinite), 'a gap stays a gap');
        }
      }
      assert.ok(indices.length <= 4 * STRETCHES + 2);
    });
  }

  test('a spike of one point among a million is in it', () => {
    const steps = Array.from({ length: 1_000_000 }, (_, index) => index);
    const values = steps.map((step) => (step === 654_321 ? 9 : 1));
    const { indices } = glanceAt({ steps, values }, 0.6, planOverviews(10))!;
    assert.ok(indices.includes(654_321));
  });

  test('none of a series that goes back, stands still or has a point without a place', () => {
    const values = [1, 2, 3, 4];
    for (const steps of [
      [0, 1, 1, 2],
      [0, 1, 2, 1],
      [0, NaN, 1, 2],
      [0, 1, 2, Infinity],
    ]) {
      assert.equal(glanceAt({ steps, values }, 0, { stretches: 2, values: true }), undefined);
    }
  });
});

test('overviews of many series are some megabytes together', () => {
  for (const count of [1, 10, 64, 65, 1000, 5000]) {
    const { stretches, values } = planOverviews(count);
    assert.ok(stretches >= 1 && count * stretches * (values ? 4 : 2) <= 400_000, `${count} series`);
  }
});
