/** The same task under torchrun: several processes on the CPU, over gloo. Needs `dist`. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { onlyDocument } from '../cli/cli.ts';
import { average } from './average.ts';
import { copyRun, python, skip } from './python.ts';

interface Report {
  readonly coefficients: readonly number[];
  readonly table: readonly { readonly loss: number }[];
  readonly provenance: { readonly backend: string };
}

/** Sums over examples in another order, through some twenty steps of an optimiser. */
const SAME = 1e-5;

describe('several processes', { skip }, () => {
  let directory: string;
  let one: Report;
  before(async () => {
    directory = await copyRun('mlp');
    one = await fitted('one.pt', []);
    assert.ok(
      one.coefficients.some((value) => Math.abs(value - 0.25) > 1e-3),
      'nothing was trained',
    );
  });
  after(() => rm(directory, { recursive: true, force: true, maxRetries: 3 }));

  /** torchrun, where it works. */
  function launcher(processes: number): string {
    return one.provenance.backend.startsWith('PyTorch 1.')
      ? `"${python!}" "${path.join(import.meta.dirname, '../../fixtures/pytorch/launch.py')}" ${processes}`
      : `torchrun --standalone --nproc_per_node ${processes}`;
  }

  async function fitted(out: string, options: readonly string[]): Promise<Report> {
    const outcome = await average(directory, 'mlp', out, options);
    assert.equal(outcome.code, 0, outcome.stderr);
    return onlyDocument(outcome) as unknown as Report;
  }

  function requireSame(found: Report, processes: number): void {
    assert.match(found.provenance.backend, new RegExp(`${processes} processes`));
    for (const [i, value] of found.coefficients.entries()) {
      assert.ok(Math.abs(value - one.coefficients[i]!) <= SAME, `${value} is not ${one.coefficients[i]!}`);
    }
    for (const [row, { loss }] of found.table.entries()) {
      assert.ok(Math.abs(loss - one.table[row]!.loss) <= SAME);
    }
  }

  test('2 processes, each with its own part of a batch, find the coefficients of one', async () => {
    requireSame(await fitted('two.pt', ['--launcher', launcher(2)]), 2);
  });

  test('4 processes with the stack in parts find the coefficients of one', async () => {
    requireSame(await fitted('four.pt', ['--launcher', launcher(4), '--memory', 'sharded']), 4);
  });

  test('a process that dies ends the pass with a clear error and no file', async (t) => {
    const spoiled = await copyRun('mlp', t);
    const task = path.join(spoiled, 'task.py');
    const text = await readFile(task, 'utf8');
    const dies =
      '    import os, signal\n    if os.environ["RANK"] == "1" and model.training:\n        os.kill(os.getpid(), signal.SIGKILL)\n';
    await writeFile(task, text.replace('def loss(model, batch):\n', `def loss(model, batch):\n${dies}`));
    const outcome = await average(spoiled, 'mlp', 'twa.pt', ['--launcher', launcher(2)]);
    assert.equal(outcome.code, 1);
    assert.match(outcome.stderr, /ended .*before the pass was done/);
    assert.ok(!existsSync(path.join(spoiled, 'twa.pt')));
  });

  test('an error in the code of one process is told like any other', async (t) => {
    const spoiled = await copyRun('mlp', t);
    const task = path.join(spoiled, 'task.py');
    const text = await readFile(task, 'utf8');
    const fails =
      '    import os\n    if os.environ["RANK"] == "1" and model.training:\n        raise ValueError("only here")\n';
    await writeFile(task, text.replace('def loss(model, batch):\n', `def loss(model, batch):\n${fails}`));
    const outcome = await average(spoiled, 'mlp', 'twa.pt', ['--launcher', launcher(2)]);
    assert.equal(outcome.code, 1);
    assert.match(outcome.stderr, /task\.py:\d+: loss\(\) failed: ValueError: only here/);
    assert.ok(!existsSync(path.join(spoiled, 'twa.pt')));
  });
});
