import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { findPython, splitWords, startCommand } from '../../../src/compute/pytorch/interpreter.ts';
import { directoryWith } from '../task/temporary.ts';

/** Makes an empty file where an interpreter could be. */
function interpreter(...parts: string[]): string {
  const file = path.join(...parts);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, '');
  return file;
}

test('which interpreter: asked for, TWA_PYTHON, active environments, .venv above the task, PATH', (context) => {
  const root = directoryWith(context);
  const task = path.join(root, 'project/tasks');
  mkdirSync(task, { recursive: true });
  const inPath = interpreter(root, 'bin/python3');
  const environment: NodeJS.ProcessEnv = { PATH: `/nowhere${path.delimiter}${path.join(root, 'bin')}` };
  const found = (given?: string) => findPython(given, task, environment);

  assert.deepEqual(found(), { path: inPath, reason: 'PATH' });
  const beside = interpreter(root, 'project/.venv/bin/python3');
  assert.deepEqual(found(), { path: beside, reason: '.venv beside the task' });
  environment['CONDA_PREFIX'] = path.join(root, 'conda');
  assert.equal(found().path, beside, 'an environment without an interpreter is none');
  const conda = interpreter(root, 'conda/bin/python');
  assert.deepEqual(found(), { path: conda, reason: 'CONDA_PREFIX' });
  environment['VIRTUAL_ENV'] = path.join(root, 'active');
  const active = interpreter(root, 'active/bin/python3');
  assert.equal(found().path, active);
  environment['TWA_PYTHON'] = 'python3';
  assert.equal(found().path, inPath);
  assert.equal(found(path.join(root, 'conda')).path, conda, 'the folder of an environment will do');
  assert.equal(found(conda).path, conda);
});

test('an interpreter that was asked for and is not there is an error, and so is none at all', (context) => {
  const root = directoryWith(context);
  assert.throws(() => findPython('python3.99', root, { PATH: root }), {
    code: 'no-backend',
    message:
      'There is no Python interpreter python3.99 (as asked for): name one with --python, in VS Code with the setting twa.pythonPath.',
  });
  assert.throws(() => findPython(undefined, root, { PATH: '' }), { code: 'no-backend' });
});

test('launchers: words and quotes; torchrun is the interpreter’s own', () => {
  assert.deepEqual(splitWords(` srun -N 2  "a b" c'd e'f "" `), ['srun', '-N', '2', 'a b', 'cd ef', '']);
  assert.throws(() => splitWords('srun "a'), { code: 'usage' });
  const [script] = startCommand('/py', undefined).slice(-1);
  assert.ok(script!.endsWith(path.join('python', 'run_twa_task.py')));
  assert.deepEqual(startCommand('/py', undefined), ['/py', '-u', script]);
  assert.deepEqual(startCommand('/py', 'torchrun --nproc_per_node 2'), [
    '/py',
    '-u',
    '-m',
    'torch.distributed.run',
    '--nproc_per_node',
    '2',
    script,
  ]);
  assert.deepEqual(startCommand('/py', 'srun torchrun'), ['srun', 'torchrun', script]);
});
