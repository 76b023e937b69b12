import * as l10n from '@vscode/l10n';
import * as vscode from 'vscode';
import { trainingText } from './trainingText.ts';
import type { Liveness } from './watching/liveness.ts';
import type { Runs } from './watching/runs.ts';

const EVERY_MS = 5000;

/** Speed and remaining time of the training in the status bar, as long as something trains. */
export function showTraining(runs: Runs, liveness: Liveness): vscode.Disposable {
  const item = vscode.window.createStatusBarItem('twa.training', vscode.StatusBarAlignment.Left);
  item.name = l10n.t('Training');
  const update = (): void => {
    const training = runs.snapshot.runs
      .map((run) => ({ run, status: liveness.status(run) }))
      .filter(({ status }) => status.state === 'training');
    const shown = trainingText(training, Date.now(), vscode.env.language);
    if (shown === undefined) {
      item.hide();
      return;
    }
    item.text = shown.text;
    item.tooltip = shown.tooltip;
    item.command = {
      command: 'twa.showCurves',
      title: l10n.t('Show Learning Curves'),
      arguments: [shown.run.directory],
    };
    item.show();
  };
  update();
  const stop = liveness.onChange(update);
  const stopRuns = runs.onChange(update);
  const timer = setInterval(update, EVERY_MS);
  return vscode.Disposable.from(item, {
    dispose: () => {
      stop();
      stopRuns();
      clearInterval(timer);
    },
  });
}
