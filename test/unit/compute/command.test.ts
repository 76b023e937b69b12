/** The engine `command`: programs of a user's that evaluate checkpoint files, in a real compute process. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { before, describe, test } from 'node:test';
import { findNumber } from '../../../src/compute/command/number.ts';
import { runJob, type JobHooks } from '../../../src/compute/client.ts';
import type { AverageRequest, EvaluateResult } from '../../../src/compute/protocol.ts';
import { readReport, reportPathFor } from '../../../src/core/averaging/report.ts';
import { TwaError } from '../../../src/core/errors.ts';
import { PYTHON, skipWithout } from '../checkpoints/python.ts';
import { temporaryDirectory, writeSafetensors, writeText } from './files.ts';

const computePath = path.resolve(import.meta.dirname, '../../../src/compute/main.ts');
const directory = temporaryDirectory();
const run = path.join(directory, 'run of mine');
const averages = path.join(run, 'averages');
const temporary = path.join(directory, 'tmp');
const checkpoints: string[] = [];

/** Three checkpoints w around the goal (1, -1), with squared distances 0.5, 0.125 and 0.125. */
const WEIGHTS = [
  [0.5, -0.5],
  [1.25, -1.25],
  [1.25, -0.75],
] as const;
/** Of the mean of the three, (1, -5/6). */
const OF_MEAN = (1 / 6) ** 2;

/** Reads a safetensors file by itself, as any framework would, and gives the squared distance from (1, -1). */
const EVALUATE = `
import { readFileSync } from 'node:fs';
export function distance(file) {
  const bytes = readFileSync(file);
  const length = Number(bytes.readBigUInt64LE(0));
  const [start] = JSON.parse(bytes.toString('utf8', 8, 8 + length)).w.data_offsets;
  const at = (index) => bytes.readFloatLE(8 + length + start + 4 * index);
  return (at(0) - 1) ** 2 + (at(1) + 1) ** 2;
}`;

before(() => {
  mkdirSync(averages, { recursive: true });
  mkdirSync(temporary);
  process.env['TMPDIR'] = temporary;
  WEIGHTS.forEach((values, index) => {
    const file = path.join(run, `step-${index + 1}.safetensors`);
    checkpoints.push(writeSafetensors(file, { w: { shape: [2], values } }));
  });
  writeText(path.join(directory, 'distance.mjs'), EVALUATE);
});

type Command = Readonly<Record<string, unknown>>;

function writeTask(name: string, source: string, command: Command = {}): string {
  writeText(
    path.join(directory, `${name}.mjs`),
    `import { distance } from './distance.mjs';\nconst [file, split] = process.argv.slice(2);\n${source}\n`,
  );
  return writeText(
    path.join(directory, `${name}.json`),
    JSON.stringify({
      engine: 'command',
      command: { run: [process.execPath, `${name}.mjs`, '{checkpoint}'], ...command },
      metric: { name: 'distance', goal: 'minimize' },
    }),
  );
}

function evaluate(task: string, hooks: JobHooks = {}): Promise<EvaluateResult> {
  const request = { checkpoints, task, split: 'report', backend: 'auto', seed: 1 } as const;
  return runJob('evaluate', request, { computePath, ...hooks });
}

/** Without a task, a plain merge. */
function averageRequest(
  name: string,
  task: string | undefined,
  more: Partial<AverageRequest> = {},
): AverageRequest {
  const output = path.join(averages, `${name}.safetensors`);
  return {
    ...{ checkpoints, method: 'uniform', options: {}, buffers: 'recalibrate', seed: 1, backend: 'auto' },
    ...(task === undefined ? {} : { task }),
    ...{ output, partial: `${output}.partial` },
    ...more,
  };
}

const metrics = ({ rows }: EvaluateResult): number[] => rows.map(({ metric }) => metric);
const near = (found: number, expected: number): void =>
  assert.ok(Math.abs(found - expected) < 1e-6, `${found} is not ${expected}`); // float32 weights near 1

async function failure(promise: Promise<unknown>): Promise<TwaError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof TwaError, String(error));
  return error;
}

