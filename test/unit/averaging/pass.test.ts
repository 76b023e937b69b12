import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { optionsFor } from '../../../src/core/averaging/defaults.ts';
import { passOnStop, runPass, type PassRequest } from '../../../src/core/averaging/pass.ts';
import { Patience } from '../../../src/core/averaging/patience.ts';
import { seededRandom } from '../../../src/core/averaging/rng.ts';
import { score } from '../../../src/core/averaging/summary.ts';
import type { PassProgress, PassResult, TableRow } from '../../../src/core/averaging/types.ts';
import { TwaError } from '../../../src/core/errors.ts';
import { D, LogisticProblem, mix, randomVector, sgdRun, type ProblemSettings } from './logistic.ts';

const train = new LogisticProblem().data.train;

/** Checkpoints of a run whose learning rate is too high: each one is noisy, and their average is good. */
const noisyRun = sgdRun(train, { learningRate: 0.6, batchSize: 4, every: 20, count: 12, seed: 3 });

/** The same run with three checkpoints from elsewhere in it. */
const poisonedRun = noisyRun.map((row, i) =>
  i % 4 === 0 ? randomVector(seededRandom(i, 'poison'), D, 12) : row,
);

/** Late checkpoints of a calm run: there is nothing to gain. */
const calmRun = sgdRun(train, { learningRate: 0.02, batchSize: 32, every: 10, count: 40, seed: 3 }).slice(30);

const request = (over: Partial<PassRequest> = {}): PassRequest => ({
  method: 'twa',
  options: {},
  buffers: 'recalibrate',
  seed: 1,
  ...over,
});

const row = (result: PassResult, id: string): TableRow => {
  const found = result.table.find((one) => one.id === id);
  assert.ok(found !== undefined, `no row ${id}`);
  return found;
};

const isError = (code: string, message: RegExp) => (error: unknown) =>
  error instanceof TwaError && error.code === code && message.test(error.message);

