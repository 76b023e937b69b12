import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Arrivals, marksOf, paceOf } from '../../../src/core/runs/pace.ts';
import type { Mark } from '../../../src/core/runs/pace.ts';
import { newestFirst, statusOf } from '../../../src/core/runs/status.ts';
import type { Run } from '../../../src/core/runs/types.ts';
import { entry, run, series } from './helpers.ts';

const T0 = Date.UTC(2026, 0, 2);
const SECOND = 1000;
const HOUR = 3600 * SECOND;

/** A log with a point of every tenth step each `gap` milliseconds, and the run with it. */
function timed(points: number, gap: number, more: Partial<Run> = {}): Run {
  const steps = Array.from({ length: points }, (_, i) => 10 * (i + 1));
  const log = {
    ...series(
      'loss',
      { steps },
      steps.map((step) => 1 / step),
    ),
    wallTimes: steps.map((_, i) => T0 + gap * i),
  };
  const activeMs = T0 + gap * (points - 1);
  return run({ series: [log], training: { startedMs: T0, activeMs }, ...more });
}

test('speed and the time that is left follow from the log', () => {
  const found = timed(31, 2 * SECOND, {
    training: { startedMs: T0, activeMs: T0 + 60 * SECOND, plan: { steps: 1000 } },
  });
  const pace = paceOf(marksOf(found), found.training.plan)!;
  // 300 steps in 60 s; 690 are left.
  assert.equal(pace.stepsPerSecond, 5);
  assert.equal(pace.intervalMs, 2 * SECOND);
  assert.equal(pace.step, 310);
  assert.equal(pace.remainingMs, (690 / 5) * SECOND);
  assert.equal(pace.fraction, 0.31);
  assert.equal(paceOf(marksOf(found))!.remainingMs, undefined, 'without a plan the speed alone');
  assert.equal(paceOf(marksOf(timed(2, SECOND))), undefined, 'two points are too few');
});

test('a pause of a night, and steps that a resumed training makes again, slow nothing down', () => {
  const marks: Mark[] = [
    ...[0, 1, 2, 3].map((i) => ({ at: T0 + i * SECOND, step: 10 * i })),
    ...[0, 1, 2, 3].map((i) => ({ at: T0 + 9 * HOUR + i * SECOND, step: 20 + 10 * i })),
  ];
  const pace = paceOf(marks)!;
  assert.equal(pace.stepsPerSecond, 10);
  assert.equal(pace.longestMs, SECOND);
});

test('an evaluation between two points is part of the speed', () => {
  const marks = [0, 1, 2, 62, 63, 64].map((at, i) => ({ at: T0 + at * SECOND, step: 32 * i }));
  assert.equal(paceOf(marks)!.stepsPerSecond, (32 * 5) / 64);
});

test('epochs where there are no steps; counted from 0, one more is done than the log says', () => {
  const epochs = [0, 1, 2, 3];
  const log = {
    ...series('val_loss', { epochs }, [4, 3, 2, 1]),
    wallTimes: epochs.map((i) => T0 + i * 10 * SECOND),
  };
  const pace = paceOf(marksOf(run({ series: [log] })), { epochs: 10 })!;
  assert.equal(pace.step, undefined);
  assert.equal(pace.epoch, 4);
  assert.equal(pace.epochsPerSecond, 0.1);
  assert.equal(pace.remainingMs, 60 * SECOND);
});

test('checkpoints that were copied say nothing of the speed', () => {
  const copied = [1, 2, 3, 4].map((epoch) => ({ ...entry(`e${epoch}`, {}), epoch, mtimeMs: T0 + epoch }));
  assert.deepEqual(marksOf(run({ checkpoints: copied })), []);
});

