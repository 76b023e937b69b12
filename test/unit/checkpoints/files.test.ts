import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { appendFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';

import { FileSequence, requireUnchanged } from '../../../src/core/checkpoints/files.ts';
import type { FileStamp } from '../../../src/core/checkpoints/types.ts';
import { temporaryDirectory, twaError } from './help.ts';

const directory = await temporaryDirectory();

let count = 0;
async function filesOf(sizes: readonly number[]): Promise<{ files: FileStamp[]; bytes: Buffer }> {
  const files: FileStamp[] = [];
  const bytes = randomBytes(sizes.reduce((a, b) => a + b, 0));
  let at = 0;
  for (const size of sizes) {
    const path = join(directory, `file-${count++}`);
    await writeFile(path, bytes.subarray(at, (at += size)));
    files.push({ path, size, mtimeMs: (await stat(path)).mtimeMs });
  }
  return { files, bytes };
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

test('reads go across files, empty ones too', async () => {
  const { files, bytes } = await filesOf([0, 10, 0, 0, 1, 25, 0]);
  const sequence = new FileSequence(files);
  assert.equal(sequence.size, 36);
  for (let start = 0; start <= 36; start++) {
    for (let end = start; end <= 36; end++) {
      const target = new Uint8Array(end - start);
      await sequence.read(target, start);
      assert.deepEqual(Buffer.from(target), bytes.subarray(start, end), `${start} to ${end}`);
    }
  }
  await assert.rejects(sequence.read(new Uint8Array(1), 36), RangeError);
  await sequence.close();
});

test('the hash is that of all bytes in order, however they were read', async () => {
  // More than the chunk in which left-out bytes are read.
  const { files, bytes } = await filesOf([1_500_000, 2_000_000, 7]);
  const orders: readonly (readonly (readonly [number, number])[])[] = [
    [],
    [[0, 3_500_007]],
    [
      [0, 1000],
      [1000, 3_500_007],
    ],
    [
      [2_000_000, 2_500_000],
      [0, 10],
      [3_400_000, 3_500_007],
    ],
    [
      [1000, 2000],
      [1500, 2500],
      [1000, 4000],
    ],
    [
      [3_500_006, 3_500_007],
      [0, 3_500_007],
    ],
  ];
  for (const order of orders) {
    const sequence = new FileSequence(files, true);
    for (const [start, end] of order) {
      const target = new Uint8Array(end - start);
      await sequence.read(target, start);
      assert.ok(bytes.subarray(start, end).equals(target));
    }
    assert.equal(await sequence.sha256(), sha256(bytes));
    assert.equal(await sequence.sha256(), sha256(bytes), 'and again');
    await sequence.close();
  }
});

test('a file that changed or went after its stamp is not read', async () => {
  const { files } = await filesOf([10, 10]);
  await appendFile(files[1]!.path, 'x');
  const sequence = new FileSequence(files);
  await sequence.read(new Uint8Array(10), 0);
  await assert.rejects(sequence.read(new Uint8Array(1), 10), twaError('incomplete-checkpoint', /changed/));
  await assert.rejects(requireUnchanged(files), twaError('incomplete-checkpoint', /changed/));
  await sequence.close();
  await rm(files[1]!.path);
  await assert.rejects(sequence.read(new Uint8Array(1), 10), twaError('not-found', /not there any more/));
  await assert.rejects(requireUnchanged(files), twaError('not-found'));
  await sequence.close();
});

for (const [what, size] of [
  ['in this thread', 3_000_000],
  ['on another thread', 20_000_000],
] as const) {
  test(`checksums of runs are told, ${what}, however the bytes were read; what they lead to is thrown`, async () => {
    const { files, bytes } = await filesOf([size]);
    const runs = [
      [0, 10],
      [1000, 2_000_000],
      [2_000_000, 2_000_001],
      [2_500_000, size],
    ].map(([start, end]) => ({
      what: `${start}`,
      start: start!,
      end: end!,
      value: crc32(bytes.subarray(start, end)),
      storedAt: [],
    }));
    const told: string[] = [];
    const sequence = new FileSequence(files, true, {
      runs,
      onRun(run, crc) {
        assert.equal(crc, run.value);
        told.push(run.what);
      },
    });
    await sequence.read(new Uint8Array(5), 3);
    await sequence.read(new Uint8Array(700_000), 900_000);
    assert.equal(await sequence.sha256(), sha256(bytes));
    assert.deepEqual(
      told,
      runs.map((run) => run.what),
    );
    await sequence.close();

    const damaged = new FileSequence(files, true, {
      runs,
      onRun(run) {
        // The very last bytes: nothing is read after them.
        if (run.end === size) throw new Error('damaged');
      },
    });
    await damaged.read(new Uint8Array(size), 0);
    await assert.rejects(damaged.sha256(), /^Error: damaged$/);
    await damaged.close();
  });
}
