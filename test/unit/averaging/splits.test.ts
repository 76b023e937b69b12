import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { carveSplits, type CarvedSplits } from '../../../src/core/averaging/splits.ts';
import { TwaError } from '../../../src/core/errors.ts';

const sizes = { train: 1000, validation: 500, test: 300 };

/** How often each example of a user's split is used by the three sets. */
function uses(carved: CarvedSplits, from: string, size: number): number[] {
  const counts = new Array<number>(size).fill(0);
  for (const part of [carved.fit, carved.stop, carved.report]) {
    if (part.from === from) for (const index of part.indices) counts[index]!++;
  }
  return counts;
}

describe('TWA-v', () => {
  test('60/40 of validation, and test to report', () => {
    const carved = carveSplits(sizes, 'validation', 1);
    assert.deepEqual(
      [carved.fit.from, carved.stop.from, carved.report.from],
      ['validation', 'validation', 'test'],
    );
    assert.deepEqual(carved.sizes, {
      fit: 300,
      stop: 200,
      report: 300,
      origin: 'fit and stop: 60/40 of validation (seed 1); report: test',
    });
    assert.ok(uses(carved, 'validation', 500).every((count) => count === 1));
    assert.ok(uses(carved, 'test', 300).every((count) => count === 1));
  });

  test('without test, all three come from validation, and the origin says so', () => {
    const carved = carveSplits({ train: 1000, validation: 500 }, 'validation', 4);
    assert.deepEqual(carved.sizes, {
      fit: 250,
      stop: 125,
      report: 125,
      origin: 'fit, stop and report: 50/25/25 of validation (seed 4); there is no test split',
    });
    assert.ok(uses(carved, 'validation', 500).every((count) => count === 1));
  });

  test('the seed decides which examples, and the parts are mixed', () => {
    const indices = (seed: number): number[] => [...carveSplits(sizes, 'validation', seed).fit.indices];
    assert.deepEqual(indices(1), indices(1));
    assert.notDeepEqual(indices(1), indices(2));
    // Not the first 300: a validation split is often sorted by class. A random half of them is expected above 250.
    const late = indices(1).filter((index) => index >= 250).length;
    assert.ok(late > 120 && late < 180, `${late} of 300 from the second half`);
  });
});

describe('TWA-t', () => {
  test('fits on train, stops on validation, reports on test', () => {
    const carved = carveSplits(sizes, 'train', 1);
    assert.deepEqual(
      [carved.fit.from, carved.stop.from, carved.report.from],
      ['train', 'validation', 'test'],
    );
    assert.deepEqual(carved.sizes, {
      fit: 1000,
      stop: 500,
      report: 300,
      origin: 'fit: train; stop: validation; report: test',
    });
  });

  test('without test, half of validation is kept to report', () => {
    const carved = carveSplits({ train: 1000, validation: 500, test: 0 }, 'train', 1);
    assert.equal(
      carved.sizes.origin,
      'fit: train; stop and report: 50/50 of validation (seed 1); there is no test split',
    );
    assert.ok(uses(carved, 'validation', 500).every((count) => count === 1));
  });
});

describe('little data', () => {
  test('is said', () => {
    assert.match(
      carveSplits({ train: 10, validation: 30, test: 300 }, 'validation', 1).sizes.origin,
      /little data \(fit: 18, stop: 12\), so wide intervals$/,
    );
  });

  for (const [name, size, fitData] of [
    ['three', 3, 'validation'],
    ['four', 4, 'validation'],
    ['two', 2, 'train'],
  ] as const) {
    test(`${name} examples give every set at least one`, () => {
      const { fit, stop, report } = carveSplits({ train: 1, validation: size }, fitData, 1);
      for (const part of [fit, stop, report]) assert.ok(part.indices.length >= 1);
    });
  }

  for (const [what, given, fitData] of [
    ['too few validation examples', { train: 100, validation: 2 }, 'validation'],
    ['no validation split', { train: 100, validation: 0, test: 50 }, 'validation'],
    ['no validation split to stop on', { train: 100, validation: 0, test: 50 }, 'train'],
    ['no training split for TWA-t', { train: 0, validation: 50, test: 50 }, 'train'],
  ] as const) {
    test(`${what} is an error`, () => {
      assert.throws(
        () => carveSplits(given, fitData, 1),
        (error) => error instanceof TwaError && error.code === 'bad-task',
      );
    });
  }
});
