import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { geometryOf } from '../../../src/core/averaging/geometry.ts';
import { geometryFrom, gramOf, resultGeometry } from '../../../src/core/averaging/resultGeometry.ts';
import { seededRandom } from '../../../src/core/averaging/rng.ts';
import type { AverageReport } from '../../../src/core/averaging/types.ts';
import { sampleReport } from '../../e2e/webviews/samples.ts';
import { dot, gramOf as gramOfRows, meanOf, mix, randomVector } from './logistic.ts';

const N = 6;
const random = seededRandom(4, 'result-geometry');
const rows = Array.from({ length: N }, () => randomVector(random, 60));
const gram = gramOfRows(rows);
const mean = meanOf(rows);
const minus = (a: Float64Array, b: Float64Array): Float64Array => mix([a, b], [1, -1]);
const length = (a: Float64Array): number => Math.sqrt(dot(a, a));

/** Shares, coefficients with a negative one, and some whose sum is not 1. */
const MIXES: Readonly<Record<string, number[]>> = {
  uniform: rows.map(() => 1 / N),
  twa: [0.5, -0.2, 0.1, 0.3, 0.2, 0.1],
  search: [0.4, 0.1, 0.3, 0.2, 0.3, 0.1],
};

function reportWith(mixes: Readonly<Record<string, number[]>>): AverageReport {
  const sample = sampleReport();
  const [row] = sample.table;
  return {
    ...sample,
    table: Object.entries(mixes).map(([id, coefficients]) => ({ ...row!, id, label: id, coefficients })),
    provenance: { ...sample.provenance, sources: sample.provenance.sources.slice(0, N) },
  };
}

/** Sums of 60 products in float64. */
const close = (actual: number, expected: number): void =>
  assert.ok(
    Math.abs(actual - expected) < 1e-10 * Math.max(1, Math.abs(expected)),
    `${actual}, not ${expected}`,
  );

describe('the averages of a result on its map', () => {
  test('stand where their weights are, whatever their coefficients sum to', () => {
    const geometry = geometryFrom(gram, reportWith(MIXES));
    const { map } = geometryOf(gram, geometry.names);
    // The axes as vectors of weights, from what the checkpoints have on them.
    const axes = ([0, 1] as const).map((axis) => {
      const along = map.points.map((point) => point[axis]);
      const size = along.reduce((sum, value) => sum + value ** 2, 0);
      return mix(
        rows.map((row) => minus(row, mean)),
        along.map((value) => value / size),
      );
    });
    assert.equal(geometry.mixes.length, 3);
    for (const { id, x, y, fromMean, beside } of geometry.mixes) {
      const difference = minus(mix(rows, MIXES[id]!), mean);
      close(x, dot(difference, axes[0]!));
      close(y, dot(difference, axes[1]!));
      close(fromMean, length(difference));
      close(beside ** 2, Math.max(0, dot(difference, difference) - x ** 2 - y ** 2));
    }
    const uniform = geometry.mixes.find(({ id }) => id === 'uniform')!;
    assert.ok(Math.hypot(uniform.x, uniform.y) < 1e-10, 'the plain average is the mean');
  });

  test('are left out where blocks of them have coefficients of their own', () => {
    const report = reportWith(MIXES);
    const provenance = { ...report.provenance, blocks: [{ name: 'a', tensors: [], coefficients: [] }] };
    assert.deepEqual(
      geometryFrom(gram, { ...report, provenance }).mixes.map(({ id }) => id),
      ['uniform', 'search'],
    );
  });

  test('the matrix follows from a geometry that was computed afterwards', () => {
    const again = gramOf(geometryOf(gram, rows.map(String)));
    close(again.meanSquared, gram.meanSquared);
    for (let i = 0; i < N; i++) close(again.withMean[i]!, gram.withMean[i]!);
    assert.deepEqual(again.centred, gram.centred);
  });

  test('there is none without the matrix, or with that of other checkpoints', () => {
    const report = sampleReport();
    assert.equal(resultGeometry(report)?.names.length, 20);
    const old = { ...report };
    delete (old as { gram?: unknown }).gram;
    assert.equal(resultGeometry(old), undefined);
    const { provenance } = report;
    const fewer = { ...provenance, sources: provenance.sources.slice(1) };
    assert.equal(resultGeometry({ ...report, provenance: fewer }), undefined);
  });
});