describe('twa', () => {
  const large: ProblemSettings = { sizes: { train: 400, validation: 1500, test: 1500 } };

  for (const rule of ['v4', 'iclr'] as const) {
    test(`${rule}: bad checkpoints among the candidates are repaired; the simplest repair is recommended`, async () => {
      const problem = new LogisticProblem({ ...large, checkpoints: poisonedRun });
      const result = await runPass(problem, request({ options: { rule } }));
      const twa = row(result, 'twa');
      assert.ok(twa.metricVersusUniform!.low > 0.1, 'much better than the plain average');
      assert.ok(twa.metric > row(result, 'best').metric + 0.02, 'better than the best single one');
      // A greedy soup leaves them out as well, and is simpler.
      assert.equal(result.recommendation.use, 'greedy');
      assert.match(
        result.recommendation.sentence,
        /^Use greedy soup of \d: accuracy 0\.7\d+ against 0\.\d+ of the plain average \(difference \+0\.\d+, 95 % interval \+0\.\d+ to \+0\.\d+, 1500 report examples\)\. TWA, with 0\.7\d+, is within noise of it\.$/,
      );
      assert.equal(result.options?.rule, rule);
      assert.deepEqual(twa.coefficients, result.coefficients);
      const bad = result.coefficients.filter((_, i) => i % 4 === 0);
      assert.ok(Math.max(...bad.map(Math.abs)) < 0.05, `bad ones get almost nothing: ${bad.join(' ')}`);
    });

    test(`${rule}: where there is nothing to gain, the plain average is recommended`, async () => {
      const problem = new LogisticProblem({ ...large, checkpoints: calmRun });
      const result = await runPass(problem, request({ options: { rule } }));
      const versus = row(result, 'twa').metricVersusUniform!;
      assert.ok(versus.low <= 0, 'the premise: no better beyond noise');
      assert.equal(result.recommendation.use, 'uniform');
      assert.match(
        result.recommendation.sentence,
        /^Use the plain average: TWA is (within noise of it|worse), /,
      );
    });
  }

  test('the best epoch is kept, the start included', async () => {
    const problem = new LogisticProblem({ checkpoints: poisonedRun });
    const result = await runPass(problem, request());
    const epochs = result.lossCurve.filter((point) => point.stopMetric !== undefined);
    const said = result.notes.map((note) => /epoch (\d+) was the best on/.exec(note)?.[1]).find(Boolean);
    const kept = epochs[Number(said)]!;
    assert.equal(row(result, 'twa').stopMetric, kept.stopMetric);
    assert.equal(row(result, 'twa').stopLoss, kept.stopLoss);
    const stop = problem.carved.sizes.stop;
    // By the one-standard-error rule: near the best metric, and no lower loss among those that tie with it exactly.
    const top = Math.max(...epochs.map((point) => point.stopMetric!));
    assert.ok(kept.stopMetric! >= top - 2 / Math.sqrt(stop));
    assert.ok(epochs.every((point) => point.stopMetric !== top || point.stopLoss! >= kept.stopLoss!));

    assert.equal(epochs.length, 11);
    assert.ok(epochs.at(-1)!.fitLoss < 0.5 * epochs[0]!.fitLoss, 'training does train');
  });

  test('a start that training only makes worse on the stop split is kept', async () => {
    // The metric is the share of weights that are the mean's: nothing but the start has it.
    class Stubborn extends LogisticProblem {
      override async evaluate(...args: Parameters<LogisticProblem['evaluate']>) {
        const [point] = args;
        const isMean = point.kind === 'mix' && new Set(point.coefficients).size === 1;
        const evaluation = await super.evaluate(...args);
        return { ...evaluation, metrics: { accuracy: evaluation.weights.map(() => (isMean ? 1 : 0)) } };
      }
    }
    const problem = new Stubborn({ checkpoints: poisonedRun });
    const result = await runPass(problem, request());
    assert.ok(result.coefficients.every((value) => value === 1 / 12));
    assert.ok(
      result.notes.includes('TWA found nothing better than its start on the stop split in 10 epoch(s).'),
    );
    // The same model as the plain average, so it is not evaluated twice.
    assert.equal(problem.calls.filter((call) => call.split === 'report').length, 6);
    assert.deepEqual(row(result, 'twa').metricVersusUniform, { difference: 0, low: 0, high: 0 });
  });

  test('stops when the stop split has not improved for `patience` epochs', async () => {
    const problem = new LogisticProblem({ checkpoints: calmRun });
    const result = await runPass(problem, request({ options: { epochs: 50, patience: 2 } }));
    const points = result.lossCurve.filter((point) => point.stopMetric !== undefined);
    const kept = points.findIndex((point) => point.stopLoss === row(result, 'twa').stopLoss);
    assert.equal(points.length - 1, kept + 2);
    assert.ok(points.length < 50);
  });

  test('a loss that falls is worth waiting for, one that creeps is not', () => {
    const over = (losses: readonly number[], best = 0): number =>
      losses.findIndex((_, at) => {
        const patience = new Patience(2, 10);
        return losses.slice(0, at + 1).map((loss, i) => patience.isOver(i + 1, best, loss))[at];
      }) + 1;
    assert.equal(over([9, 8, 7, 6, 5]), 0, 'a tenth an epoch');
    assert.equal(over([9.99, 9.98, 9.97, 9.96, 9.95]), 2, 'a thousandth an epoch');
    assert.equal(over([9.99, 9.98, 9.97, 9.96, 9.95], 2), 4, 'with a best mix after two epochs');
    assert.equal(over([9, 9, 9, 9]), 3);
    assert.equal(over([NaN, NaN, 9, 9, 9]), 2);
    assert.equal(new Patience(1, -10).isOver(1, 0, -11), false, 'a loss may be negative');
    assert.equal(new Patience(1, -10).isOver(1, 0, -10), true);
  });

  for (const start of ['last', 'best'] as const) {
    test(`starts from the ${start} checkpoint when asked to`, async () => {
      const problem = new LogisticProblem({ checkpoints: poisonedRun });
      const result = await runPass(problem, request({ options: { start } }));
      const of = row(result, start);
      const first = result.lossCurve[0]!;
      assert.deepEqual([first.stopMetric, first.stopLoss], [of.stopMetric, of.stopLoss]);
      assert.ok(row(result, 'twa').stopLoss < of.stopLoss, 'and improves on it');
    });
  }

  for (const [rule, learningRate] of [
    ['iclr', 2000],
    ['v4', 500],
  ] as const) {
    test(`${rule}: a learning rate that is far too high is halved until it works, and the notes say so`, async () => {
      const problem = new LogisticProblem({ ...large, checkpoints: poisonedRun });
      const result = await runPass(problem, request({ options: { rule, learningRate } }));
      assert.equal(result.options?.learningRate, learningRate);
      assert.ok(
        result.notes.some((note) => /^The loss rose with a learning rate of .* halved \d+ time/.test(note)),
        result.notes.join('\n'),
      );
      assert.ok(row(result, 'twa').stopMetric > row(result, 'uniform').stopMetric + 0.1);
      assert.ok(result.lossCurve.every((point) => Number.isFinite(point.fitLoss)));
    });
  }

  test('a loss that turns NaN during training is recovered from; NaN at the start is an error that helps', async () => {
    class Broken extends LogisticProblem {
      good = Infinity;
      override async lossAndGradient(coefficients: Float64Array, examples: Int32Array) {
        const result = await super.lossAndGradient(coefficients, examples);
        return this.good-- > 0 ? result : { ...result, loss: NaN };
      }
    }
    const always = new Broken({ checkpoints: poisonedRun });
    always.good = 0;
    await assert.rejects(runPass(always, request()), isError('non-finite', /start "best"/));

    const once = new Broken({ checkpoints: poisonedRun });
    once.good = 60;
    const result = await runPass(once, request());
    assert.ok(result.coefficients.every(Number.isFinite));
    assert.ok(
      result.notes.some((note) => note.includes('halved 12 time(s)')),
      result.notes.join('\n'),
    );
  });

  test('the same seed gives the same result to the bit, another seed another one', async () => {
    const run = (seed: number): Promise<PassResult> =>
      runPass(new LogisticProblem({ checkpoints: noisyRun }), request({ seed }));
    const first = await run(1);
    assert.deepEqual(await run(1), first);
    assert.notDeepEqual((await run(2)).coefficients, first.coefficients);
  });

  test('one checkpoint, two, duplicates and frozen ones give no NaN', async () => {
    const [a, b] = noisyRun as [Float64Array, Float64Array];
    const sets: readonly (readonly [string, Float64Array[]])[] = [
      ['one', [a]],
      ['two', [a, b]],
      ['two equal', [a, a.slice()]],
      ['duplicates', [a, b, a.slice(), b.slice()]],
      ['one at the mean', [a, b, mix([a, b], [0.5, 0.5])]],
    ];
    for (const [name, checkpoints] of sets) {
      for (const rule of ['v4', 'iclr'] as const) {
        const result = await runPass(new LogisticProblem({ checkpoints }), request({ options: { rule } }));
        assert.ok(result.coefficients.every(Number.isFinite), `${name}, ${rule}`);
        assert.ok(
          result.table.every((one) => Number.isFinite(one.metric) && Number.isFinite(one.lossInterval.low)),
          `${name}, ${rule}`,
        );
      }
    }
    const one = await runPass(new LogisticProblem({ checkpoints: [a] }), request());
    assert.deepEqual(one.coefficients, [1]);
    assert.match(one.notes[0]!, /^There is only one checkpoint/);
  });
});

