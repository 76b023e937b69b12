import * as l10n from '@vscode/l10n';
import * as vscode from 'vscode';
import { setContext } from './api.ts';
import type { JobQueue, QueueState } from './averaging/jobQueue.ts';
import { RUNS_VIEW } from './names.ts';

/** Shows the pass that is running in the status bar and to `when` clauses. */
export function showJobs(jobs: JobQueue): vscode.Disposable {
  const item = vscode.window.createStatusBarItem('twa.job', vscode.StatusBarAlignment.Left);
  item.name = l10n.t('Averaging of checkpoints');
  item.command = `${RUNS_VIEW}.focus`;
  let running = false;

  const update = ({ current, waiting }: QueueState): void => {
    if (running !== (current !== undefined)) {
      running = current !== undefined;
      setContext('twa.averaging', running);
    }
    if (current === undefined) {
      item.hide();
      return;
    }
    const percent = Math.round(100 * current.fraction);
    const title =
      waiting.length === 0 ? current.title : l10n.t('{0} (+{1} waiting)', current.title, waiting.length);
    item.text = `$(beaker) TWA ${percent} %`;
    item.tooltip = `${title}\n${current.message}`;
    item.show();
  };
  return vscode.Disposable.from(item, new vscode.Disposable(jobs.onChange(update)));
}
