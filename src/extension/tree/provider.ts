import * as vscode from 'vscode';
import type { Run } from '../../core/runs/types.ts';
import { readSetting } from '../api.ts';
import type { JobQueue } from '../averaging/jobQueue.ts';
import type { Keeper } from '../live/keeper.ts';
import type { Liveness } from '../watching/liveness.ts';
import type { Runs } from '../watching/runs.ts';
import { arrange } from './arrangement.ts';
import type { ArrangedRun, Arrangement } from './arrangement.ts';
import { describeAverage, describeCheckpoint, describeRun } from './describe.ts';
import { describeJob, jobIds } from './jobs.ts';
import type { Look, Row, RunLook } from './describe.ts';
import { byMetric, displayMetric } from './metric.ts';
import { nodeId, NodeCache } from './nodes.ts';
import type { Node, TreeNode } from './nodes.ts';
import type { Checked } from './selection.ts';

export interface TreeDependencies {
  readonly runs: Runs;
  readonly liveness: Liveness;
  readonly jobs: JobQueue;
  readonly live: Pick<Keeper, 'kept' | 'outcome' | 'onChange'>;
  readonly checked: () => Checked;
  readonly arrangement: () => Arrangement;
}

/** Twice a second a number can be read; the row is drawn no more often. */
const JOB_INTERVAL_MS = 500;

/** The tree's rows: the queue of passes, then the newest snapshot with what is checked, as the user wants it laid out. */
export class RunsTree implements vscode.TreeDataProvider<TreeNode>, vscode.Disposable {
  readonly #runs: Runs;
  readonly #liveness: Liveness;
  readonly #jobs: JobQueue;
  readonly #live: TreeDependencies['live'];
  readonly #checked: () => Checked;
  readonly #arrangement: () => Arrangement;
  readonly #nodes = new NodeCache();
  readonly #changed = new vscode.EventEmitter<TreeNode | TreeNode[] | undefined>();
  readonly #stopListening: readonly (() => void)[];
  #shown: readonly ArrangedRun[];
  #shownJobs: readonly number[] = [];
  #jobTimer: NodeJS.Timeout | undefined;
  readonly #lastJobRow = new Map<number, Row>();
  /** How the runs' rows are written, once per snapshot of a run. */
  #looks = new WeakMap<object, Pick<Look, 'metric' | 'best'>>();

  readonly onDidChangeTreeData = this.#changed.event;

