import assert from 'node:assert/strict';
import { appendFile, readFile, truncate, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { lineOf } from '../../../src/core/live/compose.ts';
import { appendLine, liveLogOf, readLiveLog } from '../../../src/core/live/log.ts';
import { averagedFormat } from '../../../src/core/metrics/averaged.ts';
import { candidateMetrics, readSeries } from '../../../src/core/metrics/registry.ts';
import { defaultMetric } from '../../../src/core/runs/goals.ts';
import { marksOf } from '../../../src/core/runs/pace.ts';
import { pointsOf } from '../metrics/helpers.ts';
import { safetensors, series, watching } from '../runs/helpers.ts';
import { directoryWith } from '../task/temporary.ts';
import { line, result } from './help.ts';

test('what is appended is read back, and drawn as curves', async (context) => {
  const log = liveLogOf(directoryWith(context));
  assert.equal(candidateMetrics(log), averagedFormat);
  const lines = [line(), line({ step: 65, epoch: 5, metric: 0.98, loss: NaN })];
  for (const one of lines) await appendLine(log, one);
  assert.deepEqual(await readLiveLog(log), lines);
  const update = await averagedFormat.open(log).poll();
  assert.deepEqual(update.warnings, []);
  assert.deepEqual(pointsOf(update), {
    'averaged/accuracy': [
      [52, 0.97],
      [65, 0.98],
    ],
    'averaged/loss': [[52, 0.1]],
  });
  assert.deepEqual(update.points[0]?.epochs, [4, 5]);
  assert.deepEqual(
    update.points[0].wallTimes,
    [line(), line()].map(({ time }) => Date.parse(time)),
  );
});

test('a line that a crash cut off, and one that is damaged, take nothing else with them', async (context) => {
  const log = liveLogOf(directoryWith(context));
  await appendLine(log, line());
  await appendLine(log, line({ step: 65 }));
  await truncate(log, (await readFile(log)).length - 20);
  const tail = averagedFormat.open(log);
  const first = await tail.poll();
  assert.deepEqual([first.points[0]?.steps, first.warnings], [[52], []], 'it may still be being written');
  assert.equal((await readLiveLog(log)).length, 1);

  await appendLine(log, line({ step: 78 }));
  await appendFile(log, '{"version": 1, "step": "ninety"}\n');
  await appendLine(log, line({ step: 91 }));
  const second = await tail.poll();
  assert.deepEqual([second.reset, second.points[0]?.steps], [false, [78, 91]], 'only what is new is read');
  assert.equal(second.warnings.length, 2);
  assert.match(second.warnings[0]!, /twa-live\.jsonl, line 2: the line is none of a live pass/);
  assert.match(second.warnings[1]!, /line 4: .*time must be a text, and is missing/);
  assert.deepEqual(
    (await readLiveLog(log)).map(({ step }) => step),
    [52, 78, 91],
  );
  await writeFile(log, '');
  assert.deepEqual([(await tail.poll()).reset, await readLiveLog(log)], [true, []]);
});

test('a run without a log has none', async (context) => {
  assert.deepEqual(await readLiveLog(liveLogOf(directoryWith(context))), []);
});

test("it is a run's own, and no part of its training", async (context) => {
  const directory = directoryWith(context, {
    'run/metrics.csv': 'epoch,step,val_loss\n1,10,0.5\n2,20,0.4\n',
    'run/epoch-002.safetensors': safetensors(),
    'run/averages/twa-live.jsonl': `${JSON.stringify(line({ step: 20, epoch: 2 }))}\n`,
  });
  const { runs } = await watching(context, [directory]).scanned();
  assert.equal(runs.length, 1);
  const run = runs[0]!;
  assert.deepEqual(
    run.averagedSeries.map(({ tag, steps, values }) => [tag, steps, values]),
    [
      ['averaged/accuracy', [20], [0.97]],
      ['averaged/loss', [20], [0.1]],
    ],
  );
  assert.deepEqual(
    run.series.map(({ tag }) => tag),
    ['val_loss'],
  );
  assert.deepEqual(
    run.checkpoints[0]?.metrics,
    { val_loss: 0.4 },
    'a checkpoint has no metric of an average',
  );
  assert.equal(defaultMetric(run)?.tag, 'val_loss');
  assert.ok(
    marksOf(run).every(({ at }) => at !== Date.parse(line().time)),
    'nor does it set the pace',
  );
  assert.ok(run.training.activeMs <= run.mtimeMs);
  const shown = await readSeries(run.directory);
  assert.ok(
    shown.some(({ tag }) => tag === 'averaged/accuracy'),
    'twa metrics prints it',
  );
});

test("a line stands where the run's own log has its newest checkpoint", () => {
  const checkpoint = (epoch: number, more: object = {}) => ({ path: `/w/r/e${epoch}.pt`, epoch, ...more });
  const measured = (averaged: { path: string; epoch: number }[]) => ({
    averaged,
    result,
    task: '/w/twa.json',
    seed: 1,
    now: 0,
  });
  const run = {
    directory: '/w/r',
    checkpoints: [],
    series: [series('val_loss', { epochs: [1, 2, 3], steps: [50, 100, 150] }, [3, 2, 1])],
  };
  const averaged = [1, 2, 3].map((epoch) => checkpoint(epoch));
  const composed = lineOf(run, measured(averaged));
  assert.deepEqual(
    [composed.step, composed.epoch, composed.epochs, composed.steps, composed.checkpoints],
    [150, 3, [1, 3], undefined, ['e1.pt', 'e2.pt', 'e3.pt']],
  );
  assert.equal(lineOf({ ...run, series: [] }, measured(averaged)).step, undefined);
  assert.equal(lineOf(run, measured([checkpoint(3, { step: 149 })])).step, 149, 'it knows best itself');
});
