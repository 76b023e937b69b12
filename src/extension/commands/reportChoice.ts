import * as l10n from '@vscode/l10n';
import { reportPathFor } from '../../core/averaging/report.ts';
import { TwaError } from '../../core/errors.ts';
import type { Dialogs } from '../dialogs.ts';
import { methodLabel, runLabel } from '../tree/describe.ts';
import { formatMetric } from '../text.ts';
import type { RunsView } from '../tree/view.ts';
import type { Runs } from '../watching/runs.ts';
import { pathOf, targetOfNode } from './targets.ts';
import type { Target } from './targets.ts';

/** Which average a command is about. */
export class ReportChoice {
  readonly #runs: Runs;
  readonly #view: RunsView;
  readonly #dialogs: Dialogs;

  constructor(runs: Runs, view: RunsView, dialogs: Dialogs) {
    this.#runs = runs;
    this.#view = view;
    this.#dialogs = dialogs;
  }

  /** The path of its report: of what was pointed at, else highlighted, else picked; undefined where the user turns away. */
  async choose(targets: readonly Target[], title: string): Promise<string | undefined> {
    const [target] =
      targets.length > 0
        ? targets
        : this.#view.selection.map(targetOfNode).filter((one) => this.#isAverage(one));
    if (target !== undefined) return this.#reportOf(pathOf(target));
    const averages = this.#runs.snapshot.runs.flatMap((run) =>
      run.averages.flatMap((entry) =>
        entry.average === undefined ? [] : [{ run, entry, average: entry.average }],
      ),
    );
    if (averages.length === 0) {
      throw new TwaError('not-found', l10n.t('There is no average yet: average some checkpoints first.'));
    }
    return await this.#dialogs.pickOne(
      averages.map(({ run, entry, average: { method, metric, reportPath: value } }) => ({
        label: entry.name,
        description: [
          runLabel(run),
          methodLabel(method),
          ...(metric === undefined ? [] : [`${metric.name} ${formatMetric(metric.value)}`]),
        ].join(' · '),
        value,
      })),
      { title, placeholder: l10n.t('Of which average?') },
    );
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
