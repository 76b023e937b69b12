import * as l10n from '@vscode/l10n';
import * as vscode from 'vscode';
import { setContext } from '../api.ts';
import type { JobQueue } from '../averaging/jobQueue.ts';
import { RUNS_VIEW } from '../names.ts';
import { formatBytes } from '../text.ts';
import type { Liveness } from '../watching/liveness.ts';
import type { Runs } from '../watching/runs.ts';
import { AS_FOUND, ORDERS } from './arrangement.ts';
import type { Arrangement } from './arrangement.ts';
import type { Node, TreeNode } from './nodes.ts';
import { RunsTree } from './provider.ts';
import type { TreeDependencies } from './provider.ts';
import { changedRuns, checkedRuns, pruned, toggled } from './selection.ts';
import type { Checked, CheckedRun } from './selection.ts';

const CHECKED_KEY = 'checked';
const ARRANGEMENT_KEY = 'arrangement';

/** The "Runs" view: the tree, and which checkpoints are checked in it, kept over a reload of the window. */
export class RunsView implements vscode.Disposable {
  readonly tree: RunsTree;
  readonly #runs: Runs;
  readonly #memory: vscode.Memento;
  readonly #view: vscode.TreeView<TreeNode>;
  readonly #subscriptions: readonly { dispose(): unknown }[];
  #checked: Checked;
  #arrangement: Arrangement;

  constructor(
    runs: Runs,
    liveness: Liveness,
    jobs: JobQueue,
    live: TreeDependencies['live'],
    memory: vscode.Memento,
  ) {
    this.#runs = runs;
    this.#memory = memory;
    const kept: unknown = memory.get(CHECKED_KEY);
    this.#checked = new Set(Array.isArray(kept) ? kept.filter((item) => typeof item === 'string') : []);
    this.#arrangement = readArrangement(memory.get(ARRANGEMENT_KEY));
    // Before the tree listens: what is gone is forgotten first, then drawn.
    const stopListening = runs.onChange((snapshot) => {
      this.#keep(pruned(this.#checked, snapshot));
    });
    this.tree = new RunsTree({
      runs,
      liveness,
      jobs,
      live,
      checked: () => this.#checked,
      arrangement: () => this.#arrangement,
    });
    this.#view = vscode.window.createTreeView(RUNS_VIEW, {
      treeDataProvider: this.tree,
      canSelectMany: true,
      showCollapseAll: true,
      manageCheckboxStateManually: true,
    });
    this.#subscriptions = [
      this.#view,
      this.tree,
      new vscode.Disposable(stopListening),
      this.#view.onDidChangeCheckboxState(({ items }) => {
        const clicks = items.flatMap(([node, state]) =>
          node.kind === 'job' ? [] : [[node, state === vscode.TreeItemCheckboxState.Checked] as const],
        );
        this.check(toggled(this.#checked, runs.index, clicks, this.selection));
      }),
      vscode.workspace.onDidChangeConfiguration((change) => {
        if (change.affectsConfiguration('twa.metric')) this.tree.redraw();
      }),
    ];
    setContext('twa.filtered', this.#arrangement.filter !== '');
    this.#describe();
  }

  get arrangement(): Arrangement {
    return this.#arrangement;
  }

  /** Sorts, filters or pins; kept over a reload of the window. */
  arrange(change: Partial<Arrangement>): void {
    this.#arrangement = { ...this.#arrangement, ...change };
    const { order, filter, pinned } = this.#arrangement;
    void this.#memory.update(ARRANGEMENT_KEY, { order, filter, pinned: [...pinned] });
    setContext('twa.filtered', filter !== '');
    this.#describe();
    this.tree.redraw();
  }

  get checked(): Checked {
    return this.#checked;
  }

  /** The complete checked checkpoints, by run. */
  get checkedRuns(): readonly CheckedRun[] {
    return checkedRuns(this.#checked, this.#runs.snapshot);
  }

  /** The highlighted runs, checkpoints and averages. */
  get selection(): readonly Node[] {
    return this.#view.selection.filter((node) => node.kind !== 'job');
  }

  get title(): string {
    return this.#view.title ?? '';
  }

  check(checked: Checked): void {
    const changed = changedRuns(this.#checked, checked, this.#runs.snapshot);
    this.#keep(checked);
    this.tree.redrawRuns(changed);
  }

  /** Shows a checkpoint, average or run in the tree, if it is there. */
  async reveal(path: string): Promise<void> {
    const node = this.tree.node(path);
    if (node === undefined) return;
    // What is asked for shall be seen: then the filter is in the way.
    if (!this.tree.isShown(node)) this.arrange({ filter: '' });
    await this.#view.reveal(node, { select: true, focus: true });
  }

  dispose(): void {
    for (const subscription of this.#subscriptions) subscription.dispose();
  }

  #keep(checked: Checked): void {
    if (checked !== this.#checked) {
      this.#checked = checked;
      void this.#memory.update(CHECKED_KEY, [...checked]);
    }
    this.#describe();
  }

  /** In the title, not in a line of its own: that would move the rows away under the pointer at the first check. */
  #describe(): void {
    setContext('twa.hasChecked', this.#checked.size > 0);
    const entries = this.checkedRuns.flatMap((run) => run.entries);
    const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
    // Not the view's description: that is not shown where the view is alone in its container. And not after "Runs":
    // a side bar of the usual width would cut it off.
    const title =
      entries.length === 0 ? l10n.t('Runs') : l10n.t('{0} checked, {1}', entries.length, formatBytes(bytes));
    const { filter } = this.#arrangement;
    this.#view.title = filter === '' ? title : l10n.t('{0} · only {1}', title, filter);
  }
}

/** What was kept is `unknown`: anything that does not fit gives the default. */
function readArrangement(kept: unknown): Arrangement {
  if (typeof kept !== 'object' || kept === null) return AS_FOUND;
  const { order, filter, pinned } = kept as Partial<Record<keyof Arrangement, unknown>>;
  return {
    order: ORDERS.find((known) => known === order) ?? AS_FOUND.order,
    filter: typeof filter === 'string' ? filter : '',
    pinned: new Set(Array.isArray(pinned) ? pinned.filter((item) => typeof item === 'string') : []),
  };
}
