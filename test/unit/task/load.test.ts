import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { TwaError } from '../../../src/core/errors.ts';
import { findTask } from '../../../src/core/task/find.ts';
import { loadTask } from '../../../src/core/task/load.ts';
import { directoryWith } from './temporary.ts';

const TABLE = `{
  "data": {
    "inputs": { "file": "data/x.csv", "columns": "0-3" },
    "targets": { "file": "data/x.csv", "columns": "4", "classes": 3 },
    "splits": "splits.json"
  },
  "output": "probabilities",
  "loss": "softmaxCrossEntropy",
  "metric": "accuracy"
}`;
const FILES = { 'data/x.csv': '1,2,3,4,0\n', 'splits.json': '{}', 'task.mjs': '', 'other.npz': '' };

test('fills in defaults and makes every path absolute', async (context) => {
  const directory = directoryWith(context, { ...FILES, 'twa.json': TABLE });
  const file = path.join(directory, 'data/x.csv');
  assert.deepEqual(await loadTask(path.join(directory, 'twa.json')), {
    path: path.join(directory, 'twa.json'),
    engine: 'tfjs',
    model: 'checkpoint',
    data: {
      inputs: { file, columns: '0-3' },
      targets: { file, columns: '4', classes: 3 },
      splits: path.join(directory, 'splits.json'),
    },
    output: 'probabilities',
    loss: 'softmaxCrossEntropy',
    metric: { name: 'accuracy', goal: 'maximize' },
    batchSize: 64,
  });
});

test('takes comments, trailing commas and a module with a metric of its own', async (context) => {
  const directory = directoryWith(context, {
    ...FILES,
    'twa.json': `// the task\n{ "module": "./task.mjs", /* ours */ "metric": { "name": "bleu", "goal": "maximize" }, }`,
  });
  const task = await loadTask(path.join(directory, 'twa.json'));
  assert.equal(task.module, path.join(directory, 'task.mjs'));
  assert.deepEqual(task.metric, { name: 'bleu', goal: 'maximize' });
  assert.equal(task.data, undefined);
});

const COMMAND = `{
  "engine": "command",
  "command": { "run": ["node", "evaluate.mjs", "{checkpoint}"], "directory": "data" },
  "metric": { "name": "bleu", "goal": "maximize" }
}`;

test('takes an evaluation command, with its defaults', async (context) => {
  const directory = directoryWith(context, { ...FILES, 'twa.json': COMMAND });
  const task = await loadTask(path.join(directory, 'twa.json'));
  assert.deepEqual([task.engine, task.metric.name], ['command', 'bleu']);
  assert.deepEqual(task.command, {
    run: ['node', 'evaluate.mjs', '{checkpoint}'],
    directory: path.join(directory, 'data'),
    timeout: 600,
    repeats: 1,
  });
});

test('the task of the digits example is right', async () => {
  const example = path.resolve(import.meta.dirname, '../../../examples/digits/twa.json');
  const task = await loadTask(example);
  assert.ok(task.data !== undefined && 'splits' in task.data);
  assert.equal(task.metric.name, 'accuracy');
});

const PYTORCH = `{
  "engine": "pytorch",
  "module": "task.py",
  "metric": { "name": "f1", "goal": "maximize" },
  "pytorch": { "amp": "bf16", "microBatch": 8 }
}`;

