/** The verbs that start a compute process. They need the bundle `dist/compute.mjs`: `node scripts/build.mjs`. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import test, { before } from 'node:test';
import { readParameter } from '../../../src/core/checkpoints/merge.ts';
import { formatById, requireComplete } from '../../../src/core/checkpoints/registry.ts';
import { directoryWith } from '../task/temporary.ts';
import { checkpoints, onlyDocument, root, start, twa } from './cli.ts';
import { project } from './project.ts';

const mixed = path.join(checkpoints, 'mixed');
const epoch = (number: number) => path.join(mixed, `epoch-00${number}.safetensors`);

interface Report {
  readonly output: string;
  readonly method: string;
  readonly coefficients: number[];
  readonly splits: { fit: number; stop: number; report: number } | null;
  readonly metric: object | null;
  readonly table: { id: string; metric: number; loss: number; coefficients?: number[] }[];
  readonly recommendation: { use: string; sentence: string };
  readonly provenance: {
    sources: { path: string }[];
    seed: number;
    task: string | null;
    backend: string | null;
  };
}

before(() =>
  assert.ok(existsSync(path.join(root, 'dist/compute.mjs')), 'Build first: node scripts/build.mjs'),
);

async function tensor(checkpoint: string, name: string): Promise<Float64Array> {
  const header = await requireComplete(checkpoint);
  const reader = await formatById(header.format).open(header);
  try {
    return Float64Array.from(
      await readParameter(
        reader,
        header.tensors.find((each) => each.name === name)!,
      ),
    );
  } finally {
    await reader.close();
  }
}

test('average --method uniform writes the mean and a report, and the document is the report', async (context) => {
  const out = path.join(directoryWith(context), 'mean.safetensors');
  const outcome = await twa(['average', mixed, '--method', 'uniform', '--out', out, '--json']);
  assert.equal(outcome.code, 0, outcome.stderr);
  const report = onlyDocument(outcome) as unknown as Report;
  assert.deepEqual(
    [report.output, report.method, report.coefficients, report.splits, report.table],
    [out, 'uniform', [0.25, 0.25, 0.25, 0.25], null, []],
  );
  assert.deepEqual(
    report.provenance.sources.map((source) => source.path),
    [1, 2, 3, 4].map(epoch),
  );
  // What is unknown is null in the document, and left out on disk.
  const document = JSON.parse(outcome.stdout, (_key, value: unknown) =>
    value === null ? undefined : value,
  ) as object;
  const onDisk = readFileSync(path.join(path.dirname(out), 'mean.twa-report.json'), 'utf8');
  assert.deepEqual(document, JSON.parse(onDisk));
  assert.deepEqual(readdirSync(path.dirname(out)).sort(), ['mean.safetensors', 'mean.twa-report.json']);

  const sources = await Promise.all([1, 2, 3, 4].map((number) => tensor(epoch(number), 'layer.f64')));
  const mean = sources[0]!.map((_, at) => sources.reduce((sum, source) => sum + source[at]!, 0) / 4);
  const merged = await tensor(out, 'layer.f64');
  // Both are float64 sums of four terms; only the order of rounding may differ.
  merged.forEach((value, at) =>
    assert.ok(Math.abs(value - mean[at]!) <= 1e-15 * Math.abs(mean[at]!) + 1e-300),
  );

  const again = await twa(['average', mixed, '--method', 'uniform', '--out', out, '--json']);
  assert.deepEqual([again.code, again.stdout], [1, '']);
  assert.match(again.stderr, /^twa: mean\.safetensors already exists/);
});

test('coefficients belong to the checkpoints as they are named, whatever their age', async (context) => {
  const directory = directoryWith(context);
  for (const extra of [[], ['--method', 'manual']]) {
    const out = path.join(directory, `m${extra.join('')}.safetensors`);
    const args = [
      'average',
      epoch(3),
      epoch(1),
      '--coefficients',
      '-0.25,1.25',
      '--out',
      out,
      ...extra,
      '--json',
    ];
    const outcome = await twa(args);
    assert.equal(outcome.code, 0, outcome.stderr);
    const report = onlyDocument(outcome) as unknown as Report;
    assert.deepEqual([report.method, report.coefficients], ['manual', [1.25, -0.25]]);
    assert.deepEqual(
      report.provenance.sources.map((source) => source.path),
      [epoch(1), epoch(3)],
    );
    const [oldest, newest, merged] = await Promise.all(
      [epoch(1), epoch(3), out].map((file) => tensor(file, 'layer.f64')),
    );
    merged!.forEach((value, at) => {
      const expected = 1.25 * oldest![at]! - 0.25 * newest![at]!;
      // Float64 twice, with terms that may nearly cancel: relative to the larger term.
      assert.ok(Math.abs(value - expected) <= 1e-15 * 1.25 * Math.abs(oldest![at]!) + 1e-300);
    });
  }
});

test('--dry-run says what would be written and writes nothing', async (context) => {
  const directory = directoryWith(context);
  const out = path.join(directory, 'mean.safetensors');
  const outcome = await twa(['average', mixed, '--method', 'uniform', '--out', out, '--dry-run', '--json']);
  assert.equal(outcome.code, 0, outcome.stderr);
  const { freeBytes, checkpoints: listed, ...plan } = onlyDocument(outcome);
  assert.ok(typeof freeBytes === 'number' && freeBytes > 0);
  const size = readFileSync(epoch(1)).length;
  assert.deepEqual(plan, {
    dryRun: true,
    output: out,
    report: path.join(directory, 'mean.twa-report.json'),
    method: 'uniform',
    coefficients: [0.25, 0.25, 0.25, 0.25],
    task: null,
    outputBytes: size,
    notes: [],
  });
  assert.deepEqual((listed as object[])[1], {
    path: epoch(2),
    format: 'safetensors',
    step: 200,
    epoch: 2,
    bytes: size,
  });
  assert.deepEqual(readdirSync(directory), []);
});

test('checkpoints that do not fit together are refused with every difference', async (context) => {
  const directory = project(context);
  const file = path.join(directory, 'run/epoch-3/model.json');
  const json = readFileSync(file, 'utf8');
  writeFileSync(
    file,
    json
      .replace('"name":"dense/bias","shape":[2]', '"name":"dense/offset","shape":[2]')
      .replace('"name":"conv/bias","shape":[3]', '"name":"conv/bias","shape":[1,3]'),
  );
  assert.notEqual(readFileSync(file, 'utf8'), json);
  for (const extra of [[], ['--dry-run']]) {
    const outcome = await twa(
      ['average', 'run', '--method', 'uniform', '--out', 'out', '--json', ...extra],
      directory,
    );
    assert.deepEqual([outcome.code, outcome.stdout], [1, '']);
    for (const name of ['dense/bias', 'dense/offset', 'conv/bias'])
      assert.ok(outcome.stderr.includes(name), outcome.stderr);
  }
  assert.ok(!existsSync(path.join(directory, 'out')));
});

test('an incomplete checkpoint, a missing directory and a bad task fail before anything is written', async (context) => {
  const directory = project(context);
  const whole = readFileSync(epoch(1));
  writeFileSync(path.join(directory, 'cut.safetensors'), whole.subarray(0, -1));
  const fails = async (args: readonly string[], message: RegExp) => {
    const { code, stdout, stderr } = await twa(['average', ...args, '--json'], directory);
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, message);
  };
  await fails(
    [epoch(1), 'cut.safetensors', '--method', 'uniform', '--out', 'x.safetensors'],
    /^twa: .*cut\.safetensors.*cut off/,
  );
  await fails(
    ['run', '--method', 'uniform', '--out', 'no/out'],
    /^twa: There is no directory .*no for --out/,
  );
  await fails([mixed, '--out', 'x.safetensors'], /^twa: There is no twa\.json in .*mixed or above/);
  const json = readFileSync(path.join(directory, 'twa.json'), 'utf8');
  writeFileSync(path.join(directory, 'twa.json'), json.replace('"accuracy"', '"acuracy"'));
  await fails(['run', '--out', 'out'], /^twa: .*twa\.json:1:\d+: "metric" must be "accuracy"/);
  assert.deepEqual(readdirSync(directory).sort(), [
    'cut.safetensors',
    'data.csv',
    'run',
    'splits.json',
    'twa.json',
  ]);
});

test('average, by TWA with the task file above the run, then evaluate gives the same numbers', async (context) => {
  const directory = project(context);
  const args = ['average', 'run', '--out', 'out', '--epochs', '2', '--seed', '7', '--backend', 'cpu'];
  const outcome = await twa([...args, '--json'], directory);
  assert.equal(outcome.code, 0, outcome.stderr);
  const report = onlyDocument(outcome) as unknown as Report;
  assert.deepEqual(report.splits, {
    fit: 30,
    stop: 20,
    report: 30,
    origin: (report.splits as { origin?: string }).origin,
  });
  assert.equal(report.method, 'twa');
  assert.equal(report.provenance.task, path.join(directory, 'twa.json'));
  assert.equal(report.provenance.seed, 7);
  assert.deepEqual(report.table.map(({ id }) => id).sort(), [
    'best',
    'ema',
    'greedy',
    'last',
    'last-k',
    'twa',
    'uniform',
  ]);
  assert.ok(report.table.some(({ id }) => id === report.recommendation.use));
  assert.match(outcome.stderr, /^training: /m);

  const evaluated = await twa(
    ['evaluate', 'out', 'run/epoch-3', '--task', 'twa.json', '--seed', '7', '--backend', 'cpu', '--json'],
    directory,
  );
  assert.equal(evaluated.code, 0, evaluated.stderr);
  const { rows, ...about } = onlyDocument(evaluated) as {
    rows: { path: string; metric: number; loss: number }[];
  };
  assert.deepEqual(
    { ...about, backend: '' },
    { split: 'report', examples: 30, metric: { name: 'accuracy', goal: 'maximize' }, backend: '' },
  );
  assert.deepEqual(
    rows.map((row) => path.relative(directory, row.path)),
    ['out', path.normalize('run/epoch-3')],
  );
  for (const [row, id] of [
    [rows[0]!, 'twa'],
    [rows[1]!, 'last'],
  ] as const) {
    const expected = report.table.find((each) => each.id === id)!;
    assert.equal(row.metric, expected.metric);
    // Float32 forward passes of weights that went through a float32 file.
    assert.ok(
      Math.abs(row.loss - expected.loss) < 1e-5 * Math.abs(expected.loss),
      `${row.loss} ${expected.loss}`,
    );
  }

  const shown = await twa(
    ['average', 'run', '--method', 'uniform', '--task', 'twa.json', '--out', 'mean'],
    directory,
  );
  assert.equal(shown.code, 0, shown.stderr);
  assert.match(shown.stdout, /^ {2}weights +accuracy +95 %/);
  assert.match(shown.stdout, /^Coefficients, oldest first: 0\.3333, 0\.3333, 0\.3333\.$/m);
  assert.match(shown.stdout, /^Wrote mean and mean\/twa-report\.json\.\n$/m);
});

test('devices: the backend that auto takes is one that works', async () => {
  const outcome = await twa(['devices', '--json']);
  assert.equal(outcome.code, 0, outcome.stderr);
  const { chosen, devices } = onlyDocument(outcome) as {
    chosen: string;
    devices: { name: string; usable: boolean; reason?: string }[];
  };
  assert.deepEqual(devices.map(({ name }) => name).sort(), ['cpu', 'tensorflow', 'wasm', 'webgpu']);
  assert.equal(devices.find(({ name }) => name === chosen)!.usable, true);
  for (const { name, usable, reason } of devices) assert.equal(reason === undefined, usable, name);
});

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`${signal} cancels and leaves nothing behind`, async (context) => {
    const directory = project(context);
    const files = readdirSync(directory);
    const args = ['average', 'run', '--out', 'out', '--epochs', '1000000', '--patience', '1000000', '--json'];
    const child = start(args, directory);
    const stdout = text(child.stdout);
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      if (!stderr.includes('training') && (stderr + chunk).includes('training')) child.kill(signal);
      stderr += chunk;
    });
    const [code] = (await once(child, 'close')) as [number | null];
    assert.deepEqual([code, await stdout], [130, ''], stderr);
    assert.match(stderr, /twa: Cancelled\.\n$/);
    assert.deepEqual(readdirSync(directory), files);
    assert.deepEqual(readdirSync(path.join(directory, 'run')), ['epoch-1', 'epoch-2', 'epoch-3']);
  });
}

test('--drop-optimizer: what became of the optimizer is said, in a dry run and in the report', async (context) => {
  const directory = directoryWith(context);
  const sources = [1, 2].map((n) => path.join(checkpoints, `torch/torch-2.13/lightning-${n}.pt`));
  const run = (out: string, ...more: string[]) =>
    twa(['average', ...sources, '--method', 'uniform', '--out', path.join(directory, out), ...more]);
  assert.match((await run('a.pt', '--dry-run')).stdout, /is that of the newest checkpoint, not averaged/);
  const dropped = await run('b.pt', '--drop-optimizer', '--json');
  assert.equal(dropped.code, 0, dropped.stderr);
  assert.deepEqual(onlyDocument(dropped)['notes'], ['Optimizer state was left out (optimizer_states).']);
  assert.doesNotMatch((await twa(['inspect', path.join(directory, 'b.pt')])).stdout, /optimizer/);
  const flax = [1, 2].map((n) => path.join(checkpoints, `flax/step-${n}0.msgpack`));
  const refused = await twa([
    'average',
    ...flax,
    '--method',
    'uniform',
    '--out',
    path.join(directory, 'c.msgpack'),
    '--drop-optimizer',
  ]);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /cannot be left out of step-20\.msgpack/);
});
