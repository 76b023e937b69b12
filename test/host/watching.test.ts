import assert from 'node:assert/strict';
import { rm, truncate } from 'node:fs/promises';
import path from 'node:path';
import type { Internals } from '../../src/extension/extension.ts';
import { copyRun, eventually, internals } from './extension.ts';

describe('Watching', () => {
  let twa: Internals;
  let directory: string;
  const run = () => twa.runs.snapshot.runs.find((run) => run.directory === directory);
  const states = () =>
    Object.fromEntries((run()?.checkpoints ?? []).map(({ name, state }) => [name, state] as const));

  before(async () => {
    twa = await internals();
    directory = await copyRun('watched', ['metrics.csv', 'epoch-001', 'epoch-002']);
  });
  after(() => rm(directory, { recursive: true }));

  it('finds a run with its checkpoints, steps and metrics', async () => {
    const found = await eventually('the run with two checkpoints', () =>
      run()?.checkpoints.length === 2 ? run() : undefined,
    );
    assert.deepEqual(
      found.checkpoints.map(({ epoch, step, state }) => ({ epoch, step, state })),
      [
        { epoch: 1, step: 13, state: 'complete' },
        { epoch: 2, step: 26, state: 'complete' },
      ],
    );
    const tags = found.series.map(({ tag }) => tag);
    assert.ok(tags.includes('val/loss') && tags.includes('train/loss'), tags.join());
    const [first] = found.checkpoints;
    assert.equal(typeof first?.metrics['val/accuracy'], 'number');
  });

  it('sees a checkpoint that is written meanwhile', async () => {
    await copyRun('watched', ['epoch-003']);
    await eventually('a third checkpoint', () => states()['epoch-003'] === 'complete' || undefined);
  });

  it('shows a checkpoint that is cut off as incomplete', async () => {
    await copyRun('watched', ['epoch-004']);
    await truncate(path.join(directory, 'epoch-004', 'weights.bin'), 1000);
    await eventually(
      'an incomplete fourth checkpoint',
      () => states()['epoch-004'] === 'incomplete' || undefined,
    );
  });

  it('forgets a checkpoint that is removed', async () => {
    await rm(path.join(directory, 'epoch-001'), { recursive: true });
    await eventually('three checkpoints', () => (Object.keys(states()).length === 3 ? true : undefined));
  });
});
