import assert from 'node:assert/strict';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { jsonlFormat } from '../../../src/core/metrics/jsonl.ts';
import { MAX_SERIES } from '../../../src/core/metrics/points.ts';
import { pointsOf, temporaryDirectory } from './helpers.ts';

const LOG = [
  '{"step": 1, "epoch": 0, "train": {"loss": 0.5, "lr": 1e-3}, "_timestamp": 1700000000.5, "_runtime": 3}',
  '{"step": 2, "epoch": 0, "train": {"loss": NaN}, "note": "NaN, Infinity and \\"-Infinity\\" in text"}',
  '{"step": 3, "epoch": 1, "train": {"loss": Infinity}, "val/loss": -Infinity}',
  '{"step": 4, "epoch": 1, "train": {"loss": "NaN"}, "ok": true, "nothing": null, "list": [1, 2]}',
  '{"step": 5, "epoch": 1, "größe": 2}',
].join('\n');

test('nested objects are joined with /, NaN and infinities are numbers, text and lists are no series', async (t) => {
  const path = join(await temporaryDirectory(t), 'metrics.jsonl');
  await writeFile(path, `${LOG}\n`);
  const update = await jsonlFormat.open(path).poll();
  assert.deepEqual(update.warnings, []);
  assert.deepEqual(pointsOf(update), {
    'train/loss': [
      [1, 0.5],
      [2, NaN],
      [3, Infinity],
      [4, NaN],
    ],
    'train/lr': [[1, 0.001]],
    'val/loss': [[3, -Infinity]],
    größe: [[5, 2]],
  });
  const loss = update.points[0]!;
  assert.deepEqual(loss.epochs, [0, 0, 1, 1]);
  assert.deepEqual(loss.wallTimes, [1_700_000_000_500, NaN, NaN, NaN]);
});

test('every cut, in the middle of a character too: nothing is lost, nothing comes twice', async (t) => {
  const path = join(await temporaryDirectory(t), 'metrics.jsonl');
  const bytes = Buffer.from(`${LOG}\n`);
  await writeFile(path, bytes);
  const whole = pointsOf(await jsonlFormat.open(path).poll());
  for (let cut = 0; cut <= bytes.length; cut++) {
    await writeFile(path, bytes.subarray(0, cut));
    const tail = jsonlFormat.open(path);
    const before = await tail.poll();
    await appendFile(path, bytes.subarray(cut));
    const after = await tail.poll();
    assert.deepEqual([before.warnings, after.warnings, after.reset], [[], [], false], `cut at ${cut}`);
    const joined = Object.fromEntries(
      Object.keys(whole).map((tag) => [
        tag,
        [...(pointsOf(before)[tag] ?? []), ...(pointsOf(after)[tag] ?? [])],
      ]),
    );
    assert.deepEqual(joined, whole, `cut at ${cut}`);
  }
});

test('lines longer than what is read at a time, and many of them', async (t) => {
  const path = join(await temporaryDirectory(t), 'metrics.jsonl');
  const padding = 'x'.repeat(1_500_000);
  const lines = [1, 2, 3].map((step) => JSON.stringify({ step, padding, loss: step / 4 }));
  await writeFile(path, `${lines.join('\n')}\n`);
  assert.deepEqual(pointsOf(await jsonlFormat.open(path).poll()), {
    loss: [
      [1, 0.25],
      [2, 0.5],
      [3, 0.75],
    ],
  });
  const many = 200_000;
  await writeFile(path, Array.from({ length: many }, (_, step) => `{"step":${step},"loss":0.5}\n`).join(''));
  const { points } = await jsonlFormat.open(path).poll();
  assert.deepEqual(
    points[0]!.steps,
    Array.from({ length: many }, (_, step) => step),
  );
});

test('a finished file may end without a newline; a broken last line is left out without a word', async (t) => {
  const path = join(await temporaryDirectory(t), 'metrics.jsonl');
  await writeFile(path, '{"step": 1, "loss": 0.5}\n{"step": 2, "loss": 0.4}');
  assert.equal(pointsOf(await jsonlFormat.open(path).poll())['loss']!.length, 1);
  assert.equal(pointsOf(await jsonlFormat.open(path).poll(undefined, true))['loss']!.length, 2);
  await writeFile(path, '{"step": 1, "loss": 0.5}\n{"step": 2, "lo');
  const update = await jsonlFormat.open(path).poll(undefined, true);
  assert.deepEqual([pointsOf(update)['loss']!.length, update.warnings], [1, []]);
});

test('lines that are no objects are left out and named', async (t) => {
  const path = join(await temporaryDirectory(t), 'metrics.jsonl');
  await writeFile(path, 'hello\n[1, 2]\n\n{"step": 1, "loss": 0.5}\n');
  const update = await jsonlFormat.open(path).poll();
  assert.deepEqual(pointsOf(update), { loss: [[1, 0.5]] });
  assert.match(update.warnings[0]!, /metrics\.jsonl, line 1: the line is no JSON/);
  assert.match(update.warnings[1]!, /metrics\.jsonl, line 2: the line is no JSON object/);
  assert.equal(update.warnings.length, 2);
});

test('keys of hostile files stay data', async (t) => {
  const path = join(await temporaryDirectory(t), 'metrics.jsonl');
  await writeFile(path, '{"step": 1, "constructor": {"prototype": 1}, "toString": 2}\n');
  const update = await jsonlFormat.open(path).poll();
  assert.deepEqual(
    update.points.map(({ tag, values }) => [tag, values]),
    [
      ['constructor/prototype', [1]],
      ['toString', [2]],
    ],
  );
  const deep = `${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`;
  await writeFile(path, `${deep}\n`);
  assert.deepEqual((await jsonlFormat.open(path).poll()).points, []);

  // A table keyed by example is no log of 3000 metrics.
  const wide = Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`example${i}`, i]));
  await writeFile(path, `${JSON.stringify({ step: 1, ...wide })}\n`);
  const update3000 = await jsonlFormat.open(path).poll();
  assert.equal(update3000.points.length, MAX_SERIES);
  assert.match(update3000.warnings[0]!, /only the first 2000 series/);
});

test('the file itself is only read', async (t) => {
  const path = join(await temporaryDirectory(t), 'metrics.jsonl');
  await writeFile(path, `${LOG}\n`);
  await jsonlFormat.open(path).poll();
  assert.equal(await readFile(path, 'utf8'), `${LOG}\n`);
});
