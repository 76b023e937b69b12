import assert from 'node:assert/strict';
import { test } from 'node:test';

import { inTrainingOrder, trainingOrder } from '../../../src/core/checkpoints/order.ts';
import { header } from './help.ts';

const at = (path: string, mtimeMs: number, position: { step?: number; epoch?: number } = {}) => ({
  path,
  mtimeMs,
  ...position,
});
const names = (items: readonly { path: string }[]): string[] => items.map((item) => item.path);

test('by step, whatever the times and names say', () => {
  const items = [at('/b', 1, { step: 1000 }), at('/a', 2, { step: 20 }), at('/c', 3, { step: 300 })];
  assert.deepEqual(names(trainingOrder(items)), ['/a', '/c', '/b']);
});

test('by epoch where not all have steps; steps then count no more', () => {
  const items = [at('/b', 1, { epoch: 2, step: 1 }), at('/a', 2, { epoch: 1 })];
  assert.deepEqual(names(trainingOrder(items)), ['/a', '/b']);
});

test('by time, then by number in the name, where positions cannot be compared', () => {
  assert.deepEqual(names(trainingOrder([at('/x', 2, { step: 1 }), at('/y', 1, { epoch: 9 })])), ['/y', '/x']);
  assert.deepEqual(names(trainingOrder([at('/m10', 5), at('/m9', 5), at('/m1', 4)])), ['/m1', '/m9', '/m10']);
});

test('one without a number goes where its time puts it, as long as times can be trusted', () => {
  const trusted = [
    at('/3', 30, { epoch: 3 }),
    at('/best', 25),
    at('/1', 10, { epoch: 1 }),
    at('/2', 20, { epoch: 2 }),
  ];
  assert.deepEqual(names(trainingOrder(trusted)), ['/1', '/2', '/best', '/3']);
  const copied = [at('/2', 10, { epoch: 2 }), at('/last', 5), at('/1', 20, { epoch: 1 })];
  assert.deepEqual(names(trainingOrder(copied)), ['/1', '/2', '/last']);
});

test('headers: the newest file of a checkpoint is its time; the input stays as it is', () => {
  const file = (mtimeMs: number) => ({ path: '', size: 0, mtimeMs });
  const headers = [header('/b', { files: [file(1), file(9)] }), header('/a', { files: [file(5)] })];
  assert.deepEqual(names(inTrainingOrder(headers)), ['/a', '/b']);
  assert.deepEqual(names(headers), ['/b', '/a']);
});