describe('the splits', () => {
  test('the report split is not looked at before the end, and then once per model', async () => {
    // A bad one comes last, so that best and last are two models.
    const checkpoints = [...poisonedRun.slice(1), poisonedRun[0]!];
    const problem = new LogisticProblem({ checkpoints });
    await runPass(problem, request());
    const report = problem.calls.flatMap((call, at) => (call.split === 'report' ? [at] : []));
    // Best, last, uniform, newest, moving average, greedy and TWA, at the end and in a row.
    assert.deepEqual(
      report,
      [7, 6, 5, 4, 3, 2, 1].map((fromEnd) => problem.calls.length - fromEnd),
    );
    assert.equal(new Set(report.map((at) => JSON.stringify(problem.calls[at]!.point))).size, 7);
  });

  test('a model that is in the table twice is evaluated once', async () => {
    const problem = new LogisticProblem({ checkpoints: [noisyRun[0]!] });
    const result = await runPass(problem, request());
    assert.deepEqual(
      result.table.map(({ id }) => id),
      ['best', 'last', 'uniform', 'twa'],
    );
    assert.equal(
      problem.calls.filter((call) => call.split === 'report').length,
      2,
      'the checkpoint, and the mix',
    );
  });

  test('gradients only see the fit split, and every example of it in every epoch', async () => {
    class Recording extends LogisticProblem {
      readonly batches: Int32Array[] = [];
      override lossAndGradient(coefficients: Float64Array, examples: Int32Array) {
        this.batches.push(examples);
        return super.lossAndGradient(coefficients, examples);
      }
    }
    const problem = new Recording({ checkpoints: noisyRun });
    await runPass(problem, request({ options: { epochs: 2, batchSize: 64 } }));
    // 300 examples: 5 batches to probe the start, then 5 per epoch, the last one smaller.
    assert.deepEqual(
      problem.batches.map((batch) => batch.length),
      Array.from({ length: 3 }, () => [64, 64, 64, 64, 44]).flat(),
    );
    for (const epoch of [1, 2]) {
      const seen = problem.batches.slice(5 * epoch, 5 * epoch + 5).flatMap((batch) => [...batch]);
      assert.deepEqual(
        seen.toSorted((a, b) => a - b),
        Array.from({ length: 300 }, (_, i) => i),
      );
    }
    assert.notDeepEqual(problem.batches[5], problem.batches[10], 'shuffled anew');
  });
});

