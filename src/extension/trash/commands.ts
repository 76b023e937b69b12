/** "Move to Trash…" and "Move All but the Best N to Trash…". Nothing goes by itself, and nothing goes unseen. */
import * as l10n from '@vscode/l10n';
import { lstat, readdir } from 'node:fs/promises';
import path from 'node:path';
import * as vscode from 'vscode';
import { TwaError } from '../../core/errors.ts';
import { forEachLimited } from '../../core/runs/parallel.ts';
import type { CheckpointEntry } from '../../core/runs/types.ts';
import { readSetting } from '../api.ts';
import type { JobQueue } from '../averaging/jobQueue.ts';
import type { SelectionCommands } from '../commands/selection.ts';
import { pathOf, targetOfNode } from '../commands/targets.ts';
import type { Target } from '../commands/targets.ts';
import type { Dialogs } from '../dialogs.ts';
import { byMetric, displayMetric } from '../tree/metric.ts';
import { checkable } from '../tree/selection.ts';
import type { RunsView } from '../tree/view.ts';
import { requireTrust } from '../trust.ts';
import type { Liveness } from '../watching/liveness.ts';
import type { Found } from '../watching/runIndex.ts';
import type { Runs } from '../watching/runs.ts';
import type { TrashCan } from './can.ts';
import { onDisk } from './files.ts';
import { countText, previewOptions, sizeText } from './preview.ts';
import type { Item } from './preview.ts';
import { reasonToStay } from './rules.ts';

/** Checkpoints looked at a time. */
const CONCURRENCY = 16;

export interface TrashDependencies {
  readonly runs: Runs;
  readonly view: RunsView;
  readonly liveness: Liveness;
  readonly jobs: JobQueue;
  readonly selection: SelectionCommands;
  readonly dialogs: Dialogs;
  readonly can: TrashCan;
  readonly log: vscode.LogOutputChannel;
}

export class TrashCommands {
  readonly #deps: TrashDependencies;

  constructor(deps: TrashDependencies) {
    this.#deps = deps;
  }

  /** Of what was pointed at, else checked, else highlighted. */
  async move(targets: readonly Target[]): Promise<void> {
    requireTrusted();
    const { view } = this.#deps;
    const pointedAt =
      targets.length > 0 || view.checkedRuns.length > 0 ? targets : view.selection.map(targetOfNode);
    const found =
      pointedAt.length > 0
        ? this.#found(pointedAt)
        : view.checkedRuns.flatMap(({ run, entries }) =>
            entries.map((entry) => ({ run, entry, isAverage: false })),
          );
    if (found.length === 0) {
      throw new TwaError('usage', l10n.t('Check or select the checkpoints in the Runs view first.'));
    }
    await this.#preview(found);
  }

