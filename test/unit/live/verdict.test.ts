import assert from 'node:assert/strict';
import { test } from 'node:test';
import { normal } from '../averaging/logistic.ts';
import { seededRandom, type Random } from '../../../src/core/averaging/rng.ts';
import { isWorse } from '../../../src/core/averaging/summary.ts';
import type { SplitEvaluation } from '../../../src/core/averaging/types.ts';
import type { LiveLine } from '../../../src/core/live/line.ts';
import { stopVerdict } from '../../../src/core/live/verdict.ts';
import { describeVerdict } from '../../../src/core/live/words.ts';
import { line, reference } from './help.ts';

/** The pass after the checkpoint of this epoch. */
const pass = (epoch: number, more: Partial<LiveLine> = {}): LiveLine =>
  line({ epochs: [1, epoch], checkpoints: [`epoch-${epoch}`], reference: reference(), ...more });
const bad = (epoch: number): LiveLine => pass(epoch, { reference: reference({ isWorse: true }) });

test('two passes in a row that are not worse than the best checkpoint of another run', () => {
  assert.equal(stopVerdict([]), undefined);
  assert.equal(stopVerdict([pass(5)]), undefined, 'one may be lucky');
  assert.equal(stopVerdict([pass(5), bad(10)]), undefined);
  assert.equal(stopVerdict([bad(5), pass(10)]), undefined);
  assert.equal(stopVerdict([pass(5), pass(5)]), undefined, 'two windows, one pass');
  const newest = pass(40, { epochs: [12, 40] });
  assert.equal(stopVerdict([bad(5), pass(10), newest])?.line, newest);
  assert.equal(stopVerdict([bad(5), pass(10), pass(10), newest])?.line, newest);
  assert.match(
    describeVerdict(stopVerdict([pass(10), newest])!),
    /^stop now: TWA of epochs 12-40 is within noise of your best run \(accuracy 0\.9700 against 0\.9750 of \/w\/runs\/best\/epoch-030; difference -0\.0050, 95 % interval -0\.020 to \+0\.010, 200 stop examples\)$/,
  );
});

test('nothing is said without another run, by few examples, or of passes that cannot be compared', () => {
  assert.ok(stopVerdict([pass(5), pass(10)]) !== undefined);
  for (const [why, more] of [
    ['too few examples', { examples: 99 }],
    ['another run has become the best', { reference: reference({ path: '/w/runs/other/e1' }) }],
    ['another task', { task: '/w/other/twa.json' }],
    ['other splits', { seed: 2 }],
    ['no number', { metric: NaN }],
  ] as const) {
    assert.equal(stopVerdict([pass(5), pass(10, more)]), undefined, why);
    assert.equal(stopVerdict([pass(5, more), pass(10)]), undefined, why);
  }
  const alone = line({ checkpoints: ['epoch-10'] });
  assert.equal(stopVerdict([pass(5), alone]), undefined, 'no finished run');
  assert.equal(stopVerdict([alone, pass(15)]), undefined);
});

const EXAMPLES = 400;
/** Share of examples that exactly one of two models gets right. */
const DISAGREE = 0.1;
const METRIC = { name: 'accuracy', goal: 'maximize' } as const;

/** Two models on the same examples, the first truly worse by so much accuracy. */
function pair(random: Random, worseBy: number): readonly [SplitEvaluation, SplitEvaluation] {
  const columns = [new Float64Array(EXAMPLES), new Float64Array(EXAMPLES)] as const;
  for (let i = 0; i < EXAMPLES; i++) {
    const u = random() / 2 ** 32;
    columns[0][i] = u < (DISAGREE - worseBy) / 2 || u > DISAGREE ? 1 : 0;
    columns[1][i] = u >= (DISAGREE - worseBy) / 2 ? 1 : 0;
  }
  const weights = new Float64Array(EXAMPLES).fill(1);
  // The loss says the same with noise of its own.
  return columns.map((accuracy) => ({
    loss: accuracy.map((right) => 1 - right + 0.01 * normal(random)),
    metrics: { accuracy },
    weights,
  })) as unknown as readonly [SplitEvaluation, SplitEvaluation];
}

/** How many of 500 runs are told to stop. */
function stops(worseBy: number): number {
  const random = seededRandom(7, `worse by ${worseBy}`);
  return Array.from({ length: 500 }, () => {
    const lines = [5, 10].map((epoch) => {
      const [average, other] = pair(random, worseBy);
      return pass(epoch, {
        examples: EXAMPLES,
        reference: reference({ isWorse: isWorse(average, other, METRIC) }),
      });
    });
    return stopVerdict(lines);
  }).filter((verdict) => verdict !== undefined).length;
}

test('of averages that are truly worse by three standard errors hardly any stops a run; of equals most do', () => {
  // Of the paired difference: it is +1 or -1 in DISAGREE of the examples.
  const standardError = Math.sqrt(DISAGREE / EXAMPLES);
  // A pass is let through at one standard error below or better. Two independent ones: P(z > 2)^2 = 0.0005 of the
  // worse ones, P(z > -1)^2 = 0.71 of the equals; of 500, with five standard deviations of a binomial count to spare.
  assert.ok(stops(3 * standardError) <= 3);
  const equals = stops(0);
  assert.ok(Math.abs(equals - 0.71 * 500) < 5 * Math.sqrt(500 * 0.71 * 0.29), String(equals));
});
