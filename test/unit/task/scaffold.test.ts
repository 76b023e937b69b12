import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { pathToFileURL } from 'node:url';
import { requireComplete } from '../../../src/core/checkpoints/registry.ts';
import type { CheckpointHeader } from '../../../src/core/checkpoints/types.ts';
import { loadTask } from '../../../src/core/task/load.ts';
import { readModelHints } from '../../../src/core/task/hints.ts';
import { createTask, scaffoldTask } from '../../../src/core/task/scaffold.ts';
import { directoryWith } from './temporary.ts';

const fixtures = path.resolve(import.meta.dirname, '../../fixtures/checkpoints');

test('reads shape, activation and outputs of a model that TensorFlow.js saved', async () => {
  const header = await requireComplete(path.join(fixtures, 'tfjs/epoch-1'));
  assert.deepEqual(await readModelHints(header), {
    architecture: true,
    inputShape: [4, 4, 1],
    activation: 'softmax',
    outputs: 2,
  });
});

test('reads the same of a model of Keras, and says what to do where there are weights only', async (context) => {
  const keras = path.resolve(fixtures, '../keras/run/checkpoints/epoch-1.keras');
  assert.deepEqual(await readModelHints(await requireComplete(keras)), {
    architecture: true,
    inputShape: [6, 6, 1],
    activation: 'softmax',
    outputs: 3,
  });
  const legacy = await readModelHints(await requireComplete(path.join(fixtures, 'keras/legacy/epoch-1.h5')));
  assert.equal(legacy.architecture, true);

  const directory = directoryWith(context);
  const weights = await requireComplete(path.join(fixtures, 'keras/weights/epoch-1.weights.h5'));
  const [file, ...more] = await createTask(weights, directory);
  assert.deepEqual(more, []);
  assert.match(readFileSync(file!, 'utf8'), /model\.to_json\(\).*\n {2}"model": "model\.json",/);
});

test('the task file for a LayersModel fits it, and only its data files are missing', async (context) => {
  const directory = directoryWith(context);
  const header = await requireComplete(path.join(fixtures, 'tfjs/epoch-1'));
  const [file, ...more] = await createTask(header, directory);
  assert.equal(file, path.join(directory, 'twa.json'));
  assert.deepEqual(more, []);
  await assert.rejects(loadTask(file), { code: 'bad-task', message: /There is no file .*data\.csv\.$/ });
  writeFileSync(path.join(directory, 'data.csv'), '');
  writeFileSync(path.join(directory, 'splits.json'), '');
  const task = await loadTask(file);
  assert.equal(task.output, 'probabilities');
  assert.equal(task.loss, 'softmaxCrossEntropy');
  assert.ok(task.data !== undefined && 'splits' in task.data);
  assert.deepEqual(task.data.inputs, {
    file: path.join(directory, 'data.csv'),
    columns: '0-15',
    shape: [4, 4, 1],
  });
  assert.deepEqual(task.data.targets, { file: path.join(directory, 'data.csv'), columns: '16', classes: 2 });
});

const header = (tensors: CheckpointHeader['tensors']): CheckpointHeader => ({
  path: '/run/a.safetensors',
  format: 'safetensors',
  tensors,
  metadata: {},
  files: [],
});

for (const [activation, outputs, output, loss, metric] of [
  ['softmax', 10, 'probabilities', 'softmaxCrossEntropy', 'accuracy'],
  ['linear', 10, 'logits', 'softmaxCrossEntropy', 'accuracy'],
  ['sigmoid', 1, 'probabilities', 'sigmoidCrossEntropy', 'accuracy'],
  ['linear', 1, 'logits', 'meanSquaredError', 'meanSquaredError'],
] as const) {
  test(`${outputs} ${activation} outputs mean ${loss}`, async (context) => {
    const [file] = scaffoldTask(header([]), { architecture: true, inputShape: [5], activation, outputs });
    const directory = directoryWith(context, { 'twa.json': file!.text, 'data.csv': '', 'splits.json': '' });
    const task = await loadTask(path.join(directory, 'twa.json'));
    assert.deepEqual([task.output, task.loss, task.metric.name], [output, loss, metric]);
  });
}

test('weights without architecture get a module that loads, with every weight in it', async (context) => {
  const directory = directoryWith(context);
  const files = await createTask(
    header([
      { name: 'conv/kernel', dtype: 'F32', shape: [8, 1, 3, 3] },
      { name: 'bn/moving_mean', dtype: 'F32', shape: [8] },
      { name: "it's odd", dtype: 'BF16', shape: [] },
      { name: 'head/kernel', dtype: 'F32', shape: [8, 1], aliasOf: 'conv/kernel' },
      { name: 'bn.num_batches_tracked', dtype: 'I64', shape: [] },
    ]),
    directory,
  );
  assert.deepEqual(files, [path.join(directory, 'twa.json'), path.join(directory, 'task.mjs')]);
  const task = await loadTask(files[0]!);
  assert.equal(task.module, files[1]);

  const module = (await import(pathToFileURL(files[1]!).href)) as Record<
    string,
    (...args: unknown[]) => unknown
  >;
  assert.deepEqual(Object.keys(module).sort(), ['data', 'loss', 'metrics', 'model']);
  const tf = {
    zeros: (shape: number[]) => shape,
    variable: (value: number[], trainable = true) => ({ value, trainable }),
  };
  const { weights } = module['model']!({ tf }) as { weights: object };
  assert.deepEqual(weights, {
    'conv/kernel': { value: [8, 1, 3, 3], trainable: true },
    'bn/moving_mean': { value: [8], trainable: false },
    "it's odd": { value: [], trainable: true },
  });
});

test('a PyTorch checkpoint gets a Python task with its own weights in it, whatever they are called', async (context) => {
  const directory = directoryWith(context);
  const odd = 'a"""\nimport os\\x.weight';
  const files = await createTask(
    header([
      { name: 'conv.weight', dtype: 'F32', shape: [8, 1, 3, 3] },
      { name: odd, dtype: 'BF16', shape: [] },
      { name: 'head.weight', dtype: 'F32', shape: [8, 1], aliasOf: 'conv.weight' },
    ]),
    directory,
  );
  assert.deepEqual(files, [path.join(directory, 'twa.json'), path.join(directory, 'task.py')]);
  const task = await loadTask(files[0]!);
  assert.deepEqual([task.engine, task.module, task.metric.name], ['pytorch', files[1], 'accuracy']);
  const text = readFileSync(files[1]!, 'utf8');
  assert.match(text, /^ {4}conv\.weight F32 \[8, 1, 3, 3\]$/m);
  assert.match(text, /^ {4}a\?\?\?\?import os\?x\.weight BF16 \[\]$/m);
  assert.doesNotMatch(text, /head\.weight/);
});

test('nothing is written over, and a half-made scaffold is taken back', async (context) => {
  const directory = directoryWith(context, { 'task.mjs': 'mine' });
  await assert.rejects(createTask(header([]), directory), {
    code: 'exists',
    message: `${path.join(directory, 'task.mjs')} exists already; it was left as it is.`,
  });
  assert.deepEqual(readdirSync(directory), ['task.mjs']);
  assert.equal(readFileSync(path.join(directory, 'task.mjs'), 'utf8'), 'mine');
});
