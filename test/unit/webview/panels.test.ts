import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seededRandom } from '../../../src/core/averaging/rng.ts';
import type { LossPoint, PassProgress } from '../../../src/core/averaging/types.ts';
import type { Series } from '../../../src/core/metrics/types.ts';
import type { RunState } from '../../../src/core/runs/status.ts';
import type { CheckpointEntry, Run, RunsSnapshot } from '../../../src/core/runs/types.ts';
import { POINTS_PER_MESSAGE } from '../../../src/extension/panels/curvesFeed.ts';
import { CurvesSession } from '../../../src/extension/panels/curvesSession.ts';
import { escapeHtml, newNonce, pageHtml } from '../../../src/extension/panels/html.ts';
import { ResultSession } from '../../../src/extension/panels/resultSession.ts';
import { smooth } from '../../../webview/curves/smooth.ts';
import { defaultSmoothing } from '../../../webview/curves/state.ts';
import { CurvesStore } from '../../../webview/curves/store.ts';
import { readToCurves, type ResultMore, type ToCurves, type ToResult } from '../../../webview/protocol.ts';
import { sampleReport } from '../../e2e/webviews/samples.ts';

const series = (values: readonly number[], tag = 'loss'): Series => ({
  tag,
  source: '/run/metrics.csv',
  steps: values.map((_, index) => index),
  epochs: values.map(() => NaN),
  wallTimes: values.map(() => NaN),
  values,
});
const entry = (name: string, extra: Partial<CheckpointEntry> = {}): CheckpointEntry => ({
  path: `/run/${name}`,
  name,
  format: 'safetensors',
  state: 'complete',
  bytes: 1,
  mtimeMs: 1,
  metrics: {},
  ...extra,
});
const run = (extra: Partial<Run> = {}): Run => ({
  directory: '/run',
  name: 'run',
  checkpoints: [entry('a'), entry('b')],
  averages: [],
  series: [series([1, 2, 3])],
  averagedSeries: [],
  mtimeMs: 1,
  training: { startedMs: 0, activeMs: 1 },
  ...extra,
});
const snapshotOf = (...runs: readonly Run[]): RunsSnapshot => ({ runs, scanning: false, warnings: [] });

function curvesSession(first: RunsSnapshot, wanted: readonly string[] | null = null) {
  const sent: ToCurves[] = [];
  const done: string[] = [];
  /** Called when the page has what was sent. */
  const taken: (() => void)[] = [];
  const reports = new Map<string, () => void>();
  const states = new Map<string, RunState>();
  const session = new CurvesSession(
    {
      post: (message) => {
        sent.push(message);
        return new Promise<void>((resolve) => taken.push(resolve));
      },
      setTitle: (name) => done.push(`title ${name ?? ''}`),
      reveal: (path) => done.push(`reveal ${path}`),
      openReport: (path) => done.push(`report ${path}`),
      average: (paths) => done.push(`average ${paths.join(' ')}`),
      watchFolder: () => done.push('watch'),
      ask: ({ format }) => done.push(`ask ${format}`),
      export: () => done.push('export'),
      saveData: (format, name, runs) =>
        done.push(
          `save ${format} ${name} ${runs.map((one) => one.series.map(({ tag }) => tag).join()).join(';')}`,
        ),
      savePicture: (format, name, content) => done.push(`save ${format} ${name} ${content}`),
      stateOf: ({ name }) => states.get(name) ?? 'finished',
      readReport: (path) => new Promise((resolve) => reports.set(path, () => resolve(sampleReport()))),
      warn: (text) => done.push(`warn ${text}`),
    },
    first,
    wanted,
  );
  return { session, sent, done, taken, reports, states };
}

