import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../../src/core/averaging/rng.ts';
import type { Finding } from '../../../src/core/runs/health.ts';
import { healthOf, judge, median } from '../../../src/core/runs/health.ts';
import { run, series } from './helpers.ts';

/** Independent normal numbers (Box and Muller). */
function normal(seed: number): () => number {
  const random = seededRandom(seed, 'health');
  const uniform = (): number => (random() + 0.5) / 2 ** 32;
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}

const course = (length: number, value: (i: number) => number): number[] =>
  Array.from({ length }, (_, i) => value(i));
const judged = (values: number[], tag = 'val_loss'): readonly Finding[] =>
  judge(series(tag, { steps: values.map((_, i) => 10 * i) }, values));
const kinds = (values: number[], tag?: string): readonly string[] =>
  judged(values, tag).map(({ kind }) => kind);

test('NaN and infinities: how many, where they begin, and whether the last value is one', () => {
  assert.deepEqual(judged([1, NaN, 0.8, Infinity, 0.7]), [
    {
      kind: 'not-finite',
      tag: 'val_loss',
      source: 'log',
      count: 2,
      points: 5,
      firstStep: 10,
      isLast: false,
    },
  ]);
  const [lost] = judged([1, 0.9, NaN, NaN]);
  assert.ok(lost?.kind === 'not-finite' && lost.isLast);
});

test('divergence: half of the gain lost, and not for a moment; of scores the other way round', () => {
  const noise = normal(1);
  const down = (i: number): number => 0.1 + 2.2 * Math.exp(-i / 30) + 0.02 * noise();
  const exploded = course(200, (i) => (i < 150 ? down(i) : 2.5 + 0.02 * noise()));
  const [found] = judged(exploded, 'train/loss');
  assert.ok(found?.kind === 'diverging');
  // Medians of stretches of ten with noise 0.02: within 0.03 of what they are made from.
  assert.ok(
    Math.abs(found.best - down(145)) < 0.06 && Math.abs(found.now - 2.5) < 0.03,
    JSON.stringify(found),
  );
  assert.ok(found.bestStep >= 1000 && found.bestStep < 1500, `the best step ${found.bestStep}`);

  const spike = course(200, (i) => (i === 198 ? 50 : down(i)));
  assert.ok(!kinds(spike).includes('diverging'), 'one spike is none');
  const overfitted = course(60, (i) => 0.5 + 0.5 * Math.exp(-i / 5) + Math.max(0, i - 30) * 0.005);
  assert.ok(!kinds(overfitted).includes('diverging'), 'a validation loss that creeps up is none');

  const score = course(100, (i) => (i < 60 ? 0.9 - 0.8 * Math.exp(-i / 10) : 0.1));
  assert.deepEqual(kinds(score, 'val/accuracy'), ['diverging']);
  assert.ok(!kinds(score, 'val/loss').includes('diverging'), 'the same numbers as a loss');
});

test('plateau: since the step from which nothing was better than the noise explains', () => {
  const noise = normal(2);
  const flat = course(400, (i) => 0.3 + Math.max(0, 100 - i) * 0.02 + 0.03 * noise());
  const [found] = judged(flat);
  assert.ok(found?.kind === 'plateau');
  assert.ok(Math.abs(found.value - 0.3) < 0.04, String(found.value));
  assert.ok(found.sinceStep >= 800 && found.sinceStep <= 1200, `since step ${found.sinceStep}`);
  assert.deepEqual(kinds(course(400, (i) => 2 - i * 0.004 + 0.03 * noise())), [], 'steady progress is none');
  assert.deepEqual(kinds(course(30, (i) => 1 / (1 + i))), [], 'nor is slow progress without noise');
});

test('false alarms: none in a hundred noisy courses that go down', () => {
  for (let seed = 0; seed < 100; seed++) {
    const noise = normal(seed);
    const values = course(300, (i) => 2.5 * (1 + i) ** -0.3 * Math.exp(0.1 * noise()));
    assert.ok(!kinds(values).includes('diverging'), `seed ${seed}`);
  }
});

test('short and empty series are not judged by their course', () => {
  assert.deepEqual(kinds([]), []);
  assert.deepEqual(kinds([1, 5, 100]), []);
  assert.deepEqual(kinds(course(11, (i) => i)), []);
});

test('of a run: losses and scores only, the plateau of the metric that stands for it', () => {
  const flat = course(60, () => 0.5);
  const x = { steps: flat.map((_, i) => i) };
  const findings = healthOf(
    run({
      series: [
        series('lr', x, [...flat.slice(1), NaN]),
        series('train/loss', x, flat),
        series('val/accuracy', x, flat),
        series('val/loss', x, [...flat.slice(1), NaN]),
      ],
    }),
  );
  assert.deepEqual(
    findings.map(({ kind, tag }) => [kind, tag]),
    [
      ['plateau', 'val/accuracy'],
      ['not-finite', 'val/loss'],
    ],
  );
});

test('a million points cost what they must: one look for NaN', () => {
  const values = course(1_000_000, (i) => Math.sin(i) + 1e-6 * i);
  const long = series('loss', { steps: values.map((_, i) => i) }, values);
  const start = process.cpuUsage();
  judge(long);
  const took = process.cpuUsage(start).user / 1000;
  // 3 ms of processor time; the bound only has to notice a sort of everything (200 ms).
  assert.ok(took < 100, `${took} ms`);
  assert.equal(judge(long), judge(long), 'and nothing the second time');
});

test('median', () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 3, 2]), 2.5);
});
