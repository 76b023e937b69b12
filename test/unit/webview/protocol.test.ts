import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  readFromCurves,
  readFromResult,
  readToCurves,
  readToResult,
  type ToCurves,
  type ToResult,
} from '../../../webview/protocol.ts';
import { INITIAL_STATE, readState, wantedRuns } from '../../../webview/curves/state.ts';
import { shownReport } from '../../../webview/result/state.ts';
import { curvesSnapshot, sampleMore, sampleReport, sampleRun } from '../../e2e/webviews/samples.ts';

/** What VS Code's message channel makes of a message: JSON, with typed arrays carried over. */
function throughChannel(message: unknown): unknown {
  const arrays: Float64Array[] = [];
  const text = JSON.stringify(message, (_, value: unknown) =>
    value instanceof Float64Array ? { $array: arrays.push(value) - 1 } : value,
  );
  return JSON.parse(text, (_, value: unknown) =>
    typeof value === 'object' && value !== null && '$array' in value ? arrays[Number(value.$array)] : value,
  );
}

describe('messages to the curves page', () => {
  test('a snapshot comes through whole', () => {
    const message = curvesSnapshot(sampleRun(3, true));
    assert.deepEqual(readToCurves(throughChannel(message)), message);
  });

  test('an increment comes through whole', () => {
    const message: ToCurves = {
      kind: 'increment',
      number: 2,
      more: true,
      changed: [{ directory: '/r', name: 'r', series: [points()], removed: ['k'], checkpoints: [] }],
      gone: ['/q'],
      wanted: null,
    };
    assert.deepEqual(readToCurves(throughChannel(message)), message);
  });

  test('an overview comes through whole, and is refused when its columns differ', () => {
    const { key, tag, source, steps, values } = points();
    const overview = { key, tag, source, total: 1000, steps, values, smoothing: 0.6 };
    const message = (averages: Float64Array): ToCurves =>
      curvesSnapshot({ ...sampleRun(2), series: [], overviews: [{ ...overview, averages }] });
    assert.deepEqual(readToCurves(throughChannel(message(values))), message(values));
    assert.equal(readToCurves(message(new Float64Array(values.length + 1))), undefined);
  });

  test('a metric of NaN is NaN again, not null', () => {
    const run = sampleRun(2);
    const message = curvesSnapshot({
      ...run,
      checkpoints: [{ ...run.checkpoints[0]!, metrics: { loss: NaN } }],
    });
    const read = readToCurves(throughChannel(message));
    assert.ok(read?.kind === 'snapshot' && Number.isNaN(read.shown[0]?.checkpoints[0]?.metrics['loss']));
  });

  for (const [what, message] of [
    ['no object', 'snapshot'],
    ['null', null],
    ['an unknown kind', { kind: 'eval', number: 1 }],
    ['a missing field', { kind: 'snapshot', number: 1, scanning: false, runs: [] }],
    ['plain arrays in place of columns', increment({ ...points(), values: [1] })],
    ['columns of different lengths', increment({ ...points(), values: Float64Array.of(1, 2) })],
  ] as const) {
    test(`refuses ${what}`, () => assert.equal(readToCurves(message), undefined));
  }
  test('(and takes the same where it is right)', () =>
    assert.notEqual(readToCurves(increment(points())), undefined));
});

function increment(series: unknown) {
  const changed = [{ directory: '/r', name: 'r', series: [series], removed: [] }];
  return { kind: 'increment', number: 1, more: false, changed, gone: [] };
}
function points() {
  const one = Float64Array.of(1);
  return { key: 'k', tag: 't', source: 's', from: 0, total: 1, steps: one, epochs: one, values: one };
}

