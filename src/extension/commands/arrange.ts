/** "Sort…", "Filter…", "Clear Filter" and "Pin or Unpin": how the tree is laid out. */
import * as l10n from '@vscode/l10n';
import { TwaError } from '../../core/errors.ts';
import type { Dialogs, Option } from '../dialogs.ts';
import type { Order } from '../tree/arrangement.ts';
import type { RunsView } from '../tree/view.ts';
import type { Runs } from '../watching/runs.ts';
import { pathOf, targetOfNode } from './targets.ts';
import type { Target } from './targets.ts';

export class ArrangeCommands {
  readonly #runs: Runs;
  readonly #view: RunsView;
  readonly #dialogs: Dialogs;

  constructor(runs: Runs, view: RunsView, dialogs: Dialogs) {
    this.#runs = runs;
    this.#view = view;
    this.#dialogs = dialogs;
  }

  async sort(): Promise<void> {
    const order = await this.#dialogs.pickOne(orderOptions(this.#view.arrangement.order), {
      title: l10n.t('Sort Runs and Checkpoints'),
      placeholder: l10n.t('By what?'),
    });
    if (order !== undefined) this.#view.arrange({ order });
  }

  async filter(): Promise<void> {
    const filter = await this.#dialogs.input({
      title: l10n.t('Filter Runs and Checkpoints'),
      prompt: l10n.t('Part of a name, or a regular expression. Empty shows everything.'),
      value: this.#view.arrangement.filter,
      check: () => undefined,
    });
    if (filter !== undefined) this.#view.arrange({ filter: filter.trim() });
  }

  clearFilter(): void {
    this.#view.arrange({ filter: '' });
  }

  /** Of the runs pointed at or highlighted: all pinned, or, where they are already, none. */
  togglePin(targets: readonly Target[]): void {
    const { index } = this.#runs;
    const directories = new Set(
      (targets.length > 0 ? targets : this.#view.selection.map(targetOfNode)).flatMap((target) => {
        const at = pathOf(target);
        return (index.run(at) ?? index.entry(at)?.run)?.directory ?? [];
      }),
    );
    if (directories.size === 0) throw new TwaError('usage', l10n.t('No run is selected in the Runs view.'));
    const { pinned } = this.#view.arrangement;
    const areAll = [...directories].every((directory) => pinned.has(directory));
    this.#view.arrange({
      pinned: areAll
        ? new Set([...pinned].filter((directory) => !directories.has(directory)))
        : new Set([...pinned, ...directories]),
    });
  }
}

function orderOptions(now: Order): readonly Option<Order>[] {
  const options: readonly Option<Order>[] = [
    {
      label: l10n.t('Newest first'),
      detail: l10n.t('Runs that train above the others; checkpoints in training order.'),
      value: 'newest',
    },
    { label: l10n.t('Name'), value: 'name' },
    {
      label: l10n.t('Metric, best first'),
      detail: l10n.t('By the metric that stands beside the checkpoints.'),
      value: 'metric',
    },
    { label: l10n.t('Size, largest first'), value: 'size' },
  ];
  return options.map((option) =>
    option.value === now ? { ...option, description: l10n.t('as it is now') } : option,
  );
}
