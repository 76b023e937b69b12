/** "Select All / None / Last N… / Best N… / Range… / Every k-th…": each makes the checks of one run the whole selection. */
import * as l10n from '@vscode/l10n';
import * as vscode from 'vscode';
import { TwaError } from '../../core/errors.ts';
import type { CheckpointEntry, Run } from '../../core/runs/types.ts';
import { readSetting } from '../api.ts';
import type { Dialogs } from '../dialogs.ts';
import { runLabel } from '../tree/describe.ts';
import { byMetric, metricsOf } from '../tree/metric.ts';
import { everyKth, inRanges, rangeUnit, wholeRange } from '../tree/ranges.ts';
import type { RangeUnit } from '../tree/ranges.ts';
import { checkable } from '../tree/selection.ts';
import type { RunsView } from '../tree/view.ts';
import type { Runs } from '../watching/runs.ts';
import { pathOf, targetOfNode } from './targets.ts';
import type { Target } from './targets.ts';

const USUAL_COUNT = 5;
const USUAL_STRIDE = 2;

export class SelectionCommands {
  readonly #runs: Runs;
  readonly #view: RunsView;
  readonly #dialogs: Dialogs;

  constructor(runs: Runs, view: RunsView, dialogs: Dialogs) {
    this.#runs = runs;
    this.#view = view;
    this.#dialogs = dialogs;
  }

  async all(targets: readonly Target[]): Promise<void> {
    const run = await this.#run(targets);
    if (run !== undefined) this.#select(checkable(run));
  }

  /** Of a run where one was pointed at; else of everything. */
  none(targets: readonly Target[]): void {
    const runs = targets.flatMap((target) => this.#runOf(target) ?? []);
    const cleared = new Set(runs.flatMap((run) => run.checkpoints.map((entry) => entry.path)));
    this.#view.check(
      new Set(runs.length === 0 ? [] : [...this.#view.checked].filter((path) => !cleared.has(path))),
    );
  }

  async last(targets: readonly Target[]): Promise<void> {
    const run = await this.#run(targets);
    if (run === undefined) return;
    const count = await this.#count(
      l10n.t('Select the Last Checkpoints of {0}', runLabel(run)),
      checkable(run).length,
    );
    if (count !== undefined) this.#select(checkable(run).slice(-count));
  }

  async best(targets: readonly Target[]): Promise<void> {
    const best = await this.askBest(targets, {
      title: (label) => l10n.t('Select the Best Checkpoints of {0}', label),
      prompt: (most) => l10n.t('How many? 1 to {0}.', most),
    });
    if (best !== undefined) this.#select(best.entries);
  }

  /** The best of a run by a metric that the user names; undefined where the user turns away. */
  async askBest(
    targets: readonly Target[],
    texts: { readonly title: (run: string) => string; readonly prompt: (most: number) => string },
  ): Promise<{ readonly run: Run; readonly entries: readonly CheckpointEntry[] } | undefined> {
    const run = await this.#run(targets);
    if (run === undefined) return undefined;
    const metrics = metricsOf(run, readSetting('metric', vscode.Uri.file(run.directory)));
    if (metrics.length === 0) {
      throw new TwaError(
        'usage',
        l10n.t('{0} has no metrics to choose by: no log was found with it.', run.directory),
      );
    }
    const title = texts.title(runLabel(run));
    const metric = await this.#dialogs.pickOne(
      metrics.map((one) => ({
        label: one.tag,
        description: one.goal === 'minimize' ? l10n.t('lower is better') : l10n.t('higher is better'),
        value: one,
      })),
      { title, placeholder: l10n.t('By which metric?') },
    );
    if (metric === undefined) return undefined;
    const ranked = byMetric(run, metric);
    const count = await this.#count(title, ranked.length, texts.prompt);
    return count === undefined ? undefined : { run, entries: ranked.slice(0, count) };
  }

