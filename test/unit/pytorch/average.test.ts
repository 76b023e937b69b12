/** The whole way, as a user goes it: `twa average` and `twa evaluate` with a PyTorch task. Needs `dist`. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { describe, test } from 'node:test';
import { onlyDocument, twa } from '../cli/cli.ts';
import { average } from './average.ts';
import { checkpointsIn, copyRun, python, skip } from './python.ts';

interface Report {
  readonly coefficients: readonly number[];
  readonly notes: readonly string[];
  readonly lossCurve: readonly object[];
  readonly table: readonly { readonly id: string; readonly metric: number; readonly loss: number }[];
  readonly provenance: { readonly backend: string; readonly buffers: string };
}

describe('twa average with a PyTorch task', { skip }, () => {
  test('BatchNorm: the file that is written is the one that was measured, in rounded memory too', async (t) => {
    const directory = await copyRun('norm', t);
    const outcome = await average(directory, 'norm', 'twa.pt', ['--engine', 'pytorch', '--memory', 'int8']);
    assert.equal(outcome.code, 0, outcome.stderr);
    const report = onlyDocument(outcome) as unknown as Report;
    assert.equal(report.coefficients.length, 4);
    assert.ok(report.lossCurve.length > 0);
    assert.match(report.provenance.backend, /^PyTorch \d.*\(CPU, \d+ threads?\), Python 3\./);
    const said = (pattern: RegExp): void =>
      assert.ok(
        report.notes.some((note) => pattern.test(note)),
        `${String(pattern)} is not in ${report.notes.join('\n')}`,
      );
    said(/read back and evaluated: .*, as in memory/);
    said(/Training steps used checkpoints rounded to int8: .* changes the loss on the stop split by/);
    said(/^Memory at its peak: .* in Python, .* \(int8: as asked for\)\.$/);

    // The file by itself, in a process of its own, is what the table says.
    const alone = await twa(
      ['evaluate', path.join(directory, 'twa.pt'), '--python', python!, '--json'],
      directory,
    );
    assert.equal(alone.code, 0, alone.stderr);
    const [row] = onlyDocument(alone)['rows'] as readonly { metric: number; loss: number }[];
    const wanted = report.table.find(({ id }) => id === 'twa')!;
    assert.equal(row!.metric, wanted.metric);
    assert.ok(Math.abs(row!.loss - wanted.loss) < 1e-6);
  });

  test('an error in the task leaves no file, and options are held against the task', async (t) => {
    const directory = await copyRun('mlp', t);
    const before = await readdir(directory);
    const failed = await average(directory, 'mlp', 'twa.pt', ['--engine', 'tfjs']);
    assert.equal(failed.code, 2);
    assert.match(failed.stderr, /--engine is tfjs, but .*twa\.json says "pytorch"/);
    const none = await twa([
      'average',
      ...checkpointsIn(directory, 'mlp'),
      '--out',
      path.join(directory, 'x.pt'),
      '--python',
      '/no/python',
    ]);
    assert.equal(none.code, 1);
    assert.match(none.stderr, /There is no Python interpreter \/no\/python \(as asked for\)/);
    assert.ok(!existsSync(path.join(directory, 'twa.pt')));
    assert.deepEqual(
      (await readdir(directory)).filter((name) => name !== '__pycache__'),
      before,
    );
  });
});
