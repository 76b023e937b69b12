import assert from 'node:assert/strict';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { detectRunFolders } from '../../../src/core/runs/detect.ts';
import { scanFolder } from '../../../src/core/runs/scan.ts';
import { temporaryDirectory } from './helpers.ts';

async function make(root: string, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), '');
  }
}

async function scanned(folder: string, depth = 6, maxEntries?: number): Promise<string[]> {
  const paths: string[] = [];
  await scanFolder(folder, {
    depth,
    ...(maxEntries === undefined ? {} : { maxEntries }),
    onFile: (path) => paths.push(path.slice(folder.length + 1)),
  });
  return paths.sort();
}

test('a scan leaves out what holds no runs, and ends where it is told', async (t) => {
  const root = await temporaryDirectory(t);
  await make(root, [
    'a/e1.safetensors',
    'a/photo.png',
    'a/.hidden.csv',
    'a/b/c/deep.safetensors',
    'node_modules/x/metrics.csv',
    '.git/metrics.csv',
    'venv/metrics.csv',
  ]);
  assert.deepEqual(await scanned(root), ['a/b/c/deep.safetensors', 'a/e1.safetensors']);
  assert.deepEqual(await scanned(root, 2), ['a/e1.safetensors']);
  assert.deepEqual(await scanned(root, 6, 2), []);
  assert.deepEqual(await scanned(join(root, 'missing')), []);
  await assert.rejects(scanFolder(root, { depth: 1, signal: AbortSignal.abort(), onFile: () => undefined }), {
    code: 'cancelled',
  });
});

test('links lead out of the folder but not round in circles', async (t) => {
  const root = await temporaryDirectory(t);
  const outside = await temporaryDirectory(t);
  await make(root, ['runs/a/e1.safetensors']);
  await make(outside, ['b/e1.safetensors']);
  await symlink(outside, join(root, 'big-disk'));
  await symlink(join(root, 'runs', 'a'), join(root, 'runs', 'latest'));
  await symlink(root, join(root, 'runs', 'a', 'up'));
  await symlink(join(outside, 'missing'), join(root, 'nowhere'));
  assert.deepEqual(await scanned(root), ['big-disk/b/e1.safetensors', 'runs/a/e1.safetensors']);
});

test('folders worth watching: those that hold runs', async (t) => {
  const root = await temporaryDirectory(t);
  await make(root, [
    'examples/digits/runs/a/checkpoints/epoch-001.safetensors',
    'examples/digits/runs/b/epoch-001/model.json',
    'out/metrics.csv',
    'out/my-weights/e1.safetensors',
    'data/digits.csv',
    'reports/results.csv',
    'node_modules/pkg/model.safetensors',
  ]);
  assert.deepEqual(await detectRunFolders(root), [join(root, 'examples/digits/runs'), join(root, 'out')]);
  await make(root, ['final.safetensors']);
  assert.deepEqual(await detectRunFolders(root), [root]);
});
