import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import {
  partialPathFor,
  publishDirectory,
  publishFile,
  removePartial,
  requireAbsent,
  requireSpace,
  sweepPartials,
} from '../../../src/core/checkpoints/publish.ts';
import { temporaryDirectory, twaError } from './help.ts';

async function fresh(): Promise<string> {
  const directory = join(await temporaryDirectory(), 'd');
  await mkdir(directory);
  return directory;
}

test('a file takes its name and leaves nothing else', async () => {
  const directory = await fresh();
  const output = join(directory, 'a.safetensors');
  const partial = partialPathFor(output);
  await writeFile(partial, 'new');
  await publishFile(partial, output);
  assert.deepEqual(await readdir(directory), ['a.safetensors']);
  assert.equal(await readFile(output, 'utf8'), 'new');
});

test('a file never replaces one that appeared in the last moment', async () => {
  const directory = await fresh();
  const output = join(directory, 'a.safetensors');
  const partial = partialPathFor(output);
  await writeFile(partial, 'new');
  await writeFile(output, 'old');
  await assert.rejects(publishFile(partial, output), twaError('exists', /a\.safetensors already exists/));
  assert.equal(await readFile(output, 'utf8'), 'old');
});

test('a directory never replaces one with something in it, nor a file', async () => {
  const directory = await fresh();
  const partial = join(directory, 'x.partial');
  await mkdir(partial);
  await writeFile(join(partial, 'new'), 'new');
  const file = join(directory, 'file');
  await writeFile(file, 'old');
  await assert.rejects(publishDirectory(partial, file), twaError('exists'));
  assert.equal(await readFile(file, 'utf8'), 'old');
  const full = join(directory, 'full');
  await mkdir(full);
  await writeFile(join(full, 'old'), 'old');
  await assert.rejects(publishDirectory(partial, full), twaError('exists'));
  assert.deepEqual(await readdir(full), ['old']);
  await publishDirectory(partial, join(directory, 'free'));
  assert.deepEqual((await readdir(directory)).sort(), ['file', 'free', 'full']);
});

test('a dangling link is something, too', async () => {
  const directory = await fresh();
  await symlink('nowhere', join(directory, 'link'));
  await assert.rejects(requireAbsent(join(directory, 'link')), twaError('exists'));
  await requireAbsent(join(directory, 'other'));
  await requireAbsent(join(directory, 'no', 'such', 'directory'));
});

test('no space is a sentence with both numbers', async () => {
  const directory = await fresh();
  await requireSpace(directory, 0);
  await assert.rejects(
    requireSpace(directory, 1e18),
    twaError('no-space', /has \d.* MB free, and .* needs 1000000\d+ MB/),
  );
});

test('removePartial removes files and directories, minds nothing missing, and touches only partial names', async () => {
  const directory = await fresh();
  const file = partialPathFor(join(directory, 'a.safetensors'));
  await writeFile(file, 'x');
  const folder = partialPathFor(join(directory, 'b'));
  await mkdir(join(folder, 'deep'), { recursive: true });
  await writeFile(join(directory, 'kept'), 'x');
  await symlink(join(directory, 'kept'), join(folder, 'link'));
  await removePartial(file);
  await removePartial(folder);
  await removePartial(folder);
  assert.deepEqual(await readdir(directory), ['kept']);
  await assert.rejects(removePartial(join(directory, 'kept')), twaError('usage'));
  assert.deepEqual(await readdir(directory), ['kept']);
});

test('what a killed merge left is swept up after an hour, and nothing else is', async () => {
  const directory = await fresh();
  const old = (Date.now() - 2 * 3_600_000) / 1000;
  const abandoned = partialPathFor(join(directory, 'twa-1.safetensors'));
  const abandonedDirectory = partialPathFor(join(directory, 'twa-2'));
  const growing = partialPathFor(join(directory, 'twa-3'));
  const others = [
    '.download.partial',
    'mine.0badcafe.partial',
    '.twa-1.safetensors.0badcafe',
    'epoch-1.safetensors',
  ];
  await mkdir(abandonedDirectory);
  await mkdir(growing);
  for (const file of [abandoned, join(abandonedDirectory, 'a'), join(growing, 'old')]) {
    await writeFile(file, 'half');
    await utimes(file, old, old);
  }
  // One file in it is being written now, though another is old and so is the directory.
  await writeFile(join(growing, 'new'), 'half');
  for (const name of others) {
    await writeFile(join(directory, name), 'mine');
    await utimes(join(directory, name), old, old);
  }
  for (const at of [abandonedDirectory, growing]) await utimes(at, old, old);
  assert.deepEqual((await sweepPartials(directory)).toSorted(), [abandoned, abandonedDirectory].toSorted());
  assert.deepEqual(
    (await readdir(directory)).sort(),
    [growing.slice(directory.length + 1), ...others].sort(),
  );
  assert.deepEqual(await sweepPartials(join(directory, 'nowhere')), []);
});
