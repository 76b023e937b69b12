/** Everything that can go wrong in a user's Python comes back as one sentence, with the place to look at. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { TwaError, type ErrorCode } from '../../../src/core/errors.ts';
import { startCommand } from '../../../src/compute/pytorch/interpreter.ts';
import {
  copyRun,
  open,
  python,
  runDirectory,
  skip,
  sourcesIn,
  start,
  type Kind,
  type Started,
} from './python.ts';

async function thrown(work: Promise<unknown>, code: ErrorCode): Promise<TwaError> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof TwaError, String(error instanceof Error ? error.stack : error));
    assert.equal(error.code, code, error.message);
    return error;
  }
  throw new Error('nothing was thrown');
}

/** A copy of a run whose task was changed; gives the number of the line that was changed. */
async function spoiled(t: TestContext, kind: Kind, text: string, by: string) {
  const directory = await copyRun(kind, t);
  const task = path.join(directory, 'task.py');
  const before = await readFile(task, 'utf8');
  assert.ok(before.includes(text), text);
  const line = before.slice(0, before.indexOf(text)).split('\n').length;
  await writeFile(task, before.replace(text, by));
  return { directory, task, line, checkpoint: (await sourcesIn(directory, kind)).at(-1)! };
}

async function evaluateOne({ process }: Started, directory: string) {
  const checkpoints = await sourcesIn(directory, 'mlp');
  await process.request({ kind: 'load', checkpoints, memory: 'auto' });
  return process.request(
    { kind: 'evaluate', split: 'test', point: 'checkpoint', index: 0, buffers: 'newest', random: 1 },
    { examples: Int32Array.of(0, 1, 2) },
  );
}

