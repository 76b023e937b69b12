/**
 * The rules against independent transcriptions of the published code, which work on whole weight vectors. Both are in
 * float64 here, so that what differs is the algebra and not the rounding.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { typicalDistance } from '../../../src/core/averaging/gram.ts';
import { permutation, seededRandom } from '../../../src/core/averaging/rng.ts';
import { iclr } from '../../../src/core/averaging/rules/iclr.ts';
import type { Rule } from '../../../src/core/averaging/rules/rule.ts';
import { v4 } from '../../../src/core/averaging/rules/v4.ts';
import { dot, gramOf, lossAndGradient, LogisticProblem, meanOf, mix, sgdRun } from './logistic.ts';

const STEPS = 100;
const problem = new LogisticProblem();
const rows = sgdRun(problem.data.train, { learningRate: 0.3, batchSize: 8, every: 20, count: 8, seed: 3 });
const gram = gramOf(rows);
const n = rows.length;

const random = seededRandom(1, 'rules');
const batches = Array.from({ length: STEPS }, () =>
  permutation(random, problem.data.train.size).slice(0, 32),
);
const gradientAt = (w: Float64Array, step: number): Float64Array =>
  lossAndGradient(w, problem.data.train, batches[step]!).gradient;

/** Weights after every step of a rule that only sees n numbers. */
function walk<State>(
  rule: Rule<State>,
  start: Float64Array,
  rateAt: (step: number) => number,
  weights = rows,
): Float64Array[] {
  let state = rule.init(start);
  return Array.from({ length: STEPS }, (_, step) => {
    const gradient = gradientAt(mix(weights, rule.coefficients(state)), step);
    const ofCoefficients = Float64Array.from(weights, (row) => dot(row, gradient));
    state = rule.update(state, ofCoefficients, rateAt(step));
    return mix(weights, rule.coefficients(state));
  });
}

function largestDifference(a: readonly Float64Array[], b: readonly Float64Array[]): number {
  return Math.max(...a.flatMap((w, step) => [...w.map((value, d) => Math.abs(value - b[step]![d]!))]));
}

/** The published P: Gram-Schmidt over the checkpoints, here twice, so that it is exact to float64. */
function gramSchmidt(vectors: readonly Float64Array[]): Float64Array[] {
  const basis: Float64Array[] = [];
  for (const vector of vectors) {
    let rest = vector;
    for (let pass = 0; pass < 2; pass++) {
      for (const one of basis) {
        const along = dot(one, rest);
        rest = rest.map((value, d) => value - along * one[d]!);
      }
    }
    const length = Math.hypot(...rest);
    basis.push(rest.map((value) => value / length));
  }
  return basis;
}

/** `P_SGD` of train_twa.py: project the gradient, then torch.optim.SGD on w. */
function publishedIclr(
  start: Float64Array,
  rateAt: (step: number) => number,
  options: { momentum: number; weightDecay: number },
): Float64Array[] {
  const P = gramSchmidt(rows);
  let w = start.slice();
  let buffer: Float64Array | undefined;
  return Array.from({ length: STEPS }, (_, step) => {
    const gradient = gradientAt(w, step);
    const projected = mix(
      P,
      P.map((vector) => dot(vector, gradient)),
    );
    const d = projected.map((value, at) => value + options.weightDecay * w[at]!);
    const last = buffer;
    buffer = last === undefined ? d : d.map((value, at) => options.momentum * last[at]! + value);
    w = w.map((value, at) => value - rateAt(step) * buffer![at]!);
    return w;
  });
}

