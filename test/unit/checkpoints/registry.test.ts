import assert from 'node:assert/strict';
import { cp, mkdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { test } from 'node:test';

import {
  candidateFor,
  expandPaths,
  formats,
  inspectPath,
  requireComplete,
} from '../../../src/core/checkpoints/registry.ts';
import { FIXTURES, temporaryDirectory, twaError, writeFloats } from './help.ts';

const directory = await temporaryDirectory();

test('formats have ids of their own', () => {
  assert.equal(new Set(formats.map((format) => format.id)).size, formats.length);
});

test('candidates by name; unfinished checkpoints are none', () => {
  assert.equal(candidateFor('/r/e1.safetensors')?.format.id, 'safetensors');
  assert.deepEqual(candidateFor('/r/e1/model.json')?.path, '/r/e1');
  assert.equal(candidateFor('/r/.e1.1234.partial/model.json'), undefined);
  assert.equal(candidateFor('/r/.e1.safetensors.1234.partial'), undefined);
  assert.equal(candidateFor('/r/notes.txt'), undefined);
});

test('a checkpoint is named by its directory, by a file in it, or by itself', async () => {
  for (const path of ['tfjs/epoch-2', 'tfjs/epoch-2/', 'tfjs/epoch-2/model.json']) {
    const header = await requireComplete(join(FIXTURES, path));
    assert.equal(header.path, join(FIXTURES, 'tfjs/epoch-2'));
  }
  assert.equal((await requireComplete(join(FIXTURES, 'mixed/epoch-001.safetensors'))).format, 'safetensors');
});

test('what is no checkpoint is refused, each for its own reason', async () => {
  await writeFile(join(directory, 'notes.txt'), '');
  await mkdir(join(directory, 'empty'));
  await assert.rejects(
    inspectPath(join(directory, 'gone.safetensors')),
    twaError('not-found', /gone\.safetensors does not exist/),
  );
  await assert.rejects(
    inspectPath(join(directory, 'notes.txt')),
    twaError('unsupported', /notes\.txt is not a checkpoint of a known format \(.*safetensors, /),
  );
  await assert.rejects(inspectPath(join(directory, 'empty')), twaError('unsupported'));
  await assert.rejects(expandPaths([join(directory, 'empty')]), twaError('not-found', /holds no checkpoint/));
  await assert.rejects(
    requireComplete(join(FIXTURES, 'tfjs-quantized')),
    twaError('bad-checkpoint', /quantized/),
  );
  const short = join(directory, 'short.safetensors');
  await cp(join(FIXTURES, 'mixed/epoch-001.safetensors'), short);
  await truncate(short, 1500);
  await assert.rejects(
    requireComplete(short),
    twaError('incomplete-checkpoint', /short\.safetensors has 1500 of 1899 bytes/),
  );
});

test('an aborted request ends as cancelled', async () => {
  const signal = AbortSignal.abort();
  await assert.rejects(inspectPath(join(FIXTURES, 'tfjs/epoch-2'), signal), twaError('cancelled'));
  await assert.rejects(expandPaths([FIXTURES], signal), twaError('cancelled'));
});

test('a directory of checkpoints gives them in training order, without averages, partial files and strays', async () => {
  const run = join(directory, 'run');
  await mkdir(join(run, 'averages'), { recursive: true });
  await mkdir(join(run, 'nested'));
  for (const name of ['epoch-10', 'epoch-9', 'epoch-1', 'averages/twa-1', 'nested/epoch-3']) {
    await writeFloats(join(run, `${name}.safetensors`), { w: [1] });
  }
  await cp(join(FIXTURES, 'tfjs/epoch-2'), join(run, 'epoch-2'), { recursive: true });
  await cp(join(FIXTURES, 'tfjs/epoch-3'), join(run, '.x.1234.partial'), { recursive: true });
  // Half written: listed, so that whoever asks is told.
  await writeFile(join(run, 'epoch-11.safetensors'), 'x');
  await writeFile(join(run, 'metrics.csv'), 'x');
  await symlink('loop', join(run, 'loop'));
  await symlink('.', join(run, 'itself'));
  await symlink('gone', join(run, 'dangling.safetensors'));
  const expanded = await expandPaths([run]);
  assert.deepEqual(
    expanded.map((path) => basename(path)),
    ['epoch-1.safetensors', 'epoch-2', 'epoch-9.safetensors', 'epoch-10.safetensors', 'epoch-11.safetensors'],
  );
});

test('given paths keep their order, come once, and may be mixed with directories', async () => {
  const tfjs = join(FIXTURES, 'tfjs');
  const expanded = await expandPaths([join(tfjs, 'epoch-3/model.json'), join(tfjs, 'epoch-3'), tfjs]);
  assert.deepEqual(
    expanded.map((path) => basename(path)),
    ['epoch-3', 'epoch-1', 'epoch-2'],
  );
});