describe('uniform and manual', () => {
  test('uniform has the same table, and trains nothing', async () => {
    const problem = new LogisticProblem({ checkpoints: noisyRun });
    const result = await runPass(problem, request({ method: 'uniform' }));
    assert.deepEqual(
      result.table.map(({ id }) => id),
      ['best', 'last', 'uniform', 'last-k', 'ema', 'greedy'],
    );
    assert.ok(result.coefficients.every((value) => value === 1 / 12));
    assert.deepEqual(result.lossCurve, []);
    assert.equal(result.options, undefined);
    assert.ok(!problem.calls.some(({ what }) => what === 'gradient'));
    assert.match(row(result, 'best').label, /^Best single \(epoch-\d+\)$/);
    assert.equal(row(result, 'last').label, 'Last (epoch-12)');
    assert.equal(row(result, 'uniform').metricVersusUniform, undefined);
  });

  test('the numbers of the table are those of the weights', async () => {
    const problem = new LogisticProblem({ checkpoints: noisyRun });
    const result = await runPass(problem, request({ method: 'uniform' }));
    const { loss, metrics } = problem.evaluateWeights(
      mix(noisyRun, result.coefficients),
      problem.carved.report,
    );
    const mean = (values: Float64Array): number =>
      values.reduce((sum, value) => sum + value, 0) / values.length;
    const uniform = row(result, 'uniform');
    assert.equal(uniform.metric, mean(metrics['accuracy']!));
    assert.ok(Math.abs(uniform.loss - mean(loss)) < 1e-13);
    const last = row(result, 'last');
    assert.ok(Math.abs(last.lossVersusUniform!.difference - (last.loss - uniform.loss)) < 1e-15);
    assert.ok(uniform.lossInterval.low < uniform.loss && uniform.loss < uniform.lossInterval.high);
  });

  test('manual coefficients are used as they are', async () => {
    const coefficients = noisyRun.map((_, i) => (i === 4 ? 0.9 : 0));
    const result = await runPass(
      new LogisticProblem({ checkpoints: noisyRun }),
      request({ method: 'manual', coefficients }),
    );
    assert.deepEqual(result.coefficients, coefficients);
    assert.equal(row(result, 'manual').label, 'Manual coefficients');
    assert.ok(result.notes.includes('The coefficients sum to 0.900000, not to 1.'));
  });

  test('a metric that is better when low', async () => {
    const problem = new LogisticProblem({
      checkpoints: noisyRun,
      metric: { name: 'loss', goal: 'minimize' },
    });
    const result = await runPass(problem, request({ method: 'uniform' }));
    const stop = await Promise.all(
      noisyRun.map(async (_, index) => {
        const { loss } = await problem.evaluate({ kind: 'checkpoint', index }, 'stop', 'newest');
        return loss.reduce((sum, value) => sum + value, 0) / loss.length;
      }),
    );
    assert.equal(row(result, 'best').label, `Best single (epoch-${stop.indexOf(Math.min(...stop)) + 1})`);
    assert.equal(result.recommendation.use, 'uniform');
    assert.match(result.recommendation.sentence, /is worse, loss \d/);
  });
});

