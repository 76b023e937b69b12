import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Inspection } from '../../../src/core/checkpoints/types.ts';
import { TwaError } from '../../../src/core/errors.ts';
import { choose } from '../../../src/extension/averaging/choose.ts';
import type { Choice, Files } from '../../../src/extension/averaging/choose.ts';
import type { Target } from '../../../src/extension/commands/targets.ts';
import { checkedRuns } from '../../../src/extension/tree/selection.ts';
import { RunIndex } from '../../../src/extension/watching/runIndex.ts';
import { checkpoint, run, snapshot } from './runs.ts';

const a = run('a', 12);
const growing = checkpoint('/w/a/e13', { state: 'incomplete', reason: 'Cut off.' });
const runs = [
  { ...a, checkpoints: [...a.checkpoints, growing], averages: [checkpoint('/w/a/averages/twa-1')] },
  run('b', 3),
  run('single', 1),
];
const index = new RunIndex(snapshot(runs));

/** Two complete checkpoints and one broken in `/elsewhere`, which nobody watches. */
const files: Files = {
  expand: (path) => Promise.resolve(path === '/elsewhere' ? ['/elsewhere/x', '/elsewhere/y'] : [path]),
  inspect: (path): Promise<Inspection> =>
    Promise.resolve(
      path === '/elsewhere/broken'
        ? { state: 'unreadable', path, format: 'safetensors', reason: 'The header is no JSON.' }
        : {
            state: 'complete',
            header: { path, format: 'safetensors', tensors: [], metadata: {}, files: [] },
          },
    ),
};

const one = (path: string): Target => ({ kind: 'checkpoint', path });
const file = (path: string): Target => ({ kind: 'path', path });
const wholeRun = (directory: string): Target => ({ kind: 'run', directory });

function decide(
  targets: Target[],
  checked: string[] = [],
  highlighted: Target[] = [],
  at = index,
): Promise<Choice> {
  return choose(targets, checkedRuns(new Set(checked), at.snapshot), highlighted, at, files);
}

function refused(code: string, message: RegExp) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof TwaError);
    assert.equal(error.code, code);
    assert.match([error.message, ...error.details].join('\n'), message);
    return true;
  };
}

test('from the palette: what is checked, before what is highlighted', async () => {
  assert.deepEqual(await decide([], ['/w/a/e1', '/w/a/e5'], [one('/w/b/e1'), one('/w/b/e2')]), {
    kind: 'chosen',
    run: '/w/a',
    paths: ['/w/a/e1', '/w/a/e5'],
  });
  assert.deepEqual(await decide([], [], [one('/w/b/e1'), one('/w/b/e2')]), {
    kind: 'chosen',
    run: '/w/b',
    paths: ['/w/b/e1', '/w/b/e2'],
  });
});

test('from a menu: what was pointed at, whatever is checked', async () => {
  assert.deepEqual(await decide([one('/w/b/e1'), one('/w/b/e3')], ['/w/a/e1', '/w/a/e2']), {
    kind: 'chosen',
    run: '/w/b',
    paths: ['/w/b/e1', '/w/b/e3'],
  });
});

test('one of the checked ones: all of them; one that is not checked: itself', async () => {
  const checked = ['/w/a/e2', '/w/a/e3', '/w/b/e1'];
  assert.deepEqual(await decide([one('/w/a/e3')], checked), {
    kind: 'chosen',
    run: '/w/a',
    paths: ['/w/a/e2', '/w/a/e3'],
  });
  const other = await decide([one('/w/a/e4')], checked);
  assert.equal(other.kind, 'pick');
});

test('a run: its checked ones, else all complete ones', async () => {
  const marked = await decide([wholeRun('/w/a')], ['/w/a/e2', '/w/a/e3', '/w/b/e1']);
  assert.deepEqual(marked, { kind: 'chosen', run: '/w/a', paths: ['/w/a/e2', '/w/a/e3'] });
  const all = await decide([wholeRun('/w/a')]);
  assert.ok(all.kind === 'chosen');
  assert.equal(all.paths.length, 12);
  assert.ok(!all.paths.includes('/w/a/e13'));
});

test('a run together with a checkpoint in it counts each once', async () => {
  const choice = await decide([wholeRun('/w/b'), one('/w/b/e1')]);
  assert.ok(choice.kind === 'chosen');
  assert.deepEqual(choice.paths, ['/w/b/e1', '/w/b/e2', '/w/b/e3']);
});

test('a folder or file of the Explorer that is watched is the run or checkpoint', async () => {
  const folder = await decide([file('/w/b')]);
  assert.ok(folder.kind === 'chosen');
  assert.equal(folder.paths.length, 3);
  const two = await decide([file('/w/b/e1'), file('/w/b/e2')]);
  assert.ok(two.kind === 'chosen');
  assert.equal(two.run, '/w/b');
});

test('a folder that nobody watches is read', async () => {
  assert.deepEqual(await decide([file('/elsewhere')]), {
    kind: 'chosen',
    run: '/elsewhere',
    paths: ['/elsewhere/x', '/elsewhere/y'],
  });
});

test('one checkpoint is too few: pick from its run, with it among the newest ten', async () => {
  const choice = await decide([one('/w/a/e1')]);
  assert.ok(choice.kind === 'pick');
  assert.equal(choice.run.directory, '/w/a');
  assert.deepEqual(
    choice.picked.map(({ name }) => name),
    ['e1', 'e3', 'e4', 'e5', 'e6', 'e7', 'e8', 'e9', 'e10', 'e11', 'e12'],
  );
});

test('nothing pointed at: the only run that has enough, else pick a run', async () => {
  assert.deepEqual(await decide([]), { kind: 'pickRun' });
  const lonely = new RunIndex(snapshot([run('b', 3), run('single', 1)]));
  const choice = await decide([], [], [], lonely);
  assert.ok(choice.kind === 'pick');
  assert.equal(choice.run.name, 'b');
});

test('incomplete and broken ones that were pointed at are refused, each with its reason', async () => {
  await assert.rejects(
    decide([one('/w/a/e1'), one('/w/a/e2'), one('/w/a/e13')]),
    refused('incomplete-checkpoint', /e13[^]*\/w\/a\/e13: Cut off\./),
  );
  await assert.rejects(
    decide([file('/elsewhere/x'), file('/elsewhere/broken')]),
    refused('incomplete-checkpoint', /broken[^]*The header is no JSON/),
  );
});

test('checkpoints of two runs are refused, both named', async () => {
  await assert.rejects(decide([], ['/w/a/e1', '/w/b/e1']), refused('usage', /2 runs[^]*\/w\/a[^]*\/w\/b/));
});

test('an average is refused', async () => {
  await assert.rejects(decide([one('/w/a/averages/twa-1'), one('/w/a/e1')]), refused('usage', /twa-1/));
});

test('a run or file with too few is refused', async () => {
  await assert.rejects(decide([wholeRun('/w/single')]), refused('usage', /1 complete/));
  await assert.rejects(decide([file('/elsewhere/x')]), refused('usage', /at least 2/));
});
