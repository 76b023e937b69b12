import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { copyFile, open, readFile, rename, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { digestRecords } from '../../../src/compute/jobs/digest-records.ts';
import { DigestRecords } from '../../../src/core/checkpoints/digests.ts';
import { mergeCheckpoints } from '../../../src/core/checkpoints/merge.ts';
import { partialPathFor } from '../../../src/core/checkpoints/publish.ts';
import { requireComplete } from '../../../src/core/checkpoints/registry.ts';
import { temporaryDirectory, twaError, writeFloats } from './help.ts';

const directory = await temporaryDirectory();
const paths = [1, 2].map((n) => join(directory, `epoch-${n}.safetensors`));
for (const [i, path] of paths.entries()) {
  // Over 16 MB: what is smaller is hashed faster than looked up.
  await writeFloats(path, { w: new Float32Array(5_000_000).fill(i + 1) });
}

let outputs = 0;
/** Digests count at once: these files are known to stay as they are. */
async function merge(records: string, beforeEnd?: () => void) {
  const output = join(directory, `mix-${outputs++}.safetensors`);
  const { sources } = await mergeCheckpoints({
    headers: await Promise.all(paths.map((path) => requireComplete(path))),
    coefficients: [0.5, 0.5],
    output,
    partial: partialPathFor(output),
    digests: new DigestRecords(records, 0),
    onProgress: (fraction) => {
      if (fraction > 0.9) beforeEnd?.();
    },
  });
  return sources;
}

const sha256 = async (path: string): Promise<string> =>
  createHash('sha256')
    .update(await readFile(path))
    .digest('hex');

test('a source is hashed once, and again when anything about its file has changed', async () => {
  const records = join(directory, 'some', 'digests.json');
  const first = await merge(records);
  const digests = await Promise.all(paths.map(sha256));
  assert.deepEqual(
    first.map((source) => source.sha256),
    digests,
  );
  assert.ok(first.every((source) => source.sha256ComputedAt === undefined));

  const again = await merge(records);
  assert.deepEqual(
    again.map((source) => source.sha256),
    digests,
  );
  assert.ok(again.every(({ sha256ComputedAt }) => Date.parse(sha256ComputedAt!) <= Date.now()));

  // One byte, same size, same date: only the time of the inode's last change tells.
  const [path] = paths as [string, string];
  const before = await stat(path);
  const handle = await open(path, 'r+');
  await handle.write(Uint8Array.of(1), 0, 1, before.size - 1);
  await handle.close();
  await utimes(path, before.atime, before.mtime);
  const touched = await merge(records);
  assert.equal(touched[0]!.sha256, await sha256(path));
  assert.notEqual(touched[0]!.sha256, digests[0]);
  assert.equal(touched[0]!.sha256ComputedAt, undefined);
  assert.equal(touched[1]!.sha256, digests[1]);
  assert.notEqual(touched[1]!.sha256ComputedAt, undefined);

  // Another file under the same name.
  await copyFile(path, `${path}.copy`);
  await rename(`${path}.copy`, path);
  assert.equal((await merge(records))[0]!.sha256ComputedAt, undefined);
});

test('a source that is replaced by its like during a merge that did not hash it is noticed', async () => {
  const records = join(directory, 'replaced.json');
  await merge(records);
  const [path] = paths as [string, string];
  const { atime, mtime } = await stat(path);
  await copyFile(path, `${path}.copy`);
  await utimes(`${path}.copy`, atime, mtime);
  let replaced: Promise<void> | undefined;
  await assert.rejects(
    merge(records, () => {
      replaced ??= rename(`${path}.copy`, path);
    }),
    twaError('incomplete-checkpoint', /epoch-1\.safetensors changed/),
  );
});

test('what changed a moment ago, and what is small, is not remembered', async () => {
  const patient = new DigestRecords(join(directory, 'patient.json'));
  const header = await requireComplete(paths[0]!);
  const fresh = join(directory, 'fresh.safetensors');
  await copyFile(paths[1]!, fresh);
  const stamp = { path: fresh, size: (await stat(fresh)).size, mtimeMs: 0 };
  assert.equal(await patient.stateOf([stamp]), undefined);
  assert.equal(await patient.stateOf([...header.files, stamp]), undefined);
  const eager = new DigestRecords(join(directory, 'eager.json'), 0);
  assert.match((await eager.stateOf([stamp])) ?? '', /^[0-9a-f]{64}$/);
  assert.equal(await eager.stateOf([{ ...stamp, size: 1000 }]), undefined);
});

test('damaged records, or none to be had, are as none', async () => {
  const state = 'ab'.repeat(32);
  const digest = { sha256: 'cd'.repeat(32), computedAt: '2026-01-01T00:00:00.000Z' };
  const path = join(directory, 'damaged.json');
  const records = new DigestRecords(path);
  for (const text of [
    '',
    '[]',
    'null',
    '{"version":1}',
    '{"version":2,"digests":{}}',
    `{"version":1,"digests":{"${state}":"x"}}`,
    `{"version":1,"digests":{"${state}":{"sha256":"x","computedAt":""}}}`,
  ]) {
    await writeFile(path, text);
    assert.equal(await records.find(state), undefined, text);
  }
  await records.remember(new Map([[state, digest]]));
  assert.deepEqual(await records.find(state), digest);
  // A file stands where the directory would have to be.
  const nowhere = new DigestRecords(join(path, 'digests.json'));
  await nowhere.remember(new Map([[state, digest]]));
  assert.equal(await nowhere.find(state), undefined);
});

test('the oldest records are forgotten', async () => {
  const records = new DigestRecords(join(directory, 'many.json'));
  const digest = { sha256: 'cd'.repeat(32), computedAt: '2026-01-01T00:00:00.000Z' };
  const name = (k: number): string => `f${k.toString(16).padStart(63, '0')}`;
  await records.remember(new Map(Array.from({ length: 4096 }, (_, k) => [name(k), digest])));
  await records.remember(new Map([[name(5000), digest]]));
  assert.equal(await records.find(name(0)), undefined);
  assert.deepEqual(await records.find(name(1)), digest);
  assert.deepEqual(await records.find(name(5000)), digest);
});

test('records lie where the system wants such files, or where TWA_CACHE says', async () => {
  assert.deepEqual(digestRecords({ TWA_CACHE: '' }, 'linux'), {});
  const own = digestRecords({ TWA_CACHE: join(directory, 'cache') }, 'linux').digests!;
  const state = 'ab'.repeat(32);
  await own.remember(new Map([[state, { sha256: state, computedAt: 'now' }]]));
  const xdg = digestRecords({ XDG_CACHE_HOME: directory }, 'linux').digests!;
  assert.equal(await xdg.find(state), undefined);
  assert.ok((await stat(join(directory, 'cache', 'digests.json'))).isFile());
  await xdg.remember(new Map([[state, { sha256: state, computedAt: 'now' }]]));
  assert.ok((await stat(join(directory, 'twa', 'digests.json'))).isFile());
});