describe('findNumber', () => {
  const value = (printed: string, where: Command = {}): number | string => {
    const found = findNumber(printed, where);
    return found.kind === 'number' ? found.value : found.reason;
  };

  test('the last line, when nothing says where it is', () => {
    assert.equal(value('loading 3\n0.25\n'), 0.25);
    assert.equal(value('-1e-3\r\n\r\n'), -0.001);
    assert.match(String(value('accuracy 0.25\n')), /no number as its last line/);
    assert.match(String(value('')), /no number as its last line/);
  });

  test('the last match of a pattern', () => {
    assert.equal(value('acc: 0.1\nacc: 0.9\ndone', { pattern: '^acc: (\\S+)$' }), 0.9);
    assert.equal(value('a=3', { pattern: 'b=(\\d+)|a=(\\d+)' }), 3);
    assert.match(String(value('acc: high', { pattern: 'acc: (\\S+)' })), /"high" where the pattern/);
    assert.match(String(value('loss: 1', { pattern: 'acc: (\\S+)' })), /nothing that matches the pattern/);
  });

  test('a JSON pointer into the last document', () => {
    const pointer = '/results/0/a~1b';
    assert.equal(value('{"results": [{"a/b": 0.5}]}', { pointer }), 0.5);
    assert.equal(value('{\n "results": [\n  {"a/b": 2}\n ]\n}\n', { pointer }), 2);
    assert.equal(value('epoch 1\n{"x": 1}\n{"results": [{"a/b": 7}]}\nbye\n', { pointer }), 7);
    assert.match(String(value('{"results": []}', { pointer })), /JSON without \/results\/0/);
    assert.match(String(value('{"results": [{"a/b": {}}]}', { pointer })), /no number/);
    assert.match(String(value('nothing', { pointer })), /no JSON/);
  });

  test('what is not finite is NaN: a model that diverged', () => {
    assert.equal(value('nan'), NaN);
    assert.equal(value('-inf'), NaN);
    assert.equal(value('loss: Infinity', { pattern: 'loss: (\\S+)' }), NaN);
    assert.equal(value('{"text": "NaN, {", "loss": NaN}', { pointer: '/loss' }), NaN);
  });
});

test('checkpoints are evaluated by pattern, by pointer and by the last line', async () => {
  const expected = [0.5, 0.125, 0.125];
  const last = await evaluate(writeTask('last', 'console.log(distance(file));'));
  assert.deepEqual(metrics(last), expected);
  assert.deepEqual(last.metric, { name: 'distance', goal: 'minimize' });
  assert.match(last.backend, /^command node/);

  const json = 'console.log(JSON.stringify({ all: { distance: distance(file) } }));';
  assert.deepEqual(metrics(await evaluate(writeTask('json', json, { pointer: '/all/distance' }))), expected);

  const text = 'console.log(`distance: ${distance(process.env.TWA_CHECKPOINT)} (${process.env.TWA_SPLIT})`);';
  const shell = {
    run: `"${process.execPath}" text.mjs {checkpoint}`,
    pattern: 'distance: (\\S+) \\(test\\)',
  };
  assert.deepEqual(metrics(await evaluate(writeTask('text', text, shell))), expected);
});

test('one number has no interval; ten of one point have one', async () => {
  const one = await evaluate(writeTask('one', 'console.log(distance(file));'));
  for (const { metricInterval } of one.rows) assert.deepEqual(metricInterval, { low: NaN, high: NaN });

  // Numbers 0.9, 1.0, ..., 1.8 times the distance, by the seed that each evaluation is told.
  const noisy = 'console.log(distance(file) * (0.9 + 0.1 * Number(process.env.TWA_SEED)));';
  const ten = await evaluate(writeTask('ten', noisy, { repeats: 10 }));
  const [first] = ten.rows;
  near(first!.metric, 0.5 * 1.35);
  // The standard error of the mean is 0.5 * 0.303 / sqrt(10) = 0.048, its interval about 4 of them wide.
  const width = first!.metricInterval.high - first!.metricInterval.low;
  assert.ok(width > 0.1 && width < 0.25, String(width));
});