describe('errors of engine pytorch', { skip }, () => {
  let started: Started;
  before(async () => {
    started = await start(runDirectory('mlp'));
  });
  after(() => started.process.close());

  test('in user code: file, line, traceback and the error itself', async (t) => {
    const { directory, task, line, checkpoint } = await spoiled(
      t,
      'mlp',
      '    return F.cross_entropy(model(xs), ys, reduction="none")',
      '    print("here")\n    return F.cross_entropy(model(xs[:, :5]), ys, reduction="none")',
    );
    await open(started, directory, checkpoint);
    const error = await thrown(evaluateOne(started, directory), 'bad-task');
    // The innermost line of the user's: the layer's forward pass, which this file holds as well.
    const inner = Number(error.place.line);
    assert.equal(error.place.path, task);
    assert.ok(error.message.startsWith(`${task}:${inner}: loss() failed: RuntimeError: `), error.message);
    const lines = error.details.join('\n');
    assert.ok(
      lines.includes(`${task}:${line + 1} in loss\n    return F.cross_entropy(model(xs[:, :5])`),
      lines,
    );
    assert.ok(lines.includes('RuntimeError'), lines);
    assert.ok(!lines.includes('twa_task'), 'our own frames are nobody’s concern');
    // It comes by another way than the error, and may come after it.
    for (let tries = 0; tries < 500 && !started.lines.includes('here'); tries++) await sleep(10);
    assert.ok(started.lines.includes('here'), 'what a task prints goes to the log');
  });

  test('a task that does not load: syntax error, missing function, missing module', async (t) => {
    const syntax = await spoiled(t, 'mlp', 'def data(split):', 'def data(split:');
    const first = await thrown(open(started, syntax.directory, syntax.checkpoint), 'bad-task');
    assert.deepEqual(first.place, { path: syntax.task, line: syntax.line });
    assert.match(first.message, /SyntaxError/);

    const missing = await spoiled(t, 'mlp', 'def data(split):', 'def date(split):');
    const second = await thrown(open(started, missing.directory, missing.checkpoint), 'bad-task');
    assert.equal(second.message, `${missing.task}: has no function data().`);

    const imports = await spoiled(t, 'mlp', 'import torch\n', 'import torch\nimport no_such_package\n');
    const third = await thrown(open(started, imports.directory, imports.checkpoint), 'bad-task');
    assert.equal(
      third.message,
      `${imports.task}:2: loading the task failed: ModuleNotFoundError: No module named 'no_such_package'`,
    );
  });

  test('a model that is not the checkpoints’: every difference', async (t) => {
    const { directory, checkpoint } = await spoiled(
      t,
      'mlp',
      'self.last = nn.Linear(12, 3)',
      'self.last = nn.Linear(12, 4)\n        self.more = nn.Linear(2, 2)',
    );
    const error = await thrown(open(started, directory, checkpoint), 'mismatch');
    assert.deepEqual(error.details, [
      'last.weight is [4, 12] in the model and [3, 12] in the checkpoint.',
      'last.bias is [4] in the model and [3] in the checkpoint.',
      'The model has more.weight [2, 2], the checkpoint has not.',
      'The model has more.bias [2], the checkpoint has not.',
    ]);
    const less = await spoiled(t, 'mlp', '        self.second.weight = self.first.weight\n', '');
    await writeFile(
      less.task,
      (await readFile(less.task, 'utf8'))
        .replace('self.second = nn.Linear(12, 12)', 'pass')
        .replace('self.second(x)', 'x'),
    );
    const extra = await thrown(open(started, less.directory, less.checkpoint), 'mismatch');
    assert.deepEqual(extra.details, [
      'The checkpoint has second.weight [12, 12], the model has not.',
      'The checkpoint has second.bias [12], the model has not.',
    ]);
  });

  test('a loss without a gradient, of the wrong shape; a metric that is not given', async (t) => {
    const detached = await spoiled(t, 'mlp', 'reduction="none")', 'reduction="none").detach()');
    await open(started, detached.directory, detached.checkpoint);
    const checkpoints = await sourcesIn(detached.directory, 'mlp');
    await started.process.request({ kind: 'load', checkpoints, memory: 'auto' });
    const step = started.process.request(
      { kind: 'step', split: 'validation', gradient: 4, random: 1 },
      { coefficients: Float64Array.of(0.25, 0.25, 0.25, 0.25), examples: Int32Array.of(1, 2) },
    );
    assert.match(
      (await thrown(step, 'bad-task')).message,
      /the loss does not depend on the model's parameters/,
    );

    const shaped = await spoiled(
      t,
      'mlp',
      '    return F.cross_entropy(model(xs), ys',
      '    return (model(xs)',
    );
    await writeFile(
      shaped.task,
      (await readFile(shaped.task, 'utf8')).replace('(model(xs), reduction="none")', 'model(xs)'),
    );
    await open(started, shaped.directory, shaped.checkpoint);
    const wrong = await thrown(evaluateOne(started, shaped.directory), 'bad-task');
    assert.match(wrong.message, /loss\(\) gave a Tensor of shape \[3, 3\]: give one number per example/);

    const named = await spoiled(t, 'mlp', '{"accuracy":', '{"acc":');
    await open(started, named.directory, named.checkpoint);
    const metric = await thrown(evaluateOne(started, named.directory), 'bad-task');
    assert.match(
      metric.message,
      /the metric of the twa.json is "accuracy", but metrics\(model, batch\) gives only: acc, loss/,
    );
  });

  test('a weight that is not finite: file, tensor and index', async (t) => {
    const { directory, checkpoint } = await spoiled(
      t,
      'mlp',
      'def data(split):',
      'def load(path):\n' +
        '    state = torch.load(path, map_location="cpu")["state_dict"]\n' +
        '    if "epoch-2" in path:\n' +
        '        state["last.bias"][1] = float("nan")\n' +
        '    return state\n\n\ndef data(split):',
    );
    await open(started, directory, checkpoint);
    const checkpoints = await sourcesIn(directory, 'mlp');
    const error = await thrown(
      started.process.request({ kind: 'load', checkpoints, memory: 'int8' }),
      'non-finite',
    );
    assert.equal(
      error.message,
      `${checkpoints[2]!.path} has nan in last.bias at index 1; leave that checkpoint out.`,
    );
  });

  test('an interpreter that is killed', async (t) => {
    const directory = await copyRun('mlp', t);
    const other = await spoiled(
      t,
      'mlp',
      '    return {"accuracy"',
      '    import os, signal; os.kill(os.getpid(), signal.SIGKILL)\n    return {"accuracy"',
    );
    const doomed = await start(directory);
    try {
      await open(doomed, other.directory, other.checkpoint);
      const error = await thrown(evaluateOne(doomed, other.directory), 'compute-died');
      assert.match(
        error.message,
        /^Python ended by signal SIGKILL before the pass was done; nothing was written\./,
      );
      await thrown(evaluateOne(doomed, other.directory), 'compute-died');
    } finally {
      await doomed.process.close();
    }
  });

  test('cancelling: between batches, and in code that never returns', async (t) => {
    const { directory, task, checkpoint } = await spoiled(
      t,
      'mlp',
      '    return {"accuracy"',
      '    import time, pathlib\n' +
        '    pathlib.Path(__file__).with_name("waits").touch()\n' +
        '    time.sleep(0.05 if len(ys) < 3 else 1000)\n' +
        '    return {"accuracy"',
    );
    for (const examples of [new Array<number>(64).fill(0), [0, 1, 2]]) {
      const controller = new AbortController();
      const stopped = await start(directory, controller.signal);
      await open({ ...stopped }, directory, checkpoint);
      const checkpoints = await sourcesIn(directory, 'mlp');
      await stopped.process.request({ kind: 'load', checkpoints, memory: 'auto' });
      const request = stopped.process.request(
        { kind: 'evaluate', split: 'test', point: 'checkpoint', index: 0, buffers: 'newest', random: 1 },
        { examples: Int32Array.from(examples) },
      );
      const waits = path.join(path.dirname(task), 'waits');
      while (!existsSync(waits)) await new Promise((resolve) => setTimeout(resolve, 20));
      const began = performance.now();
      controller.abort();
      await thrown(request, 'cancelled');
      await stopped.process.close();
      // 3 s of grace; the machine may be busy.
      assert.ok(performance.now() - began < 15_000);
    }
  });

  test('no torch, no interpreter', async (t) => {
    const directory = await copyRun('mlp', t);
    // The same Python, without its packages.
    const bare = path.join(directory, 'bare-python');
    await writeFile(bare, `#!/bin/sh\nexec "${python!}" -I -S "$@"\n`);
    await chmod(bare, 0o755);
    const error = await thrown(start(directory, undefined, startCommand(bare, undefined)), 'no-backend');
    assert.match(
      error.message,
      /has no torch: install it there with ".*" -m pip install torch, or name an interpreter that has it with --python, in VS Code with the setting twa\.pythonPath\.$/,
    );
    const none = await thrown(start(directory, undefined, ['/no/such/python', 'x']), 'no-backend');
    assert.match(none.message, /^\/no\/such\/python did not start: .*ENOENT/);
  });
});
