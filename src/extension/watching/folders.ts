/** Which directories to watch, from the settings of each workspace folder and of the user. */
import { homedir } from 'node:os';
import path from 'node:path';

/** The settings as one workspace folder sees them. */
export interface FolderSettings {
  /** Absolute path of the workspace folder; undefined without a workspace. */
  readonly root: string | undefined;
  readonly autoDetect: boolean;
  readonly watchFolders: readonly string[];
  readonly ignore: readonly string[];
}

export interface WatchPlan {
  /** Absolute, each once, in the order named. */
  readonly folders: readonly string[];
  /** Names of directories anywhere, or absolute paths. */
  readonly ignore: readonly string[];
  /** Settings that name nothing, each with its reason left to the reader: relative, and no workspace folder is open. */
  readonly unresolved: readonly string[];
}

/** Absolute path of a folder as settings name it; undefined for a relative one where there is nothing to be relative to. */
export function resolveFolder(
  setting: string,
  root: string | undefined,
  home = homedir(),
): string | undefined {
  if (setting === '~') return home;
  if (setting.startsWith('~/') || setting.startsWith('~\\')) return path.join(home, setting.slice(2));
  if (path.isAbsolute(setting)) return path.normalize(stripSlash(setting));
  return root === undefined ? undefined : path.resolve(root, setting);
}

export function planWatching(workspaces: readonly FolderSettings[], home = homedir()): WatchPlan {
  const folders = new Set<string>();
  const ignore = new Set<string>();
  const unresolved = new Set<string>();
  for (const { root, autoDetect, watchFolders, ignore: left } of workspaces) {
    if (autoDetect && root !== undefined) folders.add(path.normalize(root));
    for (const setting of watchFolders) {
      const folder = resolveFolder(setting, root, home);
      if (folder === undefined) unresolved.add(setting);
      else folders.add(folder);
    }
    for (const setting of left) {
      const isName = !/[\\/]/.test(setting) && setting !== '~';
      const folder = isName ? setting : resolveFolder(setting, root, home);
      if (folder === undefined) unresolved.add(setting);
      else ignore.add(folder);
    }
  }
  return { folders: [...folders], ignore: [...ignore], unresolved: [...unresolved] };
}

/** Whether a directory, or one that it lies in below its watched folder, is named by `ignore`. */
export function isIgnored(directory: string, { folders, ignore }: WatchPlan): boolean {
  const inFolder = folders.filter((folder) => isInside(directory, folder));
  return ignore.some((left) => {
    if (path.isAbsolute(left)) {
      // A folder that is watched by name inside an ignored one is meant.
      return (
        isInside(directory, left) && !inFolder.some((folder) => folder !== left && isInside(folder, left))
      );
    }
    return inFolder.every((folder) => path.relative(folder, directory).split(path.sep).includes(left));
  });
}

/** How to write a folder into a workspace folder's settings: relative where it lies inside. */
export function folderSetting(folder: string, root: string | undefined): string {
  if (root === undefined) return folder;
  const relative = path.relative(root, folder);
  if (relative === '') return '.';
  return isInside(folder, root) ? relative.split(path.sep).join('/') : folder;
}

/** Whether `inner` is `outer` or lies in it. */
export function isInside(inner: string, outer: string): boolean {
  const relative = path.relative(outer, inner);
  return (
    relative === '' ||
    (!relative.startsWith('..' + path.sep) && relative !== '..' && !path.isAbsolute(relative))
  );
}

function stripSlash(folder: string): string {
  return folder.length > 1 ? folder.replace(/[\\/]+$/, '') || path.sep : folder;
}
