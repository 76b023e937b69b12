import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { recommend } from '../../../src/core/averaging/recommend.ts';
import { below, seededRandom } from '../../../src/core/averaging/rng.ts';
import type { Metric } from '../../../src/core/averaging/summary.ts';
import { buildTable, type Candidate, type RowId } from '../../../src/core/averaging/table.ts';
import type { Recommendation, SplitEvaluation } from '../../../src/core/averaging/types.ts';

const ACCURACY: Metric = { name: 'accuracy', goal: 'maximize' };

/**
 * A model that is right on `right` of `size` examples. Which ones is random but for a common order, so that two
 * models differ on few examples: as checkpoints of one run do.
 */
function evaluation(right: number, size: number, seed: number, loss = 1): SplitEvaluation {
  const random = seededRandom(1, 'order');
  const order = Float64Array.from({ length: size }, (_, i) => i);
  for (let i = size - 1; i > 0; i--) {
    const j = below(random, i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  const accuracy = new Float64Array(size);
  for (let i = 0; i < right; i++) accuracy[order[i]!] = 1;
  const noise = seededRandom(seed, 'loss');
  return {
    loss: Float64Array.from({ length: size }, () => loss + noise() / 2 ** 32 - 0.5),
    metrics: { accuracy },
    weights: new Float64Array(size).fill(1),
  };
}

const LABELS: Readonly<Record<RowId, string>> = {
  best: 'Best single (epoch-7)',
  last: 'Last (epoch-9)',
  uniform: 'Plain average of 9',
  twa: 'TWA (v4)',
  manual: 'Manual coefficients',
  'last-k': 'Average of the newest 6 (LAWA)',
  ema: 'Moving average (EMA, decay 0.8)',
  'best-k': 'Average of the best 4 (by accuracy)',
  prune: 'Pruned average of 4',
  greedy: 'Greedy soup of 4',
  search: 'Searched coefficients (CMA-ES, simplex)',
};

/** Per candidate: right answers of 1000 on stop and on report, and the loss on both. */
type Results = Partial<Record<RowId, readonly [stop: number, report: number, loss?: number]>>;

function recommendFor(results: Results, size = 1000): Recommendation {
  const candidates: Candidate[] = Object.entries(results).map(([id, [stop, report, loss]], at) => ({
    id: id as RowId,
    label: LABELS[id as RowId],
    stop: evaluation(stop, size, at, loss),
    report: evaluation(report, size, at, loss),
  }));
  const method = (['twa', 'manual'] as const).find((id) => id in results) ?? 'uniform';
  return recommend(candidates, buildTable(candidates, ACCURACY, 1), ACCURACY, 1, method);
}

describe('recommend', () => {
  for (const [name, results, use, sentence] of [
    [
      'TWA when it beats everything on both splits',
      { best: [900, 900], last: [890, 890], uniform: [910, 910], twa: [940, 940] },
      'twa',
      /^Use TWA: accuracy 0\.94 against 0\.91 of the plain average \(difference \+0\.03, 95 % interval \+0\.0\d+ to \+0\.0\d+, 1000 report examples\)\.$/,
    ],
    [
      'the plain average when TWA is within noise of it',
      { best: [900, 900], last: [890, 890], uniform: [930, 930], twa: [932, 931] },
      'uniform',
      /^Use the plain average: TWA is within noise of it, accuracy 0\.931 against 0\.93 \(difference \+0\.001, .*\)\.$/,
    ],
    [
      'the plain average when the report split does not confirm what the stop split said of TWA',
      { best: [900, 900], last: [890, 890], uniform: [910, 930], twa: [940, 931] },
      'uniform',
      /TWA is within noise of it, accuracy 0\.931 against 0\.93 \(difference \+0\.001,/,
    ],
    [
      'the plain average when TWA is better on the report split only: choosing by it would be choosing by luck',
      { best: [900, 900], last: [890, 890], uniform: [915, 910], twa: [905, 940] },
      'uniform',
      /TWA is better on the report split but was not on the stop split, which chooses, accuracy 0\.94 against 0\.91/,
    ],
    [
      'TWA when the metric ties on the stop split, the loss says TWA, and the report split confirms',
      { best: [900, 900, 2], last: [890, 890, 2], uniform: [998, 910, 1], twa: [998, 940, 0.5] },
      'twa',
      /^Use TWA: accuracy 0\.94 against 0\.91/,
    ],
    [
      'the plain average when TWA is worse',
      { best: [900, 900], last: [890, 890], uniform: [930, 930], twa: [931, 900] },
      'uniform',
      /TWA is worse, accuracy 0\.9 against 0\.93 \(difference -0\.03, 95 % interval -0\.0\d+ to -0\.0\d+, /,
    ],
    [
      'the best single checkpoint when TWA adds nothing to it',
      { best: [940, 940], last: [890, 890], uniform: [800, 800], twa: [941, 941] },
      'best',
      /^Use best single \(epoch-7\): accuracy 0\.94 against 0\.8 .*\. TWA, with 0\.941, is within noise of it\.$/,
    ],
    [
      'TWA when the best single one is within noise of both, and so not worth its choosing',
      { best: [900, 938], last: [890, 890], uniform: [910, 936], twa: [940, 941] },
      'twa',
      /^Use TWA: accuracy 0\.941 against 0\.936/,
    ],
    [
      'the plain average of a run without TWA',
      { best: [900, 900], last: [890, 890], uniform: [930, 930] },
      'uniform',
      /^Use the plain average: best single \(epoch-7\) is worse, accuracy 0\.9 against 0\.93/,
    ],
    [
      'manual coefficients when they are better',
      { best: [900, 900], last: [890, 890], uniform: [910, 910], manual: [940, 940] },
      'manual',
      /^Use manual coefficients: accuracy 0\.94/,
    ],
  ] as readonly (readonly [string, Results, RowId, RegExp])[]) {
    test(name, () => {
      const recommendation = recommendFor(results);
      assert.equal(recommendation.use, use);
      assert.match(recommendation.sentence, sentence);
    });
  }

  for (const [name, results, gain] of [
    [
      'beyond noise',
      { best: [900, 900], uniform: [910, 910], twa: [940, 940] },
      /^Gained over the best single \(epoch-7\): accuracy 0\.94 instead of 0\.9 \(difference \+0\.04, 95 % interval \+0\.0\d+ to \+0\.0\d+\)\.$/,
    ],
    [
      'within noise',
      { best: [929, 929], uniform: [930, 930], twa: [931, 931] },
      /^Nothing was gained beyond noise over the best single \(epoch-7\): accuracy 0\.93 instead of 0\.929 /,
    ],
    [
      'in loss alone',
      { best: [929, 929, 2], uniform: [930, 930, 1], twa: [931, 931, 1] },
      /^Gained over the best single \(epoch-7\) in loss alone: loss [01]\.\d+ instead of [12]\.?\d* .*; accuracy 0\.93 instead of 0\.929 .* is within noise\.$/,
    ],
    [
      'nothing, where the best single one is to be used',
      { best: [940, 940], uniform: [800, 800], twa: [941, 941] },
      /^Averaging gained nothing over the best single \(epoch-7\)\.$/,
    ],
    [
      'less than nothing, where the stop split chose wrongly',
      { best: [900, 960], uniform: [930, 930], twa: [931, 931] },
      /^Lost against the best single \(epoch-7\), which was not as good on the stop split: accuracy 0\.93 instead of 0\.96 /,
    ],
  ] as readonly (readonly [string, Results, RegExp])[]) {
    test(`what was gained over the best single checkpoint: ${name}`, () => {
      assert.match(recommendFor(results).gain!, gain);
    });
  }

  test('a loss that is lower beyond noise is said, but does not decide', () => {
    const { use, sentence } = recommendFor({
      best: [900, 900],
      uniform: [930, 930, 1],
      twa: [930, 930, 0.8],
    });
    assert.equal(use, 'uniform');
    assert.match(sentence, /Its loss is lower beyond noise: 0\.\d+ against [01]\.?\d*\.$/);
  });

  test('a handful of numbers decides nothing', () => {
    const { use, sentence, gain } = recommendFor({ best: [2, 2], uniform: [1, 1], twa: [5, 5] }, 5);
    assert.equal(use, 'uniform');
    assert.match(sentence, /TWA is not to be told from it by so few numbers, accuracy 1 against 0\.2/);
    assert.match(
      gain!,
      /^Too few numbers to say what was gained over the best single \(epoch-7\): accuracy 0\.2 /,
    );
  });

  test('a candidate whose metric is not a number is never recommended', () => {
    const good = evaluation(900, 1000, 1);
    const broken = { ...good, metrics: { accuracy: good.metrics['accuracy']!.map(() => NaN) } };
    const withBroken = (id: RowId): Candidate[] =>
      (['best', 'uniform', 'twa'] as const).map((one) => {
        const found = one === id ? broken : good;
        return { id: one, label: LABELS[one], stop: found, report: found };
      });
    const use = (candidates: Candidate[]): string =>
      recommend(candidates, buildTable(candidates, ACCURACY, 1), ACCURACY, 1, 'twa').use;
    assert.equal(use(withBroken('twa')), 'uniform');
    assert.equal(use(withBroken('uniform')), 'best');
    const table = buildTable(withBroken('twa'), ACCURACY, 1);
    assert.ok(Number.isNaN(table[2]!.metricInterval.low));
  });
});
