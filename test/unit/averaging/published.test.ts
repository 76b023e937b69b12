/**
 * From files on disk to the published walks of the weights: Gram matrix streamed from the checkpoints, update in n
 * coefficients, against NumPy and PyTorch on whole weight vectors (fixtures/averaging/make_published.py).
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';

import { spanBasis } from '../../../src/core/averaging/basis.ts';
import { iclr } from '../../../src/core/averaging/rules/iclr.ts';
import type { Rule } from '../../../src/core/averaging/rules/rule.ts';
import { v4 } from '../../../src/core/averaging/rules/v4.ts';
import type { CentredGram } from '../../../src/core/averaging/types.ts';
import { streamGram } from '../../../src/core/checkpoints/gram.ts';
import { requireComplete } from '../../../src/core/checkpoints/registry.ts';
import { safetensorsBytes } from '../checkpoints/help.ts';
import { seededRandom } from '../../../src/core/averaging/rng.ts';
import { dot, meanOf, mix, randomVector } from './logistic.ts';

const directory = mkdtempSync(join(tmpdir(), 'twa-published-'));
after(() => rmSync(directory, { recursive: true, force: true }));

let runs = 0;
/** Of one tensor per checkpoint, through files. */
async function gramOfFiles(
  dtype: 'F64' | 'F32',
  rows: readonly (Float64Array | Float32Array)[],
): Promise<CentredGram> {
  const run = ++runs;
  const headers = rows.map(async (row, i) => {
    const path = join(directory, `run-${run}-epoch-${i}.safetensors`);
    const header = { w: { dtype, shape: [row.length], data_offsets: [0, row.byteLength] } };
    writeFileSync(path, safetensorsBytes(header, new Uint8Array(row.buffer)));
    return requireComplete(path);
  });
  return (await streamGram({ headers: await Promise.all(headers) })).gram;
}

interface Run {
  readonly rule: 'iclr' | 'v4';
  readonly start: 'mean' | 'last';
  readonly rates: readonly number[];
  readonly momentum?: number;
  readonly decay: number;
  /** After the steps kept. */
  readonly weights: readonly (readonly number[])[];
}

interface Problem {
  readonly relative: number;
  readonly features: readonly (readonly number[])[];
  readonly labels: readonly number[];
  readonly batches: readonly (readonly number[])[];
  readonly checkpoints: readonly (readonly number[])[];
  readonly runs: readonly Run[];
}

const published = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../fixtures/averaging/published.json'), 'utf8'),
) as { readonly steps: readonly number[]; readonly problems: readonly Problem[] };

/** Of the mean logistic loss over the step's batch. */
function gradientAt(w: Float64Array, { features, labels, batches }: Problem, step: number): Float64Array {
  const gradient = new Float64Array(w.length);
  const batch = batches[step]!;
  for (const example of batch) {
    const x = features[example]!;
    const y = labels[example]!;
    const margin = y * x.reduce((sum, value, d) => sum + value * w[d]!, 0);
    const slope = -y / (1 + Math.exp(margin)) / batch.length;
    for (const [d, value] of x.entries()) gradient[d]! += slope * value;
  }
  return gradient;
}

function walk<State>(rule: Rule<State>, problem: Problem, run: Run, rows: readonly Float64Array[]) {
  const n = rows.length;
  const start = Float64Array.from({ length: n }, (_, i) =>
    run.start === 'mean' ? 1 / n : Number(i === n - 1),
  );
  let state = rule.init(start);
  return run.rates.map((rate, step) => {
    const gradient = gradientAt(mix(rows, rule.coefficients(state)), problem, step);
    state = rule.update(
      state,
      Float64Array.from(rows, (row) => dot(row, gradient)),
      rate,
    );
    return mix(rows, rule.coefficients(state));
  });
}

