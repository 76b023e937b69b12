import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import { extension } from './extension.ts';
import { note } from './notes.ts';

const manifest = extension.packageJSON as { contributes: { commands: { command: string }[] } };

describe('Activation', () => {
  it('does not happen in a folder that has nothing to do with training', () => {
    assert.equal(extension.isActive, false);
  });

  it('takes less than a second of the processor', async () => {
    const start = performance.now();
    const cpuStart = process.cpuUsage();
    await extension.activate();
    const { user, system } = process.cpuUsage(cpuStart);
    const milliseconds = (user + system) / 1000;
    note(
      `activation: ${(performance.now() - start).toFixed(0)} ms, ${milliseconds.toFixed(0)} ms of processor time`,
    );
    // Not the time on the clock, which says more about what else the machine is doing.
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
