import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { inspectPath, requireComplete } from '../../../src/core/checkpoints/registry.ts';
import { FIXTURES, temporaryDirectory } from './help.ts';
import { describeReal } from './real.ts';

describeReal({ folder: 'flax', format: 'flax-msgpack', modules: ['flax'] });
describeReal({ folder: 'flax-chunked', format: 'flax-msgpack', modules: ['flax'] });

test('the optimizer is none of the weights, and the step stands in the file', async () => {
  const header = await requireComplete(join(FIXTURES, 'flax/step-20.msgpack'));
  assert.equal(header.step, 20);
  assert.ok(!header.tensors.some(({ name }) => name.startsWith('opt_state')));
});

const directory = await temporaryDirectory();
const text = (value: string): number[] => [0xa0 + value.length, ...Buffer.from(value)];
/** {"w": extension 1 of these bytes} */
const withArray = (body: readonly number[]): number[] => [0x81, ...text('w'), 0xc7, body.length, 1, ...body];
const array = (
  shape: readonly number[],
  dtype: string,
  data: readonly number[],
  length = data.length,
): number[] => [0x93, 0x90 + shape.length, ...shape, ...text(dtype), 0xc4, length, ...data];

describe('refused', () => {
  const cases: readonly (readonly [string, readonly number[], RegExp])[] = [
    ['no dictionary', [0x93, 1, 2, 3], /does not start with a dictionary/],
    ['an unused code', [0xc1], /not a MessagePack file/],
    ['bytes behind the end', [...withArray(array([1], 'int8', [5])), 0], /1 bytes that belong to nothing/],
    ['an array of another size', withArray(array([3], 'int8', [5])), /no array/],
    ['an array that ends elsewhere', withArray([...array([1], 'int8', [5]), 0]), /no array/],
    [
      'a shape that overflows',
      withArray([0x93, 0x92, 0xce, 255, 255, 255, 255, 0xce, 255, 255, 255, 255, ...text('int8'), 0xc4, 0]),
      /no array/,
    ],
    ['objects', withArray(array([1], 'object', [5])), /object, a type that is not supported/],
    ['no arrays at all', [0x81, ...text('a'), 1], /no array of Flax/],
    [
      'a bomb of nesting',
      [...Array.from({ length: 1000 }, () => [0x81, 0xa1, 0x61]).flat(), 1],
      /levels deep/,
    ],
    [
      'a name twice',
      [0x82, ...withArray(array([1], 'int8', [5])).slice(1), ...withArray(array([1], 'int8', [5])).slice(1)],
      /two arrays w/,
    ],
  ];
  for (const [i, [what, bytes, reason]] of cases.entries()) {
    test(what, async () => {
      const path = join(directory, `bad-${i}.msgpack`);
      await writeFile(path, Uint8Array.from(bytes));
      const inspection = await inspectPath(path);
      assert.ok(inspection.state === 'unreadable', JSON.stringify(inspection));
      assert.match(inspection.reason, reason);
    });
  }
  test('a length of 4 GB is not believed', async () => {
    const path = join(directory, 'lying.msgpack');
    await writeFile(path, Uint8Array.from([0x81, ...text('w'), 0xc6, 255, 255, 255, 255, 1, 2]));
    assert.equal((await inspectPath(path)).state, 'incomplete');
  });
  test('four thousand million entries are not believed', async () => {
    const path = join(directory, 'many.msgpack');
    await writeFile(path, Uint8Array.from([0xdf, 255, 255, 255, 255, ...text('a'), 1]));
    assert.equal((await inspectPath(path)).state, 'incomplete');
  });
});