describe('CurvesSession', () => {
  test('says nothing before the page is ready, then everything', () => {
    const { session, sent } = curvesSession(snapshotOf(run()));
    session.update(snapshotOf(run({ series: [series([1, 2, 3, 4])] })));
    assert.equal(sent.length, 0);
    session.receive({ kind: 'ready' });
    assert.equal(sent.length, 1);
    assert.ok(sent[0]?.kind === 'snapshot');
    assert.deepEqual([...sent[0].shown[0]!.series[0]!.values], [1, 2, 3, 4]);
  });

  test('then only new points, numbered without a hole', () => {
    const { session, sent } = curvesSession(snapshotOf(run()));
    session.receive({ kind: 'ready' });
    session.update(snapshotOf(run({ series: [series([1, 2, 3, 4, 5])] })));
    session.update(snapshotOf(run({ series: [series([1, 2, 3, 4, 5, 6])] })));
    const [first, second, third] = sent;
    assert.ok(second?.kind === 'increment' && third?.kind === 'increment');
    assert.deepEqual(
      [second.changed[0]!.series[0]!.from, [...second.changed[0]!.series[0]!.values]],
      [3, [4, 5]],
    );
    assert.deepEqual([third.changed[0]!.series[0]!.from, [...third.changed[0]!.series[0]!.values]], [5, [6]]);
    assert.deepEqual([second.number, third.number], [first!.number + 1, first!.number + 2]);
    assert.equal(second.changed[0]!.checkpoints, undefined);
  });

  test('no message when nothing that is shown changed', () => {
    const { session, sent } = curvesSession(snapshotOf(run()));
    session.receive({ kind: 'ready' });
    session.update(snapshotOf(run({ mtimeMs: 5 })));
    assert.equal(sent.length, 1);
  });

  test('a log that was rewritten is sent from its first difference', () => {
    const { session, sent } = curvesSession(snapshotOf(run()));
    session.receive({ kind: 'ready' });
    session.update(snapshotOf(run({ series: [series([1, 9])] })));
    const message = sent[1];
    assert.ok(message?.kind === 'increment');
    assert.deepEqual(
      [message.changed[0]!.series[0]!.from, [...message.changed[0]!.series[0]!.values]],
      [1, [9]],
    );
  });

  test('NaN equals NaN: a diverged series is not sent again and again', () => {
    const { session, sent } = curvesSession(snapshotOf(run({ series: [series([1, NaN])] })));
    session.receive({ kind: 'ready' });
    session.update(snapshotOf(run({ series: [series([1, NaN])] })));
    assert.equal(sent.length, 1);
  });

  test('a series that the watcher lengthens in place is followed', () => {
    const values = [1, 2];
    const steps = [0, 1];
    const epochs = [0, 0];
    const growing: Series = { tag: 'loss', source: '/m', steps, epochs, wallTimes: [], values };
    const { session, sent } = curvesSession(snapshotOf(run({ series: [growing] })));
    session.receive({ kind: 'ready' });
    values.push(3);
    steps.push(2);
    epochs.push(0);
    session.update(snapshotOf(run({ series: [growing] })));
    assert.ok(sent[1]?.kind === 'increment');
    assert.deepEqual([...sent[1].changed[0]!.series[0]!.values], [3]);
  });

  test('whatever happens, the page ends up with what the watcher knows', () => {
    const { session, sent } = curvesSession(snapshotOf(run()));
    const store = new CurvesStore();
    const states: readonly (readonly Series[])[] = [
      [series([1, 2, 3, 4])],
      [series([1, 2, 3, 4]), series([7], 'acc')],
      [series([5], 'acc')],
      [],
      [series([1, 2]), series([5, 6], 'acc')],
      [series([9, 2, 8]), series([5, 6], 'acc')],
    ];
    session.receive({ kind: 'ready' });
    for (const state of states) {
      session.update(snapshotOf(run({ series: state })));
      for (const message of sent.splice(0)) assert.equal(store.apply(message), true);
      assert.deepEqual(
        store.series.map(({ tag, values }) => [tag, [...values]]).sort(),
        state.map(({ tag, values }) => [tag, [...values]]).sort(),
      );
    }
  });

  test('series that were logged together are sent with one set of steps, and each ends up with its own', () => {
    for (let seed = 1; seed <= 40; seed++) {
      const random = seededRandom(seed, 'alike');
      const below = (limit: number): number => random() % limit;
      const logs = new Map<string, Series>();
      const points = (
        from: number,
        more: number,
        kind: number,
      ): Pick<Series, 'steps' | 'epochs' | 'wallTimes'> => {
        const steps = Array.from({ length: more }, (_, index) => 10 * (from + index) + kind);
        return {
          steps,
          epochs: steps.map((step) => (kind === 1 ? Math.floor(step / 100) : NaN)),
          wallTimes: steps.map((step) => (kind === 2 ? NaN : 1e12 + step)),
        };
      };
      const grow = (tag: string, kept: number, more: number, kind: number): void => {
        const old = logs.get(tag) ?? { ...series([], tag) };
        const added = points(kept, more, kind);
        const joined = (a: readonly number[], b: readonly number[]): number[] => [...a.slice(0, kept), ...b];
        logs.set(tag, {
          ...old,
          steps: joined(old.steps, added.steps),
          epochs: joined(old.epochs, added.epochs),
          wallTimes: joined(old.wallTimes, added.wallTimes),
          values: joined(
            old.values,
            added.steps.map(() => below(1000)),
          ),
        });
      };
      const { session, sent } = curvesSession(snapshotOf(run({ series: [] })));
      const store = new CurvesStore();
      session.receive({ kind: 'ready' });
      for (let change = 0; change < 25; change++) {
        const more = 1 + below(4);
        const kind = below(3);
        for (const tag of ['a', 'b', 'c', 'd']) {
          const length = logs.get(tag)?.values.length ?? 0;
          const what = below(10);
          if (what < 6) grow(tag, length, more, kind);
          else if (what === 6) grow(tag, length, 1 + below(3), below(3));
          else if (what === 7) grow(tag, below(length + 1), more, kind);
          else if (what === 8 && below(3) === 0) logs.delete(tag);
        }
        session.update(snapshotOf(run({ series: [...logs.values()] })));
        for (const message of sent.splice(0)) assert.equal(store.apply(readToCurves(message)!), true);
        const shown = store.series.map(({ tag, steps, values, epochs, wallTimes }) => [
          tag,
          [...steps],
          [...values],
          [...(epochs ?? values.map(() => NaN))],
          [...(wallTimes ?? values.map(() => NaN))],
        ]);
        const wanted = [...logs.values()]
          .filter(({ values }) => values.length > 0)
          .map(({ tag, steps, values, epochs, wallTimes }) => [tag, steps, values, epochs, wallTimes]);
        assert.deepEqual(shown.sort(), wanted.sort(), `seed ${seed}, change ${change}`);
      }
    }
  });

  test('of alike series only the first carries steps, and the page keeps them once', () => {
    const tags = ['train/loss', 'train/acc'];
    const { session, sent } = curvesSession(
      snapshotOf(run({ series: tags.map((tag) => series([1, 2, 3], tag)) })),
    );
    session.receive({ kind: 'ready' });
    const [message] = sent;
    assert.ok(message?.kind === 'snapshot');
    const [first, second] = message.shown[0]!.series;
    assert.deepEqual([first!.like, second!.like, second!.steps], [undefined, first!.key, undefined]);
    const store = new CurvesStore();
    assert.equal(store.apply(message), true);
    const [one, other] = store.series;
    assert.equal(one!.steps.buffer, other!.steps.buffer);
    const alone = { ...message, shown: [{ ...message.shown[0]!, series: [second!] }] };
    assert.equal(new CurvesStore().apply(alone), false, 'without the first one they are nothing');
  });

  test('a page that missed something gets everything again', () => {
    const { session, sent } = curvesSession(snapshotOf(run()));
    session.receive({ kind: 'ready' });
    session.receive({ kind: 'resync' });
    assert.deepEqual(
      sent.map(({ kind }) => kind),
      ['snapshot', 'snapshot'],
    );
  });

  test('a hidden page is left alone until it is ready again', () => {
    const { session, sent } = curvesSession(snapshotOf(run()));
    session.receive({ kind: 'ready' });
    session.pause();
    session.update(snapshotOf(run({ series: [series([1])] })));
    assert.equal(sent.length, 1);
    session.receive({ kind: 'ready' });
    assert.equal(sent[1]?.kind, 'snapshot');
  });

  test('follows the newest run until one is chosen', () => {
    const old = run();
    const newer = run({ directory: '/run2', name: 'run2', mtimeMs: 2 });
    const { session, sent, done } = curvesSession(snapshotOf(old));
    session.receive({ kind: 'ready' });
    session.update(snapshotOf(old, newer));
    assert.ok(sent[1]?.kind === 'increment' && sent[1].changed[0]?.name === 'run2');
    assert.deepEqual(sent[1].gone, ['/run']);
    session.receive({ kind: 'selectRuns', directories: ['/run'] });
    assert.ok(sent[2]?.kind === 'increment' && sent[2].changed[0]?.name === 'run');
    assert.deepEqual(session.wanted, ['/run']);
    assert.equal(done.at(-1), 'title run');
  });

  test('a chosen run that is gone leaves no other in its place', () => {
    const { session, sent } = curvesSession(snapshotOf(run({ directory: '/other' })), ['/run']);
    session.receive({ kind: 'ready' });
    assert.ok(sent[0]?.kind === 'snapshot' && sent[0].shown.length === 0);
  });

  test('runs come newest first with what they are doing, and a change of that alone is told', () => {
    const at = (name: string, startedMs: number): Run =>
      run({ directory: `/${name}`, name, training: { startedMs, activeMs: 1 } });
    const { session, sent, states } = curvesSession(snapshotOf(at('a', 1), at('b', 2)));
    states.set('a', 'training');
    session.receive({ kind: 'ready' });
    assert.ok(sent[0]?.kind === 'snapshot');
    assert.deepEqual(sent[0].runs, [
      { directory: '/a', name: 'a', state: { name: 'training', label: 'training' } },
      { directory: '/b', name: 'b' },
    ]);
    session.update();
    assert.equal(sent.length, 1);
    states.set('a', 'stalled');
    session.update();
    assert.ok(sent[1]?.kind === 'increment');
    assert.deepEqual(
      sent[1].runs?.map(({ name, state }) => [name, state?.name]),
      [
        ['b', undefined],
        ['a', 'stalled'],
      ],
    );
    assert.equal(readToCurves(sent[1])?.kind, 'increment', 'as the page reads it');
  });

  test('the health of what is shown is sent once, and again when it is another', () => {
    const { session, sent } = curvesSession(snapshotOf(run()));
    session.receive({ kind: 'ready' });
    session.update(snapshotOf(run({ series: [series([1, 2, 3, NaN])] })));
    session.update(snapshotOf(run({ series: [series([1, 2, 3, NaN, 4])] })));
    const health = sent.map((message) =>
      message.kind === 'snapshot' ? message.shown[0]?.health : message.changed[0]?.health,
    );
    assert.deepEqual(
      health.map((marks) => marks?.map(({ kind, sentence }) => [kind, sentence])),
      [
        [],
        [['not-finite', 'loss is not a number any more, first at step 3.']],
        [['not-finite', 'loss: 1 of 5 values are not finite, the first at step 3.']],
      ],
    );
  });

  test('exports what the page shows, of the runs it shows, and with every point', () => {
    const shown = run({ series: [series([1, 2, 3]), series([4], 'lr')] });
    const other = run({ directory: '/other', name: 'other', series: [series([9])] });
    const { session, done } = curvesSession(snapshotOf(shown, other), ['/run']);
    session.export('svg');
    assert.deepEqual(done.slice(1), [], 'a page that is not there is not asked');
    session.receive({ kind: 'ready' });
    session.receive({ kind: 'export' });
    session.export('csv');
    const key = (run: string): string => `${run}\n/run/metrics.csv\nloss`;
    session.receive({
      kind: 'exportData',
      format: 'csv',
      series: [key('/run'), key('/other')],
    });
    session.receive({ kind: 'exportPicture', format: 'svg', content: '<svg/>' });
    assert.deepEqual(done.slice(1), [
      'export',
      'ask csv',
      'save csv run-curves loss',
      'save svg run-curves <svg/>',
    ]);
  });

  test('shows several runs, and adds and takes away single ones without sending the others again', () => {
    const other = run({ directory: '/run2', name: 'run2' });
    const { session, sent, done } = curvesSession(snapshotOf(run(), other), ['/run']);
    session.receive({ kind: 'ready' });
    session.receive({ kind: 'selectRuns', directories: ['/run2', '/run'] });
    session.receive({ kind: 'selectRuns', directories: ['/run2'] });
    const [, second, third] = sent;
    assert.ok(second?.kind === 'increment' && third?.kind === 'increment');
    assert.deepEqual(
      second.changed.map(({ directory }) => directory),
      ['/run2'],
    );
    assert.deepEqual([third.changed, third.gone], [[], ['/run']]);
    assert.deepEqual(done.slice(1), ['title 2', 'title run2']);
  });

  test('a long log comes in parts, each when the page has the one before, and new points in between', async () => {
    const length = 3 * POINTS_PER_MESSAGE + 10;
    const long = Array.from({ length }, (_, index) => index);
    const { session, sent, taken } = curvesSession(snapshotOf(run({ series: [series(long)] })));
    const store = new CurvesStore();
    session.receive({ kind: 'ready' });
    session.update(snapshotOf(run({ series: [series([...long, -1])] })));
    assert.equal(sent.length, 1, 'waits for the page');
    for (let part = 0; part < sent.length; part++) {
      const message = sent[part]!;
      assert.equal(store.apply(message), true);
      // First comes an overview, then the points.
      assert.equal(message.more, part < 4);
      assert.equal(store.series[0]!.overview !== undefined, part < 4);
      taken[part]!();
      await new Promise(setImmediate);
    }
    assert.equal(sent.length, 5);
    assert.equal(store.series[0]!.length, length + 1);
    assert.deepEqual([...store.series[0]!.values.slice(-2)], [length - 1, -1]);
  });

  test('long logs are seen at a glance with the first message, smoothed as on the page', () => {
    const tags = ['train/loss', 'val/loss', 'grad'];
    const long = Array.from({ length: POINTS_PER_MESSAGE / 2 }, (_, index) => Math.sin(index));
    const many = run({ series: [...tags.map((tag) => series(long, tag)), series([1, 2], 'short')] });
    const { session, sent } = curvesSession(snapshotOf(many));
    const glances = () => {
      const message = sent.at(-1);
      assert.ok(message?.kind === 'snapshot' && message.more);
      const [{ overviews = [], series: whole } = { series: [] }] = message.shown;
      assert.deepEqual(
        [overviews.map(({ tag, total }) => [tag, total]), whole.map(({ tag }) => tag)],
        [tags.map((tag) => [tag, long.length]), ['short']],
      );
      assert.ok(overviews.every(({ values }) => values.length < 5000));
      return overviews[0]!;
    };
    session.receive({ kind: 'ready' });
    assert.equal(glances().smoothing, defaultSmoothing(long.length));
    session.receive({ kind: 'smoothing', smoothing: 0.9 });
    session.receive({ kind: 'ready' });
    const { steps, averages } = glances();
    const wanted = smooth(Float64Array.from(long), 0.9);
    assert.deepEqual(
      averages,
      steps.map((step) => wanted[step]!),
    );
    session.pause();
    session.receive({ kind: 'ready' });
    assert.equal(glances().averages, averages, 'shown again: nothing is made anew');
    session.receive({ kind: 'smoothing', smoothing: 0 });
    session.receive({ kind: 'ready' });
    assert.equal(glances().averages, undefined);
  });

  test('what fits into a message comes without overviews', () => {
    const { session, sent } = curvesSession(
      snapshotOf(run({ series: [series(Array.from({ length: POINTS_PER_MESSAGE }, () => 1))] })),
    );
    session.receive({ kind: 'ready' });
    assert.ok(sent[0]?.kind === 'snapshot' && !sent[0].more);
    assert.equal(sent[0].shown[0]!.overviews, undefined);
  });

  const average = entry('avg', {
    average: {
      reportPath: '/run/avg.twa-report.json',
      method: 'twa',
      sources: ['/run/a'],
      metric: { name: 'accuracy', goal: 'maximize', value: 0.9 },
      recommendation: 'Use it.',
      epoch: 3,
    },
  });

  test('reveals and opens only what it knows', () => {
    const { session, done } = curvesSession(snapshotOf(run({ averages: [average] })));
    for (const message of [
      { kind: 'reveal', path: '/etc/passwd' },
      { kind: 'averageRange', directory: '/other', paths: ['/run/a'] },
      { kind: 'averageRange', directory: '/run', paths: ['/run/b', '/etc/passwd', '/run/a'] },
      { kind: 'openReport', path: '/run/a' },
      { kind: 'reveal', path: '/run/a' },
      { kind: 'openReport', path: '/run/avg.twa-report.json' },
      { kind: 'evil' },
    ]) {
      session.receive(message);
    }
    assert.deepEqual(done.slice(1), [
      'average /run/a /run/b',
      'reveal /run/a',
      'report /run/avg.twa-report.json',
      'warn The curves page sent a message that is not understood.',
    ]);
  });

  test('an average has its metric at once, and loss and intervals once its report is read', async () => {
    const { session, sent, reports } = curvesSession(snapshotOf(run({ averages: [average] })));
    session.receive({ kind: 'ready' });
    assert.ok(sent[0]?.kind === 'snapshot');
    assert.deepEqual(sent[0].shown[0]?.averages[0]?.measured, [{ name: 'accuracy', value: 0.9 }]);
    reports.get('/run/avg.twa-report.json')!();
    await new Promise(setImmediate);
    assert.ok(sent[1]?.kind === 'increment');
    assert.deepEqual(
      sent[1].changed[0]?.averages?.[0]?.measured.map(({ name, interval }) => [name, interval !== undefined]),
      [
        ['accuracy', true],
        ['loss', true],
      ],
    );
    session.update(snapshotOf(run({ averages: [average], mtimeMs: 9 })));
    assert.equal(reports.size, 1);
  });
});

