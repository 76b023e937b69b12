/** The extension under test and the folders that its tests work in. */
import { existsSync } from 'node:fs';
import { cp, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as vscode from 'vscode';
import type { Internals, TwaExtension } from '../../src/extension/extension.ts';

export const extension = required(
  vscode.extensions.getExtension<TwaExtension>('twa.trainable-weight-averaging'),
  'The extension is not there.',
);

export async function internals(): Promise<Internals> {
  return (await extension.activate()).internal;
}

/** The folder that the window has open: empty at first. */
export const workspace = required(vscode.workspace.workspaceFolders?.[0], 'No folder is open.').uri.fsPath;

/** A digits workspace with one run of four checkpoints, beside the open folder. */
const example = required(process.env['TWA_TEST_EXAMPLE'], 'TWA_TEST_EXAMPLE is not set.');

/** Puts the example's run, or the checkpoints of it that `names` gives, into `runs/<run>` of the open folder. */
export async function copyRun(run: string, names?: readonly string[]): Promise<string> {
  const from = path.join(example, 'runs/digits');
  const to = path.join(workspace, 'runs', run);
  await mkdir(to, { recursive: true });
  if (names === undefined) await cp(from, to, { recursive: true });
  else for (const name of names) await cp(path.join(from, name), path.join(to, name), { recursive: true });
  return to;
}

/** Puts the example's task and data into the open folder. */
export async function copyTask(): Promise<void> {
  if (existsSync(path.join(workspace, 'twa.json'))) return;
  await cp(path.join(example, 'data'), path.join(workspace, 'data'), { recursive: true });
  await cp(path.join(example, 'twa.json'), path.join(workspace, 'twa.json'));
}

/** Asks again and again until there is an answer. */
export async function eventually<T>(what: string, ask: () => T | undefined, limitMs = 30_000): Promise<T> {
  const end = Date.now() + limitMs;
  while (Date.now() < end) {
    const answer = ask();
    if (answer !== undefined) return answer;
    await sleep(25);
  }
  throw new Error(`Did not happen within ${limitMs / 1000} s: ${what}`);
}

function required<T>(value: T | undefined, message: string): T {
  if (value === undefined) throw new Error(message);
  return value;
}
