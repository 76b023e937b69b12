/** "Watch Folder…" and "Stop Watching Folder": they only edit settings; `watching/runs.ts` follows those. */
import * as l10n from '@vscode/l10n';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import * as vscode from 'vscode';
import { readSetting, writeSetting } from '../api.ts';
import type { Dialogs } from '../dialogs.ts';
import { SETTINGS } from '../names.ts';
import type { SettingName, Settings } from '../names.ts';
import { requireTrust } from '../trust.ts';
import { folderSetting, isInside, resolveFolder } from '../watching/folders.ts';
import { pathOf } from './targets.ts';
import type { Target } from './targets.ts';

/** A place that settings can be written to: one workspace folder's, or the user's where none is open. */
interface Home {
  readonly root: string | undefined;
  readonly target: vscode.ConfigurationTarget;
  readonly scope: vscode.WorkspaceFolder | undefined;
}

export async function watchFolders(targets: readonly Target[], dialogs: Dialogs): Promise<void> {
  requireTrust(l10n.t('Trust this workspace to watch other folders.'));
  const folders =
    targets.length > 0
      ? await Promise.all(targets.map((target) => directoryOf(pathOf(target))))
      : await dialogs.pickFolders(l10n.t('Watch a Folder for Checkpoints'), l10n.t('Watch'));
  for (const folder of folders ?? []) {
    const home = homeOf(folder);
    const isFolder = (setting: string): boolean => resolveFolder(setting, home.root) === folder;
    const known = own('watchFolders', home);
    if (!known.some(isFolder))
      await write('watchFolders', [...known, folderSetting(folder, home.root)], home);
    // What was stopped before is wanted again.
    const ignored = own('ignore', home);
    if (ignored.some(isFolder))
      await write(
        'ignore',
        ignored.filter((setting) => !isFolder(setting)),
        home,
      );
  }
}

/** Of a folder in the settings, takes it out; of one that was found by itself, adds it to `twa.ignore`. */
export async function stopWatching(targets: readonly Target[], dialogs: Dialogs): Promise<void> {
  requireTrust(l10n.t('Trust this workspace to change what is watched.'));
  const entries = homes().flatMap((home) => own('watchFolders', home).map((setting) => ({ home, setting })));
  if (targets.length === 0) {
    if (entries.length === 0) {
      void dialogs.notify('info', l10n.t('No folder is being watched because of the settings.'), []);
      return;
    }
    const chosen = await dialogs.pickOne(
      entries.map((entry) => ({ label: entry.setting, value: entry })),
      { title: l10n.t('Stop Watching Folder'), placeholder: l10n.t('Which one?') },
    );
    if (chosen !== undefined) await remove(chosen);
    return;
  }
  for (const target of targets) {
    const at = pathOf(target);
    const named = entries.filter(({ home, setting }) => {
      const folder = resolveFolder(setting, home.root);
      return folder !== undefined && isInside(at, folder);
    });
    for (const entry of named) await remove(entry);
    await ignore(at, homeOf(at));
  }
}

/** Where the workspace folder is searched by itself, and would find it again. */
async function ignore(at: string, home: Home): Promise<void> {
  const { root, scope } = home;
  if (root === undefined || !isInside(at, root) || !readSetting('autoDetect', scope)) return;
  if (at === root) {
    await write('autoDetect', false, home);
    return;
  }
  const ignored = own('ignore', home);
  const setting = asPath(folderSetting(at, root));
  if (!ignored.includes(setting)) await write('ignore', [...ignored, setting], home);
}

async function remove({ home, setting }: { readonly home: Home; readonly setting: string }): Promise<void> {
  await write(
    'watchFolders',
    own('watchFolders', home).filter((other) => other !== setting),
    home,
  );
}

/** In `twa.ignore` a bare name would hold everywhere. */
function asPath(setting: string): string {
  return setting.includes('/') || path.isAbsolute(setting) ? setting : `./${setting}`;
}

function homes(): readonly Home[] {
  const folders = vscode.workspace.workspaceFolders ?? [];
  if (folders.length === 0) {
    return [{ root: undefined, target: vscode.ConfigurationTarget.Global, scope: undefined }];
  }
  // With a single folder open there is no difference between its settings and the workspace's.
  const target =
    folders.length === 1 ? vscode.ConfigurationTarget.Workspace : vscode.ConfigurationTarget.WorkspaceFolder;
  return folders.map((folder) => ({ root: folder.uri.fsPath, target, scope: folder }));
}

/** The workspace folder that a path lies in, else the first. */
function homeOf(at: string): Home {
  const all = homes();
  const home = all.find(({ root }) => root !== undefined && isInside(at, root)) ?? all[0];
  if (home === undefined) throw new Error('there is always one place for settings');
  return home;
}

/** What exactly this place's settings say, without what they inherit: that must not be copied into them. */
function own(name: 'watchFolders' | 'ignore', { target, scope }: Home): readonly string[] {
  const found = vscode.workspace.getConfiguration('twa', scope).inspect<unknown>(name);
  switch (target) {
    case vscode.ConfigurationTarget.Global:
      return SETTINGS[name](found?.globalValue);
    case vscode.ConfigurationTarget.Workspace:
      return SETTINGS[name](found?.workspaceValue);
    case vscode.ConfigurationTarget.WorkspaceFolder:
      return SETTINGS[name](found?.workspaceFolderValue);
  }
}

async function write<Name extends SettingName>(name: Name, value: Settings[Name], home: Home): Promise<void> {
  await writeSetting(name, value, home.target, home.scope);
}

async function directoryOf(file: string): Promise<string> {
  const found = await stat(file);
  return found.isDirectory() ? file : path.dirname(file);
}