test('without times in the log: the checkpoints, or what was seen to arrive', () => {
  const checkpoints = [1, 2, 3, 4].map((epoch) => ({
    ...entry(`e${epoch}`, {}),
    epoch,
    mtimeMs: T0 + epoch * 30 * SECOND,
  }));
  const csv = (length: number): Run =>
    run({
      checkpoints,
      series: [
        series(
          'loss',
          { steps: Array.from({ length }, (_, i) => 5 * (i + 1)) },
          Array.from({ length }, () => 1),
        ),
      ],
    });
  assert.equal(statusOf(csv(4), T0 + 130 * SECOND).pace?.epochsPerSecond, 1 / 30);
  const arrivals = new Arrivals();
  for (const i of [1, 2, 3, 4]) arrivals.observe(csv(i), T0 + i * SECOND);
  const marks = arrivals.observe(csv(4), T0 + 9 * SECOND);
  assert.deepEqual(marks.at(-1), { at: T0 + 4 * SECOND, step: 20, epoch: 4 }, 'no news is no mark');
  assert.equal(statusOf(csv(4), T0 + 10 * SECOND, marks).pace?.stepsPerSecond, 5);
  arrivals.keep(new Set());
  assert.equal(arrivals.observe(csv(4), T0).length, 1, 'a run that is gone is forgotten');
});

test('training, then stalled, then over: by what is usual for the run', () => {
  const found = timed(30, 20 * SECOND);
  const { activeMs } = found.training;
  const at = (seconds: number) => statusOf(found, activeMs + seconds * SECOND).state;
  assert.equal(at(0), 'training');
  assert.equal(at(200), 'training');
  assert.equal(at(201), 'stalled', 'ten times the usual 20 s');
  assert.equal(at(4000), 'stalled');
  assert.equal(at(4001), 'finished');
  assert.equal(statusOf(found, activeMs + 101 * SECOND, [], 5).state, 'stalled', 'another patience');
  const fast = timed(30, SECOND);
  assert.equal(
    statusOf(fast, fast.training.activeMs + 59 * SECOND).state,
    'training',
    'never under a minute',
  );
});

test('a run that never said how often it writes is not called stalled', () => {
  const quiet = run({ training: { startedMs: T0, activeMs: T0 } });
  assert.equal(statusOf(quiet, T0 + 599 * SECOND).state, 'training');
  assert.equal(statusOf(quiet, T0 + 601 * SECOND).state, 'finished');
});

test('finished: the plan is fulfilled, or the tracker says so, at once', () => {
  const training = { startedMs: T0, activeMs: T0 + 29 * SECOND };
  assert.equal(
    statusOf(timed(30, SECOND, { training: { ...training, plan: { steps: 300 } } }), T0 + 30 * SECOND).state,
    'finished',
  );
  assert.equal(
    statusOf(timed(30, SECOND, { training: { ...training, plan: { steps: 301 } } }), T0 + 30 * SECOND).state,
    'training',
  );
  assert.equal(
    statusOf(timed(30, SECOND, { training: { ...training, outcome: 'finished' } }), T0 + 30 * SECOND).state,
    'finished',
  );
});

test('failed: the tracker says so; or it fell silent with a loss that is no number, or in the middle of a checkpoint', () => {
  const later = T0 + HOUR;
  const training = { startedMs: T0, activeMs: T0 };
  const told = statusOf(run({ training: { ...training, outcome: 'failed' } }), T0);
  assert.deepEqual([told.state, told.reason], ['failed', 'tracker']);
  const lost = run({ training, series: [series('loss', { steps: [1, 2] }, [1, NaN])] });
  assert.equal(statusOf(lost, T0).state, 'training', 'while it goes on it is only marked');
  assert.deepEqual([statusOf(lost, later).state, statusOf(lost, later).reason], ['failed', 'not-finite']);
  const cut = run({
    training,
    checkpoints: [entry('e1', {}), { ...entry('e2', {}, 'incomplete'), mtimeMs: 2 }],
  });
  assert.deepEqual(
    [statusOf(cut, later).state, statusOf(cut, later).reason],
    ['failed', 'incomplete-checkpoint'],
  );
});

test('the newest first, those that train above them, in an order that stays while they train', () => {
  const at = (name: string, startedMs: number): Run =>
    run({ name, directory: `/${name}`, training: { startedMs, activeMs: 0 } });
  const runs = [at('old-live', 1), at('new', 9), at('middle', 5), at('also-middle', 5)];
  const names = newestFirst(runs, ({ name }) => (name === 'old-live' ? 'training' : 'finished')).map(
    ({ name }) => name,
  );
  assert.deepEqual(names, ['old-live', 'new', 'middle', 'also-middle']);
});