describe('messages to the result page', () => {
  for (const evaluated of [true, false]) {
    test(`a report comes through whole, evaluated: ${evaluated}`, () => {
      const report = sampleReport(evaluated);
      // The host keeps it.
      delete (report as { gram?: unknown }).gram;
      const read = readToResult(throughChannel({ kind: 'report', path: '/r.json', report }));
      // What is undefined before is absent after: JSON knows no undefined.
      assert.deepEqual(throughChannel(read), throughChannel({ path: '/r.json', report, kind: 'report' }));
      assert.equal(read?.kind, 'report');
    });
  }

  test('what is known beside a report comes through', () => {
    const more = sampleMore();
    const read = readToResult(throughChannel({ kind: 'more', more }));
    assert.ok(read?.kind === 'more' && read.more.geometry !== undefined);
    assert.deepEqual(throughChannel(read), throughChannel({ more, kind: 'more' }));
  });

  test('a diverged row is NaN, not a refusal', () => {
    const report = sampleReport();
    const table = [{ ...report.table[0]!, loss: NaN, lossInterval: { low: NaN, high: NaN } }];
    const read = readToResult(throughChannel({ kind: 'report', path: '/r', report: { ...report, table } }));
    assert.ok(read?.kind === 'report' && Number.isNaN(read.report.table[0]?.loss));
  });

  test('a report of another version is refused', () =>
    assert.equal(
      readToResult({ kind: 'report', path: '/r', report: { ...sampleReport(), version: 2 } }),
      undefined,
    ));

  test('live messages come through whole', () => {
    const live: ToResult = {
      kind: 'live',
      number: 1,
      live: {
        title: 't',
        checkpoints: [{ path: '/c', epoch: 3 }],
        cancellable: true,
        fraction: 0,
        message: '',
        points: [{ step: 0, epoch: 0, fitLoss: 1, stopLoss: 2 }],
        failure: { message: 'm', details: ['d'] },
      },
    };
    const progress: ToResult = {
      kind: 'progress',
      number: 2,
      phase: 'training',
      fraction: 0.5,
      message: 'm',
      points: [],
      coefficients: [0.5, 0.5],
    };
    assert.deepEqual(readToResult(throughChannel(live)), live);
    assert.deepEqual(readToResult(throughChannel(progress)), progress);
    assert.equal(readToResult({ ...progress, phase: 'lunch' }), undefined);
  });
});

describe('messages from the pages', () => {
  test('what they may say', () => {
    assert.deepEqual(readFromCurves({ kind: 'ready', extra: 1 }), { kind: 'ready' });
    assert.deepEqual(readFromCurves({ kind: 'selectRuns', directories: null }), {
      kind: 'selectRuns',
      directories: null,
    });
    assert.deepEqual(readFromCurves({ kind: 'averageRange', directory: '/r', paths: ['/c'] }), {
      kind: 'averageRange',
      directory: '/r',
      paths: ['/c'],
    });
    assert.deepEqual(readFromCurves({ kind: 'reveal', path: '/c' }), { kind: 'reveal', path: '/c' });
    assert.deepEqual(readFromCurves({ kind: 'smoothing', smoothing: 0.5 }), {
      kind: 'smoothing',
      smoothing: 0.5,
    });
    assert.deepEqual(readFromResult({ kind: 'copy', text: 'x' }), { kind: 'copy', text: 'x' });
  });

  test('what they may not', () => {
    assert.equal(readFromCurves({ kind: 'reveal', path: 7 }), undefined);
    assert.equal(readFromCurves({ kind: 'reveal', path: 'x'.repeat(10_000) }), undefined);
    assert.equal(readFromCurves({ kind: 'copy', text: 'x' }), undefined);
    for (const smoothing of [1, -0.1, NaN, '0']) {
      assert.equal(readFromCurves({ kind: 'smoothing', smoothing }), undefined);
    }
    assert.equal(readFromResult({ kind: 'copy', text: 'x'.repeat(100_000) }), undefined);
    assert.equal(readFromResult({ kind: 'selectRuns', directories: null }), undefined);
    assert.equal(readFromResult(undefined), undefined);
  });
});

describe('remembered state', () => {
  test('comes back as it was', () => {
    const state = { ...INITIAL_STATE, runs: ['/run'], log: ['loss'], xZoom: { min: 1, max: 2 } };
    assert.deepEqual(readState(throughChannel(state)), state);
    assert.deepEqual(wantedRuns(state), ['/run']);
  });

  test('that is damaged or absent is the initial one', () => {
    assert.deepEqual(readState(undefined), INITIAL_STATE);
    assert.deepEqual(readState({ ...INITIAL_STATE, smoothing: 1 }), INITIAL_STATE);
    assert.deepEqual(readState({ ...INITIAL_STATE, smoothing: NaN }), INITIAL_STATE);
    assert.deepEqual(readState({ ...INITIAL_STATE, axis: 'moon' }), INITIAL_STATE);
    assert.equal(wantedRuns('x'), null);
  });

  test('of an older version keeps what is known', () => {
    const older: Record<string, unknown> = { ...INITIAL_STATE, smoothing: 0.9 };
    delete older['logX'];
    assert.deepEqual(readState(older), { ...INITIAL_STATE, smoothing: 0.9 });
  });

  test('of a result names its report, of a running pass none', () => {
    assert.equal(shownReport({ report: '/r.json', table: false }), '/r.json');
    assert.equal(shownReport({ report: null, table: true }), undefined);
    assert.equal(shownReport(undefined), undefined);
  });
});
