/** Jobs in a real compute process: results, cancelling, and deaths of either side. */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { before, test } from 'node:test';
import { runJob } from '../../../src/compute/client.ts';
import type { JobHooks } from '../../../src/compute/client.ts';
import type { AverageRequest } from '../../../src/compute/protocol.ts';
import { readReport, reportPathFor } from '../../../src/core/averaging/report.ts';
import { TwaError } from '../../../src/core/errors.ts';
import { noise, temporaryDirectory, writeSafetensors, writeText } from './files.ts';

const computePath = path.resolve(import.meta.dirname, '../../../src/compute/main.ts');
const directory = temporaryDirectory();
const averages = path.join(directory, 'averages');
const checkpoints: string[] = [];
let task = '';

/** y = x . (1, -1), learnt by a module that costs next to nothing. */
const MODULE = `
const rows = (size) => Array.from({ length: size }, (_, i) => [Math.sin(i), Math.cos(2 * i)]);
const sizes = { train: 40, validation: 60, test: 40 };
export function data(split, { tf }) {
  const list = rows(sizes[split]);
  return { xs: tf.tensor2d(list), ys: tf.tensor2d(list.map(([a, b]) => [a - b])) };
}
export function model({ tf }) {
  const slope = tf.variable(tf.zeros([2, 1]));
  return { weights: { slope }, apply: (x) => tf.matMul(x, slope) };
}`;

function writeModuleTask(name: string, source: string): string {
  writeText(path.join(directory, `${name}.mjs`), source);
  return writeText(
    path.join(directory, `${name}.json`),
    JSON.stringify({
      module: `${name}.mjs`,
      output: 'logits',
      loss: 'meanSquaredError',
      metric: 'meanAbsoluteError',
    }),
  );
}

before(() => {
  for (const [index, values] of [
    [1, [0.5, 0.5]],
    [2, [1.25, -1.5]],
    [3, [1.5, -0.5]],
  ] as const) {
    checkpoints.push(
      writeSafetensors(path.join(directory, `step-${index}.safetensors`), {
        slope: { shape: [2, 1], values },
      }),
    );
  }
  task = writeModuleTask('regression', MODULE);
  mkdirSync(averages);
});

/** A plain average; with a task, a TWA pass. */
function mergeRequest(name: string, more: Partial<AverageRequest> = {}): AverageRequest {
  const output = path.join(averages, `${name}.safetensors`);
  return {
    ...{ checkpoints, method: 'uniform', options: {}, buffers: 'recalibrate', seed: 1, backend: 'wasm' },
    ...{ output, partial: `${output}.partial` },
    ...more,
  };
}

const request = (name: string, more: Partial<AverageRequest> = {}): AverageRequest =>
  mergeRequest(name, { method: 'twa', task, ...more });

const leftOf = (name: string): string[] => readdirSync(averages).filter((file) => file.startsWith(name));
const isError = (code: TwaError['code'], message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof TwaError, String(error));
  assert.equal(error.code, code);
  assert.match(error.message, message);
  return true;
};

