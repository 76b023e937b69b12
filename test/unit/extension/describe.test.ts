import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeAverage, describeCheckpoint, describeRun } from '../../../src/extension/tree/describe.ts';
import type { LiveLine } from '../../../src/core/live/line.ts';
import type { LiveOutcome } from '../../../src/core/live/verdict.ts';
import type { RunStatus } from '../../../src/core/runs/status.ts';
import type { Look } from '../../../src/extension/tree/describe.ts';
import { line, reference } from '../live/help.ts';
import { checkpoint, run } from './runs.ts';

const at = new Date(2025, 0, 2, 12, 5).getTime();
const look: Look = {
  checked: new Set(),
  metric: { tag: 'val_loss', goal: 'minimize' },
  best: undefined,
  now: at,
  locale: 'de',
};
const atRest: RunStatus = { state: 'finished', activeMs: at, pace: undefined, findings: [] };
const entry = checkpoint('/w/a/epoch-7.safetensors', {
  epoch: 7,
  step: 700,
  bytes: 1536,
  mtimeMs: at,
  metrics: { val_loss: 0.25, 'train|loss': 0.1 },
});

test('a checkpoint shows metric, epoch, step, size and time', () => {
  const row = describeCheckpoint(entry, look);
  assert.equal(row.label, 'epoch-7.safetensors');
  assert.equal(row.description, '0.2500 · step 700 · 1.5 KB · 12:05', 'its name says the epoch');
  assert.match(row.spoken, /, 0.2500 val_loss, step 700, /);
  assert.deepEqual(row.checkbox, { checked: false, label: 'Checkpoint epoch-7.safetensors for averaging' });
  assert.equal(row.viewItem, 'checkpoint');
  assert.match(row.tooltip, /\| val\\_loss \| 0.2500 \| ↓ \|/);
  assert.match(row.tooltip, /train\\\|loss/, 'a bar in a name does not break the table');
  assert.match(row.tooltip, /epoch\\-7.safetensors$/, 'the path');
});

test('the best one says so in words, not only by its colour', () => {
  const row = describeCheckpoint(entry, { ...look, best: entry.path, checked: new Set([entry.path]) });
  assert.match(row.description, /^0.2500 · best · /);
  assert.match(row.spoken, /best/);
  assert.equal(row.checkbox?.checked, true);
});

test('without metrics, epoch or step there is still size and time', () => {
  const row = describeCheckpoint(checkpoint('/w/a/x', { mtimeMs: at }), { ...look, metric: undefined });
  assert.equal(row.description, '1.0 KB · 12:05');
});

test('an incomplete or unreadable one cannot be checked and gives the reason', () => {
  for (const state of ['incomplete', 'unreadable'] as const) {
    const row = describeCheckpoint({ ...entry, state, reason: 'Cut off at byte 12.' }, look);
    assert.equal(row.checkbox, undefined);
    assert.equal(row.viewItem, 'incomplete');
    assert.match(row.description, new RegExp(`^${state} · `));
    assert.match(row.tooltip, /Cut off at byte 12\./);
    assert.match(row.spoken, /Cut off at byte 12\./);
  }
});

test('an average shows its method, its metric on the report split, what it gains and what went in', () => {
  const average = checkpoint('/w/a/averages/twa-iclr-1.safetensors', {
    mtimeMs: at,
    average: {
      reportPath: '/w/a/averages/twa-iclr-1.twa-report.json',
      method: 'twa',
      sources: ['/w/a/e1', '/w/a/e2'],
      metric: { name: 'accuracy', goal: 'maximize', value: 0.98765 },
      recommendation: 'Use *this*.',
      gain: 0.0123,
      coefficients: [0.25, 0.75],
      rule: 'iclr',
      task: '/w/twa.json',
    },
  });
  const row = describeAverage(average, look);
  assert.equal(row.description, 'TWA · 0.9877 accuracy · 0.01230 better · 1.0 KB · 12:05');
  assert.match(row.tooltip, /e2 \| 0.7500 \|\n\| e1 \| 0.2500/, 'provenance, what counts most first');
  assert.match(row.tooltip, /Rule iclr · Task \/w\/twa\.json/);
  assert.match(row.tooltip, /0.01230 better than the best single checkpoint/);
  const worse = { ...average, average: { ...average.average!, gain: -0.5 } };
  assert.match(describeAverage(worse, look).description, /0.5000 worse/);
  assert.equal(row.viewItem, 'average');
  assert.equal(row.icon.id, 'star-full');
  assert.equal(row.checkbox, undefined);
  assert.match(row.tooltip, /TWA of 2 checkpoints/);
  assert.match(row.tooltip, /Use \\\*this\\\*\\?\./);
});

