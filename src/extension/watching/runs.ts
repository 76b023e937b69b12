import * as l10n from '@vscode/l10n';
import { setImmediate } from 'node:timers/promises';
import * as vscode from 'vscode';
import { onContributions } from '../../core/contributions/registry.ts';
import type { RunsSnapshot, RunWatcher } from '../../core/runs/types.ts';
import { readSetting, setContext } from '../api.ts';
import { isIgnored, planWatching } from './folders.ts';
import type { WatchPlan } from './folders.ts';
import { RunIndex } from './runIndex.ts';

const NOTHING: RunsSnapshot = { runs: [], scanning: true, warnings: [] };

/**
 * The runs of this window, as one {@link RunWatcher} for its whole life: where settings, folders or trust change what
 * is watched, the watcher behind it is replaced and the listeners stay.
 */
export class Runs implements RunWatcher, vscode.Disposable {
  readonly #log: vscode.LogOutputChannel;
  readonly #listeners = new Set<(snapshot: RunsSnapshot) => void>();
  readonly #subscriptions: vscode.Disposable[];
  #watcher: RunWatcher | undefined;
  /** Until the readers are loaded there is none. */
  #starting: Promise<void> = Promise.resolve();
  #plan: WatchPlan | undefined;
  #planKey = '';
  #index = new RunIndex(NOTHING);
  #logged: readonly string[] = [];

  constructor(log: vscode.LogOutputChannel) {
    this.#log = log;
    const restart = (): void => this.#restart();
    this.#subscriptions = [
      vscode.workspace.onDidChangeWorkspaceFolders(restart),
      vscode.workspace.onDidGrantWorkspaceTrust(restart),
      vscode.workspace.onDidChangeConfiguration((change) => {
        if (change.affectsConfiguration('twa')) restart();
      }),
      // Other extensions have brought, or taken away, formats that files are looked at with.
      new vscode.Disposable(
        onContributions(() => {
          this.#planKey = '';
          restart();
        }),
      ),
    ];
    this.#restart();
  }

  get snapshot(): RunsSnapshot {
    return this.#index.snapshot;
  }

  get index(): RunIndex {
    return this.#index;
  }

  /** The folders being watched, absolute. */
  get folders(): readonly string[] {
    return this.#plan?.folders ?? [];
  }

  onChange(listener: (snapshot: RunsSnapshot) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async refresh(): Promise<void> {
    await this.#starting;
    await this.#watcher?.refresh();
  }

  async close(): Promise<void> {
    for (const subscription of this.#subscriptions) subscription.dispose();
    this.#listeners.clear();
    this.#plan = undefined;
    const watcher = this.#watcher;
    this.#watcher = undefined;
    await watcher?.close();
  }

  dispose(): void {
    void this.close();
  }

  /** Does nothing where the settings come to the same as before. */
  #restart(): void {
    const plan = currentPlan();
    const polling = readSetting('polling');
    const key = JSON.stringify([plan, polling]);
    if (key === this.#planKey) return;
    this.#planKey = key;
    this.#plan = plan;
    for (const setting of plan.unresolved) {
      this.#log.warn(
        l10n.t(
          'The folder "{0}" in the settings is relative, and no workspace folder is open: it is not watched.',
          setting,
        ),
      );
    }
    this.#log.info(`Watching ${plan.folders.length === 0 ? 'nothing' : plan.folders.join(', ')}`);

    // What is known stays to be seen until the new watcher knows better.
    this.#publish({ ...NOTHING, runs: this.snapshot.runs });
    this.#starting = this.#watch(plan, polling === 'auto' ? polling : polling === 'on').catch(
      (error: unknown) => this.#log.error(String(error)),
    );
  }

  async #watch(plan: WatchPlan, polling: boolean | 'auto'): Promise<void> {
    // Chokidar and all readers: not before the window has its views and commands, which loading would hold up.
    await setImmediate();
    const { watchRuns } = await import('../../core/runs/watch.ts');
    if (this.#plan !== plan) return;
    const old = this.#watcher;
    const watcher = watchRuns(plan.folders, { polling, ignore: (directory) => isIgnored(directory, plan) });
    this.#watcher = watcher;
    watcher.onChange((snapshot) => {
      if (this.#watcher === watcher) this.#publish(snapshot);
    });
    await old?.close();
  }

  #publish(found: RunsSnapshot): void {
    const plan = this.#plan;
    // Runs known from before the setting changed go at once.
    const snapshot: RunsSnapshot =
      plan === undefined || plan.ignore.length === 0
        ? found
        : { ...found, runs: found.runs.filter((run) => !isIgnored(run.directory, plan)) };
    this.#index = new RunIndex(snapshot);
    setContext('twa.scanning', snapshot.scanning);
    setContext('twa.hasRuns', snapshot.runs.length > 0);
    setContext(
      'twa.hasAverages',
      snapshot.runs.some((run) => run.averages.length > 0),
    );
    for (const warning of snapshot.warnings) if (!this.#logged.includes(warning)) this.#log.warn(warning);
    this.#logged = snapshot.warnings;
    for (const listener of this.#listeners) listener(snapshot);
  }
}

function currentPlan(): WatchPlan {
  const settings = (folder: vscode.WorkspaceFolder | undefined) => ({
    root: folder?.uri.scheme === 'file' ? folder.uri.fsPath : undefined,
    autoDetect: readSetting('autoDetect', folder),
    watchFolders: readSetting('watchFolders', folder),
    ignore: readSetting('ignore', folder),
  });
  const folders = vscode.workspace.workspaceFolders ?? [];
  return planWatching(folders.length === 0 ? [settings(undefined)] : folders.map(settings));
}
