import assert from 'node:assert/strict';
import { copyFile, cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { candidateMetrics, readSeries } from '../../../src/core/metrics/registry.ts';
import { applyUpdate } from '../../../src/core/metrics/series.ts';
import { trainerStateFormat } from '../../../src/core/metrics/trainerState.ts';
import { fixture, pointsOf, temporaryDirectory } from './helpers.ts';

test('candidates by name', () => {
  const cases: [string, string | undefined][] = [
    ['run/metrics.csv', 'csv'],
    ['run/results.csv', 'csv'],
    ['run/training.log', 'csv'],
    ['run/scalars.tsv', 'csv'],
    ['run/metrics.jsonl', 'jsonl'],
    ['run/train_log.ndjson', 'jsonl'],
    ['run/checkpoint-5/trainer_state.json', 'trainer-state'],
    ['wandb/offline-run-20261124_011605-a/run-a.wandb', 'wandb'],
    ['dvclive/plots/metrics/loss.tsv', 'dvclive'],
    ['data/digits.csv', undefined],
    ['data/train.jsonl', undefined],
    ['server.log', undefined],
    ['metrics.txt', undefined],
    ['metrics', undefined],
  ];
  for (const [path, id] of cases) assert.equal(candidateMetrics(path)?.id, id, path);
});

test("Hugging Face's trainer_state.json", async () => {
  const update = await trainerStateFormat.open(fixture('checkpoint-16/trainer_state.json')).poll();
  const points = pointsOf(update);
  assert.deepEqual(
    points['loss']!.map(([step]) => step),
    [4, 8, 12, 16],
  );
  assert.deepEqual(points['eval_loss'], [[8, 0.38895830512046814]]);
  assert.deepEqual(update.points.find(({ tag }) => tag === 'loss')!.epochs, [0.5, 1, 1.5, 2]);
  assert.deepEqual(update.facts, { plan: { steps: 16, epochs: 2 } });
});

test('a Trainer that was resumed: the newest state has its whole history, as its own JSON says', async (t) => {
  const directory = await temporaryDirectory(t);
  // Of the first attempt there is a checkpoint beyond the one that training was resumed from.
  for (const [name, from] of [
    ['checkpoint-16', 'checkpoint-16'],
    ['checkpoint-24', 'resumed/checkpoint-24'],
  ] as const) {
    await cp(fixture(from), join(directory, name), { recursive: true });
  }
  const state = JSON.parse(await readFile(fixture('resumed/checkpoint-24/trainer_state.json'), 'utf8')) as {
    log_history: Record<string, number>[];
  };
  const series = await readSeries(directory);
  const tags = new Set(state.log_history.flatMap(Object.keys));
  tags.delete('step');
  tags.delete('epoch');
  assert.deepEqual(new Set(series.map(({ tag }) => tag)), tags);
  for (const { tag, steps, values } of series) {
    const rows = state.log_history.filter((row) => tag in row);
    assert.deepEqual(
      steps,
      rows.map(({ step }) => step),
      tag,
    );
    assert.deepEqual(
      values,
      rows.map((row) => row[tag]),
      tag,
    );
  }
  const loss = series.find(({ tag }) => tag === 'loss')!;
  assert.deepEqual(loss.steps, [4, 8, 12, 16, 20, 24], 'no step twice, none backwards');
});

test('a trainer state is read again only when it changed, and one that is half written waits', async (t) => {
  const path = join(await temporaryDirectory(t), 'trainer_state.json');
  await writeFile(path, '{"log_history": [{"step": 1, "loss": 0.5}]}');
  const tail = trainerStateFormat.open(path);
  assert.deepEqual(pointsOf(await tail.poll()), { loss: [[1, 0.5]] });
  assert.deepEqual(await tail.poll(), { reset: false, points: [], warnings: [] });
  await writeFile(path, '{"log_history": [{"step": 1, "loss": 0.5}, {"step"');
  assert.deepEqual(await tail.poll(), { reset: false, points: [], warnings: [] });
  await writeFile(path, '{"log_history": [{"step": 1, "loss": 0.5}, {"step": 2, "loss": NaN}]}');
  const update = await tail.poll();
  assert.equal(update.reset, true);
  assert.deepEqual(pointsOf(update), {
    loss: [
      [1, 0.5],
      [2, NaN],
    ],
  });
  await writeFile(path, '{"log_history": {}}');
  assert.match((await tail.poll()).warnings[0]!, /no list `log_history`/);
});

test('readSeries of a directory: its logs, but only the newest of the trainer states', async (t) => {
  const run = await temporaryDirectory(t);
  for (const [name, history] of [
    ['checkpoint-8', [{ step: 4, loss: 1 }]],
    [
      'checkpoint-16',
      [
        { step: 4, loss: 1 },
        { step: 12, loss: 0.5 },
      ],
    ],
  ] as const) {
    await mkdir(join(run, name));
    await writeFile(join(run, name, 'trainer_state.json'), JSON.stringify({ log_history: history }));
  }
  await mkdir(join(run, 'logs'));
  await copyFile(fixture('keras.log.csv'), join(run, 'logs', 'keras.log.csv'));
  await writeFile(join(run, 'data.csv'), 'epoch,pixel\n1,2\n');
  const series = await readSeries(run);
  assert.deepEqual(
    series.map(({ tag, source, values }) => [tag, source.slice(run.length + 1), values.length]),
    [
      ['loss', 'checkpoint-16/trainer_state.json', 2],
      ['accuracy', 'logs/keras.log.csv', 6],
      ['loss', 'logs/keras.log.csv', 6],
      ['val_accuracy', 'logs/keras.log.csv', 6],
      ['val_loss', 'logs/keras.log.csv', 6],
    ],
  );
});

test('readSeries of a file: any name will do when it is named, and it is taken as finished', async (t) => {
  const directory = await temporaryDirectory(t);
  const path = join(directory, 'anything.csv');
  await writeFile(path, 'epoch,loss\n1,0.5\nx\n2,0.4');
  const warnings: string[] = [];
  const series = await readSeries(path, undefined, (sentence) => warnings.push(sentence));
  assert.deepEqual(series, [
    { tag: 'loss', source: path, steps: [1, 2], values: [0.5, 0.4], epochs: [1, 2], wallTimes: [NaN, NaN] },
  ]);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0]!, /line 3/);
});

