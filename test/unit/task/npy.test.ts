import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { readNpy, readNpz } from '../../../src/core/task/npy.ts';
import { directoryWith } from './temporary.ts';

const fixtures = path.resolve(import.meta.dirname, '../../fixtures/task');
const fixture = (name: string) => path.join(fixtures, name);
/** By NumPy itself: see make_arrays.py. */
const expected = JSON.parse(readFileSync(fixture('expected.json'), 'utf8')) as Record<
  string,
  { shape: number[]; values: number[] }
>;

for (const [name, { shape, values }] of Object.entries(expected)) {
  test(`reads ${name} as NumPy does`, async () => {
    const block = await readNpy(fixture(name));
    assert.deepEqual([block.rows, ...block.shape], shape);
    // Exactly: both sides round the file's value to float32 once.
    assert.deepEqual([...block.values], values);
  });
}

for (const name of ['version_2.npy', 'version_3.npy']) {
  test(`reads ${name}`, async () => {
    assert.deepEqual([...(await readNpy(fixture(name))).values], expected['c_order.npy']!.values);
  });
}

test('scales in float64 and rounds once', async () => {
  const block = await readNpy(fixture('u1.npy'), 1 / 255);
  assert.deepEqual(
    [...block.values],
    [0, 128, 255, 1, 2, 3].map((byte) => Math.fround(byte / 255)),
  );
});

for (const name of ['stored.npz', 'deflated.npz']) {
  test(`reads the arrays of ${name}`, async () => {
    const x = await readNpz(fixture(name), 'x');
    assert.deepEqual([x.rows, x.shape], [2, [3, 4, 5]]);
    assert.deepEqual([...x.values], expected['c_order.npy']!.values);
    assert.deepEqual([...(await readNpz(fixture(name), 'y')).values], [1, 0]);
  });
}

test('the only array of an archive needs no name', async () => {
  assert.equal((await readNpz(fixture('single.npz'), undefined)).rows, 2);
});

test('says which arrays there are', async () => {
  await assert.rejects(readNpz(fixture('stored.npz'), undefined), {
    code: 'bad-data',
    message: `${fixture('stored.npz')}: it holds the arrays "x", "y": say which as "array".`,
  });
  await assert.rejects(readNpz(fixture('stored.npz'), 'z'), {
    message: `${fixture('stored.npz')}: it has no array "z", only "x", "y".`,
  });
});

const REFUSED: Readonly<Record<string, RegExp>> = {
  'object.npy': /: it holds Python objects, which are not read/,
  'fields.npy': /: it has named fields/,
  'complex.npy': /: its dtype <c16 is not read/,
  'text.npy': /: its dtype <U3 is not read/,
  'scalar.npy': /: this is a single number/,
  'empty.npy': /: an array of shape \[0, 4\] holds no examples\./,
  'nan.npy': /: element \[1, 1\] is no finite float32 number\./,
  'too_large.npy': /: element \[1, 0\] is no finite float32 number\./,
};
for (const [name, message] of Object.entries(REFUSED)) {
  test(`refuses ${name}`, async () => {
    await assert.rejects(readNpy(fixture(name)), {
      code: 'bad-data',
      message,
      place: { path: fixture(name) },
    });
  });
}

test('a cut-off array is refused at every length', async (context) => {
  const whole = readFileSync(fixture('f4.npy'));
  const files = Object.fromEntries(
    Array.from({ length: whole.length }, (_, length) => [`${length}.npy`, whole.subarray(0, length)]),
  );
  const directory = directoryWith(context, files);
  for (const name of Object.keys(files)) {
    await assert.rejects(readNpy(path.join(directory, name)), { code: 'bad-data' }, name);
  }
});

test('a damaged or cut-off archive is refused', async (context) => {
  const whole = readFileSync(fixture('stored.npz'));
  const damaged = Buffer.from(whole);
  // The float 60 of x, the sixty-first element; nothing but the checksum tells.
  const at = damaged.indexOf(Buffer.from(new Float32Array([60]).buffer));
  damaged.writeFloatLE(61, at);
  const directory = directoryWith(context, { 'cut.npz': whole.subarray(0, -30), 'damaged.npz': damaged });
  await assert.rejects(readNpz(path.join(directory, 'cut.npz'), 'x'), { code: 'bad-data' });
  await assert.rejects(readNpz(path.join(directory, 'damaged.npz'), 'x'), {
    code: 'bad-data',
    message: /checksum is wrong/,
  });
});

test('stops when cancelled', async () => {
  await assert.rejects(readNpy(fixture('f4.npy'), 1, AbortSignal.abort()), { code: 'cancelled' });
});
