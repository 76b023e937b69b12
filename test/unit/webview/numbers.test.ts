import assert from 'node:assert/strict';
import { test } from 'node:test';
import { opaque } from '../../../webview/shared/color.ts';
import {
  decimalsForIntervals,
  formatBytes,
  formatDuration,
  formatNumber,
  formatTick,
  signed,
} from '../../../webview/shared/numbers.ts';

test('formatNumber', () => {
  const cases: readonly (readonly [number, string])[] = [
    [0, '0'],
    [0.97219999, '0.9722'],
    [12.3456, '12.35'],
    [-0.0366, '−0.03660'],
    [1200, '1200'],
    [0.00001234, '1.234e-5'],
    [1e-5, '1e-5'],
    [12345678.9, '1.235e7'],
    [NaN, 'NaN'],
    [Infinity, '∞'],
    [-Infinity, '−∞'],
  ];
  for (const [value, text] of cases) assert.equal(formatNumber(value), text);
});

test('formatTick is as short as the distance of the ticks allows', () => {
  assert.deepEqual(
    [0, 0.5, 1].map((value) => formatTick(value, 0.5)),
    ['0', '0.5', '1.0'],
  );
  assert.equal(formatTick(0.1 + 0.2 - 0.3, 0.1), '0');
  assert.equal(formatTick(20000, 5000), '20k');
  assert.equal(formatTick(12500, 2500), '12.5k');
  assert.equal(formatTick(0.00002, 0.00001), '2e-5');
  assert.equal(formatTick(-3, 1), '−3');
});

test('a column shows two digits of its narrowest interval', () => {
  assert.equal(decimalsForIntervals([{ low: 0.95, high: 0.98 }]), 3);
  assert.equal(
    decimalsForIntervals([
      { low: 0.95, high: 0.98 },
      { low: 0.1, high: 0.102 },
    ]),
    4,
  );
  assert.equal(decimalsForIntervals([{ low: 10, high: 60 }]), 2);
  assert.equal(decimalsForIntervals([{ low: 1, high: 1 }]), 4);
  assert.equal(decimalsForIntervals([{ low: NaN, high: NaN }]), 4);
});

test('signs, sizes and times', () => {
  assert.equal(signed(0.0123, 3), '+0.012');
  assert.equal(signed(-0.0123, 3), '−0.012');
  assert.equal(signed(0, 3), '0.000');
  assert.equal(formatBytes(1023), '1023 B');
  assert.equal(formatBytes(155_432), '152 KB');
  assert.equal(formatBytes(3.5 * 1024 ** 3), '3.5 GB');
  assert.equal(formatDuration(840), '840 ms');
  assert.equal(formatDuration(9340), '9.3 s');
  assert.equal(formatDuration(125_000), '2 min 5 s');
});

test('opaque takes the transparency from a colour, in every notation of a theme', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['#ea5c0055', '#ea5c00'],
    ['#f008', '#f00'],
    ['#59a4f9', '#59a4f9'],
    ['rgba(209, 134, 22, 0.4)', 'rgb(209, 134, 22)'],
    ['hsla(10, 50%, 50%, .2)', 'hsl(10, 50%, 50%)'],
    ['orange', 'orange'],
  ];
  for (const [color, expected] of cases) assert.equal(opaque(color), expected);
});
