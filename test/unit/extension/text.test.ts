import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  escapeMarkdown,
  formatBytes,
  formatDuration,
  formatMetric,
  formatTime,
} from '../../../src/extension/text.ts';

test('sizes', () => {
  assert.equal(formatBytes(0), '0 B');
  assert.equal(formatBytes(1023), '1023 B');
  assert.equal(formatBytes(1536), '1.5 KB');
  assert.equal(formatBytes(4.6 * 2 ** 30), '4.6 GB');
  assert.equal(formatBytes(123 * 2 ** 20), '123 MB');
});

test('durations: two units at most', () => {
  const cases: readonly (readonly [number, string])[] = [
    [0.42, '420 ms'],
    [2.5, '2.5 s'],
    [42, '42 s'],
    [99, '99 s'],
    [180, '3 min'],
    [3599, '1 h'],
    [7500, '2 h 5 min'],
    [86_400, '1 d'],
    [3 * 86_400 + 4 * 3600, '3 d 4 h'],
  ];
  for (const [seconds, text] of cases) assert.equal(formatDuration(1000 * seconds), text);
});

test('metrics keep four digits that mean something', () => {
  assert.equal(formatMetric(0.97123456), '0.9712');
  assert.equal(formatMetric(0.9), '0.9000');
  assert.equal(formatMetric(1.23456e-7), '1.235e-7');
  assert.equal(formatMetric(-12.34567), '-12.35');
  assert.equal(formatMetric(17), '17');
  assert.equal(formatMetric(NaN), 'NaN');
  assert.equal(formatMetric(Infinity), 'Infinity');
});

test('a time of today is short, one of another day has its date', () => {
  const noon = new Date(2025, 4, 6, 12, 5).getTime();
  const evening = new Date(2025, 4, 6, 20).getTime();
  const nextDay = new Date(2025, 4, 7, 1).getTime();
  assert.equal(formatTime(noon, evening, 'de'), '12:05');
  assert.match(formatTime(noon, nextDay, 'en'), /May 6, 2025.*12:05/);
});

test('names of files cannot become links, images or commands in a tooltip', () => {
  assert.equal(escapeMarkdown('[a](command:x)'), '\\[a\\]\\(command:x\\)');
  assert.equal(escapeMarkdown('<img src=x>'), '\\<img src=x\\>');
  assert.equal(escapeMarkdown('a|b\nc'), 'a\\|b c');
});
