/** Commands that only show something: curves, results, places on disk. */
import * as l10n from '@vscode/l10n';
import * as vscode from 'vscode';
import { TwaError } from '../../core/errors.ts';
import type { CurvesPanels } from '../panels/curves.ts';
import type { ResultPanels } from '../panels/result.ts';
import type { RunsView } from '../tree/view.ts';
import { isInside } from '../watching/folders.ts';
import type { Runs } from '../watching/runs.ts';
import type { ReportChoice } from './reportChoice.ts';
import { pathOf, targetOfNode } from './targets.ts';
import type { Target } from './targets.ts';

export class ShowCommands {
  readonly #runs: Runs;
  readonly #view: RunsView;
  readonly #curves: CurvesPanels;
  readonly #results: ResultPanels;
  readonly #reports: ReportChoice;

  constructor(
    runs: Runs,
    view: RunsView,
    curves: CurvesPanels,
    results: ResultPanels,
    reports: ReportChoice,
  ) {
    this.#runs = runs;
    this.#view = view;
    this.#curves = curves;
    this.#results = results;
    this.#reports = reports;
  }

  /** Of the runs pointed at, together; without one, of the newest run, whichever that is as time goes on. */
  curves(targets: readonly Target[]): void {
    if (targets.length === 0) {
      this.#curves.show();
      return;
    }
    const directories = new Set(targets.flatMap((target) => this.#runsAt(pathOf(target))));
    if (directories.size === 0) {
      throw new TwaError(
        'not-found',
        l10n.t('No run has been found in {0}: watch this folder first.', targets.map(pathOf).join(', ')),
      );
    }
    this.#curves.show(...directories);
  }

  /** Of what the curves panel in front shows. */
  async exportCurves(): Promise<void> {
    await this.#curves.export();
  }

  async result(targets: readonly Target[]): Promise<void> {
    const reportPath = await this.#reports.choose(targets, l10n.t('Show Result'));
    if (reportPath !== undefined) await this.#results.show(reportPath);
  }

  async revealInExplorer(targets: readonly Target[]): Promise<void> {
    const at = this.#pointedAt(targets)[0];
    if (at === undefined) throw nothingSelected();
    const uri = vscode.Uri.file(at);
    const inWorkspace = vscode.workspace.getWorkspaceFolder(uri) !== undefined;
    await vscode.commands.executeCommand(inWorkspace ? 'revealInExplorer' : 'revealFileInOS', uri);
  }

  async copyPath(targets: readonly Target[]): Promise<void> {
    const paths = this.#pointedAt(targets);
    if (paths.length === 0) throw nothingSelected();
    await vscode.env.clipboard.writeText(paths.join('\n'));
  }

  #pointedAt(targets: readonly Target[]): readonly string[] {
    return (targets.length > 0 ? targets : this.#view.selection.map(targetOfNode)).map(pathOf);
  }

  /** The run at, around or below a path. */
  #runsAt(at: string): readonly string[] {
    const exact = this.#runs.index.run(at) ?? this.#runs.index.entry(at)?.run;
    if (exact !== undefined) return [exact.directory];
    const { runs } = this.#runs.snapshot;
    const below = runs.filter((run) => isInside(run.directory, at));
    const around = runs.filter((run) => isInside(at, run.directory));
    return (below.length > 0 ? below : around.slice(0, 1)).map((run) => run.directory);
  }
}

function nothingSelected(): TwaError {
  return new TwaError('usage', l10n.t('Nothing is selected in the Runs view.'));
}