  /** All complete checkpoints of a run but its best, by a metric that the user names. */
  async keepBest(targets: readonly Target[]): Promise<void> {
    requireTrusted();
    const best = await this.#deps.selection.askBest(targets, {
      title: (label) => l10n.t('Move All but the Best of {0} to the Trash', label),
      prompt: (most) => l10n.t('How many stay? 1 to {0}.', most),
    });
    if (best === undefined) return;
    const kept = new Set<CheckpointEntry>(best.entries);
    const rest = checkable(best.run).filter((entry) => !kept.has(entry));
    if (rest.length === 0) throw new TwaError('usage', l10n.t('Then all of them are kept.'));
    await this.#preview(rest.map((entry) => ({ run: best.run, entry, isAverage: false })));
  }

  /** A whole run is never meant: its checkpoints are checked, or pointed at one by one. */
  #found(targets: readonly Target[]): readonly Found[] {
    const { runs, view } = this.#deps;
    const found = targets.flatMap((target): readonly Found[] => {
      const run = runs.index.run(pathOf(target));
      if (run === undefined) {
        const one = runs.index.entry(pathOf(target));
        return one === undefined ? [] : [one];
      }
      const marked = view.checkedRuns.find((one) => one.run.directory === run.directory);
      return (marked?.entries ?? []).map((entry) => ({ run, entry, isAverage: false }));
    });
    return [...new Map(found.map((one) => [one.entry.path, one])).values()];
  }

  async #preview(found: readonly Found[]): Promise<void> {
    const { dialogs, can } = this.#deps;
    const missing = can.missing();
    if (missing !== undefined) {
      await this.#sayMissing(missing, found);
      return;
    }
    const items = await this.#items(found);
    const out = new Set<Item>();
    for (;;) {
      const going = items.filter((item) => item.stays === undefined && !out.has(item));
      const answer = await dialogs.pickOne(previewOptions(items, out), {
        title: l10n.t('Move to Trash'),
        placeholder:
          going.length === 0
            ? l10n.t('Nothing of this can go')
            : l10n.t('A line that is chosen is taken out of the list, or put back'),
      });
      if (answer === undefined) return;
      if (answer === 'move') {
        const sure = await dialogs.confirm(
          l10n.t('Move {0} to the trash?', countText(going.length)),
          [
            going.map(({ entry }) => entry.name).join(', '),
            sizeText(going),
            l10n.t('They can be put back from the trash of this system.'),
          ].join('\n\n'),
          l10n.t('Move to Trash'),
        );
        if (sure) {
          await this.#go(going);
          return;
        }
      } else if (!out.delete(answer) && answer.stays === undefined) out.add(answer);
    }
  }

  async #go(going: readonly Item[]): Promise<void> {
    const { runs, dialogs, can, log } = this.#deps;
    const moved: Item[] = [];
    try {
      for (const item of going) {
        // Between the list and the button a pass may have begun, or training may have written.
        const now = await this.#item({ run: item.run, entry: item.entry, isAverage: isAverage(item) });
        const reason =
          now.stays ?? (now.disk.bytes === item.disk.bytes ? undefined : l10n.t('It has changed since.'));
        if (reason !== undefined) {
          throw new TwaError('usage', l10n.t('{0} stays. {1}', item.entry.name, reason));
        }
        // A report goes last: without its average it says nothing, but an average without it looks like a checkpoint.
        for (const at of item.disk.paths) {
          await can.move(at);
          log.info(`Moved to the trash: ${at}`);
        }
        moved.push(item);
      }
    } catch (error) {
      if (error instanceof TwaError) throw error;
      throw new TwaError(
        'usage',
        l10n.t(
          'Stopped: the rest stays where it is. {0}',
          error instanceof Error ? error.message : String(error),
        ),
        { cause: error },
      );
    } finally {
      await runs.refresh();
    }
    void dialogs.notify(
      'info',
      l10n.t(
        '{0} moved to the trash: {1} They can be put back from there.',
        countText(moved.length),
        sizeText(moved),
      ),
      [],
    );
  }

  /** In the given order; not all at once, which would open too many files. */
  async #items(found: readonly Found[]): Promise<readonly Item[]> {
    const items = new Array<Item>(found.length);
    await forEachLimited(found.entries(), CONCURRENCY, async ([i, one]) => {
      items[i] = await this.#item(one);
    });
    return items;
  }

  async #item({ run, entry }: Found): Promise<Item> {
    const { runs, liveness, jobs } = this.#deps;
    const average = isAverage({ run, entry });
    const disk = await onDisk(entry.path, average);
    const stays = reasonToStay(
      { run, entry, disk, names: await namesIn(entry.path) },
      {
        snapshot: runs.snapshot,
        stateOf: (one) => liveness.status(one).state,
        readerOf: (checkpoint) => jobs.readerOf(checkpoint),
        folders: [...runs.folders, ...(vscode.workspace.workspaceFolders ?? []).map(({ uri }) => uri.fsPath)],
        now: Date.now(),
      },
    );
    return { run, entry, disk, stays, marks: average ? [l10n.t('average')] : this.#marks({ run, entry }) };
  }

  #marks({ run, entry }: Pick<Found, 'run' | 'entry'>): readonly string[] {
    const metric = displayMetric(run, readSetting('metric', vscode.Uri.file(run.directory)));
    const complete = checkable(run);
    return [
      ...(metric !== undefined && byMetric(run, metric)[0] === entry
        ? [l10n.t('best by {0}', metric.tag)]
        : []),
      ...(complete.length > 1 && complete.at(-1) === entry
        ? [l10n.t('the newest: training would go on from it')]
        : []),
    ];
  }

  async #sayMissing(missing: string, found: readonly Found[]): Promise<void> {
    const copy = l10n.t('Copy Paths');
    const button = await this.#deps.dialogs.notify('warning', missing, [copy]);
    if (button === copy) {
      await vscode.env.clipboard.writeText(found.map(({ entry }) => entry.path).join('\n'));
    }
  }
}

function isAverage({ run, entry }: Pick<Found, 'run' | 'entry'>): boolean {
  return run.averages.includes(entry);
}

async function namesIn(at: string): Promise<readonly string[]> {
  return (await lstat(at)).isDirectory() ? await readdir(path.normalize(at)) : [];
}

function requireTrusted(): void {
  requireTrust(l10n.t('Trust this workspace to move checkpoints to the trash.'));
}
