import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseFromCompute, parseToCompute } from '../../../src/compute/messages.ts';
import type { AverageRequest } from '../../../src/compute/protocol.ts';

const request: AverageRequest = {
  checkpoints: ['/a', '/b'],
  method: 'twa',
  options: {},
  buffers: 'recalibrate',
  seed: 1,
  backend: 'auto',
  output: '/o',
  partial: '/o.partial',
};

test('requests as they are sent are let through', () => {
  const start = { kind: 'start', job: 'average', request };
  assert.deepEqual(parseToCompute(start), start);
  assert.deepEqual(parseToCompute({ kind: 'start', job: 'devices', request: {} }).kind, 'start');
  for (const statistics of [{ checkpoint: '/a' }, { checkpoint: '/a', tensors: ['w'] }]) {
    const message = { kind: 'start', job: 'tensorStatistics', request: statistics };
    assert.deepEqual(parseToCompute(message), message);
  }
  const live = { checkpoints: ['/a', '/b'], task: '/t', seed: 1, backend: 'auto', useGpu: false };
  const liveMessage = { kind: 'start', job: 'live', request: live };
  assert.deepEqual(parseToCompute(liveMessage), liveMessage);
  assert.throws(
    () => parseToCompute({ ...liveMessage, request: { ...live, output: '/o' } }),
    /wrong in: output/,
  );
  const compare = { kind: 'start', job: 'compareTensors', request: { a: '/a', b: '/b' } };
  assert.deepEqual(parseToCompute(compare), compare);
  const geometry = { kind: 'start', job: 'geometry', request: { checkpoints: ['/a', '/b'] } };
  assert.deepEqual(parseToCompute(geometry), geometry);
  const contributions = [{ kind: 'engine', id: 'acme.softmax', module: '/acme/engine.mjs' }];
  assert.deepEqual(parseToCompute({ ...start, contributions }), { ...start, contributions });
  assert.deepEqual(parseToCompute({ kind: 'cancel' }), { kind: 'cancel' });
});

for (const [what, message, expected] of [
  ['no object', 'start', /not an object/],
  [
    'an unknown job',
    { kind: 'start', job: 'toString', request: {} },
    /does not know the message start toString/,
  ],
  ['no request', { kind: 'start', job: 'devices' }, /does not know/],
  [
    'wrong fields',
    { kind: 'start', job: 'average', request: { ...request, seed: '1', checkpoints: [1], backend: 'gpu' } },
    /wrong in: checkpoints, seed, backend\./,
  ],
  [
    'a wrong tensor',
    { kind: 'start', job: 'tensorStatistics', request: { checkpoint: '/a', tensors: [1] } },
    /wrong in: tensors\./,
  ],
  ['one side only', { kind: 'start', job: 'compareTensors', request: { a: '/a' } }, /wrong in: b\./],
  [
    'a contribution without a publisher',
    {
      kind: 'start',
      job: 'devices',
      request: {},
      contributions: [{ kind: 'engine', id: 'tfjs', module: '/x.mjs' }],
    },
    /wrong in: contributions\./,
  ],
  ['a field too many', { kind: 'start', job: 'devices', request: { verbose: true } }, /wrong in: verbose\./],
] as const) {
  test(`to the process: ${what} is refused`, () => assert.throws(() => parseToCompute(message), expected));
}

test('answers as they are sent are let through', () => {
  const progress = { phase: 'training', fraction: 0.5, message: 'epoch 1 of 2' };
  for (const message of [
    { kind: 'ready', pid: 7 },
    { kind: 'progress', progress },
    { kind: 'log', level: 'warn', text: 'slow' },
    { kind: 'result', result: {} },
    { kind: 'error', error: { code: 'cancelled', message: 'Cancelled.', place: {}, details: [] } },
  ]) {
    assert.equal(parseFromCompute(message), message);
  }
});

for (const message of [
  undefined,
  { kind: 'ready' },
  { kind: 'progress', progress: { phase: 'dancing', fraction: 0, message: '' } },
  { kind: 'log', level: 'loud', text: 'x' },
  { kind: 'error', error: { message: 'x' } },
  { kind: 'result' },
]) {
  test(`from the process: ${JSON.stringify(message)} is refused`, () =>
    assert.throws(() => parseFromCompute(message), /does not know/));
}
