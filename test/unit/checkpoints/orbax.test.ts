import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';

import { requireComplete } from '../../../src/core/checkpoints/registry.ts';
import { FIXTURES, twaError } from './help.ts';

test('an Orbax checkpoint is recognised and refused, with the way out', async () => {
  await assert.rejects(
    requireComplete(join(FIXTURES, 'orbax/epoch-1')),
    twaError('bad-checkpoint', /Orbax checkpoint, .*only Orbax reads; .*flax\.serialization\.to_bytes/),
  );
});

test('a part of it is not taken for a checkpoint of its own', async () => {
  await assert.rejects(requireComplete(join(FIXTURES, 'orbax/epoch-1/d')), twaError('unsupported'));
});
