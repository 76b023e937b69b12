/** The job `live`. Needs the bundle `dist/compute.mjs`: `node scripts/build.mjs`. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { runJob } from '../../../src/compute/client.ts';
import type { LiveRequest } from '../../../src/compute/protocol.ts';
import { project } from '../cli/project.ts';

const NAMES = ['epoch-1', 'epoch-2', 'epoch-3'];
const requestIn = (directory: string, more: Partial<LiveRequest> = {}): LiveRequest => ({
  checkpoints: NAMES.map((name) => path.join(directory, 'run', name)),
  task: path.join(directory, 'twa.json'),
  seed: 1,
  backend: 'cpu',
  useGpu: false,
  ...more,
});

test('measures on the stop split, at low priority, and leaves nothing', async (context) => {
  const directory = project(context);
  let pid: number | undefined;
  const priorities = new Set<number>();
  const result = await runJob(
    'live',
    requestIn(directory, { reference: path.join(directory, 'run/epoch-1') }),
    {
      onStart: (id) => (pid = id),
      onProgress: () => void priorities.add(os.getPriority(pid)),
    },
  );
  assert.deepEqual([...priorities], [os.constants.priority.PRIORITY_LOW]);
  assert.deepEqual(
    [result.method, result.rule, result.name, result.goal],
    ['twa', 'v4', 'accuracy', 'maximize'],
  );
  assert.equal(result.examples, 20, '40 % of 50 validation examples');
  assert.equal(result.coefficients.length, 3);
  assert.ok(result.metricInterval.low <= result.metric && result.metric <= result.metricInterval.high);
  const { reference } = result;
  assert.ok(reference !== undefined);
  assert.equal(reference.path, path.join(directory, 'run/epoch-1'));
  assert.ok(Math.abs(reference.difference.difference - (result.metric - reference.metric)) < 1e-12);
  assert.deepEqual(readdirSync(path.join(directory, 'run')).sort(), NAMES);

  // The same numbers by another way: `evaluate` on the same split.
  const { rows } = await runJob('evaluate', {
    checkpoints: [1, 3].map((epoch) => path.join(directory, `run/epoch-${epoch}`)),
    task: requestIn(directory).task,
    split: 'stop',
    backend: 'cpu',
    seed: 1,
  });
  assert.deepEqual(
    rows.map(({ metric, loss }) => ({ metric, loss })),
    [{ metric: reference.metric, loss: reference.loss }, result.newest],
  );
});

/** Turns the inputs of these rows of the project's table round. */
function scramble(directory: string, from: number, to: number): void {
  const file = path.join(directory, 'data.csv');
  const rows = readFileSync(file, 'utf8').split('\n');
  const turned = rows.map((row, i) => {
    const numbers = row.split(',');
    return i < from || i >= to ? row : [...numbers.slice(0, -1).reverse(), numbers.at(-1)].join(',');
  });
  assert.notDeepEqual(turned, rows);
  writeFileSync(file, turned.join('\n'));
}

test('nothing of the report split goes into the numbers', async (context) => {
  const directory = project(context);
  const request = requestIn(directory);
  const before = await runJob('live', request);
  scramble(directory, 90, 120);
  assert.deepEqual(
    await runJob('live', request),
    before,
    'the test examples are others, the numbers are not',
  );
  scramble(directory, 40, 90);
  assert.notDeepEqual(await runJob('live', request), before, 'the premise: validation examples do matter');
});

test('what it is to be compared with may be gone or of another model: then it is not compared', async (context) => {
  const directory = project(context);
  const said: string[] = [];
  const reference = path.join(directory, 'run/epoch-9');
  const result = await runJob('live', requestIn(directory, { reference }), {
    onLog: (_level, text) => said.push(text),
  });
  assert.equal(result.reference, undefined);
  assert.ok(
    said.some((text) => text.includes(`${reference} is not compared with`)),
    said.join('\n'),
  );
});
