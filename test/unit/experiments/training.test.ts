/** The experiments' own machinery: what they claim rests on it. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { before, test } from 'node:test';
import { problems } from '../../../experiments/problems.ts';
import { estimate } from '../../../experiments/statistics.ts';
import { readSnapshots, saveSnapshots, train } from '../../../experiments/training.ts';
import { Results } from '../../../experiments/units.ts';
import { selectBackend } from '../../../src/compute/backends/select.ts';

before(async () => {
  await selectBackend('wasm', [process.cwd()]);
});

for (const name of ['tabular', 'digits'] as const) {
  test(`${name}: the schedule reaches the optimiser, and a run can be made again`, async () => {
    const problem = problems.find((one) => one.name === name)!;
    const plan = { seed: 1, rate: problem.rates[0], epochs: 2 };
    const [constant, again, step] = [
      await train(problem, { ...plan, schedule: 'constant' }),
      await train(problem, { ...plan, schedule: 'constant' }),
      await train(problem, { ...plan, schedule: 'step' }),
    ];
    assert.deepEqual(constant.snapshots, again.snapshots);
    // A tenth of the rate begins at 60 %: the first epoch is the same, the second is not.
    assert.deepEqual(constant.snapshots[1], step.snapshots[1]);
    assert.notDeepEqual(constant.snapshots[2], step.snapshots[2]);
    const file = path.join(mkdtempSync(path.join(os.tmpdir(), 'twa-experiment-')), 'weights.f32');
    await saveSnapshots(file, constant.snapshots);
    assert.deepEqual(await readSnapshots(file, 3), constant.snapshots);
  });
}

test('a unit whose file is there is not done again', async () => {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'twa-experiment-'));
  const results = new Results(directory);
  assert.deepEqual(await results.unit('one', () => Promise.resolve({ value: 1 })), { value: 1 });
  const again = await new Results(directory).unit('one', () => Promise.reject(new Error('done again')));
  assert.deepEqual(again, { value: 1 });
  assert.deepEqual(JSON.parse(readFileSync(path.join(directory, 'one.json'), 'utf8')), { value: 1 });
});

test('intervals over seeds are those of Student', () => {
  // Mean 3.2, variance 14.8 / 4 = 3.7, and 2.776 for four degrees of freedom.
  const { mean, half } = estimate([1, 2, 3, 4, 6]);
  assert.ok(Math.abs(mean - 3.2) < 1e-12 && Math.abs(half - 2.776 * Math.sqrt(3.7 / 5)) < 1e-12);
  assert.ok(Number.isNaN(estimate([1]).half));
});
