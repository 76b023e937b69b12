import * as l10n from '@vscode/l10n';
import * as vscode from 'vscode';
import { readReport } from '../../core/averaging/report.ts';
import { TwaError } from '../../core/errors.ts';
import { textOf } from '../errors.ts';
import { runLabel } from '../tree/describe.ts';
import type { Runs } from '../watching/runs.ts';
import { resultsMarkdown } from './compare.ts';
import type { NamedReport } from './compare.ts';

const SCHEME = 'twa-results';

/** "Compare Results": a read-only document with the averages of all watched runs, made anew by each call. */
export class ResultsDocument implements vscode.TextDocumentContentProvider, vscode.Disposable {
  readonly #runs: Runs;
  readonly #changed = new vscode.EventEmitter<vscode.Uri>();
  readonly #registration: vscode.Disposable;
  #text = '';

  readonly onDidChange = this.#changed.event;

  constructor(runs: Runs) {
    this.#runs = runs;
    this.#registration = vscode.workspace.registerTextDocumentContentProvider(SCHEME, this);
  }

  provideTextDocumentContent(): string {
    return this.#text;
  }

  async show(): Promise<void> {
    const averages = this.#runs.snapshot.runs.flatMap((run) =>
      run.averages.flatMap((entry) =>
        entry.average === undefined ? [] : [{ run, entry, reportPath: entry.average.reportPath }],
      ),
    );
    if (averages.length === 0) {
      throw new TwaError('not-found', l10n.t('There is no average yet: average some checkpoints first.'));
    }
    const reports: NamedReport[] = [];
    const problems: string[] = [];
    for (const { run, entry, reportPath } of averages) {
      try {
        reports.push({ run: runLabel(run), name: entry.name, report: await readReport(reportPath) });
      } catch (error) {
        problems.push(textOf(error));
      }
    }
    this.#text = resultsMarkdown(reports, problems);
    const uri = vscode.Uri.from({ scheme: SCHEME, path: `/${l10n.t('Results of Averaging')}.md` });
    this.#changed.fire(uri);
    try {
      await vscode.commands.executeCommand('markdown.showPreview', uri);
    } catch {
      // The built-in Markdown extension can be turned off; the text itself is a table, too.
      await vscode.window.showTextDocument(uri);
    }
  }

  dispose(): void {
    this.#registration.dispose();
    this.#changed.dispose();
  }
}
