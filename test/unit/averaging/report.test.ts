import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { chooseOutput } from '../../../src/core/averaging/output.ts';
import { runPass } from '../../../src/core/averaging/pass.ts';
import { buildReport, readReport, reportPathFor, writeReport } from '../../../src/core/averaging/report.ts';
import type { AverageReport, SourceRecord } from '../../../src/core/averaging/types.ts';
import type { CheckpointHeader } from '../../../src/core/checkpoints/types.ts';
import { TwaError } from '../../../src/core/errors.ts';
import { LogisticProblem } from './logistic.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'twa-report-'));
});
after(() => rm(folder, { recursive: true }));

const sources: SourceRecord[] = [1, 2].map((epoch) => ({
  path: `/run/epoch-${epoch}.safetensors`,
  size: 840,
  sha256: 'ab'.repeat(32),
  epoch,
}));

async function passReport(output: string): Promise<AverageReport> {
  const problem = new LogisticProblem();
  const result = await runPass(problem, {
    method: 'twa',
    options: { epochs: 2 },
    buffers: 'recalibrate',
    seed: 9,
  });
  return buildReport({
    output,
    outputSha256: 'cd'.repeat(32),
    sources,
    result,
    backend: 'wasm',
    task: '/project/twa.json',
    timings: { baselines: 12, training: 34.5 },
  });
}

const isError = (code: string, message: RegExp) => (error: unknown) =>
  error instanceof TwaError && error.code === code && message.test(error.message);

describe('the report of a pass', () => {
  test('has all that makes the file again', async () => {
    const report = await passReport(join(folder, 'a.safetensors'));
    const { provenance } = report;
    assert.equal(provenance.tool, 'trainable-weight-averaging');
    assert.match(provenance.version, /^\d+\.\d+\.\d+/);
    assert.ok(Math.abs(Date.parse(provenance.createdAt) - Date.now()) < 60_000);
    assert.deepEqual(provenance.coefficients, report.coefficients);
    assert.equal(provenance.seed, 9);
    assert.equal(provenance.options?.epochs, 2);
    assert.equal(provenance.splits?.origin, 'fit and stop: 60/40 of validation (seed 1); report: test');
    assert.deepEqual(provenance.sources, sources);
    assert.equal(report.epoch, 2, 'of the newest source');
    assert.equal(report.step, undefined);
  });

  test('is read back as it was written, and nothing else is left', async () => {
    const directory = join(folder, 'round-trip');
    await mkdir(directory);
    const report = await passReport(join(directory, 'twa-v4-1.safetensors'));
    const path = await writeReport(report);
    assert.equal(path, join(directory, 'twa-v4-1.twa-report.json'));
    assert.deepEqual(await readReport(path), report);
    assert.deepEqual(await readdir(directory), ['twa-v4-1.twa-report.json']);
  });

  test('keeps the Gram matrix of the pass, a line per row', async () => {
    const report = await passReport(join(folder, 'gram.safetensors'));
    const problem = new LogisticProblem();
    const { centred, n, meanSquared } = await problem.gram();
    assert.equal(report.gram?.centred.length, n);
    assert.equal(report.gram.centred[n - 1]![0], centred[(n - 1) * n]);
    assert.equal(report.gram.meanSquared, meanSquared);
    const path = await writeReport(report);
    const lines = (await readFile(path, 'utf8')).split('\n');
    assert.equal(lines.filter((line) => line.includes(String(report.gram!.centred[n - 1]![0]))).length, 1);
    assert.deepEqual(await readReport(path), report);
  });

  test('numbers that are not finite survive as NaN', async () => {
    const report = await passReport(join(folder, 'nan.safetensors'));
    const table = report.table.map((row) => ({
      ...row,
      loss: NaN,
      lossInterval: { low: NaN, high: Infinity },
    }));
    const path = await writeReport({ ...report, table });
    const back = await readReport(path);
    assert.ok(back.table.every((row) => Number.isNaN(row.loss) && Number.isNaN(row.lossInterval.high)));
  });

  test('a report that is there is not replaced', async () => {
    const report = await passReport(join(folder, 'twice.safetensors'));
    const path = await writeReport(report);
    const before = await readFile(path, 'utf8');
    await assert.rejects(
      writeReport({ ...report, notes: ['other'] }),
      isError('exists', /twice\.twa-report\.json/),
    );
    assert.equal(await readFile(path, 'utf8'), before);
  });
});

test('without a pass, the report says that nothing was evaluated', async () => {
  const report = buildReport({
    output: join(folder, 'plain.safetensors'),
    outputSha256: 'cd'.repeat(32),
    sources,
    result: { method: 'uniform', coefficients: [0.5, 0.5], seed: 1, bufferMode: 'average' },
    timings: {},
  });
  assert.deepEqual(report.table, []);
  assert.equal(report.splits, undefined);
  assert.equal(report.provenance.buffers, 'average');
  assert.match(report.recommendation.sentence, /^Nothing was evaluated/);
  assert.deepEqual(await readReport(await writeReport(report)), report);
});

