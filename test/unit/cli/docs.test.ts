/** The documentation is right: its examples run, and it knows every option. Needs `dist/compute.mjs`. */
import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { average } from '../../../src/cli/verbs/average.ts';
import { convert } from '../../../src/cli/verbs/convert.ts';
import { devices } from '../../../src/cli/verbs/devices.ts';
import { diff } from '../../../src/cli/verbs/diff.ts';
import { evaluate } from '../../../src/cli/verbs/evaluate.ts';
import { geometry } from '../../../src/cli/verbs/geometry.ts';
import { init } from '../../../src/cli/verbs/init.ts';
import { inspect } from '../../../src/cli/verbs/inspect.ts';
import { metrics } from '../../../src/cli/verbs/metrics.ts';
import { setupGpu } from '../../../src/cli/verbs/setup-gpu.ts';
import { watch } from '../../../src/cli/verbs/watch.ts';
import { loadSplit } from '../../../src/core/task/data.ts';
import { loadTask } from '../../../src/core/task/load.ts';
import { PYTHON, skipWithout } from '../checkpoints/python.ts';
import { directoryWith } from '../task/temporary.ts';
import { onlyDocument, root, twa } from './cli.ts';
import { project } from './project.ts';

const read = (name: string) => readFileSync(path.join(root, 'docs', name), 'utf8');

/** The code block whose opening fence says this after its language. */
function block(name: string): string {
  const found = new RegExp(`^\`\`\`\\w+ ${name}\\n([\\s\\S]*?)^\`\`\``, 'm').exec(read('task-file.md'));
  assert.ok(found, name);
  return found[1]!;
}

test('task-file.md: one table with splits', async (context) => {
  const directory = directoryWith(context, { 'twa.json': block('table') });
  for (const name of ['digits.csv', 'splits.json']) {
    copyFileSync(path.join(root, 'examples/digits/data', name), path.join(directory, name));
  }
  const validation = await loadSplit(await loadTask(path.join(directory, 'twa.json')), 'validation');
  assert.deepEqual([validation!.inputShape, validation!.targetShape], [[8, 8, 1], [10]]);
});

test('task-file.md: arrays for each split', async (context) => {
  const directory = directoryWith(context, { 'twa.json': block('arrays') });
  const fixture = (name: string) => path.join(root, 'test/fixtures/task', name);
  copyFileSync(fixture('stored.npz'), path.join(directory, 'train.npz'));
  copyFileSync(fixture('deflated.npz'), path.join(directory, 'validation.npz'));
  copyFileSync(fixture('f4.npy'), path.join(directory, 'test_x.npy'));
  copyFileSync(fixture('i1.npy'), path.join(directory, 'test_y.npy'));
  const task = await loadTask(path.join(directory, 'twa.json'));
  for (const split of ['train', 'validation', 'test'] as const) {
    assert.equal((await loadSplit(task, split))!.size, 2);
  }
});

interface Table {
  readonly metric: object;
  readonly table: readonly { readonly id: string; readonly metric: number; readonly loss: number }[];
}

async function averageOnCpu(directory: string, out: string): Promise<Table> {
  const outcome = await twa(
    ['average', 'run', '--out', out, '--epochs', '1', '--backend', 'cpu', '--json'],
    directory,
  );
  assert.equal(outcome.code, 0, outcome.stderr);
  const report = onlyDocument(outcome) as unknown as Table;
  assert.equal(report.table.length, 7);
  for (const { metric, loss } of report.table) assert.ok(metric >= 0 && metric <= 1 && loss > 0);
  return report;
}

test('task-file.md: a module with data, loss and metrics', async (context) => {
  const directory = project(context);
  const rows = readFileSync(path.join(directory, 'data.csv'), 'utf8')
    .split('\n')
    .map((line) => line.split(',').map(Number));
  const splits = JSON.parse(readFileSync(path.join(directory, 'splits.json'), 'utf8')) as Record<
    string,
    number[]
  >;
  for (const [split, chosen] of Object.entries(splits)) {
    const images = chosen.map((row) =>
      [0, 4, 8, 12].map((at) => rows[row]!.slice(at, at + 4).map((pixel) => [pixel])),
    );
    const labels = chosen.map((row) => rows[row]![16]!);
    writeFileSync(path.join(directory, `${split}.json`), JSON.stringify({ images, labels }));
  }
  // First as declared, to compare with.
  const declared = await averageOnCpu(directory, 'declared');
  writeFileSync(path.join(directory, 'twa.json'), block('module'));
  writeFileSync(path.join(directory, 'task.mjs'), block('task\\.mjs'));
  const report = await averageOnCpu(directory, 'module');
  assert.deepEqual(report.metric, { name: 'error', goal: 'minimize' });
  const last = (table: Table) => table.table.find(({ id }) => id === 'last')!;
  // The same checkpoint on the same examples: error = 1 - accuracy, and smoothing raises the loss.
  assert.ok(Math.abs(last(report).metric + last(declared).metric - 1) < 1e-12);
  assert.notEqual(last(report).loss, last(declared).loss);
});

