import * as l10n from '@vscode/l10n';
import * as vscode from 'vscode';
import { RUNS_VIEW } from '../names.ts';
import type { Job, JobQueue } from './jobQueue.ts';

/**
 * The bar at the top of the view, and from its turn on a notification with Cancel, until the job ends: one that waits
 * has its row in the view, so that there is one notification however many jobs there are.
 */
export function showProgress(title: string, jobs: JobQueue, job: Job<unknown>): void {
  const ended = job.result.then(
    () => undefined,
    () => undefined,
  );
  void vscode.window.withProgress({ location: { viewId: RUNS_VIEW } }, () => ended);
  let isShown = false;
  const showInItsTurn = (): void => {
    if (isShown || jobs.state.current?.id !== job.id) return;
    isShown = true;
    stop();
    void vscode.window.withProgress(
      { location: vscode.ProgressLocation.Notification, title, cancellable: true },
      (progress, token) => follow(progress, token, jobs, job, ended),
    );
  };
  const stop = jobs.onChange(showInItsTurn);
  void ended.then(stop);
  showInItsTurn();
}

async function follow(
  progress: vscode.Progress<{ message?: string; increment?: number }>,
  token: vscode.CancellationToken,
  jobs: JobQueue,
  job: Job<unknown>,
  ended: Promise<void>,
): Promise<void> {
  token.onCancellationRequested(() => job.cancel());
  let before = 0;
  const stop = jobs.onChange(({ current, waiting }) => {
    if (current?.id !== job.id) return;
    const percent = 100 * current.fraction;
    const message =
      waiting.length === 0
        ? current.message
        : l10n.t('{0} ({1} more after it)', current.message, waiting.length);
    progress.report({ message, increment: Math.max(0, percent - before) });
    before = Math.max(before, percent);
  });
  await ended;
  stop();
}