test('a run counts what is in it, and its checkbox stands for all complete ones', () => {
  const found = run('seed-1', 3, { averages: [checkpoint('/w/seed-1/averages/twa-1')], mtimeMs: at });
  const all = new Set(found.checkpoints.map(({ path }) => path));
  const row = describeRun(found, {
    ...look,
    best: '/w/seed-1/e3',
    checked: all,
    status: atRest,
    pinned: false,
  });
  assert.equal(row.label, 'seed-1');
  assert.equal(row.description, 'best val_loss 0.3333 · 3 checkpoints · 1 average · 4.0 KB');
  assert.equal(row.checkbox?.checked, true);
  assert.match(row.tooltip, /Best val\\_loss: 0.3333 \\\(e3\\\)/);
  const empty = describeRun(run('empty', 0), { ...look, status: atRest, pinned: true });
  assert.equal(empty.checkbox, undefined);
  assert.equal(empty.icon.id, 'pinned');
  assert.match(empty.spoken, /pinned/);
});

test('a run that trains, or does badly, says so in words, by its icon and aloud', () => {
  const status: RunStatus = {
    state: 'training',
    activeMs: at,
    pace: {
      at,
      intervalMs: 2000,
      longestMs: 2000,
      step: 310,
      stepsPerSecond: 5,
      fraction: 0.31,
      remainingMs: 138_000,
    },
    findings: [
      { kind: 'plateau', tag: 'val_loss', source: 'log', sinceStep: 200, value: 0.25 },
      {
        kind: 'not-finite',
        tag: 'train_loss',
        source: 'log',
        count: 2,
        points: 9,
        firstStep: 3,
        isLast: false,
      },
    ],
  };
  const row = describeRun(run('seed-1', 2), { ...look, status, pinned: false });
  assert.equal(row.description, 'training · not finite · plateau · 5 steps/s · 2 checkpoints · 2.0 KB');
  assert.deepEqual(row.icon, { id: 'pulse', color: 'charts.green' });
  assert.match(row.tooltip, /2 min left/);
  assert.match(row.tooltip, /train\\_loss: 2 of 9 values are not finite, the first at step 3/);
  assert.match(row.tooltip, /val\\_loss has not improved since step 200/);
  assert.match(row.spoken, /training, not finite, plateau/);
  const failed = describeRun(run('seed-2', 2), {
    ...look,
    status: { ...status, state: 'failed', reason: 'not-finite', findings: [] },
    pinned: false,
  });
  assert.match(failed.description, /^failed · 2 checkpoints/);
  assert.deepEqual(failed.icon, { id: 'error', color: 'charts.red' });
  assert.match(failed.tooltip, /Failed: its loss was not a number/);
});

test('a run that is kept averaged says what that came to, and that it can stop as long as it trains', () => {
  const training: RunStatus = { ...atRest, state: 'training' };
  const rowOf = (outcome: LiveOutcome | undefined, status = training) =>
    describeRun(run('a', 2), { ...look, status, pinned: false, live: { outcome } });
  assert.match(rowOf(undefined).description, /^training · kept averaged · 2 checkpoints/);
  const newest = line({
    epoch: 40,
    epochs: [12, 40],
    reference: reference({ path: '/w/best/epoch-030' }),
  });
  const measured = rowOf({ line: newest, verdict: undefined });
  assert.match(
    measured.description,
    /^training · averaged live: accuracy 0\.9700 after epoch 40 · 2 checkpoints/,
  );
  assert.match(
    measured.tooltip.replaceAll('\\', ''),
    /TWA of epochs 12-40: accuracy 0\.9700, 95 % interval 0\.9500 to 0\.9800; the newest checkpoint by itself 0\.9500 \(200 stop examples\)/,
  );
  const byStep: { epoch?: number } & LiveLine = line();
  delete byStep.epoch;
  assert.match(rowOf({ line: byStep, verdict: undefined }).description, /after step 52/);
  assert.doesNotMatch(
    describeRun(run('a', 2), { ...look, status: training, pinned: false }).description,
    /averaged/,
  );

  const verdict = { line: newest, reference: newest.reference! };
  const row = rowOf({ line: newest, verdict });
  assert.match(row.description, /after epoch 40 · stop now · /);
  assert.match(
    row.tooltip.replaceAll('\\', ''),
    /stop now: TWA of epochs 12-40 is within noise of your best run \(accuracy 0\.9700 against 0\.9750 of best\/epoch-030; difference -0\.0050, 95 % interval -0\.020 to \+0\.010, 200 stop examples\)/,
  );
  assert.doesNotMatch(rowOf({ line: newest, verdict }, atRest).description, /stop now/);
});
