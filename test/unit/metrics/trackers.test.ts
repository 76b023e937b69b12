/**
 * DVCLive and MLflow, whose logs are many files in directories of their own. Neither could be installed where this was
 * written, so the files are made here, as their sources make them: `Metric.dump` in dvclive/plots/metric.py,
 * `_log_run_metric` in mlflow/store/tracking/file_store.py, and the tables of MLflow 3 by
 * tests/resources/db/latest_schema.sql of its repository.
 */
import assert from 'node:assert/strict';
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
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
  // `csv.DictWriter` with tabs: the time if it was asked for, the step, and the value under the metric's whole name, or
  // under the last part of it.
  const train = await write(
    join(metrics, 'train', 'loss.tsv'),
    'timestamp\tstep\ttrain/loss\n1700000000000\t0\t0.9\n',
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

test("MLflow's database: the rows of all runs, only the new ones each time", async (t) => {
  const path = join(await temporaryDirectory(t), 'mlflow.db');
  const database = new DatabaseSync(path);
  t.after(() => database.close());
  database.exec(`
    CREATE TABLE runs (run_uuid VARCHAR(32) NOT NULL, name VARCHAR(250), source_type VARCHAR(20),
      source_name VARCHAR(500), entry_point_name VARCHAR(50), user_id VARCHAR(256), status VARCHAR(9),
      start_time BIGINT, end_time BIGINT, source_version VARCHAR(50), lifecycle_stage VARCHAR(20),
      artifact_uri VARCHAR(200), experiment_id INTEGER, deleted_time BIGINT,
      CONSTRAINT run_pk PRIMARY KEY (run_uuid),
      CONSTRAINT runs_lifecycle_stage CHECK (lifecycle_stage IN ('active', 'deleted')),
      CHECK (status IN ('SCHEDULED', 'FAILED', 'FINISHED', 'RUNNING', 'KILLED')));
    CREATE TABLE metrics (key VARCHAR(250) NOT NULL, value FLOAT NOT NULL, timestamp BIGINT NOT NULL,
      run_uuid VARCHAR(32) NOT NULL, step BIGINT DEFAULT '0' NOT NULL, is_nan BOOLEAN DEFAULT '0' NOT NULL,
      CONSTRAINT metric_pk PRIMARY KEY (key, timestamp, step, run_uuid, value, is_nan),
      FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid), CHECK (is_nan IN (0, 1)));
    INSERT INTO runs (run_uuid, name, status, lifecycle_stage) VALUES ('a1', 'calm-owl-1', 'RUNNING', 'active'),
      ('b2', '', 'FINISHED', 'active'), ('c3', 'gone', 'FINISHED', 'deleted');
    INSERT INTO metrics VALUES ('loss', 0.5, 1700000000000, 'a1', 0, 0), ('loss', 0, 1700000001000, 'a1', 1, 1),
      ('val/acc', 1.7976931348623157e308, 1700000000000, 'b2', 0, 0), ('loss', 9, 1700000000000, 'c3', 0, 0);
  `);
  const format = candidateMetrics(path)!;
  assert.equal(format.id, 'mlflow-db');
  const tail = format.open(path);
  const first = await tail.poll();
  assert.deepEqual(first.warnings, []);
  assert.deepEqual(pointsOf(first), {
    'calm-owl-1/loss': [
      [0, 0.5],
      [1, NaN],
    ],
    'b2/val/acc': [[0, Infinity]],
  });
  assert.deepEqual(first.points[0]!.wallTimes, [1_700_000_000_000, 1_700_000_001_000]);
  assert.deepEqual(await tail.poll(), { reset: false, points: [], warnings: [] });
  database.exec("INSERT INTO metrics VALUES ('loss', 0.25, 1700000002000, 'a1', 2, 0)");
  const second = await tail.poll();
  assert.equal(second.reset, false);
  assert.deepEqual(pointsOf(second), { 'calm-owl-1/loss': [[2, 0.25]] });
  database.exec("DELETE FROM metrics WHERE run_uuid = 'a1'");
  const third = await tail.poll();
  assert.equal(third.reset, true);
  assert.deepEqual(Object.keys(pointsOf(third)), ['b2/val/acc']);
});

test('what is only called mlflow.db is told', async (t) => {
  const path = await write(
    join(await temporaryDirectory(t), 'mlflow.db'),
    'no database at all, but long enough',
  );
  const update = await candidateMetrics(path)!.open(path).poll();
  assert.deepEqual(update.points, []);
  assert.match(update.warnings[0]!, /could not be read as MLflow's database/);
});
