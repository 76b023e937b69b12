import { stat } from 'node:fs/promises';
import path from 'node:path';
import * as l10n from '@vscode/l10n';
import * as vscode from 'vscode';
import { inTrainingOrder } from '../../core/checkpoints/order.ts';
import { inspectPath, requireComplete } from '../../core/checkpoints/registry.ts';
import { TwaError } from '../../core/errors.ts';
import type { CheckpointChoice } from '../commands/checkpointChoice.ts';
import type { Target } from '../commands/targets.ts';
import { TENSOR_EDITORS } from '../names.ts';
import type { RunsView } from '../tree/view.ts';
import type { TensorsPanels } from './panels.ts';

/** "Open Tensors" and "Compare Two Checkpoints", from the tree, the Explorer or the palette. */
export class TensorsCommands {
  readonly #view: RunsView;
  readonly #panels: TensorsPanels;
  readonly #choice: CheckpointChoice;

  constructor(view: RunsView, panels: TensorsPanels, choice: CheckpointChoice) {
    this.#view = view;
    this.#panels = panels;
    this.#choice = choice;
  }

  async open(targets: readonly Target[]): Promise<void> {
    const title = l10n.t('Open Tensors');
    const pointed = await this.#choice.pointedAt(targets, title);
    const checkpoints =
      pointed.length > 0 ? pointed : await this.#choice.ask(title, l10n.t('Of which checkpoint?'));
    for (const checkpoint of checkpoints) {
      const uri = vscode.Uri.file(await fileOf(checkpoint));
      await vscode.commands.executeCommand('vscode.openWith', uri, TENSOR_EDITORS.default, {
        preview: checkpoints.length === 1,
      });
    }
  }

  async compare(targets: readonly Target[]): Promise<void> {
    const title = l10n.t('Compare Two Checkpoints');
    let checkpoints = await this.#choice.pointedAt(targets, title);
    if (checkpoints.length === 0) {
      const checked = this.#view.checkedRuns.flatMap(({ entries }) => entries.map((entry) => entry.path));
      if (checked.length === 2) checkpoints = checked;
    }
    if (checkpoints.length === 0) checkpoints = await this.#choice.ask(title, l10n.t('Which checkpoint?'));
    const [first] = checkpoints;
    if (first === undefined) return;
    if (checkpoints.length === 1) {
      const question = l10n.t('Compare {0} with which checkpoint?', path.basename(first));
      const second = await this.#choice.ask(title, question, first);
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
    await this.#panels.compare(older!.path, newer!.path);
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
