/** A live pass over a PyTorch task. Needs `dist`. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { runJob } from '../../../src/compute/client.ts';
import type { LiveRequest } from '../../../src/compute/protocol.ts';
import { checkpointsIn, copyRun, python, skip } from './python.ts';

test('the GPU is left to the training, whatever the task says', { skip }, async (t) => {
  const directory = await copyRun('norm', t);
  const task = path.join(directory, 'twa.json');
  const text = JSON.parse(await readFile(task, 'utf8')) as object;
  // No machine has so many.
  await writeFile(task, JSON.stringify({ ...text, pytorch: { device: 'cuda:99' } }));
  const code = await readFile(path.join(directory, 'task.py'), 'utf8');
  const hidden = 'import os; assert os.environ["CUDA_VISIBLE_DEVICES"] == ""\n';
  await writeFile(path.join(directory, 'task.py'), hidden + code);
  const checkpoints = checkpointsIn(directory, 'norm');
  const request: LiveRequest = {
    checkpoints: checkpoints.slice(1),
    reference: checkpoints[0]!,
    task,
    seed: 1,
    backend: 'auto',
    useGpu: false,
    // As the editor asks where several processes are set: there is one for the processor.
    pytorch: { python: python!, launcher: 'torchrun --nproc_per_node 99' },
  };
  const result = await runJob('live', request, { cwd: directory });
  assert.deepEqual([result.method, result.examples, result.coefficients.length], ['twa', 64, 3]);
  assert.equal(result.reference?.path, checkpoints[0]);
  assert.ok(Number.isFinite(result.metric) && Number.isFinite(result.reference?.difference.low));

  await writeFile(path.join(directory, 'task.py'), code);
  await assert.rejects(
    runJob('live', { ...request, useGpu: true, pytorch: { python: python! } }, { cwd: directory }),
    { code: 'no-backend' },
    'the premise: the task does name a device',
  );
});
