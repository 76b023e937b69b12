import assert from 'node:assert/strict';
import { test } from 'node:test';

import { formats } from '../../../src/core/checkpoints/registry.ts';
import { fuzz } from '../../fuzz/fuzz.ts';
import { allSubjects } from '../../fuzz/subjects.ts';
import { temporaryDirectory } from './help.ts';

test('every format that is read is mutated', async () => {
  const mutated = new Set((await allSubjects()).map(({ format }) => format));
  const others = formats.map(({ id }) => id).filter((id) => !mutated.has(id));
  assert.deepEqual(others, ['orbax']);
});

test('150 mutations of real checkpoints: the right answer or a typed error, soon (npm run fuzz for more)', async () => {
  const { results, failures } = await fuzz({
    seed: 7,
    from: 0,
    count: 150,
    directory: await temporaryDirectory(),
  });
  assert.deepEqual(failures, []);
  // Both ends are reached: mutations that do harm, and those that do none.
  assert.ok((results.get('merged') ?? 0) > 5);
  assert.ok((results.get('bad-checkpoint') ?? 0) > 30);
});
