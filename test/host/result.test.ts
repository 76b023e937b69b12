import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import * as vscode from 'vscode';
import { readReport } from '../../src/core/averaging/report.ts';
import type { AverageReport } from '../../src/core/averaging/types.ts';
import type { Dialogs } from '../../src/extension/dialogs.ts';
import type { Internals } from '../../src/extension/extension.ts';
import type { ResultAction } from '../../webview/protocol.ts';
import { copyRun, copyTask, eventually, internals } from './extension.ts';

/** What the buttons of a result do, once the page has asked for it. */
describe('A result', () => {
  let twa: Internals;
  let directory: string;
  let reportPath: string;
  let report: AverageReport;
  let restoreDialogs: () => void;

  const press = (action: ResultAction) => twa.actions.run(action, reportPath, report);
  const answer = (answers: Partial<Dialogs>): void => {
    const before = restoreDialogs;
    const restore = twa.answerWith(answers);
    restoreDialogs = () => {
      restore();
      before();
    };
  };

  before(async () => {
    twa = await internals();
    await copyTask();
    directory = await copyRun('resulted');
    restoreDialogs = twa.answerWith({
      pickOne: (options) => Promise.resolve(options[0]?.value),
      notify: () => Promise.resolve(undefined),
    });
    await vscode.commands.executeCommand('twa.average', vscode.Uri.file(directory));
    const run = () => twa.runs.snapshot.runs.find((each) => each.directory === directory);
    const [average] = await eventually('the average', () => run()?.averages[0] && run()?.averages, 60_000);
    reportPath = average!.average!.reportPath;
    report = await readReport(reportPath);
  });
  after(async () => {
    restoreDialogs();
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
    await rm(directory, { recursive: true });
  });

  it('is copied as a table for Markdown', async () => {
    await press('markdown');
    const text = await vscode.env.clipboard.readText();
    assert.match(text, /^\|.*accuracy.*\|$/m);
    for (const row of report.table) assert.ok(text.includes(row.metric.toFixed(3)), `${row.id} in\n${text}`);
  });

  it('is exported as one file that asks the network for nothing', async () => {
    const file = path.join(directory, 'report.html');
    answer({ saveFile: () => Promise.resolve(file) });
    await press('export');
    const html = readFileSync(file, 'utf8');
    assert.match(html, /^<!doctype html>/i);
    assert.ok(html.includes(path.basename(report.output)));
    assert.doesNotMatch(html, /<script|(?:src|href)="https?:/i);
  });

  it('is evaluated by a command of the user, whose number stays with it', async () => {
    const typed = [`"${process.execPath}" -e "console.log('score', 0.75)" {checkpoint}`, 'score (\\S+)'];
    answer({ input: () => Promise.resolve(typed.shift()) });
    await press('evaluate');
    const [evaluation] = twa.actions.more(report)?.evaluations ?? [];
    assert.equal(evaluation?.value, 0.75);
  });

  it('is made again in a terminal by a line that is typed and not run', async () => {
    const before = vscode.window.terminals.length;
    await press('terminal');
    await eventually('a terminal', () => vscode.window.terminals.length > before || undefined);
    const terminal = vscode.window.terminals.at(-1)!;
    assert.equal(terminal.name, 'twa');
    terminal.dispose();
    assert.deepEqual(
      readdirSync(path.join(directory, 'averages')).filter((name) => name.endsWith('-2')),
      [],
    );
    const { env } = terminal.creationOptions as vscode.TerminalOptions;
    const [programs] = env!['PATH']!.split(path.delimiter);
    assert.ok(existsSync(path.join(programs!, process.platform === 'win32' ? 'twa.cmd' : 'twa')));
  });
});