test('a plain average: merged, evaluated far from the run, and nothing left but the result', async () => {
  const seen = path.join(directory, 'seen.txt');
  const task = writeTask(
    'plain',
    `import { appendFileSync } from 'node:fs';
appendFileSync(${JSON.stringify(seen)}, \`\${split} \${file}\\n\`);
console.log(distance(file));`,
    { run: [process.execPath, 'plain.mjs', '{checkpoint}', '{split}'] },
  );
  const request = averageRequest('plain', task);
  const report = await runJob('average', request, { computePath });
  const row = (id: string) => report.table.find((each) => each.id === id)!;
  near(row('uniform').metric, OF_MEAN);
  near(row('best').metric, 0.125);
  near(row('last').metric, 0.125);
  assert.deepEqual(row('best').metricInterval, { low: NaN, high: NaN });
  assert.match(report.splits!.origin, /validation chooses, its test reports/);
  assert.equal(report.provenance.backend, 'command node');
  assert.deepEqual(await readReport(reportPathFor(request.output)), report);

  const evaluations = readFileSync(seen, 'utf8').trimEnd().split('\n');
  assert.ok(evaluations.some((line) => line.startsWith(`test ${temporary}`)));
  // Each model at most once per split, but for the last look at the file that was written.
  const ofSources = evaluations.filter((line) => line.endsWith('step-1.safetensors'));
  assert.equal(new Set(ofSources).size, ofSources.length);
  assert.deepEqual(readdirSync(temporary), []);
  assert.deepEqual(readdirSync(run).sort(), ['averages', ...checkpoints.map((file) => path.basename(file))]);
});

test('search finds the mix that the command likes best', async () => {
  const task = writeTask('search', 'console.log(distance(file));');
  const more = { method: 'search', settings: { evaluations: 60 } } as const;
  const report = await runJob('average', averageRequest('search', task, more), { computePath });
  // The goal is 1/3 of the first and 2/3 of the second, on the edge of the simplex.
  assert.ok(report.table.find(({ id }) => id === 'search')!.metric < OF_MEAN / 10);
  const [first, second] = report.coefficients;
  assert.ok(Math.abs(first! - 1 / 3) < 0.1 && Math.abs(second! - 2 / 3) < 0.1, report.coefficients.join());
});

test('without {split} the same examples choose and report, and the report says so', async () => {
  const task = writeTask('same', 'console.log(distance(file));');
  const report = await runJob('average', averageRequest('same', task), { computePath });
  assert.match(report.splits!.origin, /takes no \{split\}, so the same examples choose and report/);
});

test('a command without gradients is no task for TWA, and is not started for it', async () => {
  const marker = path.join(directory, 'started');
  const source = `import { writeFileSync } from 'node:fs';\nwriteFileSync(${JSON.stringify(marker)}, '');`;
  const request = averageRequest('twa', writeTask('twa', source), { method: 'twa' });
  const error = await failure(runJob('average', request, { computePath }));
  assert.match(error.message, /gradients/);
  assert.match(error.message, /search/);
  assert.equal(existsSync(marker), false);
});

const FAILURES: readonly (readonly [name: string, source: string, command: Command, message: RegExp])[] = [
  ['fails', "console.error('no such layer');\nprocess.exit(3);", {}, /ended with exit code 3/],
  ['silent', "console.error('no such layer');", {}, /printed no number as its last line/],
  [
    'killed',
    "console.error('no such layer');\nprocess.kill(process.pid, 'SIGKILL');",
    {},
    /by signal SIGKILL/,
  ],
  [
    'slow',
    "console.error('no such layer');\nsetTimeout(() => console.log(1), 60_000);",
    { timeout: 2 },
    /took longer than 2 s/,
  ],
];
for (const [name, source, command, message] of FAILURES) {
  test(`a command that ${name}: one sentence, and the last lines`, async () => {
    const task = writeTask(name, source, command);
    const request = averageRequest(name, task);
    const error = await failure(runJob('average', request, { computePath }));
    assert.equal(error.code, 'bad-task');
    assert.equal(error.place.path, task);
    assert.match(error.message, message);
    assert.match(error.message, /step-1\.safetensors/);
    assert.deepEqual(error.details, ['no such layer']);
    assert.equal(existsSync(request.output), false);
    assert.deepEqual(readdirSync(temporary), []);
  });
}

