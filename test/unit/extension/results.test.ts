import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AverageReport, TableRow } from '../../../src/core/averaging/types.ts';
import { compareResults, resultsMarkdown } from '../../../src/extension/results/compare.ts';
import type { NamedReport } from '../../../src/extension/results/compare.ts';

const row = (id: string, metric: number, more: Partial<TableRow> = {}): TableRow => ({
  id,
  label: id,
  metric,
  metricInterval: { low: metric - 0.01, high: metric + 0.01 },
  loss: 1,
  lossInterval: { low: 1, high: 1 },
  stopMetric: 0,
  stopLoss: 0,
  ...more,
});

function named(
  run: string,
  method: AverageReport['method'],
  table: readonly TableRow[],
  metric: AverageReport['metric'] = { name: 'accuracy', goal: 'maximize' },
): NamedReport {
  return {
    run,
    name: `${method}-1`,
    report: {
      version: 1,
      output: `/w/${run}/averages/${method}-1`,
      method,
      coefficients: [0.5, 0.5],
      splits: undefined,
      metric: table.length === 0 ? undefined : metric,
      table,
      recommendation: { use: method, sentence: '' },
      lossCurve: [],
      notes: [],
      provenance: { sources: [{}, {}, {}] } as unknown as AverageReport['provenance'],
      timings: {},
    },
  };
}

const twa = row('twa', 0.9, { metricVersusUniform: { difference: 0.02, low: -0.01, high: 0.05 } });
const error = { name: 'error', goal: 'minimize' } as const;

test('one group per metric, the best first, gains in the direction that is better', () => {
  const { groups, unmeasured } = compareResults([
    named('b', 'uniform', [row('best', 0.85), row('uniform', 0.88)]),
    named('a', 'twa', [row('best', 0.91), row('uniform', 0.88), twa]),
    named('c', 'twa', [row('best', 0.3), row('uniform', 0.28), { ...twa, metric: 0.25 }], error),
    named('d', 'uniform', []),
  ]);
  assert.deepEqual(
    groups.map(({ metric, rows }) => [metric, rows.map(({ run }) => run)]),
    [
      ['accuracy', ['a', 'b']],
      ['error', ['c']],
    ],
  );
  const [a, b] = groups[0]!.rows;
  assert.ok(Math.abs(a!.gain! + 0.01) < 1e-12, 'worse than the best single one');
  assert.deepEqual(a!.overUniform, { difference: 0.02, low: -0.01, high: 0.05 });
  assert.equal(a!.checkpoints, 3);
  assert.ok(Math.abs(b!.gain! - 0.03) < 1e-12);
  assert.equal(b!.overUniform, undefined);
  const c = groups[1]!.rows[0]!;
  assert.ok(Math.abs(c.gain! - 0.05) < 1e-12, 'a lower error is a gain');
  assert.deepEqual(c.overUniform, { difference: -0.02, low: -0.05, high: 0.01 });
  assert.deepEqual(
    unmeasured.map(({ run }) => run),
    ['d'],
  );
});

test('as a document: numbers with their intervals, what was not measured, and problems; names stay text', () => {
  const text = resultsMarkdown(
    [named('run|1', 'twa', [row('best', 0.91), twa]), named('plain', 'uniform', [])],
    ['x.twa-report.json is damaged.'],
  );
  assert.match(text, /## accuracy \(higher is better\)/);
  assert.match(text, /\| run\\\|1 \| twa\\-1 \| TWA \| 3 \| 0\.9000 \| \[0\.8900, 0\.9100\] \| −0\.01000 \|/);
  assert.match(text, /\+0\.02000 \[−0\.01000, \+0\.05000\] \| ✓ \|/);
  assert.match(text, /## Not Measured[\s\S]*plain: uniform/);
  assert.match(text, /> x\.twa\\-report\.json is damaged/);
});
