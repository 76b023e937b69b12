/** The PyTorch example, as its README says. Needs `dist/compute.mjs` and a Python with torch. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import test from 'node:test';
import { PYTHON, skipWithout } from '../checkpoints/python.ts';
import { directoryWith } from '../task/temporary.ts';
import { onlyDocument, root, twa } from './cli.ts';

const example = path.join(root, 'examples/pytorch-digits');

test('trains, is averaged by TWA and evaluated', skipWithout(['torch']), async (context) => {
  const directory = directoryWith(context, {});
  const options = ['--out', directory, '--name', 'run', '--epochs', '4', '--seed', '3'];
  const trained = spawnSync(PYTHON, [path.join(example, 'train.py'), ...options], { encoding: 'utf8' });
  assert.equal(trained.status, 0, trained.stderr);

  const run = path.join(directory, 'run');
  const { checkpoints } = onlyDocument(await twa(['inspect', run, '--json'])) as {
    checkpoints: { epoch: number; step: number; complete: boolean; tensors: { name: string }[] }[];
  };
  // 400 images in batches of 32.
  assert.deepEqual(
    checkpoints.map(({ epoch, step, complete }) => [epoch, step, complete]),
    [1, 2, 3, 4].map((epoch) => [epoch, 13 * epoch, true]),
  );
  const { series } = onlyDocument(await twa(['metrics', run, '--json'])) as {
    series: { tag: string; steps: number[] }[];
  };
  assert.deepEqual(series.find(({ tag }) => tag === 'val/accuracy')!.steps, [13, 26, 39, 52]);

  const out = path.join(directory, 'average.pt');
  const task = path.join(example, 'twa.json');
  const outcome = await twa(['average', run, '--out', out, '--task', task, '--epochs', '2', '--json']);
  assert.equal(outcome.code, 0, outcome.stderr);
  const report = onlyDocument(outcome) as unknown as {
    table: { id: string; metric: number }[];
    notes: string[];
    provenance: { buffers: string };
  };
  // Ten classes: what learned nothing has an accuracy of 0.1.
  assert.ok(report.table.find(({ id }) => id === 'twa')!.metric > 0.5);
  assert.equal(report.provenance.buffers, 'recalibrate');
  assert.match(report.notes.join('\n'), /read back and evaluated: .* as in memory/);
});
