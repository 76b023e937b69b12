import { stat } from 'node:fs/promises';
import path from 'node:path';
import * as l10n from '@vscode/l10n';
import * as vscode from 'vscode';
import { inTrainingOrder } from '../../core/checkpoints/order.ts';
import { inspectPath, requireComplete } from '../../core/checkpoints/registry.ts';
import { TwaError } from '../../core/errors.ts';
import type { Dialogs, Option } from '../dialogs.ts';
import { TENSOR_EDITORS } from '../names.ts';
import { pathOf, targetOfNode } from '../commands/targets.ts';
import type { Target } from '../commands/targets.ts';
import { runLabel } from '../tree/describe.ts';
import type { RunsView } from '../tree/view.ts';
import { isInside } from '../watching/folders.ts';
import type { Runs } from '../watching/runs.ts';
import type { TensorsPanels } from './panels.ts';

/** "Open Tensors" and "Compare Two Checkpoints", from the tree, the Explorer or the palette. */
export class TensorsCommands {
  readonly #runs: Runs;
  readonly #view: RunsView;
  readonly #panels: TensorsPanels;
  readonly #dialogs: Dialogs;

  constructor(runs: Runs, view: RunsView, panels: TensorsPanels, dialogs: Dialogs) {
    this.#runs = runs;
    this.#view = view;
    this.#panels = panels;
    this.#dialogs = dialogs;
  }

  async open(targets: readonly Target[]): Promise<void> {
    const title = l10n.t('Open Tensors');
    const pointed = await this.#pointedAt(targets, title);
    const checkpoints = pointed.length > 0 ? pointed : await this.#ask(title, l10n.t('Of which checkpoint?'));
    for (const checkpoint of checkpoints) {
      const uri = vscode.Uri.file(await fileOf(checkpoint));
      await vscode.commands.executeCommand('vscode.openWith', uri, TENSOR_EDITORS.default, {
        preview: checkpoints.length === 1,
      });
    }
  }

  async compare(targets: readonly Target[]): Promise<void> {
    const title = l10n.t('Compare Two Checkpoints');
    let checkpoints = await this.#pointedAt(targets, title);
    if (checkpoints.length === 0) {
      const checked = this.#view.checkedRuns.flatMap(({ entries }) => entries.map((entry) => entry.path));
      if (checked.length === 2) checkpoints = checked;
    }
    if (checkpoints.length === 0) checkpoints = await this.#ask(title, l10n.t('Which checkpoint?'));
    const [first] = checkpoints;
    if (first === undefined) return;
    if (checkpoints.length === 1) {
      const question = l10n.t('Compare {0} with which checkpoint?', path.basename(first));
      const second = await this.#ask(title, question, first);
      if (second.length === 0) return;
      checkpoints = [first, ...second];
    }
    if (checkpoints.length !== 2) {
      throw new TwaError(
        'usage',
        l10n.t('{0} checkpoints are selected; a comparison needs two.', checkpoints.length),
      );
    }
    const headers = await Promise.all(checkpoints.map((checkpoint) => requireComplete(checkpoint)));
    const [older, newer] = inTrainingOrder(headers);
    this.#panels.compare(older!.path, newer!.path);
  }

  /** What was clicked, else what is highlighted in the tree. A run stands for the checkpoint that one picks of it. */
  async #pointedAt(targets: readonly Target[], title: string): Promise<readonly string[]> {
    const pointed = targets.length > 0 ? targets : this.#view.selection.map(targetOfNode);
    const [only] = pointed;
    if (pointed.length === 1 && only?.kind === 'run') {
      return this.#ask(title, l10n.t('Which checkpoint?'), undefined, only.directory);
    }
    return pointed.filter(({ kind }) => kind !== 'run').map(pathOf);
  }

  async #ask(
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

/** An editor opens a file: of a checkpoint that is a directory, the one with the header. */
async function fileOf(checkpoint: string): Promise<string> {
  const inspection = await inspectPath(checkpoint);
  if (inspection.state === 'complete') return inspection.header.files[0]?.path ?? checkpoint;
  if ((await stat(checkpoint)).isFile()) return checkpoint;
  throw new TwaError(
    inspection.state === 'incomplete' ? 'incomplete-checkpoint' : 'bad-checkpoint',
    inspection.reason,
    { place: { path: checkpoint } },
  );
}
