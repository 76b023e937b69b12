import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import { extension } from './extension.ts';
import { note } from './notes.ts';

const manifest = extension.packageJSON as { contributes: { commands: { command: string }[] } };

describe('Activation', () => {
  it('does not happen in a folder that has nothing to do with training', () => {
    assert.equal(extension.isActive, false);
  });

  it('takes less than a second', async () => {
    const start = performance.now();
    await extension.activate();
    const milliseconds = performance.now() - start;
    note(`activation: ${milliseconds.toFixed(0)} ms`);
    assert.ok(milliseconds < 1000, `${milliseconds} ms`);
  });

  it('registers the commands that are declared, and no others', async () => {
    const declared = manifest.contributes.commands.map(({ command }) => command).sort();
    const registered = (await vscode.commands.getCommands(true))
      .filter((command) => command.startsWith('twa.'))
      // VS Code's own, for every view.
      .filter((command) => !command.startsWith('twa.runs.'))
      .sort();
    assert.deepEqual(registered, declared);
  });

  it('shows the view', async () => {
    await vscode.commands.executeCommand('twa.runs.focus');
  });
});
