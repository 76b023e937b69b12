import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { torch } from '../../../src/core/checkpoints/torch/format.ts';
import { Made, PickleError, unpickle } from '../../../src/core/checkpoints/torch/unpickle.ts';
import { FIXTURES, temporaryDirectory } from './help.ts';

const directory = await temporaryDirectory();
const bytes = (...parts: readonly (string | Uint8Array)[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)));

test('calls are records: nothing is executed, whatever is called', () => {
  for (const name of ['os\nsystem', 'builtins\neval', 'builtins\ngetattr', 'subprocess\nPopen']) {
    const { value, globals } = unpickle(bytes(`\x80\x02c${name}\nX\x04\0\0\0exit\x85R.`));
    assert.ok(value instanceof Made);
    assert.deepEqual(globals, [name.replace('\n', '.')]);
  }
});

const refused: readonly (readonly [string, Uint8Array])[] = [
  ['a string longer than the file', bytes('\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7f')],
  ['bytes of 4 GB', bytes('\x80\x04B\xff\xff\xff\xff')],
  ['an integer of 2 GB', bytes('\x80\x02\x8b\xff\xff\xff\x7f')],
  ['a stack that is empty', bytes('\x80\x02.')],
  ['a call of nothing', bytes('\x80\x02R.')],
  ['a tuple of more than there is', bytes('\x80\x02K\x01\x87.')],
  ['a mark that was never set', bytes('\x80\x02t.')],
  ['a value never stored', bytes('\x80\x02h\x07.')],
  ['an extension', bytes('\x80\x02\x82\x01.')],
  ['a buffer outside', bytes('\x80\x05\x97.')],
  ['a protocol of the future', bytes('\x80\x09N.')],
  ['no operation', bytes('\x80\x02\xff.')],
  ['an entry of a number', bytes('\x80\x02K\x01K\x02K\x03s.')],
  ['two million marks', bytes('\x80\x02', '('.repeat(2_000_000), '.')],
  ['a million lists', bytes('\x80\x02(', ']'.repeat(1_000_000), 't.')],
  ['a name that is a number', bytes('\x80\x04K\x01K\x02\x93.')],
];
/** Of processor time, in microseconds: what others do on the machine does not count. */
const SECOND = 1e6;
for (const [what, pickle] of refused) {
  test(`refused within a second: ${what}`, () => {
    const start = process.cpuUsage();
    assert.throws(() => unpickle(pickle), PickleError);
    assert.ok(process.cpuUsage(start).user < SECOND);
  });
}

test('2,000 mutations with a fixed seed: a typed result each, within a second', async () => {
  let state = 1;
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const path = join(directory, 'mutant.pt');
  for (const name of ['odd-1', 'lightning-1', 'module-1', 'odd-legacy-1']) {
    const real = await readFile(join(FIXTURES, 'torch/torch-2.13', `${name}.pt`));
    for (let i = 0; i < 500; i++) {
      const mutant = Buffer.from(real);
      for (let k = random(4); k >= 0; k--) mutant[random(mutant.length)] = random(256);
      await writeFile(path, random(5) === 0 ? mutant.subarray(0, random(mutant.length)) : mutant);
      const start = process.cpuUsage();
      const found = await torch.inspect(path);
      assert.ok(process.cpuUsage(start).user < SECOND, `${name} ${i}`);
      assert.ok(found.state === 'complete' || found.reason.endsWith('.'), `${name} ${i}`);
    }
  }
});
