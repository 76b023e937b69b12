import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { chosenPoint } from '../../../webview/result/chosen.ts';
import { intervalScale } from '../../../webview/result/intervals.ts';
import { sampleReport } from '../../e2e/webviews/samples.ts';

test('the epoch chosen is the one whose stop numbers are in the table', () => {
  const { lossCurve, table } = sampleReport();
  const row = table.find(({ id }) => id === 'twa');
  assert.equal(chosenPoint(lossCurve, row)?.epoch, 6);
  assert.equal(chosenPoint(lossCurve, { ...row!, stopLoss: 0.5 }), undefined);
  assert.equal(chosenPoint(lossCurve, undefined), undefined);
});

describe('intervalScale', () => {
  const bar = (low: number, value: number, high: number) => ({ low, value, high });

  test('runs from the lowest to the highest end', () => {
    const scale = intervalScale([bar(0.9, 0.95, 0.96), bar(0.94, 0.97, 1)])!;
    assert.deepEqual([scale.min, scale.max], [0.9, 1]);
    assert.ok(Math.abs(scale.at(0.95) - 0.5) < 1e-12);
    assert.equal(scale.at(2), 1);
  });

  test('a diverged row does not squeeze the others', () => {
    const scale = intervalScale([bar(0.1, 0.15, 0.2), bar(0.12, 0.16, 0.21), bar(50, 90, 120)])!;
    assert.deepEqual([scale.min, scale.max], [0.1, 0.21]);
    assert.equal(scale.at(90), 1);
  });

  test('rows that are not finite do not count', () => {
    assert.equal(intervalScale([bar(NaN, NaN, NaN)]), undefined);
    assert.deepEqual(intervalScale([bar(NaN, NaN, NaN), bar(1, 2, 3)])?.max, 3);
  });

  test('has room around a single value', () => {
    const scale = intervalScale([bar(1, 1, 1)])!;
    assert.equal(scale.at(1), 0.5);
  });
});
