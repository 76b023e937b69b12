import * as l10n from '@vscode/l10n';
import * as vscode from 'vscode';
import { setContext } from './api.ts';
import type { JobQueue, QueueState } from './averaging/jobQueue.ts';
import { RUNS_VIEW } from './names.ts';
import type { RunsView } from './tree/view.ts';

/** Shows the pass that is running in the status bar, above the tree and to `when` clauses. */
export function showJobs(jobs: JobQueue, view: RunsView): vscode.Disposable {
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
      view.say('');
      return;
    }
    const percent = Math.round(100 * current.fraction);
    const title = waiting === 0 ? current.title : l10n.t('{0} (+{1} waiting)', current.title, waiting);
    item.text = `$(beaker) TWA ${percent} %`;
    item.tooltip = `${title}\n${current.message}`;
    item.show();
    view.say([title, `${percent} %`, current.message].filter((part) => part !== '').join(' · '));
  };
  return vscode.Disposable.from(item, new vscode.Disposable(jobs.onChange(update)));
}