describe('buffers', () => {
  class WithStatistics extends LogisticProblem {
    override readonly hasRunningStatistics = true as boolean as false;
    recalibrated: Float64Array | undefined;
    override recalibrate(...args: unknown[]): Promise<never> {
      this.recalibrated = args[0] as Float64Array;
      return Promise.resolve([{ name: 'mean', values: Float32Array.of(1, 2) }] as unknown as never);
    }
  }

  test('are recalibrated for the coefficients that are written, and mode and values are in the result', async () => {
    const problem = new WithStatistics({ checkpoints: poisonedRun });
    const result = await runPass(problem, request());
    assert.equal(result.bufferMode, 'recalibrate');
    assert.deepEqual([...problem.recalibrated!], result.coefficients);
    assert.deepEqual(result.buffers, [{ name: 'mean', values: Float32Array.of(1, 2) }]);
    // But for the comparison of the ways to get them, on the stop split.
    const others = problem.calls.filter((call) => call.what === 'evaluate' && call.buffers !== 'recalibrate');
    assert.deepEqual(
      others.map(({ split, buffers }) => [split, buffers]),
      [
        ['stop', 'average'],
        ['stop', 'newest'],
      ],
    );
    assert.deepEqual(
      result.bufferScores?.map(({ mode }) => mode),
      ['recalibrate', 'average', 'newest'],
    );
    assert.ok(
      result.notes.some((note) =>
        /^BatchNorm's running statistics on the stop split: recalibrate accuracy 0\.\d+, loss [\d.]+; average .*; newest .*\. Used: recalibrate\.$/.test(
          note,
        ),
      ),
    );
  });

  test('are left alone when averaged, or when there are none', async () => {
    const averaged = new WithStatistics({ checkpoints: noisyRun });
    const result = await runPass(averaged, request({ buffers: 'average' }));
    assert.equal(result.bufferMode, 'average');
    assert.equal(averaged.recalibrated, undefined);
    const without = await runPass(new LogisticProblem({ checkpoints: noisyRun }), request());
    assert.equal(without.bufferMode, 'none');
    assert.deepEqual(without.buffers, []);
  });
});

describe('progress and cancelling', () => {
  test('phases come in order, fractions rise within a phase, and points are those of the result', async () => {
    const seen: PassProgress[] = [];
    const result = await runPass(new LogisticProblem({ checkpoints: poisonedRun }), request(), {
      onProgress: (progress) => seen.push(progress),
    });
    const phases = seen.map(({ phase }) => phase).filter((phase, i, all) => phase !== all[i - 1]);
    assert.deepEqual(phases, ['baselines', 'training', 'evaluating']);
    for (const phase of phases) {
      const fractions = seen.filter((progress) => progress.phase === phase).map(({ fraction }) => fraction);
      assert.ok(
        fractions.every(
          (fraction, i) => fraction >= 0 && fraction <= 1 && fraction >= (fractions[i - 1] ?? 0),
        ),
      );
    }
    assert.deepEqual(
      seen.flatMap(({ point }) => (point === undefined ? [] : [point])),
      result.lossCurve.slice(1),
    );
    const perEpoch = seen.filter(({ coefficients }) => coefficients !== undefined);
    assert.equal(
      perEpoch.length,
      result.lossCurve.filter(({ stopLoss }) => stopLoss !== undefined).length - 1,
    );
  });

  for (const when of ['baselines', 'training', 'evaluating'] as const) {
    test(`cancelling during ${when} stops at the next call`, async () => {
      const controller = new AbortController();
      const problem = new LogisticProblem({ checkpoints: poisonedRun });
      let calls = 0;
      await assert.rejects(
        runPass(problem, request(), {
          signal: controller.signal,
          onProgress: ({ phase }) => {
            if (phase === when && !controller.signal.aborted) {
              controller.abort();
              calls = problem.calls.length;
            }
          },
        }),
        isError('cancelled', /./),
      );
      assert.ok(problem.calls.length <= calls + 1, `${problem.calls.length - calls} more calls`);
    });
  }
});

