import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';

import { openSha256 } from '../../../src/core/checkpoints/sha256.ts';

const MEGABYTE = 1 << 20;
/** Little is hashed in this thread, much on another. */
const SIZES = { little: MEGABYTE, much: 64 * MEGABYTE };

function piece(index: number, shared: boolean): Uint8Array {
  const bytes = new Uint8Array(shared ? new SharedArrayBuffer(MEGABYTE + 7) : new ArrayBuffer(MEGABYTE + 7));
  for (let k = 0; k < bytes.length; k++) bytes[k] = k * 31 + index;
  return bytes.subarray(3 + index);
}

for (const [name, size] of Object.entries(SIZES)) {
  for (const shared of [false, true]) {
    test(`${name}, ${shared ? 'shared' : 'own'} memory: several runs at once, each its own digest`, async () => {
      const runs = [0, 1, 2, 3, 4].map((run) => ({
        run,
        hash: openSha256(size),
        expected: createHash('sha256'),
      }));
      await Promise.all(
        runs.map(async ({ run, hash, expected }) => {
          for (const index of [0, 1, 2]) {
            const bytes = piece(index + run, shared);
            expected.update(bytes);
            const done = hash.update(bytes);
            // Bytes that are not shared were taken already.
            if (!shared) bytes.fill(0);
            await done;
          }
          assert.equal(await hash.digest(), expected.digest('hex'));
        }),
      );
      for (const { hash } of runs) hash.close();
    });
  }
}

for (const [name, size] of Object.entries(SIZES)) {
  test(`${name}: CRC-32 of stretches within a piece, over pieces, and of no bytes`, async () => {
    const hash = openSha256(size);
    const bytes = piece(0, true);
    const half = bytes.length >> 1;
    const first = await hash.update(bytes.subarray(0, half), [
      { from: 5, to: 100, ends: true },
      { from: 100, to: 100, ends: true },
      { from: 1000, to: half, ends: false },
    ]);
    assert.deepEqual(first, [crc32(bytes.subarray(5, 100)), 0]);
    const second = await hash.update(bytes.subarray(half), [
      { from: 0, to: 3, ends: true },
      { from: 3, to: 10, ends: true },
    ]);
    assert.deepEqual(second, [
      crc32(bytes.subarray(1000, half + 3)),
      crc32(bytes.subarray(half + 3, half + 10)),
    ]);
    assert.equal(await hash.digest(), createHash('sha256').update(bytes).digest('hex'));
    hash.close();
  });
}

test('closed half way, what is under way ends, and the next run is well', async () => {
  const hash = openSha256(SIZES.much);
  await hash.update(piece(0, true));
  const underWay = hash.update(piece(1, true));
  hash.close();
  hash.close();
  // Done just in time, or failed; never left waiting.
  await Promise.allSettled([underWay]);
  await assert.rejects(hash.update(piece(2, true)), /has ended/);
  const next = openSha256(SIZES.much);
  assert.equal(await next.digest(), createHash('sha256').digest('hex'));
  next.close();
});