test('average: checkpoints kept in 8 bits, and what that did to the loss', async () => {
  const hooks = { computePath };
  const wanted = request('int8', { method: 'uniform', pytorch: { memory: 'int8' } });
  const { notes } = await runJob('average', wanted, hooks);
  const note = notes.find((each) => each.includes('rounded to int8'));
  assert.match(note ?? notes.join(), /changes the loss on the stop split by -?\d(\.\d)?e[-+]\d+ \(/);
  // What is written is not rounded.
  await runJob('average', request('f32', { method: 'uniform' }), hooks);
  const [rounded, exact] = ['int8', 'f32'].map((name) =>
    readFileSync(path.join(averages, `${name}.safetensors`)).subarray(-8),
  );
  assert.deepEqual(rounded, exact);
});

test('average: a better mix, written, read back, and reported', async () => {
  const phases: string[] = [];
  const wanted = request('twa');
  const report = await runJob('average', wanted, {
    computePath,
    onProgress: ({ phase }) => phases.push(phase),
  });
  assert.deepEqual(
    [...new Set(phases)],
    ['reading', 'backend', 'baselines', 'training', 'evaluating', 'writing'],
  );
  const row = (id: string) => report.table.find((candidate) => candidate.id === id)!;
  assert.ok(row('twa').loss < row('uniform').loss);
  assert.ok(row('twa').loss < row('best').loss);
  assert.match(report.notes.join(), /read back and evaluated: loss .*, as in memory/);
  assert.match(report.provenance.backend!, /^wasm/);
  assert.equal(report.provenance.task, task);
  assert.ok(report.timings.training! >= 0);
  assert.ok(existsSync(wanted.output));
  assert.deepEqual(await readReport(reportPathFor(wanted.output)), report);

  const rows = await runJob(
    'evaluate',
    { checkpoints: [checkpoints[0]!, wanted.output], task, split: 'report', backend: 'wasm', seed: 1 },
    { computePath },
  );
  assert.equal(rows.examples, 40);
  assert.deepEqual(
    rows.rows.map(({ path: file }) => file),
    [checkpoints[0], wanted.output],
  );
  assert.ok(Math.abs(rows.rows[1]!.loss - row('twa').loss) < 1e-5);
});

test('coefficients per tensor and per group are in the file, which is read back', async () => {
  // Slope and offset are each right in another checkpoint.
  const paths = [
    [1, -1, 5],
    [3, 0, 2],
    [2, 2, 0.5],
  ].map(([a, b, offset], index) =>
    writeSafetensors(path.join(directory, `two-${index + 1}.safetensors`), {
      slope: { shape: [2, 1], values: [a!, b!] },
      'head.offset': { shape: [1], values: [offset!] },
    }),
  );
  const two = writeModuleTask(
    'two',
    MODULE.replace('const slope', 'const offset = tf.variable(tf.zeros([1])); const slope').replace(
      'weights: { slope }, apply: (x) => tf.matMul(x, slope)',
      "weights: { slope, 'head.offset': offset }, apply: (x) => tf.add(tf.matMul(x, slope), offset)",
    ),
  );
  const run = (name: string, more: Partial<AverageRequest>) =>
    runJob('average', request(name, { checkpoints: paths, task: two, ...more }), { computePath });
  const lbfgs = { rule: 'lbfgs', epochs: 60 } as const;
  const one = await run('one-block', { options: lbfgs });
  const each = await run('each-tensor', { options: { ...lbfgs, granularity: 'tensor' } });
  const lossOf = (report: typeof one) => report.table.find(({ id }) => id === 'twa')!.loss;
  assert.ok(lossOf(each) < 0.5 * lossOf(one), `${lossOf(each)} against ${lossOf(one)}`);
  assert.deepEqual(each.provenance.blocks!.map(({ name }) => name).sort(), ['head.offset', 'slope']);
  // Reading the file back compares its loss with the mix in memory: it would not do without the blocks.
  assert.match(each.notes.join(), /read back and evaluated: loss .*, as in memory/);
  assert.deepEqual(await readReport(reportPathFor(each.output)), each);

  const groups = { '^head': 'head' };
  const grouped = await run('grouped', { options: { ...lbfgs, granularity: 'groups' }, groups });
  assert.deepEqual(grouped.provenance.blocks!.map(({ name }) => name).sort(), ['head', 'rest']);
  assert.deepEqual(grouped.provenance.blocks!.find(({ name }) => name === 'head')!.tensors, ['head.offset']);
});

for (const method of ['last-k', 'greedy', 'search'] as const) {
  test(`${method} writes what its row of the table says`, async () => {
    const report = await runJob('average', request(`method-${method}`, { method }), { computePath });
    const row = report.table.find(({ id }) => id === method)!;
    assert.deepEqual(row.coefficients, report.coefficients);
    assert.match(report.notes.join(), /read back and evaluated: loss .*, as in memory/);
  });
}

test('without a task only methods by formula work', async () => {
  for (const [method, coefficients] of [
    ['last-k', [0, 0.5, 0.5]],
    ['ema', [0.25, 0.25, 0.5]],
  ] as const) {
    const settings = method === 'ema' ? { decay: 0.5 } : { k: 2 };
    const wanted = mergeRequest(`plain-${method}`, { method, settings });
    const report = await runJob('average', wanted, { computePath });
    assert.deepEqual(report.coefficients, coefficients);
    assert.deepEqual(report.provenance.settings, settings);
  }
  const logged = mergeRequest('plain-best', { method: 'best-k', settings: { k: 3, metric: 'val/loss' } });
  const best = await runJob('average', logged, { computePath });
  assert.deepEqual(best.coefficients, [1 / 3, 1 / 3, 1 / 3]);
  await assert.rejects(
    runJob('average', mergeRequest('never', { method: 'greedy' }), { computePath }),
    isError('usage', /greedy looks at data, so it needs a task/),
  );
});

test('the same request gives the same coefficients', async () => {
  const [one, two] = [
    await runJob('average', request('again-1'), { computePath }),
    await runJob('average', request('again-2'), { computePath }),
  ];
  assert.deepEqual(one.coefficients, two.coefficients);
  assert.equal(one.provenance.outputSha256, two.provenance.outputSha256);
});

test('an error in the task module crosses the process with its code, place and stack', async () => {
  const broken = writeModuleTask('broken', `${MODULE}\nexport const loss = () => missing;\n`);
  await assert.rejects(runJob('average', request('broken', { task: broken }), { computePath }), (error) => {
    assert.ok(isError('bad-task', /loss\(\) failed: missing is not defined/)(error));
    const { place, details } = error as TwaError;
    assert.equal(place.path, path.join(directory, 'broken.mjs'));
    assert.equal(place.line, MODULE.split('\n').length + 1);
    assert.ok(details.length > 1);
    return true;
  });
  assert.deepEqual(leftOf('broken'), []);
});

test('cancelling in the middle of training leaves nothing', async () => {
  const controller = new AbortController();
  const hooks: JobHooks = {
    computePath,
    signal: controller.signal,
    onProgress({ phase }) {
      if (phase === 'training') controller.abort();
    },
  };
  const wanted = request('cancelled', { options: { epochs: 100_000, patience: 100_000 } });
  await assert.rejects(runJob('average', wanted, hooks), isError('cancelled', /Cancelled/));
  assert.deepEqual(leftOf('cancelled'), []);
});

test('a signal that is aborted already starts no process', async () => {
  await assert.rejects(
    runJob('devices', {}, { computePath: '/nowhere', signal: AbortSignal.abort() }),
    isError('cancelled', /Cancelled/),
  );
});

test('a module that never comes back is killed when it is cancelled', async () => {
  const stuck = writeModuleTask('stuck', `${MODULE}\nconsole.log('stuck');\nfor (;;);\n`);
  const controller = new AbortController();
  const hooks: JobHooks = {
    computePath,
    signal: controller.signal,
    onLog(_level, text) {
      if (text === 'stuck') controller.abort();
    },
  };
  await assert.rejects(
    runJob('average', request('stuck', { task: stuck }), hooks),
    isError('cancelled', /Cancelled/),
  );
});

/** Big enough that writing takes a while: three of 24 MB. */
function bigCheckpoints(): string[] {
  return [1, 2, 3].map((seed) =>
    writeSafetensors(path.join(directory, `big-${seed}.safetensors`), {
      w: { shape: [6_000_000], values: noise(6_000_000, seed) },
    }),
  );
}

test('a process that is killed while it writes is reported and leaves no partial file', async () => {
  let pid = 0;
  let sawPartial = false;
  const plain = mergeRequest('killed', { checkpoints: bigCheckpoints() });
  const hooks: JobHooks = {
    computePath,
    onStart(id) {
      pid = id;
    },
    onProgress({ phase, fraction }) {
      if (phase !== 'writing' || fraction === 0 || sawPartial) return;
      sawPartial = existsSync(plain.partial);
      process.kill(pid, 'SIGKILL');
    },
  };
  await assert.rejects(runJob('average', plain, hooks), isError('compute-died', /by signal SIGKILL/));
  assert.ok(sawPartial, 'the partial file was there when the process was killed');
  assert.deepEqual(leftOf('killed'), []);
});

test('a process that ends by itself is reported with its exit code and last words', async () => {
  const leaving = writeModuleTask('leaving', `${MODULE}\nconsole.error('out of luck');\nprocess.exit(3);\n`);
  await assert.rejects(runJob('average', request('leaving', { task: leaving }), { computePath }), (error) => {
    assert.ok(isError('compute-died', /with exit code 3/)(error));
    assert.deepEqual((error as TwaError).details, ['out of luck']);
    return true;
  });
});

test('a compute program that cannot be started is reported', async () => {
  await assert.rejects(
    runJob('devices', {}, { computePath: path.join(directory, 'missing.mjs') }),
    isError('compute-died', /with exit code 1/),
  );
});

test('an output that is there already stays as it is', async () => {
  const wanted = request('mine', { method: 'uniform' });
  writeText(wanted.output, 'precious');
  await assert.rejects(runJob('average', wanted, { computePath }), isError('exists', /mine/));
  assert.equal(readFileSync(wanted.output, 'utf8'), 'precious');
});

test('the process ends when its parent goes away', async () => {
  const waiting = writeModuleTask(
    'waiting',
    `${MODULE}\nawait new Promise((resolve) => setTimeout(resolve, 1e6));\n`,
  );
  const child = fork(computePath, [], { serialization: 'advanced', stdio: 'ignore' });
  await once(child, 'message');
  child.send({ kind: 'start', job: 'average', request: request('orphan', { task: waiting }) });
  // Its first progress tells that it is at work.
  await once(child, 'message');
  child.disconnect();
  await once(child, 'exit');
  assert.deepEqual(leftOf('orphan'), []);
});
