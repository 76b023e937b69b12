/** Which twa.json a pass uses, and whether its code may run. */
import * as l10n from '@vscode/l10n';
import path from 'node:path';
import * as vscode from 'vscode';
import { cancelled } from '../../core/errors.ts';
import { findTask } from '../../core/task/find.ts';
import type { Dialogs } from '../dialogs.ts';
import { isInside } from '../watching/folders.ts';

const ALLOWED_KEY = 'allowedTasks';

/**
 * The nearest twa.json from the run upwards, else the one in a workspace folder. One that lies outside the workspace
 * is not covered by workspace trust, and its module is code that would run: the user is asked once. Throws
 * `cancelled` where the user says no.
 */
export async function taskFor(
  runDirectory: string,
  dialogs: Dialogs,
  memory: vscode.Memento,
): Promise<string | undefined> {
  const roots = (vscode.workspace.workspaceFolders ?? [])
    .filter(({ uri }) => uri.scheme === 'file')
    .map(({ uri }) => uri.fsPath);
  const near = await findTask(runDirectory);
  if (near !== undefined) {
    if (!roots.some((root) => isInside(near, root))) await requireAllowed(near, dialogs, memory);
    return near;
  }
  for (const root of roots) {
    const task = await findTask(root);
    if (task !== undefined && path.dirname(task) === root) return task;
  }
  return undefined;
}

async function requireAllowed(task: string, dialogs: Dialogs, memory: vscode.Memento): Promise<void> {
  const kept: unknown = memory.get(ALLOWED_KEY);
  const allowed = Array.isArray(kept) ? kept.filter((item) => typeof item === 'string') : [];
  if (allowed.includes(task)) return;
  const use = l10n.t('Use It');
  const answer = await dialogs.notify(
    'warning',
    l10n.t('The task file {0} is outside this workspace. Using it may run code that it names.', task),
    [use],
  );
  if (answer !== use) throw cancelled();
  await memory.update(ALLOWED_KEY, [...allowed, task]);
}
