/** The job `average` without a task, in this very process: it must not load a GPU library. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { average } from '../../../src/compute/jobs/average.ts';
import type { AverageRequest } from '../../../src/compute/protocol.ts';
import { readReport, reportPathFor } from '../../../src/core/averaging/report.ts';
import { noise, temporaryDirectory, writeSafetensors } from './files.ts';

const directory = temporaryDirectory();
const tensors = (seed: number) => ({
  'conv.weight': { shape: [6], values: noise(6, seed) },
  'bn.running_mean': { shape: [2], values: noise(2, seed + 10) },
});
const checkpoints = [1, 2].map((seed) =>
  writeSafetensors(path.join(directory, `step-${seed}.safetensors`), tensors(seed)),
);
const logged: string[] = [];
const context = {
  signal: new AbortController().signal,
  onProgress: () => undefined,
  log: (_level: string, text: string) => void logged.push(text),
};

function request(name: string, more: Partial<AverageRequest>): AverageRequest {
  const output = path.join(directory, 'averages', `${name}.safetensors`);
  return {
    ...{ checkpoints, method: 'uniform', options: {}, buffers: 'recalibrate', seed: 1, backend: 'auto' },
    ...{ output, partial: `${output}.partial` },
    ...more,
  };
}

/** The tensors of a file that the tests wrote or the merge made from one: float32, in the same order. */
function floats(file: string): Float32Array {
  const bytes = readFileSync(file);
  const data = Uint8Array.from(bytes.subarray(8 + Number(bytes.readBigUInt64LE())));
  return new Float32Array(data.buffer);
}

const [first, second] = checkpoints.map(floats);
const mixed = (a: number, b: number) => first!.map((value, k) => a * value + b * second![k]!);

test('uniform: the mean in a new file, and a report beside it', async () => {
  const wanted = request('uniform', {});
  const report = await average(wanted, context);
  assert.deepEqual(floats(wanted.output), mixed(0.5, 0.5));
  assert.deepEqual(report.coefficients, [0.5, 0.5]);
  assert.deepEqual(report.table, []);
  assert.equal(report.provenance.sources.length, 2);
  assert.equal(report.provenance.buffers, 'average');
  assert.match(logged.join(), /running statistics are averaged/);
  assert.deepEqual(await readReport(reportPathFor(wanted.output)), report);
});

test('manual coefficients, with the newest running statistics', async () => {
  const wanted = request('manual', { method: 'manual', coefficients: [2, -1], buffers: 'newest' });
  const report = await average(wanted, context);
  const expected = mixed(2, -1);
  expected.set(second!.subarray(6), 6);
  assert.deepEqual(floats(wanted.output), expected);
  assert.equal(report.provenance.buffers, 'newest');
});

for (const [what, more, message] of [
  ['twa', { method: 'twa' }, /needs a task: name a twa\.json/],
  [
    'too few coefficients',
    { method: 'manual', coefficients: [1] },
    /1 coefficients were given for 2 checkpoints/,
  ],
  ['no checkpoint', { checkpoints: [] }, /no checkpoint to average/],
] as const satisfies readonly [string, Partial<AverageRequest>, RegExp][]) {
  test(`${what} without a task is wrong usage`, async () => {
    const wanted = request('wrong', more);
    await assert.rejects(average(wanted, context), { code: 'usage', message });
    assert.equal(existsSync(wanted.output), false);
  });
}

test('tfjs was not loaded by any of this', () => {
  assert.equal('_tfengine' in globalThis, false);
});
