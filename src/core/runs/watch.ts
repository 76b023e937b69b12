import { watch } from 'chokidar';
import type { FSWatcher } from 'chokidar';
import { basename, relative, resolve, sep } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { hasCode } from '../checkpoints/files.ts';
import { collectRuns } from './collect.ts';
import { needsPolling } from './filesystem.ts';
import { Inventory } from './inventory.ts';
import { isBulkFile, isIgnoredDirectory, watchedFolderOf } from './layout.ts';
import { scanFolder } from './scan.ts';
import type { RunsSnapshot, RunWatcher } from './types.ts';

export interface WatchOptions {
  /** Levels of directories below a watched folder. Default 6. */
  readonly depth?: number;
  /**
   * Ask for changes instead of waiting to be told. Default `auto`: on network and other file systems that do not tell,
   * and where the system's limit of watches is reached.
   */
  readonly polling?: boolean | 'auto';
  /** Milliseconds between asking. Default 2000: asking about 2000 files every second costs 5 % of a core. */
  readonly pollingInterval?: number;
  /** Directories below the watched folders to leave alone with all they hold, by absolute path. Default none. */
  readonly ignore?: (directory: string) => boolean;
}

/** Changes that come together are looked at together. */
const GATHER_MS = 100;
/** And listeners are called this often at most. */
const NOTIFY_MS = 250;
/**
 * After a look that took long (millions of points, thousands of files) comes a rest of so many times as long, but not
 * longer than this: the process has other things to do.
 */
const RESTS = 3;
const LONGEST_REST_MS = 2000;

/** Errors that tell that there are no more watches or file descriptors to be had. */
const OUT_OF_WATCHES = ['ENOSPC', 'EMFILE', 'ENFILE'] as const;

/**
 * Follows folders, which need not exist yet. Their runs are listed at once; then chokidar reports changes. It is only
 * told "look there": what a path holds is always found out by looking, so events that are doubled, late, or out of
 * order do no harm.
 */
export function watchRuns(folders: readonly string[], options: WatchOptions = {}): RunWatcher {
  return new FolderWatcher(folders, options);
}

class FolderWatcher implements RunWatcher {
  readonly #folders: readonly string[];
  readonly #options: Required<WatchOptions>;
  readonly #inventory: Inventory;
  readonly #listeners = new Set<(snapshot: RunsSnapshot) => void>();
  readonly #abort = new AbortController();
  readonly #watchers = new Map<string, FSWatcher>();
  readonly #troubles = new Set<string>();
  /** Directories to list. */
  #unlisted = new Set<string>();
  #snapshot: RunsSnapshot = { runs: [], scanning: true, warnings: [] };
  #lastLook = 0;
  /** Milliseconds after it. */
  #rest = NOTIFY_MS;
  #timer: NodeJS.Timeout | undefined;
  /** When it fires. */
  #due = Infinity;
  /** One look at a time; the end of the queue. */
  #queue: Promise<void> = Promise.resolve();