function resultSession(live = true, more?: ResultMore) {
  const sent: ToResult[] = [];
  const done: string[] = [];
  const later: (() => void)[] = [];
  const report = sampleReport();
  const session = new ResultSession(
    {
      post: (message) => sent.push(message),
      reveal: (path) => done.push(`reveal ${path}`),
      openFile: (path) => done.push(`open ${path}`),
      copy: (text) => done.push(`copy ${text}`),
      cancel: () => done.push('cancel'),
      act: (action) => done.push(`act ${action}`),
      more: () => more,
      warn: (text) => done.push(`warn ${text}`),
      later: (callback) => later.push(callback),
    },
    live
      ? {
          kind: 'live',
          live: {
            title: 't',
            checkpoints: [{ path: '/c' }],
            cancellable: true,
            fraction: 0,
            message: '',
            points: [],
          },
        }
      : { kind: 'report', path: '/r.json', report },
  );
  return { session, sent, done, later, report };
}
const point = (step: number): LossPoint => ({ step, epoch: 1, fitLoss: 1 / (step + 1) });
const progress = (step: number): PassProgress => ({
  phase: 'training',
  fraction: step / 10,
  message: `step ${step}`,
  point: point(step),
});

describe('ResultSession', () => {
  test('sends what is known beside the report, and does only what it offered', () => {
    const { session, sent, done, report } = resultSession(false, { evaluations: [], can: ['markdown'] });
    session.receive({ kind: 'ready' });
    assert.deepEqual(
      sent.map(({ kind }) => kind),
      ['report', 'more'],
    );
    assert.ok(report.gram !== undefined && sent[0]?.kind === 'report' && !('gram' in sent[0].report));
    session.receive({ kind: 'act', action: 'evaluate' });
    session.receive({ kind: 'act', action: 'markdown' });
    assert.deepEqual(done, ['act markdown']);
    session.moreChanged();
    assert.equal(sent.at(-1)?.kind, 'more');
  });

  test('gathers progress and sends it a few times a second, numbered', () => {
    const { session, sent, later } = resultSession();
    session.receive({ kind: 'ready' });
    for (let step = 0; step < 5; step++) session.progress(progress(step));
    assert.equal(sent.length, 1);
    assert.equal(later.length, 1);
    later.shift()!();
    session.progress(progress(5));
    later.shift()!();
    const [first, second, third] = sent;
    assert.ok(first?.kind === 'live' && second?.kind === 'progress' && third?.kind === 'progress');
    assert.deepEqual([second.points.length, third.points.length], [5, 1]);
    assert.deepEqual([second.number, third.number], [first.number + 1, first.number + 2]);
    assert.equal(second.message, 'step 4');
  });

  test('a page that comes late gets the points so far, and none twice', () => {
    const { session, sent, later } = resultSession();
    for (let step = 0; step < 3; step++) session.progress(progress(step));
    assert.equal(later.length, 0);
    session.receive({ kind: 'ready' });
    session.progress(progress(3));
    later.shift()!();
    assert.ok(sent[0]?.kind === 'live' && sent[1]?.kind === 'progress');
    assert.deepEqual(
      [...sent[0].live.points, ...sent[1].points].map(({ step }) => step),
      [0, 1, 2, 3],
    );
  });

  test('becomes the report', () => {
    const { session, sent, later, report } = resultSession();
    session.receive({ kind: 'ready' });
    session.progress(progress(0));
    session.become({ kind: 'report', path: '/r.json', report });
    // What was still under way must not bring the live view back.
    later.shift()!();
    session.progress(progress(1));
    assert.deepEqual(
      sent.map(({ kind }) => kind),
      ['live', 'report'],
    );
  });

  test('does what the page may ask, and no more', () => {
    const { session, done, report } = resultSession(false);
    for (const message of [
      { kind: 'reveal', path: '/etc/passwd' },
      { kind: 'reveal', path: report.output },
      { kind: 'reveal', path: report.provenance.sources[0]!.path },
      { kind: 'openFile' },
      { kind: 'copy', text: 'abc' },
      { kind: 'cancel' },
    ]) {
      session.receive(message);
    }
    assert.deepEqual(done, [
      `reveal ${report.output}`,
      `reveal ${report.provenance.sources[0]!.path}`,
      'open /r.json',
      'copy abc',
    ]);
  });

  test('cancels a pass that runs', () => {
    const { session, done } = resultSession();
    session.receive({ kind: 'cancel' });
    assert.deepEqual(done, ['cancel']);
  });
});

describe('pageHtml', () => {
  const page = {
    cspSource: 'https://*.example',
    nonce: newNonce(),
    scriptUri: 'https://a.example/curves.js',
    styleUri: 'https://a.example/curves.css',
    title: '<b>',
    language: 'de',
    strings: { hint: `"><script>alert('1')</script>` },
  };

  test('allows only our own script, styles and images', () => {
    const [, policy] = /Content-Security-Policy" content="([^"]*)"/.exec(pageHtml(page))!;
    assert.deepEqual(policy!.replaceAll('&#39;', "'").split('; '), [
      `default-src 'none'`,
      `script-src 'nonce-${page.nonce}'`,
      'style-src https://*.example',
      'img-src https://*.example',
    ]);
  });

  test('texts cannot become markup', () => {
    const html = pageHtml(page);
    assert.equal(html.match(/<script/g)?.length, 1);
    assert.ok(html.includes('<title>&lt;b&gt;</title>'));
    assert.equal(escapeHtml(`<&>"'`), '&lt;&amp;&gt;&quot;&#39;');
  });

  test('a nonce is never used twice', () => assert.notEqual(newNonce(), newNonce()));
});
