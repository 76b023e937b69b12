import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collectRuns } from '../../../src/core/runs/collect.ts';
import type { Found } from '../../../src/core/runs/collect.ts';
import type { AverageSummary } from '../../../src/core/runs/types.ts';
import { found, series } from './helpers.ts';

const summary: AverageSummary = {
  reportPath: '/w/a/averages/twa-1.twa-report.json',
  method: 'twa',
  sources: ['/w/a/checkpoints/e1.safetensors'],
  metric: { name: 'accuracy', goal: 'maximize', value: 0.98 },
  recommendation: 'Use it.',
  epoch: 2,
};

function example(): Found {
  return {
    checkpoints: [
      found('/w/a/checkpoints/e10.safetensors', { epoch: 10 }),
      found('/w/a/checkpoints/e2.safetensors', { epoch: 2 }),
      found('/w/a/averages/twa-1.safetensors', { epoch: 10 }),
      found('/w/b/checkpoint-500/model.safetensors', { step: 500 }),
      found('/w/b/epoch-001', { epoch: 1 }),
    ],
    logs: [
      { path: '/w/a/logs/metrics.csv', mtimeMs: 7, series: [series('acc', { epochs: [2, 10] }, [0.2, 0.9])] },
      { path: '/w/data/results.csv', mtimeMs: 9, series: [] },
      { path: '/w/c/metrics.csv', mtimeMs: 9, series: [series('loss', { epochs: [1] }, [1])] },
    ],
    reports: new Map([[summary.reportPath, summary]]),
  };
}

test('checkpoints in training order with their metrics, averages apart, logs from beside', () => {
  const runs = collectRuns(['/w'], example());
  assert.deepEqual(
    runs.map(({ name, directory, mtimeMs }) => [name, directory, mtimeMs]),
    [
      ['a', '/w/a', 7],
      ['b', '/w/b', 1],
      ['c', '/w/c', 9],
    ],
  );
  const [a, b, c] = runs;
  assert.deepEqual(
    a!.checkpoints.map(({ name, metrics }) => [name, metrics]),
    [
      ['e2.safetensors', { acc: 0.2 }],
      ['e10.safetensors', { acc: 0.9 }],
    ],
  );
  // The log's value at epoch 10 is the newest checkpoint's, not the average's.
  assert.deepEqual(
    a!.averages.map(({ name, metrics, average }) => [name, metrics, average]),
    [['twa-1.safetensors', {}, summary]],
  );
  assert.deepEqual(
    b!.checkpoints.map(({ name }) => name),
    ['epoch-001', 'checkpoint-500/model.safetensors'],
  );
  assert.deepEqual([c!.checkpoints.length, c!.series.length], [0, 1]);
});

test('an average is one by its report, wherever it lies, or by its folder', () => {
  const directory = '/w/a/mean';
  const inside = { ...summary, reportPath: `${directory}/twa-report.json` };
  const [a] = collectRuns(['/w'], {
    checkpoints: [
      found(directory),
      found('/w/a/averages/lost-report.safetensors'),
      found('/w/a/e1.safetensors'),
    ],
    logs: [],
    reports: new Map([[inside.reportPath, inside]]),
  });
  assert.deepEqual(
    a!.averages.map(({ path, average }) => [path, average]),
    [
      ['/w/a/averages/lost-report.safetensors', undefined],
      [directory, inside],
    ],
  );
  assert.deepEqual(
    a!.checkpoints.map(({ path }) => path),
    ['/w/a/e1.safetensors'],
  );
});

test('what did not change keeps its identity, and nothing else does', () => {
  const before = example();
  const first = collectRuns(['/w'], before);
  const same: Found = {
    checkpoints: before.checkpoints.map((one) => ({ ...one })).toReversed(),
    logs: [...before.logs],
    reports: before.reports,
  };
  assert.equal(collectRuns(['/w'], same, first), first);

  const grown: Found = {
    ...before,
    checkpoints: before.checkpoints.map((one) =>
      one.path.endsWith('e10.safetensors') ? { ...one, bytes: 2, mtimeMs: 8 } : one,
    ),
  };
  const second = collectRuns(['/w'], grown, first);
  assert.notEqual(second, first);
  assert.notEqual(second[0], first[0]);
  assert.equal(second[0]!.checkpoints[0], first[0]!.checkpoints[0]);
  assert.notEqual(second[0]!.checkpoints[1], first[0]!.checkpoints[1]);
  assert.equal(second[0]!.averages, first[0]!.averages);
  assert.equal(second[0]!.series, first[0]!.series);
  assert.equal(second[1], first[1]);
  assert.equal(second[2], first[2]);
  assert.equal(first[0]!.checkpoints[1]!.bytes, 1);
});
