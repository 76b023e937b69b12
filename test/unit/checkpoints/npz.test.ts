import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { crc32, deflateRawSync } from 'node:zlib';

import { mergeCheckpoints, readParameter } from '../../../src/core/checkpoints/merge.ts';
import { npyDataOffset, parseNpyHeader } from '../../../src/core/checkpoints/npz/header.ts';
import { partialPathFor } from '../../../src/core/checkpoints/publish.ts';
import { formatById, inspectPath, requireComplete } from '../../../src/core/checkpoints/registry.ts';
import { FIXTURES, temporaryDirectory, twaError } from './help.ts';
import { zip, type Entry } from './hostile/zip.ts';
import { describeReal } from './real.ts';

describeReal({ folder: 'npz/stored', format: 'npz', modules: ['numpy'] });
describeReal({ folder: 'npz/deflated', format: 'npz', modules: ['numpy'], repacked: true });

const directory = await temporaryDirectory();

test('arrays of Python objects are refused, for they are pickles', async () => {
  const inspection = await inspectPath(join(FIXTURES, 'npz/objects.npz'));
  assert.ok(inspection.state === 'unreadable');
  assert.match(inspection.reason, /names as Python objects, which are never unpickled/);
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

describe('compressed', () => {
  /** Deflated by zlib, as NumPy does; more numbers than are mixed at a time, and not those of a smaller array. */
  const rows = 530;
  const columns = 500;
  const npy = (values: Float64Array, fortran: boolean): Buffer => {
    const order = fortran ? 'True' : 'False';
    const text =
      `{'descr': '<f8', 'fortran_order': ${order}, 'shape': (${rows}, ${columns}), }`.padEnd(117) + '\n';
    const head = Buffer.from('\x93NUMPY\x01\0v\0', 'latin1');
    return Buffer.concat([head, Buffer.from(text), new Uint8Array(values.buffer)]);
  };
  const numbers = (seed: number): Float64Array =>
    Float64Array.from({ length: rows * columns }, (_, i) => Math.round(Math.sin(i * seed) * 100) + 0);
  const byColumns = (values: Float64Array): Float64Array =>
    values.map((_, i) => values[(i % rows) * columns + Math.floor(i / rows)]!);
  const entry = (name: string, data: Buffer): Entry => ({
    name,
    method: 8,
    data: deflateRawSync(data),
    crc: crc32(data),
    size: data.length,
  });
  const write = async (name: string, seed: number): Promise<string> => {
    const path = join(directory, name);
    const values = numbers(seed);
    const archive = zip([
      entry('c.npy', npy(values, false)),
      entry('f.npy', npy(byColumns(values), true)),
      { name: 'stored.npy', data: npy(values, false) },
      entry('readme.txt', Buffer.from('x'.repeat(1000))),
    ]);
    await writeFile(path, archive);
    return path;
  };
  const readAll = async (path: string, name: string): Promise<Float64Array> => {
    const header = await requireComplete(path);
    const reader = await formatById('npz').open(header, { hash: true });
    const numbers = await readParameter(
      reader,
      header.tensors.find((tensor) => tensor.name === name)!,
    );
    await reader.sha256();
    await reader.close();
    return numbers as Float64Array;
  };

  test('arrays of many chunks in either order are mixed, and what is no array stays', async () => {
    const headers = [
      await requireComplete(await write('a.npz', 0.37)),
      await requireComplete(await write('b.npz', 1.9)),
    ];
    const output = join(directory, 'ab.npz');
    await mergeCheckpoints({ headers, coefficients: [0.25, 0.75], output, partial: partialPathFor(output) });
    const [a, b] = [numbers(0.37), numbers(1.9)];
    const expected = a.map((value, i) => 0.25 * value + 0.75 * b[i]!);
    for (const name of ['c', 'f', 'stored']) {
      const found = await readAll(output, name);
      assert.ok(Buffer.from(found.buffer).equals(Buffer.from(expected.buffer)), name);
    }
    const bytes = await readFile(output);
    const kept = deflateRawSync(Buffer.from('x'.repeat(1000)));
    assert.ok(bytes.includes(kept));
    assert.ok(!(await readdir(directory)).some((name) => name.endsWith('.partial')));
  });

  test('parts are read in any order', async () => {
    const header = await requireComplete(await write('any.npz', 0.1));
    const reader = await formatById('npz').open(header);
    const expected = numbers(0.1);
    for (const name of ['c', 'f']) {
      const tensor = header.tensors.find((one) => one.name === name)!;
      for (const start of [264_990, 0, 200_000, 7]) {
        const bytes = Buffer.from(await reader.read(tensor, start, 10));
        assert.deepEqual(bytes, Buffer.from(expected.slice(start, start + 10).buffer), `${name} ${start}`);
      }
    }
    await reader.close();
  });

  test('a flipped bit is found by the checksum or by what cannot be unpacked, and nothing is written', async () => {
    const path = await write('damaged.npz', 0.5);
    const whole = await requireComplete(await write('whole.npz', 0.5));
    const original = await readFile(path);
    for (const part of [0.01, 0.3]) {
      const bytes = Buffer.from(original);
      bytes[Math.floor(part * bytes.length)]! ^= 4;
      await writeFile(path, bytes);
      const headers = [await requireComplete(path), whole];
      const output = join(directory, 'never.npz');
      await assert.rejects(
        mergeCheckpoints({ headers, coefficients: [0.5, 0.5], output, partial: partialPathFor(output) }),
        twaError('bad-checkpoint', /damaged/),
      );
      assert.ok(!(await readdir(directory)).some((name) => /never|partial/.test(name)));
    }
  });
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