test('a program that is not there is told by name', async () => {
  const error = await failure(
    evaluate(writeTask('missing', '', { run: ['no-such-program', '{checkpoint}'] })),
  );
  assert.match(error.message, /could not be started in .*: spawn no-such-program ENOENT/);
});

test('cancelling ends the command and all that it started', async () => {
  const beat = path.join(directory, 'beat');
  writeText(
    path.join(directory, 'grandchild.mjs'),
    `import { appendFileSync } from 'node:fs';
process.on('SIGTERM', () => undefined);
setInterval(() => appendFileSync(${JSON.stringify(beat)}, '.'), 20);`,
  );
  const task = writeTask(
    'stuck',
    `import { spawn } from 'node:child_process';
// A mix, not one of the checkpoints: there is a temporary file to be removed.
if (!file.includes('candidate')) { console.log(distance(file)); process.exit(); }
spawn(process.execPath, ['grandchild.mjs'], { stdio: 'ignore' });
setInterval(() => undefined, 1000);`,
  );
  const controller = new AbortController();
  const watch = setInterval(() => {
    if (existsSync(beat)) controller.abort();
  }, 20);
  const hooks = { computePath, signal: controller.signal };
  const error = await failure(runJob('average', averageRequest('stuck', task), hooks));
  clearInterval(watch);
  assert.equal(error.code, 'cancelled');
  const length = statSync(beat).size;
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal(statSync(beat).size, length, 'the grandchild still lives');
  assert.deepEqual(readdirSync(temporary), []);
  assert.equal(existsSync(path.join(averages, 'stuck.safetensors')), false);
});

test('PyTorch evaluates its own file', skipWithout(['torch']), async () => {
  writeText(
    path.join(directory, 'make.py'),
    `import torch
for i, w in enumerate([[0.5, -0.5], [1.25, -1.25], [1.25, -0.75]]):
    torch.save({"w": torch.tensor(w)}, f"epoch-{i + 1}.pt")`,
  );
  writeText(
    path.join(directory, 'evaluate.py'),
    `import json, sys, torch
w = torch.load(sys.argv[1])["w"]
print(json.dumps({"distance": ((w - torch.tensor([1.0, -1.0])) ** 2).sum().item()}))`,
  );
  assert.equal(spawnSync(PYTHON, ['make.py'], { cwd: directory }).status, 0);
  const files = [1, 2, 3].map((epoch) => path.join(directory, `epoch-${epoch}.pt`));
  const output = path.join(averages, 'torch.pt');
  const more = { checkpoints: files, output, partial: `${output}.partial` };
  await runJob('average', averageRequest('torch', undefined, more), { computePath });
  const task = writeTask('torch', '', {
    run: [PYTHON, 'evaluate.py', '{checkpoint}'],
    pointer: '/distance',
  });
  const result = await runJob(
    'evaluate',
    { checkpoints: [output], task, split: 'report', backend: 'auto', seed: 1 },
    { computePath },
  );
  near(result.rows[0]!.metric, OF_MEAN);
});

test('a live pass measures the plain average, on the processor, and leaves nothing', async () => {
  const task = writeTask(
    'live',
    `if (process.env.CUDA_VISIBLE_DEVICES !== '' || split === 'test') process.exit(1);\nconsole.log(distance(file));`,
    { run: [process.execPath, 'live.mjs', '{checkpoint}', '{split}'] },
  );
  const before = readdirSync(run);
  const request = {
    checkpoints,
    task,
    reference: checkpoints[0]!,
    seed: 1,
    backend: 'auto',
    useGpu: false,
  } as const;
  const result = await runJob('live', request, { computePath });
  assert.deepEqual(
    [result.method, result.name, result.goal, result.examples],
    ['uniform', 'distance', 'minimize', 1],
  );
  near(result.metric, OF_MEAN);
  near(result.newest.metric, 0.125);
  near(result.reference!.metric, 0.5);
  assert.equal(result.reference!.isWorse, false);
  // Of one number there is no interval, and so never a word about stopping.
  assert.ok(Number.isNaN(result.metricInterval.low));
  assert.deepEqual([readdirSync(run), readdirSync(temporary)], [before, []]);
});