/** `P_Step` of train_block_noOrthogonal.py with one block: torch.optim.AdamW on X, w = X P + center. */
function publishedV4(rateAt: (step: number) => number, weightDecay: number): Float64Array[] {
  const center = meanOf(rows);
  const P = rows.map((row) => {
    const difference = row.map((value, d) => value - center[d]!);
    const norm = Math.hypot(...difference);
    return difference.map((value) => value / norm);
  });
  const X = new Float64Array(n);
  const expAvg = new Float64Array(n);
  const expAvgSq = new Float64Array(n);
  let w = center;
  return Array.from({ length: STEPS }, (_, step) => {
    const gradient = gradientAt(w, step);
    for (const [i, row] of P.entries()) {
      const g = dot(row, gradient);
      X[i]! *= 1 - rateAt(step) * weightDecay;
      expAvg[i] = 0.9 * expAvg[i]! + 0.1 * g;
      expAvgSq[i] = 0.999 * expAvgSq[i]! + 0.001 * g * g;
      const denominator = Math.sqrt(expAvgSq[i]) / Math.sqrt(1 - 0.999 ** (step + 1)) + 1e-8;
      X[i]! -= ((rateAt(step) / (1 - 0.9 ** (step + 1))) * expAvg[i]) / denominator;
    }
    w = mix([center, ...P], [1, ...X]);
    return w;
  });
}

const uniform = new Float64Array(n).fill(1 / n);
const last = Float64Array.from({ length: n }, (_, i) => (i === n - 1 ? 1 : 0));

describe('iclr', () => {
  // Weights of size 1, 100 steps: 1e-10 leaves four digits for rounding to grow through momentum and the loss.
  for (const [name, start, options] of [
    ['from the mean', uniform, { momentum: 0.9, weightDecay: 1e-5 }],
    ['from the last checkpoint', last, { momentum: 0.9, weightDecay: 1e-5 }],
    ['with a weight decay that matters', uniform, { momentum: 0.5, weightDecay: 0.1 }],
  ] as const) {
    test(`is the published projected SGD on w, ${name}`, () => {
      const rateAt = (step: number): number => (step < 50 ? 0.1 : 0.01);
      const published = publishedIclr(mix(rows, start), rateAt, options);
      const ours = walk(iclr(gram, options), start, rateAt);
      assert.ok(largestDifference(ours, published) < 1e-10);
      // The walk went somewhere, so that the comparison means something.
      assert.ok(largestDifference([ours.at(-1)!], [mix(rows, start)]) > 0.1);
    });
  }

  test('starts exactly at the coefficients it is given, also among duplicates', () => {
    const rule = iclr(gramOf([...rows, rows[0]!]), { momentum: 0.9, weightDecay: 0 });
    const start = Float64Array.from({ length: n + 1 }, (_, i) => i / 36);
    assert.deepEqual([...rule.coefficients(rule.init(start))], [...start]);
  });

  test('a tenth of the rate at half of the epochs, a hundredth at three quarters', () => {
    const rule = iclr(gram, { momentum: 0.9, weightDecay: 0 });
    const shares = (epochs: number): number[] =>
      Array.from({ length: epochs }, (_, epoch) => rule.schedule({ step: 0, steps: 1, epoch, epochs }));
    assert.deepEqual(shares(10), [1, 1, 1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01]);
    const linear = iclr(gram, { momentum: 0.9, weightDecay: 0, schedule: 'linear' });
    assert.equal(linear.schedule({ step: 25, steps: 100, epoch: 0, epochs: 1 }), 0.75);
    // MultiStepLR(milestones=[int(2 * 0.5), int(2 * 0.75 + 0.9)])
    assert.deepEqual(shares(2), [1, 0.1]);
  });

  test('chooses the published rate on gentle slopes, and less on steep ones', () => {
    const rule = iclr(gram, { momentum: 0.9, weightDecay: 0 });
    const steep = Float64Array.from(rows, (row) => dot(row, gradientAt(meanOf(rows), 0)));
    const rate = rule.learningRate({ gradients: [steep], steps: 100 });
    const P = gramSchmidt(rows);
    const length = Math.hypot(...P.map((vector) => dot(vector, gradientAt(meanOf(rows), 0))));
    assert.ok(Math.abs((40 * rate * length) / typicalDistance(gram) - 1) < 1e-9);
    assert.equal(rule.learningRate({ gradients: [steep.map((value) => value * 1e-6)], steps: 100 }), 2);
    assert.equal(rule.learningRate({ gradients: [new Float64Array(n)], steps: 100 }), 2);
  });
});

