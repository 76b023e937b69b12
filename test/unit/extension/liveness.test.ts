import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Run, RunsSnapshot } from '../../../src/core/runs/types.ts';
import { alertsOf, tellAlerts } from '../../../src/extension/alerts.ts';
import type { Dialogs } from '../../../src/extension/dialogs.ts';
import { Liveness } from '../../../src/extension/watching/liveness.ts';
import type { StatusChange } from '../../../src/extension/watching/liveness.ts';
import { trainingText } from '../../../src/extension/trainingText.ts';
import { run, snapshot } from './runs.ts';

const T0 = Date.UTC(2026, 0, 2);

/** A point every 20 s, so 200 s of silence are a stall. */
function training(name: string, points: number, last?: number): Run {
  const steps = Array.from({ length: points }, (_, i) => i + 1);
  const activeMs = T0 + 20_000 * (points - 1);
  return run(name, 2, {
    series: [
      {
        tag: 'val_loss',
        source: 'log',
        steps,
        values: steps.map((step, i) => (i === points - 1 ? (last ?? 1 / step) : 1 / step)),
        epochs: steps.map(() => NaN),
        wallTimes: steps.map((_, i) => T0 + 20_000 * i),
      },
    ],
    training: { startedMs: T0, activeMs },
  });
}

class World {
  now = T0;
  snapshot: RunsSnapshot = snapshot([]);
  readonly changes: StatusChange[][] = [];
  readonly liveness: Liveness;
  #listener: (snapshot: RunsSnapshot) => void = () => undefined;

  constructor(...runs: readonly Run[]) {
    this.snapshot = snapshot(runs);
    const watcher = {
      onChange: (listener: (snapshot: RunsSnapshot) => void) => {
        this.#listener = listener;
        return () => (this.#listener = () => undefined);
      },
    };
    Object.defineProperty(watcher, 'snapshot', { get: () => this.snapshot });
    this.liveness = new Liveness({
      runs: watcher as typeof watcher & { readonly snapshot: RunsSnapshot },
      stalledIntervals: () => 10,
      now: () => this.now,
    });
    this.liveness.onChange((changes) => this.changes.push([...changes]));
  }

  become(...runs: readonly Run[]): void {
    this.snapshot = snapshot(runs);
    this.#listener(this.snapshot);
  }
}

test('a run that falls silent is stalled although no file changes, and others are not looked at', () => {
  const a = training('a', 10);
  const world = new World(a, run('old', 1));
  world.now = a.training.activeMs;
  assert.equal(world.liveness.status(a).state, 'training');
  world.now += 100_000;
  world.liveness.tick();
  assert.equal(world.changes.length, 0);
  world.now += 101_000;
  world.liveness.tick();
  assert.deepEqual(
    world.changes.flat().map((change) => [change.run.name, change.before?.state, change.after.state]),
    [['a', 'training', 'stalled']],
  );
  world.liveness.dispose();
});

test('only runs that changed are told', () => {
  const a = training('a', 10);
  const b = training('b', 10);
  const world = new World(a, b);
  world.become(a, training('b', 11));
  assert.deepEqual(
    world.changes.map((changes) => changes.map((change) => change.run.name)),
    [['b']],
  );
  world.liveness.dispose();
});

test('alerts: what is new while a run is watched, once, and only if the user wants it', async () => {
  const said: string[] = [];
  const shown: string[] = [];
  const dialogs = {
    notify: (_severity: string, message: string, buttons: readonly string[]) => {
      said.push(message);
      return Promise.resolve(buttons[0]);
    },
  } as unknown as Dialogs;
  const world = new World(training('a', 10));
  let wanted = true;
  tellAlerts({
    liveness: world.liveness,
    dialogs,
    wanted: () => wanted,
    showCurves: (directory) => shown.push(directory),
  });
  world.now = training('a', 11).training.activeMs;
  world.become(training('a', 11, NaN));
  world.become(training('a', 12, NaN));
  await Promise.resolve();
  assert.deepEqual(said, ['a: val_loss is not a number any more, first at step 11.']);
  assert.deepEqual(shown, ['/w/a']);

  wanted = false;
  const b = training('b', 10);
  world.become(training('a', 12, NaN), b);
  world.become(training('a', 12, NaN), training('b', 11, NaN));
  assert.equal(said.length, 1, 'not wanted');
  world.liveness.dispose();
});

test('what a run had before anybody watched is no alert', () => {
  const bad = training('a', 10, NaN);
  const world = new World(bad);
  const after = world.liveness.status(bad);
  assert.deepEqual(alertsOf({ run: bad, before: undefined, after }, T0), []);
  assert.deepEqual(
    alertsOf({ run: bad, before: { ...after, state: 'finished', findings: [] }, after }, T0),
    [],
  );
  const [alert] = alertsOf({ run: bad, before: { ...after, findings: [] }, after }, T0);
  assert.match(alert?.sentence ?? '', /^a: val_loss is not a number/);
  world.liveness.dispose();
});

test('the status bar: speed and what is left of the run that wrote last; nothing when nothing trains', () => {
  assert.equal(trainingText([], T0), undefined);
  const status = {
    state: 'training' as const,
    activeMs: T0,
    findings: [],
    pace: {
      at: T0,
      intervalMs: 1,
      longestMs: 1,
      stepsPerSecond: 12.34,
      remainingMs: 7_500_000,
      fraction: 0.256,
    },
  };
  const one = trainingText([{ run: run('seed-1', 1), status }], T0 + 60_000)!;
  assert.equal(one.text, '$(pulse) 12.3 steps/s · 2 h 4 min left');
  assert.match(one.tooltip, /^seed-1\n25 % · 12\.3 steps\/s/);
  const two = trainingText(
    [
      { run: run('seed-1', 1), status },
      { run: run('seed-2', 1), status: { ...status, activeMs: T0 + 1, pace: undefined } },
    ],
    T0,
  )!;
  assert.equal(two.run.name, 'seed-2');
  assert.equal(two.text, '$(pulse) training (+1)');
});
