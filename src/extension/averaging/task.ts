/** Which twa.json a pass uses, and whether its code may run. */
import * as l10n from '@vscode/l10n';
import path from 'node:path';
import * as vscode from 'vscode';
import { cancelled } from '../../core/errors.ts';
import { findTask } from '../../core/task/find.ts';
import type { Dialogs } from '../dialogs.ts';
import { isInside } from '../watching/folders.ts';

const ALLOWED_KEY = 'allowedTasks';

/** The nearest twa.json from the run upwards, else the one in a workspace folder. */
export async function nearestTask(runDirectory: string): Promise<string | undefined> {
  const near = await findTask(runDirectory);
  if (near !== undefined) return near;
  for (const root of workspaceRoots()) {
    const task = await findTask(root);
    if (task !== undefined && path.dirname(task) === root) return task;
  }
  return undefined;
}

/**
 * The {@link nearestTask} of a run. One that lies outside the workspace
 * is not covered by workspace trust, and its module is code that would run: the user is asked once. Throws
 * `cancelled` where the user says no.
 */
export async function taskFor(
  runDirectory: string,
  dialogs: Dialogs,
  memory: vscode.Memento,
): Promise<string | undefined> {
  const task = await nearestTask(runDirectory);
  if (task !== undefined && !workspaceRoots().some((root) => isInside(task, root)))
    await requireAllowed(task, dialogs, memory);
  return task;
}

function workspaceRoots(): readonly string[] {
  return (vscode.workspace.workspaceFolders ?? [])
    .filter(({ uri }) => uri.scheme === 'file')
    .map(({ uri }) => uri.fsPath);
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
