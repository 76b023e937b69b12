import assert from 'node:assert/strict';
import { cp, link, mkdir, mkdtemp, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import type { CheckpointEntry, Run } from '../../../src/core/runs/types.ts';
import { onDisk } from '../../../src/extension/trash/files.ts';
import type { OnDisk } from '../../../src/extension/trash/files.ts';
import { previewOptions, sizeText } from '../../../src/extension/trash/preview.ts';
import type { Item } from '../../../src/extension/trash/preview.ts';
import { reasonToStay } from '../../../src/extension/trash/rules.ts';
import type { Surroundings } from '../../../src/extension/trash/rules.ts';
import { FIXTURES, writeFloats } from '../checkpoints/help.ts';
import { checkpoint, run, snapshot } from './runs.ts';

const folder = await mkdtemp(path.join(tmpdir(), 'twa-trash-'));
after(() => rm(folder, { recursive: true }));
const at = (...names: string[]): string => path.join(folder, ...names);

test('a file goes with its other files, a directory whole, an average with its report, a link alone', async () => {
  await writeFloats(at('e1.safetensors'), { w: [1, 2, 3] });
  const { size } = await stat(at('e1.safetensors'));
  const alone = await onDisk(at('e1.safetensors'), false);
  assert.deepEqual([alone.paths, alone.bytes, alone.freed], [[at('e1.safetensors')], size, size]);

  await writeFile(at('e1.twa-report.json'), '{}');
  assert.deepEqual((await onDisk(at('e1.safetensors'), true)).paths, [
    at('e1.safetensors'),
    at('e1.twa-report.json'),
  ]);

  // TensorFlow's checkpoint is an index and its data.
  await cp(path.join(FIXTURES, 'tensorflow'), at('tensorflow'), { recursive: true });
  const { readdir } = await import('node:fs/promises');
  const index = (await readdir(at('tensorflow'), { recursive: true })).find((name) =>
    name.endsWith('.index'),
  )!;
  const tensorflow = await onDisk(at('tensorflow', index), false);
  assert.ok(tensorflow.paths.length > 1, tensorflow.paths.join());
  assert.ok(tensorflow.paths.some((name) => name.includes('.data-')));

  await mkdir(at('checkpoint-5'));
  await writeFile(at('checkpoint-5', 'model.safetensors'), 'weights');
  await writeFile(at('checkpoint-5', 'optimizer.pt'), 'state');
  const whole = await onDisk(at('checkpoint-5'), false);
  assert.deepEqual([whole.paths, whole.bytes], [[at('checkpoint-5')], 12]);

  await symlink(at('e1.safetensors'), at('last.safetensors'));
  assert.deepEqual((await onDisk(at('last.safetensors'), false)).bytes, 0, 'what it leads to stays');

  await link(at('e1.safetensors'), at('best.safetensors'));
  assert.equal((await onDisk(at('e1.safetensors'), false)).freed, 0, 'another name keeps the bytes');
});

test('the newest change in a directory is the newest of anything in it', async () => {
  await mkdir(at('growing'));
  await writeFile(at('growing', 'part'), 'x');
  await utimes(at('growing'), 1000, 1000);
  const { mtimeMs } = await stat(at('growing', 'part'));
  assert.equal((await onDisk(at('growing'), false)).changedMs, mtimeMs);
});

const now = Date.UTC(2025, 0, 2, 13);
const average = (sources: readonly string[]): CheckpointEntry =>
  checkpoint('/w/a/averages/twa-1', {
    average: {
      reportPath: '/w/a/averages/twa-1/twa-report.json',
      method: 'twa',
      sources,
      metric: undefined,
      recommendation: '',
    },
  });

function stays(
  entry: CheckpointEntry,
  {
    runs = [run('a', 3, { averages: [average(['/w/a/e1', '/w/a/e2'])] })],
    disk = {},
    names = [],
    ...more
  }: Partial<Surroundings> & { runs?: Run[]; disk?: Partial<OnDisk>; names?: string[] } = {},
): string | undefined {
  return reasonToStay(
    {
      run: runs[0]!,
      entry,
      disk: { paths: [entry.path], bytes: 1, freed: 1, changedMs: now - 3_600_000, ...disk },
      names,
    },
    {
      snapshot: snapshot(runs),
      stateOf: () => 'finished',
      readerOf: () => undefined,
      folders: ['/w'],
      now,
      ...more,
    },
  );
}

test('what an average was made from has to stay, with the name of the average', () => {
  assert.match(stays(checkpoint('/w/a/e1')) ?? '', /^twa-1 was made from it/);
  assert.equal(stays(checkpoint('/w/a/e3')), undefined);
  assert.equal(stays(average([])), undefined, 'an average itself may go');
  const elsewhere = [run('b', 3), run('a', 0, { averages: [average(['/w/b/../b/e2'])] })];
  assert.match(stays(checkpoint('/w/b/e2'), { runs: elsewhere }) ?? '', /twa-1/, 'an average of another run');
});

test('what is read by a pass, or may still be written, has to stay', () => {
  const e3 = checkpoint('/w/a/e3');
  assert.match(
    stays(e3, { readerOf: (one) => (one === e3.path ? 'Averaging 3' : undefined) }) ?? '',
    /Averaging 3/,
  );
  assert.match(stays(e3, { disk: { changedMs: now - 59_000 } }) ?? '', /less than a minute ago/);
  const half = checkpoint('/w/a/e3', { state: 'incomplete' });
  assert.match(stays(half, { stateOf: () => 'training' }) ?? '', /not complete/);
  assert.match(stays(half, { disk: { changedMs: now - 300_000 } }) ?? '', /not complete/);
  assert.equal(stays(half), undefined, 'left behind an hour ago by a run at rest');
  assert.equal(stays(checkpoint('/w/a/e3', { state: 'unreadable' })), undefined);
});

test('a directory that holds more than its checkpoint has to stay', () => {
  const top = checkpoint('/w/out');
  const runs = [run('out', 0, { checkpoints: [top, checkpoint('/w/out/checkpoint-5')] })];
  assert.match(stays(top, { runs, names: ['checkpoint-5'] }) ?? '', /other things as well: checkpoint-5/);
  const nested = [run('x', 0, { checkpoints: [checkpoint('/w/x/m'), checkpoint('/w/x/m/deep')] })];
  assert.match(stays(checkpoint('/w/x/m'), { runs: nested }) ?? '', /deep/);
  assert.equal(
    stays(checkpoint('/w/x/m'), { runs: [run('x', 0, { checkpoints: [checkpoint('/w/x/m2')] })] }),
    undefined,
  );
  assert.match(
    stays(checkpoint('/w/x/m'), { folders: ['/w/x/m/watched'], runs: [run('y', 0)] }) ?? '',
    /watched/,
  );
});

test('the list says what goes, what was taken out, what has to stay and why, and what that frees', () => {
  const item = (name: string, more: Partial<Item> = {}): Item => ({
    run: run('a', 1),
    entry: checkpoint(`/w/a/${name}`),
    disk: { paths: ['x'], bytes: 1024, freed: 1024, changedMs: 0 },
    stays: undefined,
    marks: [],
    ...more,
  });
  const [one, two] = [item('e1'), item('e2', { marks: ['best by accuracy'] })];
  const locked = item('e3', { stays: 'twa-1 was made from it.' });
  const options = previewOptions([one, two, locked], new Set([one]));
  assert.deepEqual(
    options.map(({ group, label, description }) => [group, label, description]),
    [
      [undefined, '$(trash) Move 1 Checkpoint to the Trash…', undefined],
      ['Go', '$(package) e2', 'best by accuracy · 1.0 KB · a'],
      ['Taken out of the list', '$(circle-slash) e1', '1.0 KB · a'],
      ['Have to stay', '$(lock) e3', 'twa-1 was made from it.'],
    ],
  );
  assert.equal(options[0]?.detail, '1.0 KB, free once the trash is emptied.');
  assert.deepEqual(
    previewOptions([locked], new Set()).map(({ value }) => value),
    [locked],
    'with nothing that can go there is no button',
  );
  const linked = item('e4', { disk: { paths: ['x'], bytes: 2048, freed: 0, changedMs: 0 } });
  assert.match(sizeText([one, linked]), /^3\.0 KB, of which 1\.0 KB are free once/);
});