test('task-file.md: a module with a model for checkpoints that hold weights only', async (context) => {
  const directory = project(context);
  for (const [number, tilt] of [
    [1, 0.1],
    [2, 0.3],
    [3, 0.2],
  ] as const) {
    const weight = Float32Array.from(
      { length: 32 },
      (_, at) => (at < 16 ? -tilt : tilt) + Math.sin(number * at) / 8,
    );
    const header = JSON.stringify({
      'fc.weight': { dtype: 'F32', shape: [2, 16], data_offsets: [0, 128] },
      'fc.bias': { dtype: 'F32', shape: [2], data_offsets: [128, 136] },
    });
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    const bytes = Buffer.concat([length, Buffer.from(header), Buffer.from(weight.buffer), Buffer.alloc(8)]);
    writeFileSync(path.join(directory, `epoch-${number}.safetensors`), bytes);
  }
  writeFileSync(path.join(directory, 'twa.json'), block('weights'));
  writeFileSync(path.join(directory, 'model.mjs'), block('model\\.mjs'));
  const files = [1, 2, 3].map((number) => `epoch-${number}.safetensors`);
  const args = [
    'average',
    ...files,
    '--out',
    'out.safetensors',
    '--epochs',
    '1',
    '--backend',
    'cpu',
    '--json',
  ];
  const outcome = await twa(args, directory);
  assert.equal(outcome.code, 0, outcome.stderr);
  const { table } = onlyDocument(outcome) as unknown as Table;
  // The two classes differ in the mean of their pixels, which is what these weights look at.
  assert.ok(table.find(({ id }) => id === 'uniform')!.metric > 0.9);
});

/** Any number that follows from the weights alone; a directory is what a LayersModel's checkpoint is. */
const EVALUATE_PY = `
import array, os, sys
assert sys.argv[2] == "--split" and sys.argv[3] in ("validation", "test")
weights = array.array("f")
for name in sorted(os.listdir(sys.argv[1])):
    if name.endswith(".bin"):
        weights.frombytes(open(os.path.join(sys.argv[1], name), "rb").read())
print("evaluating", sys.argv[1])
print("accuracy:", 1 / (1 + sum(w * w for w in weights)))
`;

test('task-file.md: an evaluation command', skipWithout(['json']), async (context) => {
  const directory = project(context);
  writeFileSync(
    path.join(directory, 'twa.json'),
    block('command').replace('"python3"', JSON.stringify(PYTHON)),
  );
  writeFileSync(path.join(directory, 'evaluate.py'), EVALUATE_PY);
  const outcome = await twa(
    ['average', 'run', '--out', 'mean', '--method', 'uniform', '--task', 'twa.json'],
    directory,
  );
  assert.equal(outcome.code, 0, outcome.stderr);
  const accuracy = /> Plain average of 3 +(0\.\d+) +unknown/.exec(outcome.stdout)?.[1];
  assert.ok(accuracy !== undefined, outcome.stdout);
  assert.match(outcome.stdout, /the command's validation chooses, its test reports/);

  const evaluated = await twa(['evaluate', 'mean'], directory);
  assert.equal(evaluated.code, 0, evaluated.stderr);
  assert.match(evaluated.stdout, new RegExp(`${accuracy} +unknown`));
  assert.doesNotMatch(evaluated.stdout, /loss/);

  const trained = await twa(['average', 'run', '--out', 'trained'], directory);
  assert.equal(trained.code, 1);
  assert.match(trained.stderr, /TWA needs gradients.*"search"/);
});

test('cli.md: every verb with every option, and no other', () => {
  const text = read('cli.md');
  for (const { name, help } of [
    inspect,
    diff,
    geometry,
    metrics,
    average,
    evaluate,
    convert,
    devices,
    init,
    setupGpu,
    watch,
  ]) {
    const section = new RegExp(`^## twa ${name}\\n([\\s\\S]*?)(?=^## |$(?![\\s\\S]))`, 'm').exec(text)?.[1];
    assert.ok(section !== undefined, name);
    const ofHelp = new Set(help.slice(help.indexOf('\nOptions:')).match(/(?<=^ {2}(?:-h, )?)--[a-z-]+/gm));
    for (const common of ['--json', '--help']) ofHelp.delete(common);
    const documented = new Set(section.match(/(?<=`)--[a-z-]+/g));
    documented.delete('--json');
    assert.deepEqual([...documented].sort(), [...ofHelp].sort(), name);
  }
});
