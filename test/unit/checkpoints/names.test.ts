import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { positionOf, stepAndEpoch, type Position } from '../../../src/core/checkpoints/names.ts';

const NAMES: Readonly<Record<string, Position>> = {
  'epoch-012': { epoch: 12 },
  'epoch-012.safetensors': { epoch: 12 },
  'epoch=3-step=1200.ckpt': { epoch: 3, step: 1200 },
  'epoch=3-step=1200-v1.ckpt': { epoch: 3, step: 1200 },
  'checkpoint-500': { step: 500 },
  'model_0012.safetensors': { epoch: 12 },
  step_1000: { step: 1000 },
  'step_1000.safetensors': { step: 1000 },
  '0.pt': { epoch: 0 },
  '37.safetensors': { epoch: 37 },
  'ckpt-7': { step: 7 },
  global_step1000: { step: 1000 },
  'iter_0040000.pth': { step: 40000 },
  'checkpoint12.pt': { epoch: 12 },
  'epoch12.pt': { epoch: 12 },
  'ep07-val0.31.h5': { epoch: 7 },
  'weights.05-0.23.h5': { epoch: 5 },
  'weights.e10.safetensors': { epoch: 10 },
  'lr1e-4_epoch-7': { epoch: 7 },
  'model_0004999.safetensors': { epoch: 4999 },
  'model_0049999.safetensors': { step: 49999 },
  'resnet50-epoch_3.safetensors': { epoch: 3 },
  'resnet50_cifar10_12.safetensors': { epoch: 12 },
  'digits.4.safetensors': { epoch: 4 },
  // No position at all.
  'model.safetensors': {},
  'best.safetensors': {},
  'last.ckpt': {},
  'model-00001-of-00005.safetensors': {},
  'run-2024-05-01.safetensors': {},
  'export-20240501.safetensors': {},
  'resnet50.safetensors': {},
  'twa-1.safetensors': {},
  'uniform-2': {},
  'fold-3.safetensors': {},
  'model-v2.safetensors': {},
  'loss-0.25.safetensors': {},
  'recipe-7b.safetensors': {},
};

describe('step and epoch from names', () => {
  for (const [name, position] of Object.entries(NAMES)) {
    test(name, () => assert.deepEqual(stepAndEpoch(name), position));
  }
});

test('metadata wins over the name, and completes it', () => {
  assert.deepEqual(stepAndEpoch('epoch-3.safetensors', { epoch: '4', global_step: '900' }), {
    epoch: 4,
    step: 900,
  });
  assert.deepEqual(stepAndEpoch('epoch-3.safetensors', { Step: '120' }), { epoch: 3, step: 120 });
  assert.deepEqual(stepAndEpoch('x.safetensors', { step: '12.0' }), { step: 12 });
  // A guess from a bare number is not mixed with what the metadata says.
  assert.deepEqual(stepAndEpoch('model_7.safetensors', { step: '1200' }), { step: 1200 });
});

test('metadata that is no count is ignored', () => {
  for (const epoch of ['', 'three', '-1', '1.5', '1e3', 'NaN']) {
    assert.deepEqual(stepAndEpoch('model.safetensors', { epoch }), {});
  }
});

test('a general file name takes its directory', () => {
  assert.deepEqual(positionOf('/runs/a/checkpoint-500/model.safetensors'), { step: 500 });
  assert.deepEqual(positionOf('/runs/a/epoch-3/model.safetensors'), { epoch: 3 });
  assert.deepEqual(positionOf('/runs/epoch-3/epoch-4.safetensors'), { epoch: 4 });
  assert.deepEqual(positionOf('/runs/seed-1/best.safetensors'), {});
});