/** What is wrong, the text, and `line:column: sentence` for each finding, in order. */
const WRONG: readonly (readonly [name: string, text: string, findings: readonly string[]])[] = [
  ['no JSON', '{\n  "metric" "accuracy"\n}', ['2:12: this is not valid JSON (colon expected).']],
  ['nothing', '', ['1:1: this is not valid JSON (value expected).']],
  ['a list', '[]', ['1:1: the task must be an object.']],
  [
    'a property twice',
    TABLE.replace('"metric"', '"loss": "meanSquaredError",\n  "metric"'),
    ['9:3: "loss" is given twice.'],
  ],
  [
    'an unknown property',
    TABLE.replace('"metric"', '"metrics"'),
    [
      '1:1: the task needs "metric".',
      '9:3: "metrics" is not known here: use "$schema", "engine", "settings", "command", "module", "pytorch", "model", "data", "output", "loss", "metric", "batchSize" or "groups".',
    ],
  ],
  [
    'wrong values',
    TABLE.replace('"softmaxCrossEntropy"', '"crossEntropy"')
      .replace('"0-3"', '3')
      .replace('"classes": 3', '"classes": 1'),
    [
      '3:50: "data.inputs.columns" must be a string.',
      '4:67: "data.targets.classes" must be >= 2.',
      '8:11: "loss" must be "softmaxCrossEntropy", "sigmoidCrossEntropy" or "meanSquaredError".',
    ],
  ],
  [
    'a metric of the wrong type',
    TABLE.replace('"accuracy"', '3'),
    ['9:13: "metric" must be a string or an object.'],
  ],
  [
    'an unknown metric',
    TABLE.replace('"accuracy"', '"f1"'),
    ['9:13: "metric" must be "accuracy", "meanSquaredError" or "meanAbsoluteError".'],
  ],
  [
    'an unknown metric with a goal but no module',
    TABLE.replace('"accuracy"', '{ "name": "f1", "goal": "maximize" }'),
    [
      '9:23: "metric.name" must be "accuracy", "meanSquaredError" or "meanAbsoluteError"; any other metric needs a module that exports metrics.',
    ],
  ],
  [
    'a goal that is the wrong way round',
    TABLE.replace('"accuracy"', '{ "name": "accuracy", "goal": "minimize" }'),
    ['9:43: The goal of accuracy is to maximize it.'],
  ],
  [
    'cross-entropy without what the output is',
    TABLE.replace('  "output": "probabilities",\n', ''),
    ['1:1: the task needs "output".'],
  ],
  [
    'neither data nor module',
    '{ "metric": "accuracy" }',
    ['1:1: the task needs "data".', '1:1: the task needs "loss".'],
  ],
  ['a table without targets', TABLE.replace(/ {4}"targets".*\n/, ''), ['2:11: "data" needs "targets".']],
  [
    'both kinds of data',
    TABLE.replace(
      '"splits"',
      '"train": { "inputs": {"file": "a.csv"}, "targets": {"file": "a.csv"} },\n    "splits"',
    ),
    [
      '5:5: "data.train" does not go with "inputs", "targets" and "splits": give one table with splits, or a table per split.',
    ],
  ],
  [
    'a file of an unknown kind',
    TABLE.replace('data/x.csv', 'data/x.parquet'),
    ['3:25: "data.inputs.file" is not right: Data files end in .csv, .npy or .npz.'],
  ],
  ['a zero scale', TABLE.replace('"0-3"', '"0-3", "scale": 0'), ['3:66: "data.inputs.scale" must not be 0.']],
  [
    'options of another kind of file',
    TABLE.replace('data/x.csv", "columns": "0-3"', 'other.npz", "header": true').replace(
      '"classes"',
      '"array": "y", "classes"',
    ),
    ['3:38: "header" is for .csv files only.', '4:56: "array" is for .npz files only.'],
  ],
  [
    'engine command without a command',
    COMMAND.replace(/ {2}"command".*\n/, ''),
    ['1:1: the task needs "command".'],
  ],
  [
    'a command for another engine',
    TABLE.replace('"metric"', '"command": { "run": "true" },\n  "metric"'),
    ['9:3: "command" is for engine "command" only.'],
  ],
  [
    'an engine that nobody has',
    TABLE.replace('"metric"', '"engine": "jax",\n  "settings": {},\n  "metric"'),
    [
      '9:13: "engine" must be "tfjs", "pytorch" or "command".',
      '10:3: "settings" is for engines of other extensions only.',
    ],
  ],
  [
    'an engine of another extension, with declarations that only ours understand',
    '{ "engine": "acme.softmax",\n  "module": "m.mjs",\n  "loss": "meanSquaredError",\n  "metric": "accuracy" }',
    [
      '2:3: "module" does not go with an engine of another extension.',
      '3:3: "loss" does not go with an engine of another extension.',
    ],
  ],
  [
    'a Python module without its engine, and options of another engine',
    PYTORCH.replace('"engine": "pytorch",\n  ', ''),
    [
      '2:13: "module" is not right: A JavaScript module ends in .mjs, .js or .cjs; a Python file needs "engine": "pytorch".',
      '4:3: "pytorch" is for engine "pytorch" only.',
    ],
  ],
  [
    'a PyTorch task with a JavaScript module and a loss of its own',
    PYTORCH.replace('task.py', 'task.mjs').replace('"metric"', '"loss": "meanSquaredError",\n  "metric"'),
    [
      '3:13: "module" is not right: A PyTorch task is a Python file, .py.',
      '4:3: "loss" does not go with engine "pytorch": write it in the module.',
    ],
  ],
  [
    'a PyTorch task without a module, in a precision that there is none of',
    PYTORCH.replace('"module": "task.py",\n  ', '').replace('bf16', 'fp8'),
    ['1:1: the task needs "module".', '4:23: "pytorch.amp" must be "bf16" or "fp16".'],
  ],
  [
    'a loss beside a command',
    COMMAND.replace('"metric"', '"loss": "meanSquaredError",\n  "metric"'),
    ['4:3: "loss" does not go with engine "command", whose program has model and data of its own.'],
  ],
  [
    'a pattern without a group, and a directory that is not there',
    COMMAND.replace('"directory": "data"', '"directory": "no", "pattern": "bleu \\\\d+"'),
    [
      '3:78: There is no directory DIR/no.',
      '3:95: "command.pattern" needs a group around the number: "accuracy: (\\\\S+)".',
    ],
  ],
  [
    'a pattern that is none',
    COMMAND.replace('"directory": "data"', '"pattern": "bleu ("'),
    [
      '3:76: "command.pattern" is no regular expression: Invalid regular expression: /bleu (/: Unterminated group.',
    ],
  ],
  [
    'two places for one number',
    COMMAND.replace('"directory": "data"', '"pattern": "(.*)", "pointer": "/a"'),
    ['3:14: "command" needs "pattern" or "pointer", not both.'],
  ],
  [
    'wrong values in a command',
    COMMAND.replace('["node", "evaluate.mjs", "{checkpoint}"]', '[]').replace(
      '"data"',
      '"data", "pointer": "a", "timeout": 0',
    ),
    [
      '3:23: "command.run" must not be empty.',
      '3:59: "command.pointer" is not right: A JSON pointer begins with a slash: /metrics/accuracy.',
      '3:75: "command.timeout" must be > 0.',
    ],
  ],
];

