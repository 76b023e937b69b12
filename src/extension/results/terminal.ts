/** "Open in Terminal": the command that makes a result again, typed and not run. */
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import * as vscode from 'vscode';
import { commandLine, quoteWords } from '../../core/averaging/commandLine.ts';
import type { AverageReport } from '../../core/averaging/types.ts';
import { isInside } from '../watching/folders.ts';
import { nextName } from './outputs.ts';

export interface TerminalPlaces {
  readonly extensionUri: vscode.Uri;
  /** Of the extension, on this machine. */
  readonly storage: vscode.Uri;
}

/** Gives what was typed. */
export async function openInTerminal(report: AverageReport, places: TerminalPlaces): Promise<string> {
  const { output } = report;
  const folder = vscode.workspace.getWorkspaceFolder(vscode.Uri.file(output))?.uri.fsPath;
  const cwd = folder ?? path.dirname(path.dirname(output));
  const shown = (file: string): string => (isInside(file, cwd) ? path.relative(cwd, file) : file);
  const typed = quoteWords(commandLine(report, await nextName(output), shown), process.platform);
  const programs = await installCommand(places);
  const terminal = vscode.window.createTerminal({
    name: 'twa',
    cwd,
    iconPath: new vscode.ThemeIcon('beaker'),
    env: { PATH: `${programs}${path.delimiter}${process.env['PATH'] ?? ''}` },
  });
  terminal.show();
  terminal.sendText(typed, false);
  return typed;
}

/** A folder with a program `twa`, which is the extension's own CLI on the editor's Node. */
async function installCommand({ extensionUri, storage }: TerminalPlaces): Promise<string> {
  const folder = path.join(storage.fsPath, 'bin');
  const cli = vscode.Uri.joinPath(extensionUri, 'dist', 'cli.mjs').fsPath;
  const node = process.execPath;
  await mkdir(folder, { recursive: true });
  if (process.platform === 'win32') {
    await keep(path.join(folder, 'twa.cmd'), `@set ELECTRON_RUN_AS_NODE=1\r\n@"${node}" "${cli}" %*\r\n`);
    return folder;
  }
  const program = path.join(folder, 'twa');
  const line = quoteWords([node, cli], process.platform);
  await keep(program, `#!/bin/sh\nELECTRON_RUN_AS_NODE=1 exec ${line} "$@"\n`);
  await chmod(program, 0o755);
  return folder;
}

/** Written only where it is another: an update of the extension moves its folder. */
async function keep(file: string, text: string): Promise<void> {
  const before = await readFile(file, 'utf8').catch(() => undefined);
  if (before !== text) await writeFile(file, text);
}
