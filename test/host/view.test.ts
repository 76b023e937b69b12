import assert from 'node:assert/strict';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as vscode from 'vscode';
import type { Dialogs } from '../../src/extension/dialogs.ts';
import type { Internals } from '../../src/extension/extension.ts';
import { copyRun, eventually, internals, workspace } from './extension.ts';

/** What stands in the notifications, and which of their buttons is pressed. */
interface Said {
  readonly message: string;
  readonly buttons: readonly string[];
}

describe('The Runs view', () => {
  let twa: Internals;
  let directory: string;
  let said: Said[];
  const undo: (() => unknown)[] = [];

  const runAt = (at: string) => twa.runs.snapshot.runs.find((run) => run.directory === at);
  const run = () => runAt(directory);
  const call = (command: string, ...args: unknown[]) => vscode.commands.executeCommand(command, ...args);
  const checked = () => [...twa.view.checked].map((file) => path.basename(file)).sort();
  const answer = (answers: Partial<Dialogs>) => undo.push(twa.answerWith(answers));

  before(async () => {
    twa = await internals();
    directory = await copyRun('viewed');
    await eventually('four checkpoints with their metrics', () =>
      run()?.checkpoints.length === 4 &&
      run()?.checkpoints.every((entry) => entry.metrics['val/loss'] !== undefined) === true
        ? true
        : undefined,
    );
  });

  beforeEach(() => {
    said = [];
    answer({
      notify: (_severity, message, buttons) => {
        said.push({ message, buttons });
        return Promise.resolve(buttons[0]);
      },
    });
  });

  afterEach(async () => {
    for (const back of undo.splice(0).reverse()) back();
    await call('twa.selectNone');
    await call('workbench.action.closeAllEditors');
  });

  after(() => rm(directory, { recursive: true }));

  it('has a row per run and per checkpoint, with a checkbox that a screen reader can name', () => {
    const row = twa.view.tree
      .getChildren()
      .find((node) => node.kind === 'run' && node.directory === directory);
    assert.ok(row !== undefined);
    const items = twa.view.tree.getChildren(row).map((node) => twa.view.tree.getTreeItem(node));
    assert.deepEqual(
      items.map(({ label }) => label),
      ['epoch-001', 'epoch-002', 'epoch-003', 'epoch-004'],
    );
    for (const { checkboxState, accessibilityInformation, description } of items) {
      assert.ok(typeof checkboxState === 'object');
      assert.match(checkboxState.accessibilityInformation?.label ?? '', /epoch-00\d/);
      assert.match(accessibilityInformation?.label ?? '', /epoch-00\d.*accuracy/);
      assert.match(String(description), /^0\.\d+ · (best · )?step \d+ · \d/);
    }
  });

  it('checks all, the last or the best of a run, and says how many and how large', async () => {
    await call('twa.selectAll', vscode.Uri.file(directory));
    assert.deepEqual(checked(), ['epoch-001', 'epoch-002', 'epoch-003', 'epoch-004']);
    assert.match(twa.view.title, /^4 checked, \d/);

    answer({ input: () => Promise.resolve('2') });
    await call('twa.selectLast', vscode.Uri.file(directory));
    assert.deepEqual(checked(), ['epoch-003', 'epoch-004']);

    answer({
      pickOne: (options) => Promise.resolve(options.find(({ label }) => label === 'val/loss')?.value),
      input: () => Promise.resolve('1'),
    });
    await call('twa.selectBest', vscode.Uri.file(directory));
    const best = [...(run()?.checkpoints ?? [])].sort(
      (a, b) => (a.metrics['val/loss'] ?? NaN) - (b.metrics['val/loss'] ?? NaN),
    );
    assert.deepEqual(checked(), [best[0]?.name]);

    await call('twa.selectNone');
    assert.deepEqual(checked(), []);
    assert.equal(twa.view.title, 'Runs');
  });

  it('copies the paths of what was clicked', async () => {
    const files = ['epoch-001', 'epoch-002'].map((name) => vscode.Uri.file(path.join(directory, name)));
    await call('twa.copyPath', files[0], files);
    assert.equal(await vscode.env.clipboard.readText(), files.map(({ fsPath }) => fsPath).join('\n'));
  });

  it('shows the learning curves of a run', async () => {
    await call('twa.showCurves', vscode.Uri.file(directory));
    const tab = await eventually('the panel', () => vscode.window.tabGroups.activeTabGroup.activeTab);
    assert.ok(tab.input instanceof vscode.TabInputWebview);
    assert.match(tab.input.viewType, /twa\.curves$/);
  });

  it('watches a folder outside the workspace until it is told to stop', async () => {
    const outside = await mkdtemp(path.join(tmpdir(), 'twa-outside-'));
    try {
      await cp(directory, path.join(outside, 'far'), { recursive: true });
      answer({ pickFolders: () => Promise.resolve([outside]) });
      await call('twa.watchFolder');
      assert.deepEqual(vscode.workspace.getConfiguration('twa').get('watchFolders'), [outside]);
      const far = path.join(outside, 'far');
      await eventually('the run from outside', () => runAt(far));
      assert.ok(run() !== undefined, 'what was there before is still there');

      await call('twa.stopWatchingFolder', far);
      await eventually('the run to go', () => (runAt(far) === undefined ? true : undefined));
      assert.deepEqual(vscode.workspace.getConfiguration('twa').get('watchFolders'), []);
    } finally {
      await rm(outside, { recursive: true });
    }
  });

  it('leaves out a run that it found by itself, and takes it back', async () => {
    await call('twa.stopWatchingFolder', vscode.Uri.file(directory));
    await eventually('the run to go', () => (run() === undefined ? true : undefined));
    await call('twa.watchFolder', vscode.Uri.file(directory));
    await eventually('the run to come back', () => run());
    await call('twa.stopWatchingFolder', vscode.Uri.file(workspace));
    const settings = vscode.workspace.getConfiguration('twa');
    assert.equal(settings.get('autoDetect'), false, 'stopping the whole workspace folder');
    for (const name of ['autoDetect', 'watchFolders', 'ignore']) {
      await settings.update(name, undefined, vscode.ConfigurationTarget.Workspace);
    }
    await eventually('the run to come back', () => run());
  });

  it('leads to the line of a mistake in the task file', async () => {
    const task = path.join(directory, 'twa.json');
    await writeFile(task, '{\n  "engine": "tfjs",\n  "metric": 7\n}\n');
    await call('twa.average', vscode.Uri.file(directory));
    assert.equal(said.length, 1);
    assert.match(said[0]?.message ?? '', /twa\.json/);
    assert.equal(said[0]?.buttons[0], 'Open Task File');
    const editor = await eventually('the task file', () =>
      vscode.window.activeTextEditor?.document.fileName === task ? vscode.window.activeTextEditor : undefined,
    );
    assert.equal(editor.document.languageId, 'jsonc');
    await rm(task);
  });

  it('says what is wrong when there is nothing to work on', async () => {
    await call('twa.average', vscode.Uri.file(path.join(workspace, 'no-such-folder')));
    await call('twa.showResult', vscode.Uri.file(directory));
    assert.equal(said.length, 2);
    for (const { message } of said) assert.doesNotMatch(message, /went wrong in the extension/);
  });
});
