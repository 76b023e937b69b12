import * as l10n from '@vscode/l10n';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import * as vscode from 'vscode';
import { expandPaths, requireComplete } from '../../core/checkpoints/registry.ts';
import { TwaError } from '../../core/errors.ts';
import { TASK_FILE_NAME } from '../../core/task/find.ts';
import { createTask } from '../../core/task/scaffold.ts';
import type { RunsView } from '../tree/view.ts';
import { checkable } from '../tree/selection.ts';
import { requireTrust } from '../trust.ts';
import type { Runs } from '../watching/runs.ts';
import { pathOf, targetOfNode } from './targets.ts';
import type { Target } from './targets.ts';

/**
 * Writes a first twa.json that fits a checkpoint of what was pointed at (without: of the highlighted, checked or
 * newest run) and opens it. One that is there already is opened as it is.
 */
export async function createTaskFile([target]: readonly Target[], runs: Runs, view: RunsView): Promise<void> {
  requireTrust(l10n.t('Trust this workspace to write a task file into it.'));
  const at = target === undefined ? runAtHand(runs, view) : pathOf(target);
  if (at === undefined) {
    throw new TwaError(
      'not-found',
      l10n.t(
        'A task file is made to fit a checkpoint, and none has been found yet. Watch the folder that training writes to.',
      ),
    );
  }
  const directory = await taskDirectory(at, runs);
  const existing = path.join(directory, TASK_FILE_NAME);
  if (!(await isFile(existing))) {
    const checkpoint = await newestCheckpoint(at, runs);
    await createTask(await requireComplete(checkpoint), directory);
  }
  await vscode.window.showTextDocument(vscode.Uri.file(existing));
}

function runAtHand(runs: Runs, view: RunsView): string | undefined {
  const [highlighted] = view.selection.map(targetOfNode);
  if (highlighted !== undefined) return pathOf(highlighted);
  const newest = [...runs.snapshot.runs].sort((a, b) => b.mtimeMs - a.mtimeMs);
  return (view.checkedRuns[0]?.run ?? newest.find((run) => checkable(run).length > 0))?.directory;
}

/** One task file serves all runs of a project: it belongs at the top of the workspace folder. */
async function taskDirectory(at: string, runs: Runs): Promise<string> {
  const folder = vscode.workspace.getWorkspaceFolder(vscode.Uri.file(at));
  if (folder !== undefined) return folder.uri.fsPath;
  const checkpoint = runs.index.entry(at);
  if (checkpoint !== undefined) return checkpoint.run.directory;
  return (await isFile(at)) ? path.dirname(at) : at;
}

async function newestCheckpoint(at: string, runs: Runs): Promise<string> {
  const run = runs.index.run(at) ?? runs.index.entry(at)?.run;
  const newest = run === undefined ? (await expandPaths([at])).at(-1) : checkable(run).at(-1)?.path;
  if (newest === undefined) {
    throw new TwaError('not-found', l10n.t('There is no complete checkpoint in {0} yet.', at));
  }
  return newest;
}

async function isFile(at: string): Promise<boolean> {
  const found = await stat(at).catch(() => undefined);
  return found?.isFile() === true;
}
