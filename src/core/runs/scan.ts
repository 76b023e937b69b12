import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { throwIfAborted } from '../errors.ts';
import { isBulkFile, isIgnoredDirectory, isInside } from './layout.ts';

export interface ScanOptions {
  /** Levels of directories below the folder. */
  readonly depth: number;
  readonly signal?: AbortSignal | undefined;
  /** Directory entries looked at before the scan ends early. */
  readonly maxEntries?: number;
  /** Directories to leave out, by absolute path; the folder itself is not asked about. */
  readonly ignore?: ((directory: string) => boolean) | undefined;
  /** Called for every file that is not ignored by its name. */
  onFile(path: string): void;
}

/**
 * Lists a folder by names alone: no file is opened, and none is asked for its size. Directories that cannot be read
 * are left out. A link to a directory is followed when it leads out of the folder; one that leads back inside
 * (`runs/latest`) would only show the same files twice.
 */
export async function scanFolder(folder: string, options: ScanOptions): Promise<void> {
  const isLeftOut = (path: string): boolean =>
    isIgnoredDirectory(basename(path)) || options.ignore?.(path) === true;
  let entriesLeft = options.maxEntries ?? Infinity;
  const visited = new Set<string>();
  // Breadth first, so that an early end has seen the upper levels.
  let level = [folder];
  for (let depth = 0; level.length > 0 && depth <= options.depth; depth++) {
    const next: string[] = [];
    for (const directory of level) {
      throwIfAborted(options.signal);
      for (const entry of await readdir(directory, { withFileTypes: true }).catch(() => [])) {
        if (entriesLeft-- <= 0) return;
        const path = join(directory, entry.name);
        if (entry.isDirectory()) {
          if (!isLeftOut(path)) next.push(path);
        } else if (entry.isSymbolicLink()) {
          const target = await followed(path);
          if (target === undefined) continue;
          if (!target.isDirectory) options.onFile(path);
          else if (!visited.has(target.path) && !isInside(target.path, await realpath(folder))) {
            visited.add(target.path);
            if (!isLeftOut(path)) next.push(path);
          }
        } else if (entry.isFile() && !isBulkFile(entry.name) && !entry.name.startsWith('.')) {
          options.onFile(path);
        }
      }
    }
    level = next;
  }
}

async function followed(link: string): Promise<{ path: string; isDirectory: boolean } | undefined> {
  try {
    return { path: await realpath(link), isDirectory: (await stat(link)).isDirectory() };
  } catch {
    return undefined; // leads nowhere
  }
}