describe('v4', () => {
  for (const weightDecay of [0, 0.05]) {
    test(`is the published AdamW over normalised rows, weight decay ${weightDecay}`, () => {
      const rule = v4(gram, { weightDecay });
      const rateAt = (step: number): number =>
        0.05 * rule.schedule({ step, steps: STEPS, epoch: 0, epochs: 1 });
      const ours = walk(rule, uniform, rateAt);
      assert.ok(largestDifference(ours, publishedV4(rateAt, weightDecay)) < 1e-10);
      assert.ok(largestDifference([ours.at(-1)!], [meanOf(rows)]) > 0.1);
    });
  }

  test('coefficients sum to one', () => {
    const rule = v4(gram, { weightDecay: 0 });
    let state = rule.init(last);
    assert.ok(rule.coefficients(state).every((value, i) => Math.abs(value - last[i]!) < 1e-15));
    for (let step = 0; step < STEPS; step++) {
      state = rule.update(
        state,
        Float64Array.from({ length: n }, (_, i) => Math.sin(step + i)),
        0.1,
      );
      const sum = rule.coefficients(state).reduce((total, value) => total + value, 0);
      assert.ok(Math.abs(sum - 1) < 1e-13);
    }
  });

  test('a checkpoint that equals the mean keeps its share, where the published code gives NaN', () => {
    const frozen = [...rows, meanOf(rows)];
    const rule = v4(gramOf(frozen), { weightDecay: 0 });
    const final = walk(rule, new Float64Array(n + 1).fill(1 / (n + 1)), () => 0.05, frozen).at(-1)!;
    assert.ok(final.every(Number.isFinite));
  });

  test('the rate rises over the first fifth of the steps, then follows a cosine', () => {
    const rule = v4(gram, { weightDecay: 0 });
    const share = (step: number): number => rule.schedule({ step, steps: 100, epoch: 0, epochs: 1 });
    assert.equal(share(0), 1 / 20);
    assert.equal(share(19), 1);
    assert.equal(share(20), 1);
    assert.ok(Math.abs(share(60) - 0.5) < 1e-15);
    assert.ok(share(99) < 1e-3 && share(99) > 0);
    assert.equal(rule.schedule({ step: 0, steps: 1, epoch: 0, epochs: 1 }), 1);
  });
});

for (const [name, rule] of [
  ['iclr', iclr(gramOf([rows[0]!, rows[0]!, rows[0]!]), { momentum: 0.9, weightDecay: 1e-5 })],
  ['v4', v4(gramOf([rows[0]!, rows[0]!, rows[0]!]), { weightDecay: 0 })],
] as readonly (readonly [string, Rule<unknown>])[]) {
  test(`${name}: identical checkpoints never give NaN`, () => {
    const same = [rows[0]!, rows[0]!, rows[0]!];
    const walked = walk(rule, Float64Array.of(0.2, 0.3, 0.5), () => 0.1, same);
    assert.ok(walked.every((w) => w.every(Number.isFinite)));
  });
}

test('dL/da by central differences', async () => {
  const examples = Int32Array.from({ length: 50 }, (_, i) => i);
  const a = Float64Array.from({ length: n }, (_, i) => (i + 1) / 36);
  const small = new LogisticProblem({ checkpoints: rows });
  const { gradient } = await small.lossAndGradient(a, examples);
  for (let i = 0; i < n; i++) {
    // Optimal step of central differences: the cube root of the float64 epsilon; error about its square.
    const h = 6e-6;
    const lossAt = async (change: number): Promise<number> =>
      (
        await small.lossAndGradient(
          a.map((value, at) => (at === i ? value + change : value)),
          examples,
        )
      ).loss;
    const numeric = ((await lossAt(h)) - (await lossAt(-h))) / (2 * h);
    assert.ok(Math.abs(numeric - gradient[i]!) < 1e-9 * Math.max(1, Math.abs(gradient[i]!)));
  }
});