  constructor(folders: readonly string[], options: WatchOptions) {
    this.#folders = [...new Set(folders.map((folder) => resolve(folder)))];
    this.#options = { depth: 6, polling: 'auto', pollingInterval: 2000, ignore: () => false, ...options };
    this.#inventory = new Inventory(this.#folders);
    for (const folder of this.#folders) this.#unlisted.add(folder);
    void this.#look();
    for (const folder of this.#folders) void this.#watch(folder, this.#options.polling);
  }

  get snapshot(): RunsSnapshot {
    return this.#snapshot;
  }

  onChange(listener: (snapshot: RunsSnapshot) => void): () => void {
    const own = (snapshot: RunsSnapshot): void => listener(snapshot);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  async refresh(): Promise<void> {
    for (const folder of this.#folders) {
      this.#inventory.touchInside(folder);
      this.#unlisted.add(folder);
    }
    await this.#look();
  }

  async close(): Promise<void> {
    this.#abort.abort();
    clearTimeout(this.#timer);
    this.#listeners.clear();
    await this.#queue;
    await Promise.all([...this.#watchers.values()].map((watcher) => watcher.close()));
  }

  get #closed(): boolean {
    return this.#abort.signal.aborted;
  }

  async #watch(folder: string, polling: boolean | 'auto'): Promise<void> {
    const usePolling = polling === 'auto' ? await needsPolling(folder) : polling;
    if (this.#closed) return;
    const watcher = watch(folder, {
      backend: usePolling ? 'polling' : 'native',
      pollingInterval: this.#options.pollingInterval,
      pollingBinaryInterval: this.#options.pollingInterval,
      depth: this.#options.depth,
      // What is there already is listed without it.
      ignoreInitial: true,
      ignorePermissionErrors: true,
      // A file that is replaced shall be seen at once; whether it is whole is known from the file.
      atomic: false,
      ignored: (path) => isIgnored(path, folder) || (path !== folder && this.#options.ignore(path)),
    });
    this.#watchers.set(folder, watcher);
    watcher
      .on('all', (event, path) => {
        if (event === 'addDir') this.#unlisted.add(path);
        else if (event === 'unlinkDir') this.#inventory.touchInside(path);
        else if (!this.#inventory.touch(path)) return;
        this.#lookSoon();
      })
      .on('ready', () => {
        // What came between the first listing and this moment was not reported.
        this.#inventory.touchInside(folder);
        this.#unlisted.add(folder);
        this.#lookSoon();
      })
      .on('error', (error) => this.#onError(folder, watcher, usePolling, error));
  }

  #onError(folder: string, watcher: FSWatcher, polls: boolean, error: unknown): void {
    if (this.#closed || this.#watchers.get(folder) !== watcher) return;
    const why = error instanceof Error ? error.message : String(error);
    if (!polls && hasCode(error, ...OUT_OF_WATCHES)) {
      this.#troubles.add(
        `The system allows no more file watches, so ${folder} is asked for changes every ` +
          `${this.#options.pollingInterval / 1000} s instead; raise fs.inotify.max_user_watches or watch fewer folders.`,
      );
      this.#watchers.delete(folder);
      // Whatever else it reports while it closes is about watches, too.
      void watcher.close().then(() => this.#watch(folder, true));
    } else {
      this.#troubles.add(`${folder} is not followed everywhere: ${why}. Refresh shows what is missing.`);
    }
    this.#lookSoon();
  }

  /** Not put off by further calls: a file that never stops changing must be seen, too. */
  #lookSoon(delay = 0): void {
    if (this.#closed) return;
    const now = Date.now();
    const due = Math.max(now + GATHER_MS, now + delay, this.#lastLook + this.#rest);
    if (this.#due <= due) return;
    clearTimeout(this.#timer);
    this.#due = due;
    this.#timer = setTimeout(() => {
      this.#due = Infinity;
      void this.#look();
    }, due - now);
  }

  /** Looks at everything that was touched; what is touched meanwhile is for the next time. */
  #look(): Promise<void> {
    this.#queue = this.#queue.then(async () => {
      const begun = Date.now();
      if (this.#closed) return;
      const { signal } = this.#abort;
      try {
        const directories = this.#unlisted;
        this.#unlisted = new Set();
        for (const directory of directories) await this.#list(directory);
        this.#inventory.touchDue(Date.now());
        await this.#inventory.update(signal);
        this.#publish();
      } catch (error) {
        if (signal.aborted) return;
        // A defect must not stop the watching.
        this.#troubles.add(error instanceof Error ? error.message : String(error));
      }
      this.#lastLook = Date.now();
      this.#rest = Math.min(Math.max(NOTIFY_MS, RESTS * (this.#lastLook - begun)), LONGEST_REST_MS);
      const retry = this.#inventory.nextRetry;
      if (retry !== undefined) this.#lookSoon(retry - this.#lastLook);
    });
    return this.#queue;
  }

  /** Lists what a directory holds, as deep as is watched. */
  async #list(directory: string): Promise<void> {
    const folder = watchedFolderOf(directory, this.#folders) ?? directory;
    const levels = relative(folder, directory)
      .split(sep)
      .filter((name) => name !== '').length;
    await scanFolder(directory, {
      depth: this.#options.depth - levels,
      signal: this.#abort.signal,
      ignore: this.#options.ignore,
      onFile: (path) => this.#inventory.touch(path),
    });
  }

  #publish(): void {
    const before = this.#snapshot;
    const runs = collectRuns(this.#folders, this.#inventory.found, before.runs);
    const warnings = [...this.#troubles, ...this.#inventory.warnings];
    if (runs === before.runs && !before.scanning && isDeepStrictEqual(warnings, before.warnings)) return;
    this.#snapshot = { runs, scanning: false, warnings };
    for (const listener of [...this.#listeners]) {
      try {
        listener(this.#snapshot);
      } catch (error) {
        // A view's defect is no reason for the others to stand still.
        this.#troubles.add(error instanceof Error ? error.message : String(error));
      }
    }
  }
}

/** By name; the folder itself and what is above it are never ignored. */
function isIgnored(path: string, folder: string): boolean {
  const inner = relative(folder, path);
  if (inner === '' || inner.startsWith('..')) return false;
  const name = basename(path);
  return isIgnoredDirectory(name) || isBulkFile(name);
}