for (const problem of published.problems) {
  describe(`checkpoints that differ by ${problem.relative} of their length: 100 steps as NumPy and PyTorch walk them`, () => {
    const rows = problem.checkpoints.map((row) => Float64Array.from(row));
    for (const run of problem.runs) {
      test(`${run.rule} from the ${run.start}, weight decay ${run.decay}`, async () => {
        const gram = await gramOfFiles('F64', rows);
        const options = { momentum: run.momentum ?? 0, weightDecay: run.decay };
        const walked =
          run.rule === 'iclr'
            ? walk(iclr(gram, options), problem, run, rows)
            : walk(v4(gram, options), problem, run, rows);
        for (const [at, step] of published.steps.entries()) {
          for (const [d, value] of run.weights[at]!.entries()) {
            // Weights of size 1; the two worlds round differently, and a hundred steps pass that on.
            assert.ok(Math.abs(walked[step - 1]![d]! - value) < 1e-10, `step ${step}, weight ${d}`);
          }
        }
        const [first, last] = [run.weights[0]!, run.weights.at(-1)!];
        const moved = Math.max(...last.map((value, d) => Math.abs(value - first[d]!)));
        assert.ok(moved > 0.01 * problem.relative, 'it went somewhere, so that this means something');
      });
    }
  });
}

describe('orthogonality, for checkpoints as fine-tuning leaves them', () => {
  const length = 4096;
  const n = 12;

  /** Float32, as they are on disk. */
  function close(relative: number): Float32Array[] {
    const random = seededRandom(5, 'fine-tuning');
    const base = randomVector(random, length);
    return Array.from({ length: n }, () => {
      const noise = randomVector(random, length);
      return Float32Array.from(base, (value, d) => value + relative * noise[d]!);
    });
  }

  /** The published basis: one pass of Gram-Schmidt in float32 (train_twa.py). */
  function publishedBasis(rows: readonly Float32Array[]): Float32Array[] {
    const basis: Float32Array[] = [];
    const product = (a: Float32Array, b: Float32Array): number => {
      let sum = 0;
      for (let d = 0; d < a.length; d++) sum = Math.fround(sum + Math.fround(a[d]! * b[d]!));
      return sum;
    };
    for (const row of rows) {
      let rest = Float32Array.from(row);
      for (const one of basis) {
        const along = product(one, row);
        rest = rest.map((value, d) => value - Math.fround(along * one[d]!));
      }
      const norm = Math.fround(Math.sqrt(product(rest, rest)));
      basis.push(rest.map((value) => value / norm));
    }
    return basis;
  }

  function worst(vectors: readonly Float64Array[]): number {
    return Math.max(
      ...vectors.flatMap((a, j) => vectors.map((b, k) => Math.abs(dot(a, b) - (j === k ? 1 : 0)))),
    );
  }

  for (const relative of [1e-2, 1e-4, 1e-6]) {
    test(`${relative}: 1e-10 at most, from the files`, async () => {
      const rows = close(relative);
      const wide = rows.map((row) => Float64Array.from(row));
      const gram = await gramOfFiles('F32', rows);
      const basis = spanBasis(gram);
      assert.equal(basis.centredRank, n - 1);
      assert.equal(basis.rank, n);
      const mean = meanOf(wide);
      const centred = wide.map((row) => row.map((value, d) => value - mean[d]!));
      const directions = Array.from({ length: basis.centredRank }, (_, k) =>
        mix(
          centred,
          wide.map((_, i) => basis.rows[i * basis.centredRank + k]!),
        ),
      );
      const own = mix([mean, ...directions], [1, ...basis.meanAlong.map((value) => -value)]);
      const error = worst([...directions, own.map((value) => value / basis.meanLength)]);
      assert.ok(error <= 1e-10, `${error}`);
    });
  }

  test('1e-6, in float32 as published: nothing is left of it', () => {
    const error = worst(publishedBasis(close(1e-6)).map((row) => Float64Array.from(row)));
    assert.ok(error > 0.9, `${error}`);
  });
});
