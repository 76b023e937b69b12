import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import test from 'node:test';
import { toJson } from '../../../src/cli/json.ts';
import { bytes, figure, formatTable, textTable } from '../../../src/cli/table.ts';
import { makeTerminal } from '../../../src/cli/terminal.ts';
import type { PassProgress, TableRow } from '../../../src/core/averaging/types.ts';

function terminal(live: boolean) {
  const stdout = new PassThrough();
  const stderr = Object.assign(new PassThrough(), { isTTY: live, columns: 40 });
  const made = makeTerminal(
    stdout as unknown as NodeJS.WriteStream,
    stderr as unknown as NodeJS.WriteStream,
    new AbortController().signal,
  );
  const read = (stream: PassThrough) => String((stream.read() as Buffer | null) ?? '');
  return { ...made, stdout: () => read(stdout), stderr: () => read(stderr) };
}

const training = (fraction: number, message: string, epoch = false): PassProgress => ({
  phase: 'training',
  fraction,
  message,
  ...(epoch ? { coefficients: [1] } : {}),
});

test('a terminal gets a bar that redraws itself and is gone before other text', () => {
  const { progress, print, note, stdout, stderr } = terminal(true);
  progress(training(0.5, 'epoch 1 of 2, and more than fits in forty columns'));
  assert.equal(stderr(), '\r\x1b[Ktraining   [##########----------] epoch');
  print('result');
  assert.deepEqual([stdout(), stderr()], ['result\n', '\r\x1b[K']);
  note('a note');
  assert.equal(stderr(), 'a note\n');
});

test('elsewhere there is a line per phase and per epoch', () => {
  const { progress, stderr } = terminal(false);
  progress({ phase: 'reading', fraction: 0, message: 'a' });
  progress({ phase: 'reading', fraction: 0.5, message: 'b' });
  progress(training(0, 'step 1'));
  progress(training(0.25, 'step 2'));
  progress(training(0.5, 'epoch 1 of 2', true));
  progress(training(0.75, 'step 3'));
  progress(training(1, 'epoch 2 of 2', true));
  progress({ phase: 'writing', fraction: 1, message: 'c' });
  assert.equal(stderr(), 'reading\ntraining\ntraining: epoch 1 of 2\ntraining: epoch 2 of 2\nwriting\n');
});

test('of a log, warnings and errors are shown', () => {
  const { log, stderr } = terminal(false);
  for (const level of ['debug', 'info', 'warn', 'error'] as const) log(level, level);
  assert.equal(stderr(), 'warn\nerror\n');
});

test('JSON writes what it has no numbers for as strings, and the unknown as null', () => {
  assert.equal(
    toJson({ a: NaN, b: [Infinity, -Infinity, -0.5], c: undefined, d: { e: null }, f: 'NaN' }),
    '{"a":"NaN","b":["Infinity","-Infinity",-0.5],"c":null,"d":{"e":null},"f":"NaN"}',
  );
});

test('tables', () => {
  assert.equal(
    textTable(
      [{ title: 'name' }, { title: 'n', align: 'right' }],
      [
        ['a', '1'],
        ['longer', '100'],
      ],
    ),
    'name      n\na         1\nlonger  100',
  );
  assert.deepEqual([0, 0.5, -2, 1e-5, 12345.6, NaN].map(figure), [
    '0.0000',
    '0.5000',
    '-2.0000',
    '1.000e-5',
    '1.235e+4',
    'NaN',
  ]);
  assert.deepEqual([0, 999, 1000, 999_949, 999_951, 5e9, 7e15].map(bytes), [
    '0 B',
    '999 B',
    '1.0 kB',
    '999.9 kB',
    '1.0 MB',
    '5.0 GB',
    '7000.0 TB',
  ]);
});

test('the result table marks the row to use', () => {
  const row = (id: string, label: string, metric: number): TableRow => ({
    id,
    label,
    metric,
    metricInterval: { low: metric - 0.01, high: metric + 0.01 },
    loss: 0.25,
    lossInterval: { low: 0.2, high: 0.3 },
    stopMetric: 0,
    stopLoss: 0,
  });
  const versus = { difference: 0.02, low: -0.01, high: 0.05 };
  assert.equal(
    formatTable({
      metric: { name: 'accuracy', goal: 'maximize' },
      recommendation: { use: 'uniform', sentence: '' },
      table: [
        row('uniform', 'Plain average', 0.9),
        { ...row('twa', 'TWA', 0.92), metricVersusUniform: versus },
      ],
    }),
    `  weights        accuracy  95 %                loss  95 %              accuracy minus uniform
> Plain average    0.9000  [0.8900, 0.9100]  0.2500  [0.2000, 0.3000]
  TWA              0.9200  [0.9100, 0.9300]  0.2500  [0.2000, 0.3000]  +0.0200 [-0.0100, +0.0500]`,
  );
  assert.equal(
    formatTable({ metric: undefined, table: [], recommendation: { use: 'uniform', sentence: '' } }),
    '',
  );
});
