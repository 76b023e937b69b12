import assert from 'node:assert/strict';
import { test } from 'node:test';
import { targetsFrom } from '../../../src/extension/commands/targets.ts';
import { NodeCache } from '../../../src/extension/tree/nodes.ts';

const nodes = new NodeCache();
const run = nodes.run('/w/a');
const first = nodes.checkpoint(run, '/w/a/e1');
const second = nodes.checkpoint(run, '/w/a/e2');
const uri = (path: string, scheme = 'file') => ({ scheme, fsPath: path, path });

test('nothing from the palette', () => {
  assert.deepEqual(targetsFrom(undefined, undefined), []);
});

test('one row, or all highlighted ones with the clicked among them', () => {
  assert.deepEqual(targetsFrom(run, undefined), [{ kind: 'run', directory: '/w/a' }]);
  assert.deepEqual(targetsFrom(first, [first, second]), [
    { kind: 'checkpoint', path: '/w/a/e1' },
    { kind: 'checkpoint', path: '/w/a/e2' },
  ]);
});

test('files and folders of the Explorer; other schemes cannot be read', () => {
  assert.deepEqual(targetsFrom(uri('/w/a/e1'), [uri('/w/a/e1'), uri('/w/a/e2'), uri('/x', 'vscode-vfs')]), [
    { kind: 'path', path: '/w/a/e1' },
    { kind: 'path', path: '/w/a/e2' },
  ]);
});

test('paths from a program', () => {
  assert.deepEqual(targetsFrom(['/w/a', '/w/b'], undefined), [
    { kind: 'path', path: '/w/a' },
    { kind: 'path', path: '/w/b' },
  ]);
});

test('anything else is no target', () => {
  for (const value of [null, 3, {}, { kind: 'run' }, { kind: 'checkpoint', path: 4 }, '']) {
    assert.deepEqual(targetsFrom(value, undefined), []);
  }
});

test('the same run or checkpoint is the same node, always', () => {
  assert.equal(nodes.checkpoint(nodes.run('/w/a'), '/w/a/e1'), first);
});
