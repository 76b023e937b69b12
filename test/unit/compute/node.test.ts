/** Which Node.js the compute process gets where the editor's own will not do. */
import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { findNode } from '../../../src/compute/node.ts';
import { temporaryDirectory, writeText } from './files.ts';

const skip = process.platform === 'win32' && 'the stand-ins are shell scripts';

/** A program named node that says it is this version; Electron says nothing. */
function stub(folder: string, version: string): string {
  const file = writeText(path.join(folder, 'node'), `#!/bin/sh\necho "${version}"\n`);
  chmodSync(file, 0o755);
  return folder;
}

test('the first in PATH that is new enough and no Electron', { skip }, async () => {
  const root = temporaryDirectory();
  const old = stub(path.join(root, 'old'), '18.20.4');
  const electron = stub(path.join(root, 'electron'), '');
  const good = stub(path.join(root, 'good'), '22.12.0');
  const PATH = [path.join(root, 'none'), old, electron, good].join(path.delimiter);
  assert.deepEqual(await findNode({ PATH }, root), { path: path.join(good, 'node'), version: '22.12.0' });
});

test('the one named in TWA_NODE, and no other', { skip }, async () => {
  const root = temporaryDirectory();
  const good = stub(path.join(root, 'good'), '22.12.0');
  const old = stub(path.join(root, 'old'), '18.20.4');
  const named = (folder: string) => ({ PATH: good, TWA_NODE: path.join(folder, 'node') });
  assert.equal((await findNode(named(good), root))?.version, '22.12.0');
  assert.equal(await findNode(named(old), root), undefined);
});

test("nvm's newest, where PATH has none", { skip }, async () => {
  const root = temporaryDirectory();
  for (const version of ['20.19.0', '24.2.0', '9.1.0']) {
    stub(path.join(root, '.nvm/versions/node', `v${version}`, 'bin'), version);
  }
  assert.equal((await findNode({ PATH: '' }, root))?.version, '24.2.0');
});
