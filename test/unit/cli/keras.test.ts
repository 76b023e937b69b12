/** A run of Keras, its own files and nothing else: evaluated, averaged by TWA, and read by Keras again. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import type { AverageReport } from '../../../src/core/averaging/types.ts';
import type { EvaluateResult } from '../../../src/compute/protocol.ts';
import { PYTHON, skipWithout } from '../checkpoints/python.ts';
import { directoryWith } from '../task/temporary.ts';
import { onlyDocument, root, twa } from './cli.ts';

const fixture = path.join(root, 'test/fixtures/keras/run');
/** float32, and Keras's own mean over batches. */
const TOLERANCE = 1e-5;

test('twa evaluate gives the losses that Keras itself measured in training', async () => {
  const outcome = await twa(['evaluate', path.join(fixture, 'checkpoints'), '--backend', 'wasm', '--json']);
  assert.equal(outcome.code, 0, outcome.stderr);
  const { examples, rows } = onlyDocument(outcome) as unknown as EvaluateResult;
  const expected = JSON.parse(readFileSync(path.join(fixture, 'evaluated.json'), 'utf8')) as Record<
    string,
    { loss: number; accuracy: number }
  >;
  assert.equal(examples, 120);
  assert.deepEqual(rows.map((row) => path.basename(row.path)).sort(), Object.keys(expected).sort());
  for (const row of rows) {
    const { loss, accuracy } = expected[path.basename(row.path)]!;
    assert.ok(Math.abs(row.loss - loss) < TOLERANCE, `${row.path}: ${row.loss}, by Keras ${loss}`);
    assert.ok(Math.abs(row.metric - accuracy) < TOLERANCE);
  }
});

const EVALUATE = `
import sys, keras, numpy
model = keras.models.load_model(sys.argv[1])
loss, accuracy = model.evaluate(numpy.load(sys.argv[2] + "/test_x.npy"), numpy.load(sys.argv[2] + "/test_y.npy"), verbose=0)
print(loss, accuracy)
`;

test('twa average --method twa writes a .keras', async (context) => {
  const directory = directoryWith(context);
  const out = path.join(directory, 'merged.keras');
  const args = [
    'average',
    path.join(fixture, 'checkpoints'),
    '--method',
    'twa',
    '--epochs',
    '3',
    '--out',
    out,
  ];
  const outcome = await twa([...args, '--backend', 'wasm', '--json']);
  assert.equal(outcome.code, 0, outcome.stderr);
  const report = onlyDocument(outcome) as unknown as AverageReport;
  const row = report.table.find(({ id }) => id === 'twa')!;

  // Its running statistics were recomputed for the mix, so it is not just a mean of the files.
  cpSync(path.join(fixture, 'twa.json'), path.join(directory, 'twa.json'));
  for (const split of ['train', 'validation', 'test']) {
    for (const part of ['x', 'y'])
      cpSync(path.join(fixture, `${split}_${part}.npy`), path.join(directory, `${split}_${part}.npy`));
  }
  const again = await twa(['evaluate', out, '--backend', 'wasm', '--json']);
  assert.equal(again.code, 0, again.stderr);
  const [evaluated] = (onlyDocument(again) as unknown as EvaluateResult).rows;
  assert.ok(
    Math.abs(evaluated!.loss - row.loss) < TOLERANCE,
    `${evaluated!.loss}, in the report ${row.loss}`,
  );

  await context.test('Keras loads it and measures the same', skipWithout(['keras', 'tensorflow']), () => {
    const { stdout, stderr } = spawnSync(PYTHON, ['-c', EVALUATE, out, fixture], {
      encoding: 'utf8',
      env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: '3' },
    });
    const [loss, accuracy] = stdout.trim().split('\n').at(-1)!.split(' ').map(Number);
    assert.ok(Math.abs(loss! - row.loss) < TOLERANCE, `${stdout}${stderr}`);
    assert.ok(Math.abs(accuracy! - row.metric) < TOLERANCE);
  });
  rmSync(out);
});

test('weights without an architecture: the error says what to name', async (context) => {
  const directory = directoryWith(context, {
    'twa.json': readFileSync(path.join(fixture, 'twa.json'), 'utf8').replaceAll(
      /"(\w+)\.npy"/g,
      `"${fixture}/$1.npy"`,
    ),
  });
  const weights = path.join(root, 'test/fixtures/checkpoints/keras/weights/epoch-1.weights.h5');
  const outcome = await twa([
    'evaluate',
    weights,
    '--task',
    path.join(directory, 'twa.json'),
    '--backend',
    'wasm',
  ]);
  assert.equal(outcome.code, 1);
  assert.match(outcome.stderr, /holds weights only: name a "model" in twa\.json \(a \.keras or \.h5 file/);
});
