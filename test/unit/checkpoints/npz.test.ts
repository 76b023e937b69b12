import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { npyDataOffset, parseNpyHeader } from '../../../src/core/checkpoints/npz/header.ts';
import { formatById, inspectPath, requireComplete } from '../../../src/core/checkpoints/registry.ts';
import { FIXTURES, temporaryDirectory, twaError } from './help.ts';
import { describeReal } from './real.ts';

describeReal({ folder: 'npz/stored', format: 'npz', modules: ['numpy'] });

const directory = await temporaryDirectory();

test('arrays of Python objects are refused, for they are pickles', async () => {
  const inspection = await inspectPath(join(FIXTURES, 'npz/objects.npz'));
  assert.ok(inspection.state === 'unreadable');
  assert.match(inspection.reason, /names as Python objects, which are never unpickled/);
});

test('compressed arrays are refused, with the way out', async () => {
  const inspection = await inspectPath(join(FIXTURES, 'npz/deflated/epoch-1.npz'));
  assert.ok(inspection.state === 'unreadable');
  assert.match(inspection.reason, /compressed/);
});

test('a flipped bit is found by its checksum', async () => {
  const path = join(directory, 'flipped.npz');
  const bytes = await readFile(join(FIXTURES, 'npz/stored/epoch-1.npz'));
  bytes[200]! ^= 1;
  await writeFile(path, bytes);
  const reader = await formatById('npz').open(await requireComplete(path), { hash: true });
  await assert.rejects(reader.sha256(), twaError('bad-checkpoint', /do not match their checksum/));
  await reader.close();
});

describe('headers', () => {
  const header = (text: string): Uint8Array => {
    const bytes = Buffer.concat([Buffer.from('\x93NUMPY\x01\0\0\0', 'latin1'), Buffer.from(text)]);
    bytes.writeUInt16LE(text.length, 8);
    return bytes;
  };
  const plain = header("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }");
  test('a plain one', () => {
    assert.equal(npyDataOffset(plain, 'w'), plain.length);
    assert.deepEqual(parseNpyHeader(plain, 'w', 24), { dtype: 'F32', shape: [2, 3], fortran: true });
  });
  const bad: readonly (readonly [string, string, RegExp])[] = [
    [
      'another size',
      "{'descr': '<f4', 'fortran_order': False, 'shape': (7,), }",
      /does not fit its 24 bytes/,
    ],
    ['big-endian', "{'descr': '>f4', 'fortran_order': False, 'shape': (6,), }", />f4, a type/],
    [
      'several fields',
      "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (6,), }",
      /several fields/,
    ],
    ['no shape', "{'descr': '<f4', 'fortran_order': False}", /shape that does not fit/],
  ];
  for (const [what, text, reason] of bad) {
    test(what, () => assert.throws(() => parseNpyHeader(header(text), 'w', 24), { message: reason }));
  }
  test('a length of gigabytes', () => {
    const bytes = Uint8Array.from(Buffer.from('\x93NUMPY\x02\0\xff\xff\xff\x7f', 'latin1'));
    assert.throws(() => npyDataOffset(bytes, 'w'), /kind that is not known/);
  });
});
