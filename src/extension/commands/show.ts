/** Commands that only show something: curves, results, places on disk. */
import * as l10n from '@vscode/l10n';
import * as vscode from 'vscode';
import { reportPathFor } from '../../core/averaging/report.ts';
import { TwaError } from '../../core/errors.ts';
import type { Dialogs } from '../dialogs.ts';
import type { CurvesPanels } from '../panels/curves.ts';
import type { ResultPanels } from '../panels/result.ts';
import { methodLabel, runLabel } from '../tree/describe.ts';
import { formatMetric } from '../text.ts';
import type { RunsView } from '../tree/view.ts';
import { isInside } from '../watching/folders.ts';
import type { Runs } from '../watching/runs.ts';
import { pathOf, targetOfNode } from './targets.ts';
import type { Target } from './targets.ts';

export class ShowCommands {
  readonly #runs: Runs;
  readonly #view: RunsView;
  readonly #curves: CurvesPanels;
  readonly #results: ResultPanels;
  readonly #dialogs: Dialogs;

  constructor(runs: Runs, view: RunsView, curves: CurvesPanels, results: ResultPanels, dialogs: Dialogs) {
    this.#runs = runs;
    this.#view = view;
    this.#curves = curves;
    this.#results = results;
    this.#dialogs = dialogs;
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
    const [target] =
      targets.length > 0
        ? targets
        : this.#view.selection.map(targetOfNode).filter((one) => this.#isAverage(one));
    if (target !== undefined) {
      await this.#results.show(this.#reportOf(pathOf(target)));
      return;
    }
    const averages = this.#runs.snapshot.runs.flatMap((run) =>
      run.averages.flatMap((entry) =>
        entry.average === undefined ? [] : [{ run, entry, average: entry.average }],
      ),
    );
    if (averages.length === 0) {
      throw new TwaError('not-found', l10n.t('There is no average yet: average some checkpoints first.'));
    }
    const reportPath = await this.#dialogs.pickOne(
      averages.map(({ run, entry, average: { method, metric, reportPath: value } }) => ({
        label: entry.name,
        description: [
          runLabel(run),
          methodLabel(method),
          ...(metric === undefined ? [] : [`${metric.name} ${formatMetric(metric.value)}`]),
        ].join(' · '),
        value,
      })),
      { title: l10n.t('Show Result'), placeholder: l10n.t('Of which average?') },
    );
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

  #isAverage(target: Target): boolean {
    return this.#runs.index.entry(pathOf(target))?.isAverage === true;
  }

  /** A report is named by itself or by its checkpoint. */
  #reportOf(at: string): string {
    if (at.endsWith('twa-report.json')) return at;
    return this.#runs.index.entry(at)?.entry.average?.reportPath ?? reportPathFor(at);
  }
}

function nothingSelected(): TwaError {
  return new TwaError('usage', l10n.t('Nothing is selected in the Runs view.'));
}