  constructor({ runs, liveness, jobs, live, checked, arrangement }: TreeDependencies) {
    this.#runs = runs;
    this.#liveness = liveness;
    this.#jobs = jobs;
    this.#live = live;
    this.#checked = checked;
    this.#arrangement = arrangement;
    this.#shown = this.#arranged();
    this.#stopListening = [
      runs.onChange(() => this.#update(new Set())),
      liveness.onChange((changes) => this.#update(new Set(changes.map(({ run }) => run.directory)))),
      jobs.onChange(() => this.#updateJobs()),
      live.onChange((directory) => this.#update(new Set([directory]))),
    ];
  }

  getChildren(node?: TreeNode): TreeNode[] {
    if (node === undefined) {
      return [
        ...this.#shownJobs.map((id) => this.#nodes.job(id)),
        ...this.#shown.map(({ run }) => this.#nodes.run(run.directory)),
      ];
    }
    if (node.kind !== 'run') return [];
    const shown = this.#shown.find(({ run }) => run.directory === node.directory);
    return shown === undefined ? [] : [...this.#nodes.children(shown)];
  }

  getParent(node: TreeNode): Node | undefined {
    return node.kind === 'checkpoint' ? node.run : undefined;
  }

  getTreeItem(node: TreeNode): vscode.TreeItem {
    const row = this.row(node);
    if (row === undefined) return new vscode.TreeItem(nodeId(node));
    const item = new vscode.TreeItem(row.label, this.#collapsible(node));
    item.id = nodeId(node);
    item.description = row.description;
    item.iconPath = new vscode.ThemeIcon(
      row.icon.id,
      row.icon.color === undefined ? undefined : new vscode.ThemeColor(row.icon.color),
    );
    item.contextValue = row.viewItem;
    item.accessibilityInformation = { label: row.spoken };
    if (row.checkbox !== undefined) {
      item.checkboxState = {
        state: row.checkbox.checked
          ? vscode.TreeItemCheckboxState.Checked
          : vscode.TreeItemCheckboxState.Unchecked,
        tooltip: row.checkbox.label,
        accessibilityInformation: { label: row.checkbox.label, role: 'checkbox' },
      };
    }
    return item;
  }

  /** Only when the pointer rests on it: five thousand tooltips would be most of what a large run costs. */
  resolveTreeItem(item: vscode.TreeItem, node: TreeNode): vscode.TreeItem {
    const row = this.row(node);
    if (row !== undefined) item.tooltip = new vscode.MarkdownString(row.tooltip);
    return item;
  }

  /** What the row of a node says now; undefined where it is gone. */
  row(node: TreeNode): Row | undefined {
    if (node.kind === 'job') return this.#jobRow(node.id);
    if (node.kind === 'run') {
      const run = this.#runs.index.run(node.directory);
      return run && describeRun(run, this.#look(run));
    }
    const found = this.#runs.index.entry(node.path);
    if (found === undefined) return undefined;
    const describe = found.isAverage ? describeAverage : describeCheckpoint;
    return describe(found.entry, this.#look(found.run));
  }

  /** Whether a node stands in the tree as it is filtered now. */
  isShown(node: Node): boolean {
    const directory = node.kind === 'run' ? node.directory : node.run.directory;
    const shown = this.#shown.find(({ run }) => run.directory === directory);
    return (
      shown !== undefined && (node.kind === 'run' || shown.entries.some((entry) => entry.path === node.path))
    );
  }

  /** The node of a checkpoint, average or run, by its path. */
  node(path: string): Node | undefined {
    const found = this.#runs.index.entry(path);
    if (found !== undefined) {
      return this.#nodes.checkpoint(this.#nodes.run(found.run.directory), found.entry.path);
    }
    const run = this.#runs.index.run(path);
    return run && this.#nodes.run(run.directory);
  }

  /**
   * The checks of these runs changed: a run's checkbox depends on its checkpoints' and the other way round. The others
   * stay, because VS Code loses clicks on checkboxes while it draws the whole tree anew.
   */
  redrawRuns(runs: readonly Run[]): void {
    if (runs.length > 0) this.#changed.fire(runs.map((run) => this.#nodes.run(run.directory)));
  }

  /** A setting changed: every row may look different, or stand elsewhere. */
  redraw(): void {
    this.#looks = new WeakMap();
    this.#shown = this.#arranged();
    this.#changed.fire(undefined);
  }

  dispose(): void {
    clearTimeout(this.#jobTimer);
    for (const stop of this.#stopListening) stop();
    this.#changed.dispose();
  }

  /** One that has just ended keeps what it said until the view has left it out. */
  #jobRow(id: number): Row | undefined {
    const row = describeJob(id, this.#jobs.state) ?? this.#lastJobRow.get(id);
    if (row !== undefined) this.#lastJobRow.set(id, row);
    return row;
  }

  /** One more or one less: at once. How far the one in work is: now and then. */
  #updateJobs(): void {
    const ids = jobIds(this.#jobs.state);
    if (ids.join() !== this.#shownJobs.join()) {
      this.#shownJobs = ids;
      this.#changed.fire(undefined);
      return;
    }
    if (ids.length === 0) return;
    this.#jobTimer ??= setTimeout(() => {
      this.#jobTimer = undefined;
      const [first] = this.#shownJobs;
      if (first !== undefined) this.#changed.fire(this.#nodes.job(first));
    }, JOB_INTERVAL_MS);
  }

  /** While training writes into one run of many, only that one is drawn again. */
  #update(restless: ReadonlySet<string>): void {
    const before = this.#shown;
    const after = this.#arranged();
    this.#shown = after;
    const sameRuns =
      before.length === after.length &&
      after.every(({ run }, i) => run.directory === before[i]?.run.directory);
    if (!sameRuns) {
      this.#changed.fire(undefined);
      return;
    }
    const changed = after.filter(({ run }, i) => run !== before[i]?.run || restless.has(run.directory));
    if (changed.length > 0) this.#changed.fire(changed.map(({ run }) => this.#nodes.run(run.directory)));
  }

  #arranged(): readonly ArrangedRun[] {
    return arrange(this.#runs.snapshot.runs, this.#arrangement(), {
      stateOf: (run) => this.#liveness.status(run).state,
      metricOf: (run) => this.#metricAndBest(run).metric,
    });
  }

  #look(run: Run): RunLook {
    return {
      ...this.#metricAndBest(run),
      checked: this.#checked(),
      status: this.#liveness.status(run),
      ...(this.#live.kept.has(run.directory) ? { live: { outcome: this.#live.outcome(run.directory) } } : {}),
      pinned: this.#arrangement().pinned.has(run.directory),
      now: Date.now(),
      locale: vscode.env.language,
    };
  }

  #metricAndBest(run: Run): Pick<Look, 'metric' | 'best'> {
    let look = this.#looks.get(run);
    if (look === undefined) {
      const metric = displayMetric(run, readSetting('metric', vscode.Uri.file(run.directory)));
      look = { metric, best: metric && byMetric(run, metric)[0]?.path };
      this.#looks.set(run, look);
    }
    return look;
  }

  /** A single run is open from the start. (VS Code keeps what a user opened or closed since.) */
  #collapsible(node: TreeNode): vscode.TreeItemCollapsibleState {
    if (node.kind !== 'run') return vscode.TreeItemCollapsibleState.None;
    return this.#shown.length === 1
      ? vscode.TreeItemCollapsibleState.Expanded
      : vscode.TreeItemCollapsibleState.Collapsed;
  }
}