  async range(targets: readonly Target[]): Promise<void> {
    const run = await this.#run(targets);
    if (run === undefined) return;
    const all = checkable(run);
    if (all.length === 0) throw noneComplete(run);
    const whole = wholeRange(all);
    const text = await this.#dialogs.input({
      title: l10n.t('Select a Range of Checkpoints of {0}', runLabel(run)),
      prompt: rangePrompt(rangeUnit(all), whole),
      value: whole,
      check: (typed) => {
        const found = inRanges(all, typed);
        if (found === undefined)
          return l10n.t('A range like {0}, or several with commas between them.', whole);
        return found.length === 0 ? l10n.t('No checkpoint is in this range.') : undefined;
      },
    });
    const found = text === undefined ? undefined : inRanges(all, text);
    if (found !== undefined && found.length > 0) this.#select(found);
  }

  async every(targets: readonly Target[]): Promise<void> {
    const run = await this.#run(targets);
    if (run === undefined) return;
    const all = checkable(run);
    if (all.length === 0) throw noneComplete(run);
    const text = await this.#dialogs.input({
      title: l10n.t('Select Every k-th Checkpoint of {0}', runLabel(run)),
      prompt: l10n.t('k, counted back from the newest: 2 takes every second one.'),
      value: String(USUAL_STRIDE),
      check: (typed) =>
        isCount(typed, all.length) ? undefined : l10n.t('A whole number from 1 to {0}.', all.length),
    });
    if (text !== undefined && isCount(text, all.length)) this.#select(everyKth(all, Number(text)));
  }

  #select(entries: readonly CheckpointEntry[]): void {
    this.#view.check(new Set(entries.map((entry) => entry.path)));
  }

  /** The run pointed at, highlighted or checked in, else the only one, else the one the user picks. */
  async #run(targets: readonly Target[]): Promise<Run | undefined> {
    const candidates = [
      ...[...targets, ...this.#view.selection.map(targetOfNode)].map((target) => this.#runOf(target)),
      ...this.#view.checkedRuns.map(({ run }) => run),
    ];
    const near = candidates.find((run) => run !== undefined);
    if (near !== undefined) return near;
    const { runs } = this.#runs.snapshot;
    if (runs.length === 0) throw new TwaError('not-found', l10n.t('No runs have been found yet.'));
    if (runs.length === 1) return runs[0];
    return await this.#dialogs.pickOne(
      runs.map((run) => ({ label: runLabel(run), detail: run.directory, value: run })),
      { title: l10n.t('Select Checkpoints'), placeholder: l10n.t('Of which run?') },
    );
  }

  #runOf(target: Target): Run | undefined {
    const at = pathOf(target);
    return this.#runs.index.run(at) ?? this.#runs.index.entry(at)?.run;
  }

  async #count(
    title: string,
    most: number,
    prompt = (limit: number): string => l10n.t('How many? 1 to {0}.', limit),
  ): Promise<number | undefined> {
    const text = await this.#dialogs.input({
      title,
      prompt: prompt(most),
      value: String(Math.min(USUAL_COUNT, most)),
      check: (typed) => (isCount(typed, most) ? undefined : l10n.t('A whole number from 1 to {0}.', most)),
    });
    return text !== undefined && isCount(text, most) ? Number(text) : undefined;
  }
}

function noneComplete(run: Run): TwaError {
  return new TwaError('usage', l10n.t('{0} has no complete checkpoint yet.', run.directory));
}

function rangePrompt(unit: RangeUnit, whole: string): string {
  switch (unit) {
    case 'epoch':
      return l10n.t('Which epochs? {0}', whole);
    case 'step':
      return l10n.t('Which steps? {0}', whole);
    case 'position':
      return l10n.t('Which ones, counted from the oldest? {0}', whole);
  }
}

function isCount(text: string, most: number): boolean {
  return /^\s*\d+\s*$/.test(text) && Number(text) >= 1 && Number(text) <= most;
}
