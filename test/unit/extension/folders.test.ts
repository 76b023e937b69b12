import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  folderSetting,
  isIgnored,
  isInside,
  planWatching,
  resolveFolder,
} from '../../../src/extension/watching/folders.ts';
import type { FolderSettings } from '../../../src/extension/watching/folders.ts';

const none: FolderSettings = { root: '/w', autoDetect: false, watchFolders: [], ignore: [] };

test('folders are absolute, from home, or relative to their workspace folder', () => {
  assert.equal(resolveFolder('/data/runs/', '/w'), '/data/runs');
  assert.equal(resolveFolder('~/runs', '/w', '/home/me'), '/home/me/runs');
  assert.equal(resolveFolder('../runs', '/w/a'), '/w/runs');
  assert.equal(resolveFolder('runs', undefined), undefined);
});

test('each folder once; what has nothing to be relative to is named', () => {
  const plan = planWatching(
    [
      { ...none, autoDetect: true, watchFolders: ['/w', 'runs', '/data'] },
      { ...none, root: '/v', watchFolders: ['/data', './runs'] },
    ],
    '/home/me',
  );
  assert.deepEqual(plan.folders, ['/w', '/w/runs', '/data', '/v/runs']);
  const closed = planWatching([
    { ...none, root: undefined, autoDetect: true, watchFolders: ['runs', '/data'] },
  ]);
  assert.deepEqual(closed, { folders: ['/data'], ignore: [], unresolved: ['runs'] });
});

test('ignored by a name anywhere below the watched folder, or by a path', () => {
  const plan = planWatching([
    { ...none, autoDetect: true, watchFolders: ['/data/old/kept'], ignore: ['old', './runs/a'] },
  ]);
  assert.equal(isIgnored('/w/runs/a', plan), true);
  assert.equal(isIgnored('/w/runs/a/fold-1', plan), true);
  assert.equal(isIgnored('/w/runs/ab', plan), false);
  assert.equal(isIgnored('/w/x/old/b', plan), true);
  assert.equal(
    isIgnored('/data/old/kept/c', plan),
    false,
    'the name is above the watched folder, which was asked for',
  );
});

test('a folder that is watched by name inside an ignored one is shown', () => {
  const plan = planWatching([{ ...none, autoDetect: true, watchFolders: ['out/best'], ignore: ['./out'] }]);
  assert.equal(isIgnored('/w/out/other', plan), true);
  assert.equal(isIgnored('/w/out/best/run', plan), false);
});

test('settings name a folder relative where it lies inside the workspace folder', () => {
  assert.equal(folderSetting('/w/runs/a', '/w'), 'runs/a');
  assert.equal(folderSetting('/w', '/w'), '.');
  assert.equal(folderSetting('/wider', '/w'), '/wider');
  assert.equal(folderSetting('/data', undefined), '/data');
});

test('inside means below, not beside with the same beginning', () => {
  assert.equal(isInside('/w/runs', '/w'), true);
  assert.equal(isInside('/w', '/w'), true);
  assert.equal(isInside('/ww', '/w'), false);
  assert.equal(isInside('/w/..data', '/w'), true);
  assert.equal(isInside('/', '/w'), false);
});
