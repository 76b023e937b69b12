import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { csvPieces, jsonPieces } from '../../../src/core/metrics/export.ts';
import { parse } from 'csv-parse/sync';
import type { Series } from '../../../src/core/metrics/types.ts';
import { readSeries } from '../../../src/core/metrics/registry.ts';
import { temporaryDirectory } from './helpers.ts';

const T0 = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const series = (tag: string, values: number[], more: Partial<Series> = {}): Series => ({
  tag,
  source: '/r/metrics.csv',
  steps: values.map((_, i) => 10 * i),
  epochs: values.map(() => NaN),
  wallTimes: values.map(() => NaN),
  values,
  ...more,
});
const runs = [
  {
    name: 'seed "1", a',
    directory: '/r/seed-1',
    series: [
      series('val/loss', [0.1, NaN, -Infinity], { epochs: [0, 0.5, 1], wallTimes: [T0, T0 + 1, NaN] }),
      series('lr,x', [1e-300]),
    ],
  },
  { name: 'empty', directory: '/r/empty', series: [] },
];

test('CSV: one row per point, and what another program reads is what was logged', () => {
  const text = [...csvPieces(runs)].join('');
  const rows: unknown = parse(text);
  assert.deepEqual(rows, [
    ['run', 'tag', 'step', 'epoch', 'wall_time', 'value'],
    ['seed "1", a', 'val/loss', '0', '0', '2026-01-02T03:04:05.678Z', '0.1'],
    ['seed "1", a', 'val/loss', '10', '0.5', '2026-01-02T03:04:05.679Z', 'NaN'],
    ['seed "1", a', 'val/loss', '20', '1', '', '-Infinity'],
    ['seed "1", a', 'lr,x', '0', '', '', '1e-300'],
  ]);
});

test('JSON: valid, with strings for what JSON has no numbers for', () => {
  const parsed: unknown = JSON.parse([...jsonPieces(runs)].join(''));
  assert.deepEqual(parsed, {
    columns: ['step', 'epoch', 'wall_time', 'value'],
    runs: [
      {
        name: 'seed "1", a',
        directory: '/r/seed-1',
        series: [
          {
            tag: 'val/loss',
            source: '/r/metrics.csv',
            points: [
              [0, 0, '2026-01-02T03:04:05.678Z', 0.1],
              [10, 0.5, '2026-01-02T03:04:05.679Z', 'NaN'],
              [20, 1, null, '-Infinity'],
            ],
          },
          { tag: 'lr,x', source: '/r/metrics.csv', points: [[0, null, null, 1e-300]] },
        ],
      },
      { name: 'empty', directory: '/r/empty', series: [] },
    ],
  });
  assert.deepEqual(JSON.parse([...jsonPieces([])].join('')), {
    columns: ['step', 'epoch', 'wall_time', 'value'],
    runs: [],
  });
});

test('every point of a long series, in pieces; our own reader takes the file back', async (t) => {
  const values = Array.from({ length: 10_001 }, (_, i) => Math.sin(i));
  const long = [{ name: 'r', directory: '/r', series: [series('loss', values)] }];
  const pieces = [...csvPieces(long)];
  assert.ok(pieces.length > 4, 'in pieces');
  const path = join(await temporaryDirectory(t), 'metrics.csv');
  await writeFile(path, pieces.join(''));
  const [read] = await readSeries(path);
  assert.deepEqual(read?.values, values, 'not one bit is lost');
  assert.deepEqual(read.steps, long[0]!.series[0]!.steps);
  const [one] = (
    JSON.parse([...jsonPieces(long)].join('')) as { runs: [{ series: [{ points: number[][] }] }] }
  ).runs;
  assert.deepEqual(
    one.series[0].points.map((point) => point[3]),
    values,
  );
});