for (const [name, text, findings] of WRONG) {
  test(`points at ${name}`, async (context) => {
    const directory = directoryWith(context, { ...FILES, 'twa.json': text });
    const file = path.join(directory, 'twa.json');
    await assert.rejects(loadTask(file), (error) => {
      assert.ok(error instanceof TwaError);
      assert.equal(error.code, 'bad-task');
      const found = [error.message, ...error.details].map((sentence) =>
        sentence.replaceAll(file, 'FILE').replaceAll(directory, 'DIR'),
      );
      assert.deepEqual(
        found,
        findings.map((finding) => `FILE:${finding}`),
      );
      const [line, column] = findings[0]!.split(':').map(Number);
      assert.deepEqual(error.place, { path: file, line, column });
      return true;
    });
  });
}

test('every file that is named must be a file, at the line that names it', async (context) => {
  const text = `{
  "module": "no.mjs",
  "data": {
    "train": { "inputs": { "file": "a.npy" }, "targets": { "file": "b.npy" } },
    "validation": { "inputs": { "file": "dir.npy" }, "targets": { "file": "b.npy" } }
  },
  "metric": "accuracy"
}`;
  const directory = directoryWith(context, { 'twa.json': text, 'b.npy': '', 'dir.npy/file': '' });
  await assert.rejects(loadTask(path.join(directory, 'twa.json')), (error) => {
    assert.ok(error instanceof TwaError);
    assert.deepEqual(
      [error.message, ...error.details].map((sentence) => sentence.replaceAll(directory, 'DIR')),
      [
        'DIR/twa.json:2:13: There is no file DIR/no.mjs.',
        'DIR/twa.json:4:36: There is no file DIR/a.npy.',
        'DIR/twa.json:5:41: DIR/dir.npy is not a file.',
      ],
    );
    return true;
  });
});

test('two splits that read the same examples are refused', async (context) => {
  const examples = (file: string) => `{ "inputs": { "file": "${file}" }, "targets": { "file": "y.npy" } }`;
  const directory = directoryWith(context, {
    'twa.json': `{
  "data": {
    "train": ${examples('a.npy')},
    "validation": ${examples('b.npy')},
    "test": ${examples('./a.npy')}
  },
  "loss": "meanSquaredError", "metric": "meanSquaredError"
}`,
    'a.npy': '',
    'b.npy': '',
    'y.npy': '',
  });
  await assert.rejects(loadTask(path.join(directory, 'twa.json')), {
    code: 'bad-task',
    message: `${path.join(directory, 'twa.json')}:5:35: test and train read the same examples: every split needs its own.`,
  });
});

test('a task file that is not there is "not-found"', async (context) => {
  const file = path.join(directoryWith(context), 'twa.json');
  await assert.rejects(loadTask(file), {
    code: 'not-found',
    message: `The task file ${file} cannot be read (no such file or directory).`,
  });
});

test('finds the nearest task file in or above a directory', async (context) => {
  const directory = directoryWith(context, {
    'twa.json': '',
    'runs/a/twa.json': '',
    'runs/a/deep/x': '',
    'runs/b/x': '',
    'runs/c/twa.json/x': '',
  });
  const find = async (from: string) =>
    path.relative(directory, (await findTask(path.join(directory, from)))!);
  assert.equal(await find('runs/a/deep'), path.normalize('runs/a/twa.json'));
  assert.equal(await find('runs/a'), path.normalize('runs/a/twa.json'));
  assert.equal(await find('runs/b'), 'twa.json');
  assert.equal(await find('runs/c'), 'twa.json', 'a directory of that name is no task file');
});