describe('requests that make no sense', () => {
  const problem = () => new LogisticProblem({ checkpoints: noisyRun });
  for (const [name, given, message] of [
    ['too few coefficients', { method: 'manual', coefficients: [1, 2] }, /2 coefficients .* 12 checkpoints/],
    ['no coefficients', { method: 'manual' }, /0 coefficients/],
    [
      'coefficients that are not finite',
      { method: 'manual', coefficients: new Array(12).fill(NaN) },
      /finite/,
    ],
    ['no epochs', { options: { epochs: 0 } }, /option epochs is 0/],
    ['half a batch', { options: { batchSize: 0.5 } }, /option batchSize/],
    ['a negative rate', { options: { learningRate: -1 } }, /option learningRate/],
    ['a momentum of one', { options: { momentum: 1 } }, /option momentum/],
  ] as readonly (readonly [string, Partial<PassRequest>, RegExp])[]) {
    test(name, async () => {
      const wrong = problem();
      await assert.rejects(runPass(wrong, request(given)), isError('usage', message));
      assert.deepEqual(wrong.calls, [], 'said before any work starts');
    });
  }

  test('no checkpoints', async () => {
    const empty = new LogisticProblem({ checkpoints: [] });
    await assert.rejects(runPass(empty, request()), isError('usage', /no checkpoint/));
  });

  test('a metric that the task does not compute', async () => {
    const wrong = new LogisticProblem({ checkpoints: noisyRun, metric: { name: 'f1', goal: 'maximize' } });
    await assert.rejects(runPass(wrong, request()), isError('bad-task', /"f1".*accuracy, loss/));
  });
});

describe('defaults', () => {
  test('the published numbers', () => {
    assert.deepEqual(optionsFor('iclr', {}), {
      rule: 'iclr',
      fitData: 'validation',
      start: 'mean',
      epochs: 10,
      batchSize: 128,
      learningRate: 2,
      weightDecay: 1e-5,
      momentum: 0.9,
      patience: 10,
      constraint: 'free',
      schedule: 'step',
      granularity: 'one',
      ridge: 0,
      sparse: false,
    });
    assert.equal(optionsFor('v4', { epochs: 3 }).epochs, 3);
    assert.equal(optionsFor('v4', {}).weightDecay, 0);
  });

  test('batches shrink for a small fit split, unless they are asked for', () => {
    const sizes = [10, 200, 1000, 5000].map((size) => optionsFor('v4', {}, size).batchSize);
    assert.deepEqual(sizes, [16, 20, 100, 128]);
    assert.equal(optionsFor('v4', { batchSize: 64 }, 10).batchSize, 64);
  });
});

describe('on the stop split alone', () => {
  test('the same mix as a whole pass finds, without a look at the report split', async () => {
    const problem = new LogisticProblem({ checkpoints: poisonedRun });
    const found = await passOnStop(problem, { buffers: 'recalibrate', seed: 1 });
    assert.deepEqual(new Set(problem.calls.flatMap(({ split }) => split ?? [])), new Set(['fit', 'stop']));
    const whole = await runPass(new LogisticProblem({ checkpoints: poisonedRun }), request());
    assert.deepEqual(found.coefficients, whole.coefficients);
    assert.equal(score(found.stop, 'accuracy').metric, row(whole, 'twa').stopMetric);
  });

  test('without gradients it is the plain average', async () => {
    class NoGradients extends LogisticProblem {
      readonly hasGradients = false;
    }
    const found = await passOnStop(new NoGradients({ checkpoints: calmRun }), {
      buffers: 'recalibrate',
      seed: 1,
    });
    assert.equal(found.method, 'uniform');
    assert.ok(found.coefficients.every((value) => value === 1 / calmRun.length));
  });
});
