import * as l10n from '@vscode/l10n';
import { TwaError } from '../../core/errors.ts';
import type { Dialogs, Option } from '../dialogs.ts';
import { runLabel } from '../tree/describe.ts';
import type { RunsView } from '../tree/view.ts';
import { isInside } from '../watching/folders.ts';
import type { Runs } from '../watching/runs.ts';
import { pathOf, targetOfNode } from './targets.ts';
import type { Target } from './targets.ts';

/** Which checkpoints a command is about, that takes any of them by themselves. */
export class CheckpointChoice {
  readonly #runs: Runs;
  readonly #view: RunsView;
  readonly #dialogs: Dialogs;

  constructor(runs: Runs, view: RunsView, dialogs: Dialogs) {
    this.#runs = runs;
    this.#view = view;
    this.#dialogs = dialogs;
  }

  /** What was clicked, else what is highlighted in the tree. A run stands for the checkpoint that one picks of it. */
  async pointedAt(targets: readonly Target[], title: string): Promise<readonly string[]> {
    const pointed = targets.length > 0 ? targets : this.#view.selection.map(targetOfNode);
    const [only] = pointed;
    if (pointed.length === 1 && only?.kind === 'run') {
      return this.ask(title, l10n.t('Which checkpoint?'), undefined, only.directory);
    }
    return pointed.filter(({ kind }) => kind !== 'run').map(pathOf);
  }

  async ask(
    title: string,
    placeholder: string,
    without?: string,
    within?: string,
  ): Promise<readonly string[]> {
    const options = this.#runs.snapshot.runs
      .filter((run) => within === undefined || isInside(run.directory, within))
      .flatMap((run) =>
        [...run.checkpoints, ...run.averages]
          .filter((entry) => entry.path !== without)
          .map((entry): Option<string> => ({
            label: entry.name,
            description: runLabel(run),
            value: entry.path,
          })),
      );
    if (options.length === 0) {
      throw new TwaError('not-found', l10n.t('No checkpoint has been found yet: watch its folder first.'));
    }
    const picked = await this.#dialogs.pickOne(options, { title, placeholder });
    return picked === undefined ? [] : [picked];
  }
}
