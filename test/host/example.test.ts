import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as vscode from 'vscode';
import { Example } from '../../src/extension/commands/example.ts';
import { vscodeDialogs } from '../../src/extension/dialogs.ts';
import { copyTask, eventually, extension, workspace } from './extension.ts';

describe('The example', () => {
  let parent: string;
  let opened: string[];
  let watched: string[];
  let kept: Map<string, unknown>;
  let example: Example;

  beforeEach(async () => {
    parent = await mkdtemp(path.join(tmpdir(), 'twa-example-'));
    opened = [];
    watched = [];
    kept = new Map();
    example = new Example({
      extensionUri: extension.extensionUri,
      memory: {
        keys: () => [...kept.keys()],
        get: (key: string) => kept.get(key) as undefined,
        update: (key: string, value: unknown) => {
          kept.set(key, value);
          return Promise.resolve();
        },
      },
      dialogs: { ...vscodeDialogs, pickFolders: () => Promise.resolve([parent]) },
      openFolder: (folder) => Promise.resolve(opened.push(folder)),
      watch: (run) => Promise.resolve(void watched.push(run)),
    });
  });
  afterEach(() => rm(parent, { recursive: true, maxRetries: 5 }));

  it('is a project of its own in a new folder, and never one in the place of another', async () => {
    await example.open();
    await example.open();
    const names = ['twa-digits-example', 'twa-digits-example-2'];
    assert.deepEqual((await readdir(parent)).sort(), names);
    assert.deepEqual(
      opened,
      names.map((name) => path.join(parent, name)),
    );
    const [folder] = opened;
    const task = JSON.parse(await readFile(path.join(folder!, 'twa.json'), 'utf8')) as Record<
      string,
      unknown
    >;
    assert.equal(task['engine'], 'tfjs');
    assert.equal(task['$schema'], undefined, 'a path into our own repository');
    assert.deepEqual((await readdir(path.join(folder!, 'data'))).sort(), [
      'README.md',
      'digits.csv',
      'splits.json',
    ]);
  });

  it('trains in the window that it was opened for, and in no other', async () => {
    await copyTask();
    await example.open();
    await example.resume();
    assert.deepEqual(watched, [], 'this window shows another folder');

    kept.set([...kept.keys()][0]!, workspace);
    await example.resume();
    const [run] = watched;
    assert.equal(path.dirname(run!), path.join(workspace, 'runs'));
    try {
      await eventually(
        'a checkpoint',
        () => existsSync(path.join(run!, 'epoch-001/model.json')) || undefined,
        60_000,
      );
    } finally {
      for (const execution of vscode.tasks.taskExecutions) {
        if (execution.task.source === 'TWA') execution.terminate();
      }
      await rm(run!, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    }
    await example.resume();
    assert.equal(watched.length, 1, 'once');
  }).timeout(90_000);
});
