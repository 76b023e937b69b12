/** DVCLive and MLflow, whose logs are many files in directories of their own. */
import assert from 'node:assert/strict';
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { candidateMetrics, readSeries } from '../../../src/core/metrics/registry.ts';
import { pointsOf, temporaryDirectory } from './helpers.ts';

async function write(path: string, text: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
  return path;
}

test('DVCLive: one table per metric, named by its path', async (t) => {
  const metrics = join(await temporaryDirectory(t), 'dvclive', 'plots', 'metrics');
  // As dvclive 3 writes them: the column has the last part of the metric's name only.
  const train = await write(
    join(metrics, 'train', 'loss.tsv'),
    'timestamp\tstep\tloss\n1700000000000\t0\t0.9\n',
  );
  await write(join(metrics, 'val', 'loss.tsv'), 'step\tloss\n0\t1.5\n1\tnan\n');
  const format = candidateMetrics(train)!;
  assert.equal(format.id, 'dvclive');
  assert.equal(format.anchor!(train), dirname(dirname(metrics)));
  const tail = format.open(train);
  const first = await tail.poll();
  assert.deepEqual(pointsOf(first), { 'train/loss': [[0, 0.9]] });
  assert.deepEqual(first.points[0]!.wallTimes, [1_700_000_000_000]);
  await appendFile(train, '1700000001000\t1\t0.8\n1700');
  assert.deepEqual(pointsOf(await tail.poll()), { 'train/loss': [[1, 0.8]] });
  const series = await readSeries(dirname(dirname(dirname(metrics))));
  assert.deepEqual(
    series.map(({ tag, steps, values }) => [tag, steps, values]),
    [
      ['train/loss', [0, 1], [0.9, 0.8]],
      ['val/loss', [0, 1], [1.5, NaN]],
    ],
  );
});

test("MLflow's files: time, value and step, by the name of the metric", async (t) => {
  const run = join(await temporaryDirectory(t), 'mlruns', '0', '0123456789abcdef0123456789abcdef');
  const path = await write(
    join(run, 'metrics', 'val', 'loss'),
    '1700000000000 0.5 0\n1700000001000 nan 10\n',
  );
  const format = candidateMetrics(path)!;
  assert.equal(format.id, 'mlflow');
  assert.equal(dirname(format.anchor!(path)), run);
  const tail = format.open(path);
  const update = await tail.poll();
  assert.deepEqual(pointsOf(update), {
    'val/loss': [
      [0, 0.5],
      [10, NaN],
    ],
  });
  assert.deepEqual(update.points[0]!.wallTimes, [1_700_000_000_000, 1_700_000_001_000]);
  await appendFile(path, '1700000002000 1e-3 20\n17000');
  assert.deepEqual(pointsOf(await tail.poll()), { 'val/loss': [[20, 0.001]] });
  await appendFile(path, '00003000 -inf 30\nhello\n');
  const last = await tail.poll();
  assert.deepEqual(pointsOf(last), { 'val/loss': [[30, -Infinity]] });
  assert.match(last.warnings[0]!, /line 5: the line is no `time value step`/);
  assert.equal(candidateMetrics(join(run, 'params', 'lr')), undefined);
  assert.equal(candidateMetrics(join(run, 'meta.yaml')), undefined);
});
