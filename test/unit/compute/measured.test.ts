/** Choosing between backends by a step of the task's own model. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { before, test } from 'node:test';
import { selectBackend } from '../../../src/compute/backends/select.ts';
import { TaskEngine } from '../../../src/compute/objective/engine.ts';
import { describeChoice, measuredFastest } from '../../../src/compute/objective/measured.ts';
import type { BackendName } from '../../../src/compute/protocol.ts';
import { tf } from '../../../src/compute/tf.ts';
import { requireComplete } from '../../../src/core/checkpoints/registry.ts';
import { loadTask } from '../../../src/core/task/load.ts';
import { noise, temporaryDirectory, writeTask } from './files.ts';
import { fillModel, saveLayersModel } from './helpers.ts';

const directory = temporaryDirectory();
const { signal } = new AbortController();
let checkpoint = '';
let task = '';

before(async () => {
  await selectBackend('wasm', []);
  const { layers } = tf;
  const model = tf.sequential({ layers: [layers.dense({ inputShape: [6], units: 2 })] });
  fillModel(model, 1);
  checkpoint = await saveLayersModel(model, path.join(directory, 'epoch-1'));
  model.dispose();
  const inputs = { shape: [80, 6], values: noise(480, 1) };
  const targets = {
    shape: [80, 2],
    values: Array.from({ length: 160 }, (_, i) => (i % 4 < 2 ? i % 2 : 1 - (i % 2))),
  };
  task = writeTask(directory, { inputs, targets }, { batchSize: 8, model: 'checkpoint' });
  process.env['TWA_HOME'] = path.join(directory, 'home');
});

test('each backend takes steps of the model once; the faster one is remembered; nothing stays behind', async () => {
  const file = await loadTask(task);
  const template = await requireComplete(checkpoint);
  const opened: BackendName[] = [];
  const open = async (name: BackendName) => {
    opened.push(name);
    await selectBackend(name, []);
    return TaskEngine.open(file, template, { fitData: 'validation', seed: 1, signal });
  };
  const usable = [
    { name: 'wasm', detail: 'as it is here' },
    { name: 'cpu', detail: 'as it is here' },
  ] as const;

  const tensors = tf.memory().numTensors;
  const found = await measuredFastest(usable, template, file, signal, open);
  assert.ok(found !== undefined);
  assert.deepEqual(opened, ['wasm', 'cpu']);
  assert.equal(tf.memory().numTensors, tensors);
  const { wasm, cpu } = found.milliseconds;
  assert.ok(wasm! > 0 && cpu! > 0 && Number.isFinite(wasm! + cpu!));
  assert.equal(found.name, wasm! <= cpu! ? 'wasm' : 'cpu');
  assert.match(
    describeChoice(found),
    /^the fastest, measured with this model \(a step: \w+ [\d.e+-]+ ms, \w+ /,
  );

  const again = await measuredFastest(usable, template, file, signal, open);
  assert.deepEqual([again?.name, again?.remembered, opened.length], [found.name, true, 2]);
  await measuredFastest(usable, template, { batchSize: 16 }, signal, open);
  assert.equal(opened.length, 4, 'another batch size is another question');

  assert.equal(await measuredFastest(usable.slice(0, 1), template, file, signal, open), undefined);
  assert.equal(opened.length, 4, 'where there is no choice nothing is measured');
});