test('readSeries says what is wrong', async (t) => {
  const directory = await temporaryDirectory(t);
  await assert.rejects(readSeries(join(directory, 'no.csv')), {
    code: 'not-found',
    message: /does not exist/,
  });
  await assert.rejects(readSeries(directory), { code: 'not-found', message: /holds no metrics log/ });
  const image = join(directory, 'a.png');
  await writeFile(image, '');
  await assert.rejects(readSeries(image), { code: 'unsupported' });
  const broken = join(directory, 'broken.jsonl');
  await writeFile(broken, 'hello\nworld\n');
  await assert.rejects(readSeries(broken), (error: { code: string; details: string[] }) => {
    assert.equal(error.code, 'bad-metrics');
    assert.equal(error.details.length, 2);
    return true;
  });
  await assert.rejects(readSeries(fixture('keras.log.csv'), AbortSignal.abort()), { code: 'cancelled' });
});

test('updates add to series without changing those that somebody holds', () => {
  const points = (
    tag: string,
    step: number,
  ): { tag: string } & Record<'steps' | 'values' | 'epochs' | 'wallTimes', number[]> => ({
    tag,
    steps: [step],
    values: [step / 10],
    epochs: [NaN],
    wallTimes: [NaN],
  });
  const first = applyUpdate(
    [],
    { reset: false, points: [points('a', 1), points('b', 1)], warnings: [] },
    'log',
  );
  const second = applyUpdate(first, { reset: false, points: [points('b', 2)], warnings: [] }, 'log');
  assert.equal(second[0], first[0]);
  assert.deepEqual(second[1]!.steps, [1, 2]);
  assert.deepEqual(first[1]!.steps, [1]);
  assert.equal(applyUpdate(second, { reset: false, points: [], warnings: [] }, 'log'), second);
  const third = applyUpdate(second, { reset: true, points: [points('a', 9)], warnings: [] }, 'log');
  assert.deepEqual(
    third.map(({ tag, steps }) => [tag, steps]),
    [['a', [9]]],
  );
});
