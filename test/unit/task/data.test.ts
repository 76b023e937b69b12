import assert from 'node:assert/strict';
import { copyFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { loadSplit } from '../../../src/core/task/data.ts';
import { loadTask } from '../../../src/core/task/load.ts';
import type { TaskFile } from '../../../src/core/task/types.ts';
import { directoryWith } from './temporary.ts';

const CSV = 'a,b,label\n' + [0, 1, 2, 3, 4, 5].map((row) => `${row},${10 * row},${row % 3}`).join('\n');

/** A task over a table of six rows [row, 10 row] with the class row mod 3. */
function tableTask(context: TestContext, splits: string, csv = CSV): Promise<TaskFile> {
  const directory = directoryWith(context, {
    'x.csv': csv,
    'splits.json': splits,
    'twa.json': JSON.stringify({
      data: {
        inputs: { file: 'x.csv', columns: 'a,b', shape: [2, 1], scale: 0.5 },
        targets: { file: 'x.csv', columns: 'label', classes: 3 },
        splits: 'splits.json',
      },
      output: 'logits',
      loss: 'softmaxCrossEntropy',
      metric: 'accuracy',
    }),
  });
  return loadTask(path.join(directory, 'twa.json'));
}

test('gives each split its rows, in the order listed', async (context) => {
  const task = await tableTask(context, '{"train": [4, 0], "validation": [5], "test": [1, 2, 3]}');
  assert.deepEqual(await loadSplit(task, 'train'), {
    size: 2,
    inputs: new Float32Array([2, 20, 0, 0]),
    inputShape: [2, 1],
    targets: new Float32Array([0, 1, 0, 1, 0, 0]),
    targetShape: [3],
  });
  assert.equal((await loadSplit(task, 'validation'))!.size, 1);
  assert.deepEqual([...(await loadSplit(task, 'test'))!.targets], [0, 1, 0, 0, 0, 1, 1, 0, 0]);
});

test('a test split may be missing', async (context) => {
  const task = await tableTask(context, '{"train": [4, 0], "validation": [5]}');
  assert.equal(await loadSplit(task, 'test'), undefined);
});

const BAD_SPLITS: readonly (readonly [name: string, text: string, message: RegExp])[] = [
  [
    'a row past the end',
    '{"train": [0],\n"validation": [6]}',
    /splits\.json:2:16: 6 is no row number: .* 0 to 5\./,
  ],
  ['a negative row', '{"train": [-1], "validation": [1]}', /:1:12: -1 is no row number/],
  ['half a row', '{"train": [0.5], "validation": [1]}', /0\.5 is no row number/],
  ['a row as text', '{"train": ["0"], "validation": [1]}', /"0" is no row number/],
  ['a row twice', '{"train": [0, 1, 0], "validation": [2]}', /:1:18: row 0 is in train twice\./],
  [
    'a row in two splits',
    '{"train": [0, 1],\n "validation": [2, 1]}',
    /:2:20: row 1 is in train and in validation: no example may be in two splits\./,
  ],
  [
    'a test row that was trained on',
    '{"train": [0], "validation": [2], "test": [0]}',
    /in train and in test/,
  ],
  ['no validation', '{"train": [0]}', /"validation" must be a list of row numbers\./],
  ['an empty split', '{"train": [], "validation": [2]}', /"train" has no rows\./],
  ['a misspelt split', '{"train": [0], "validation": [2], "tets": [3]}', /:1:35: "tets" is no split/],
  ['something else', '[0, 1]', /splits are/],
  ['no JSON', '{"train": [0,', /splits\.json:1:14: this is not valid JSON/],
];
for (const [name, splits, message] of BAD_SPLITS) {
  test(`splits with ${name} are refused`, async (context) => {
    const task = await tableTask(context, splits);
    await assert.rejects(loadSplit(task, 'train'), { code: 'bad-data', message });
  });
}

test('a class out of range is refused where it stands', async (context) => {
  const task = await tableTask(context, '{"train": [0], "validation": [1]}', CSV.replace('3,30,0', '3,30,7'));
  await assert.rejects(loadSplit(task, 'train'), {
    code: 'bad-data',
    message: /x\.csv:5:6 is 7, which is no class from 0 to 2\.$/,
  });
});

test('a mended file is read again', async (context) => {
  const task = await tableTask(context, '{"train": [0], "validation": [0]}');
  await assert.rejects(loadSplit(task, 'train'), { code: 'bad-data' });
  assert.ok(task.data !== undefined && 'splits' in task.data);
  writeFileSync(task.data.splits, '{"train": [0], "validation": [1]}');
  assert.equal((await loadSplit(task, 'train'))!.size, 1);
});

const fixtures = path.resolve(import.meta.dirname, '../../fixtures/task');

/** One table per split: the array x of an archive, and labels from `targets`. */
function arrayTask(context: TestContext, targets: object, more: object): Promise<TaskFile> {
  const directory = directoryWith(context, { 'v.csv': '0\n1\n' });
  for (const name of ['stored.npz', 'c_order.npy', 'labels.npy']) {
    copyFileSync(path.join(fixtures, name), path.join(directory, name));
  }
  const file = path.join(directory, 'twa.json');
  writeFileSync(
    file,
    JSON.stringify({
      data: {
        train: { inputs: { file: 'stored.npz', array: 'x' }, targets },
        validation: { inputs: { file: 'c_order.npy', shape: [60] }, targets: { file: 'v.csv' } },
      },
      ...more,
    }),
  );
  return loadTask(file);
}
const REGRESSION = { loss: 'meanSquaredError', metric: 'meanSquaredError' };
const CLASSES = { loss: 'softmaxCrossEntropy', output: 'logits', metric: 'accuracy' };

test('one table per split, from arrays', async (context) => {
  const task = await arrayTask(context, { file: 'stored.npz', array: 'y' }, REGRESSION);
  const train = (await loadSplit(task, 'train'))!;
  assert.deepEqual([train.size, train.inputShape, train.targetShape], [2, [3, 4, 5], [1]]);
  assert.deepEqual([...train.targets], [1, 0]);
  assert.equal(train.inputs[119], 119);
  const validation = (await loadSplit(task, 'validation'))!;
  assert.deepEqual([validation.inputShape, validation.targetShape], [[60], [1]]);
  assert.equal(await loadSplit(task, 'test'), undefined);
});

test('inputs without their targets are refused', async (context) => {
  const task = await arrayTask(context, { file: 'labels.npy' }, REGRESSION);
  await assert.rejects(loadSplit(task, 'train'), {
    code: 'bad-data',
    message: /stored\.npz has 2 examples and .*labels\.npy has 4/,
  });
});

test('class numbers without "classes" are refused for softmax', async (context) => {
  const task = await arrayTask(context, { file: 'stored.npz', array: 'y' }, CLASSES);
  await assert.rejects(loadSplit(task, 'train'), { code: 'bad-data', message: /needs one-hot targets/ });
});

test('a shape that does not fit is refused', async (context) => {
  const task = await arrayTask(context, { file: 'stored.npz', array: 'y', shape: [2] }, REGRESSION);
  await assert.rejects(loadSplit(task, 'train'), {
    message: /gives 1 numbers per example, but shape \[2\] needs 2\./,
  });
});

test('"classes" needs one number per example', async (context) => {
  const task = await arrayTask(context, { file: 'stored.npz', array: 'x', classes: 3 }, CLASSES);
  await assert.rejects(loadSplit(task, 'train'), {
    message: /gives 60 targets per example, but "classes" needs one/,
  });
});

test('a task without data has no splits', async (context) => {
  const directory = directoryWith(context, {
    'twa.json': '{"module": "task.mjs", "metric": "accuracy"}',
    'task.mjs': '',
  });
  assert.equal(await loadSplit(await loadTask(path.join(directory, 'twa.json')), 'train'), undefined);
});
