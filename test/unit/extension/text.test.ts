import assert from 'node:assert/strict';
import { test } from 'node:test';
import { escapeMarkdown, formatBytes, formatMetric, formatTime } from '../../../src/extension/text.ts';

test('sizes', () => {
  assert.equal(formatBytes(0), '0 B');
  assert.equal(formatBytes(1023), '1023 B');
  assert.equal(formatBytes(1536), '1.5 KB');
  assert.equal(formatBytes(4.6 * 2 ** 30), '4.6 GB');
  assert.equal(formatBytes(123 * 2 ** 20), '123 MB');
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
