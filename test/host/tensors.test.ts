import assert from 'node:assert/strict';
import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import * as vscode from 'vscode';
import type { Internals } from '../../src/extension/extension.ts';
import { copyRun, eventually, extension, internals, workspace } from './extension.ts';

const fixture = (epoch: number) =>
  path.join(extension.extensionPath, `test/fixtures/checkpoints/mixed/epoch-00${epoch}.safetensors`);

describe('The tensors of a checkpoint', () => {
  let twa: Internals;
  let run: string;
  const files = path.join(workspace, 'tensors');
  const file = (epoch: number) => path.join(files, `epoch-00${epoch}.safetensors`);
  const call = (command: string, ...args: unknown[]) => vscode.commands.executeCommand(command, ...args);
  const tab = () => vscode.window.tabGroups.activeTabGroup.activeTab;
  const page = () => twa.tensors.sessions.find(({ known }) => known.ready);

  before(async () => {
    twa = await internals();
    run = await copyRun('tensors-run', ['epoch-001', 'epoch-002']);
    await mkdir(files);
    for (const epoch of [1, 4]) await cp(fixture(epoch), file(epoch));
  });

  afterEach(() => call('workbench.action.closeAllEditors'));
  after(async () => {
    await rm(files, { recursive: true });
    await rm(run, { recursive: true });
  });

  it('open by themselves for a safetensors file, read-only', async () => {
    await call('vscode.open', vscode.Uri.file(file(1)));
    const input = await eventually('the editor', () =>
      tab()?.input instanceof vscode.TabInputCustom ? (tab()?.input as vscode.TabInputCustom) : undefined,
    );
    assert.equal(input.viewType, 'twa.tensors');
    const session = await eventually('its page', page);
    assert.deepEqual(session.known.subject, { kind: 'checkpoint', path: file(1) });

    session.receive({ kind: 'compute' });
    await eventually('statistics from the process', () => session.known.statistics === 19 || undefined);
    // The file changes: what was computed from it holds no more.
    await writeFile(file(1), 'no checkpoint any more');
    await eventually('the change to be seen', () => session.known.statistics === 0 || undefined);
    await cp(fixture(1), file(1));
  });

  it('open for a checkpoint that is a directory', async () => {
    await call('twa.openTensors', path.join(run, 'epoch-001'));
    const input = await eventually('the editor', () =>
      tab()?.input instanceof vscode.TabInputCustom ? (tab()?.input as vscode.TabInputCustom) : undefined,
    );
    assert.equal(input.uri.fsPath, path.join(run, 'epoch-001/model.json'));
    await eventually('its page', page);
  });

  it('are compared with those of another, the older one first', async () => {
    const uris = [file(4), file(1)].map((name) => vscode.Uri.file(name));
    await call('twa.compareTensors', uris[0], uris);
    const session = await eventually('the page', page);
    assert.deepEqual(session.known.subject, { kind: 'comparison', a: file(1), b: file(4) });
    assert.match(tab()?.label ?? '', /epoch-001.* ↔ epoch-004/);
    const changes = await eventually('the changes', () => session.known.changes);
    assert.equal(changes.length, 19);
  });

  it('are compared with one that is picked', async () => {
    await eventually('the run', () => twa.runs.snapshot.runs.find(({ directory }) => directory === run));
    const back = twa.answerWith({
      pickOne: (options) =>
        Promise.resolve(
          options.find(({ value }) => value === (path.join(run, 'epoch-002') as unknown))?.value,
        ),
    });
    try {
      await call('twa.compareTensors', vscode.Uri.file(path.join(run, 'epoch-001')));
      const session = await eventually('the page', page);
      assert.deepEqual(session.known.subject, {
        kind: 'comparison',
        a: path.join(run, 'epoch-001'),
        b: path.join(run, 'epoch-002'),
      });
    } finally {
      back();
    }
  });
});