describe('reports from outside', () => {
  const read = async (name: string, content: unknown): Promise<AverageReport> => {
    const path = join(folder, name);
    await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
    return readReport(path);
  };

  test('a missing one', async () => {
    await assert.rejects(readReport(join(folder, 'none.twa-report.json')), isError('not-found', /none/));
  });

  test('not JSON, cut off, or something else', async () => {
    const text = JSON.stringify(await passReport('/run/x.safetensors'));
    await assert.rejects(read('b1.json', 'weights'), isError('bad-report', /b1\.json is not a report/));
    await assert.rejects(read('b2.json', text.slice(0, 500)), isError('bad-report', /b2\.json/));
    await assert.rejects(read('b3.json', '[]'), isError('bad-report', /the document must be an object/));
    await assert.rejects(read('b4.json', {}), isError('bad-report', /version must be 1, and is missing/));
  });

  test('the first wrong member is named', async () => {
    const report = JSON.parse(JSON.stringify(await passReport('/run/x.safetensors'))) as AverageReport;
    for (const [broken, message] of [
      [{ ...report, version: 2 }, /version must be 1, and is 2/],
      [{ ...report, method: 'magic' }, /method must be one of uniform, last-k, .*, twa, and is "magic"/],
      [{ ...report, coefficients: [1, '2'] }, /coefficients\[1\] must be a number, and is "2"/],
      [
        { ...report, table: [{ ...report.table[0], lossInterval: 3 }] },
        /table\[0\]\.lossInterval must be an object/,
      ],
      [
        { ...report, provenance: { ...report.provenance, sources: {} } },
        /provenance\.sources must be a list/,
      ],
      [{ ...report, splits: { ...report.splits, origin: 1 } }, /splits\.origin must be a text/],
    ] as const) {
      await assert.rejects(read('wrong.json', broken), isError('bad-report', message));
    }
  });

  test('members of a later version are let be', async () => {
    const report = await passReport('/run/x.safetensors');
    assert.deepEqual(await read('later.json', { ...report, mood: 'good' }), report);
  });
});

describe('where things go', () => {
  const header = (path: string, format = 'safetensors'): CheckpointHeader => ({
    path,
    format,
    tensors: [],
    metadata: {},
    files: [],
  });

  test('a report lies beside a file and inside a directory', async () => {
    const directory = join(folder, 'epoch-1.v2');
    await mkdir(directory);
    assert.equal(reportPathFor(directory), join(directory, 'twa-report.json'));
    assert.equal(
      reportPathFor('/run/averages/twa-v4-1.safetensors'),
      '/run/averages/twa-v4-1.twa-report.json',
    );
    assert.equal(reportPathFor('/run/averages/twa-v4-1', true), '/run/averages/twa-v4-1/twa-report.json');
  });

  test('an average goes to `averages` beside its newest checkpoint, under a free name', async () => {
    const run = join(folder, 'run');
    const averages = join(run, 'averages');
    await mkdir(averages, { recursive: true });
    const request = {
      headers: [header('/elsewhere/epoch-1.safetensors'), header(join(run, 'epoch-2.safetensors'))],
      method: 'twa',
      rule: 'v4',
    } as const;
    const { output, partial } = await chooseOutput(request);
    assert.equal(output, join(averages, 'twa-v4-1.safetensors'));
    assert.ok(partial.startsWith(join(averages, '.twa-v4-1.safetensors.')) && partial.endsWith('.partial'));
    assert.notEqual((await chooseOutput(request)).partial, partial);
    assert.deepEqual(await readdir(averages), [], 'nothing is made');

    await writeFile(output, '');
    await writeFile(join(averages, 'twa-v4-2.twa-report.json'), '');
    assert.equal((await chooseOutput(request)).output, join(averages, 'twa-v4-3.safetensors'));
    assert.equal(
      (await chooseOutput({ ...request, directory: folder })).output,
      join(folder, 'twa-v4-1.safetensors'),
    );
  });

  test('an average of averages stays among them; a directory checkpoint gives a directory', async () => {
    const averages = join(folder, 'run2', 'averages');
    const fromAverages = await chooseOutput({
      headers: [header(join(averages, 'uniform-1.safetensors'))],
      method: 'uniform',
    });
    assert.equal(fromAverages.output, join(averages, 'uniform-1.safetensors'));
    const layers = await chooseOutput({
      headers: [header(join(folder, 'run2', 'epoch-1'), 'tfjs-layers')],
      method: 'manual',
    });
    assert.equal(layers.output, join(folder, 'run2', 'averages', 'manual-1'));
  });

  test('nothing to average, and an unknown format', async () => {
    await assert.rejects(chooseOutput({ headers: [], method: 'twa' }), isError('usage', /at least one/));
    await assert.rejects(
      chooseOutput({ headers: [header('/run/a.bin', 'other')], method: 'twa' }),
      isError('unsupported', /other is not a known/),
    );
  });
});
