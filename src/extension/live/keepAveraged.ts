/** "Keep Averaged" in the editor: its commands, its settings, and the pass that the queue runs. */
import * as l10n from '@vscode/l10n';
import path from 'node:path';
import * as vscode from 'vscode';
import type { LiveLine } from '../../core/live/line.ts';
import { bestOf } from '../../core/live/reference.ts';
import { TwaError } from '../../core/errors.ts';
import type { CheckpointEntry, Run } from '../../core/runs/types.ts';
import { readSetting, setContext } from '../api.ts';
import type { Job, JobControl, JobQueue } from '../averaging/jobQueue.ts';
import { overall, progressText } from '../averaging/progress.ts';
import { pytorchOptions } from '../averaging/python.ts';
import { nearestTask, taskFor } from '../averaging/task.ts';
import { SEED } from '../averaging/draft.ts';
import { pathOf } from '../commands/targets.ts';
import type { Target } from '../commands/targets.ts';
import type { Dialogs } from '../dialogs.ts';
import { runLabel } from '../tree/describe.ts';
import { requireTrust } from '../trust.ts';
import type { Liveness } from '../watching/liveness.ts';
import type { Runs } from '../watching/runs.ts';
import { Keeper } from './keeper.ts';
import { verdictSentence } from './words.ts';

export interface KeepAveragedDependencies {
  readonly runs: Runs;
  readonly liveness: Liveness;
  readonly jobs: JobQueue;
  readonly memory: vscode.Memento;
  readonly dialogs: Dialogs;
  readonly log: vscode.LogOutputChannel;
  /** What was highlighted in the tree. */
  readonly selected: () => readonly Target[];
  readonly createTaskFile: (targets: readonly Target[]) => Promise<void>;
  readonly showCurves: (runDirectory: string) => void;
  readonly reportError: (error: unknown) => void;
}

export class KeepAveraged implements vscode.Disposable {
  readonly keeper: Keeper;
  readonly #deps: KeepAveragedDependencies;
  readonly #stops: readonly (() => void)[];
  /** The passes at work, by run. */
  readonly #working = new Map<string, Job<LiveLine>>();

  constructor(deps: KeepAveragedDependencies) {
    this.#deps = deps;
    const { runs, liveness, jobs, memory, log, dialogs } = deps;
    this.keeper = new Keeper({
      runs,
      jobs,
      memory,
      isTrusted: () => vscode.workspace.isTrusted,
      stateOf: (run) => liveness.status(run).state,
      planOf: (run) => {
        const scope = vscode.Uri.file(run.directory);
        return { every: readSetting('live.every', scope), window: readSetting('live.window', scope) };
      },
      pass: (run, averaged) => this.#pass(run, averaged),
      onFailure: (run, error) => {
        log.warn(`${run.directory} is no longer kept averaged.`);
        deps.reportError(error);
      },
      onVerdict: (run, verdict) => {
        const show = l10n.t('Show Curves');
        const sentence = `${runLabel(run)}: ${verdictSentence(verdict)}`;
        log.info(sentence);
        void dialogs.notify('info', sentence, [show]).then((button) => {
          if (button === show) deps.showCurves(run.directory);
        });
      },
    });
    const showContext = (): void => setContext('twa.keepsAveraged', this.keeper.kept.size > 0);
    showContext();
    this.#stops = [this.keeper.onChange(showContext), liveness.onChange(() => void this.keeper.look())];
  }

  /** Without a task there is nothing to measure by: the way to one is offered. */
  async start(targets: readonly Target[]): Promise<void> {
    requireTrust(l10n.t('Trust this workspace to keep a run averaged: that runs code of the project.'));
    const run = await this.#run(targets, (one) => !this.keeper.kept.has(one.directory));
    if (run === undefined) return;
    const { dialogs, memory, createTaskFile, log } = this.#deps;
    if ((await taskFor(run.directory, dialogs, memory)) === undefined) {
      const create = await dialogs.pickOne(
        [
          {
            label: `$(new-file) ${l10n.t('Create Task File')}`,
            detail: l10n.t('TWA needs the model, the data and the metric: twa.json names them.'),
            value: true,
          },
        ],
        {
          title: l10n.t('Keep {0} Averaged', runLabel(run)),
          placeholder: l10n.t('There is no twa.json for this run.'),
        },
      );
      if (create === true) await createTaskFile([{ kind: 'path', path: run.directory }]);
      return;
    }
    log.info(`${run.directory} is kept averaged.`);
    await this.keeper.start(run.directory);
  }

  async stop(targets: readonly Target[]): Promise<void> {
    const run = await this.#run(targets, (one) => this.keeper.kept.has(one.directory));
    if (run === undefined) return;
    await this.keeper.stop(run.directory);
    this.#working.get(run.directory)?.cancel();
  }

  dispose(): void {
    for (const stop of this.#stops) stop();
    this.keeper.dispose();
  }

  async #pass(run: Run, averaged: readonly CheckpointEntry[]): Promise<Job<LiveLine>> {
    const { jobs, dialogs, memory } = this.#deps;
    const { directory } = run;
    const task = await taskFor(directory, dialogs, memory);
    if (task === undefined) {
      throw new TwaError(
        'bad-task',
        l10n.t('{0} cannot be kept averaged: there is no twa.json for it any more.', runLabel(run)),
      );
    }
    const reference = await this.#reference(run, task);
    const job = jobs.add(
      l10n.t('Keeping {0} averaged', runLabel(run)),
      (control) => this.#measure(run, averaged, task, reference, control),
      {
        reads: [...averaged.map((entry) => entry.path), ...(reference === undefined ? [] : [reference])],
        yields: true,
      },
    );
    this.#working.set(directory, job);
    void job.result.then(
      () => this.#working.delete(directory),
      () => this.#working.delete(directory),
    );
    return job;
  }

  async #measure(
    run: Run,
    averaged: readonly CheckpointEntry[],
    task: string,
    reference: string | undefined,
    { signal, report }: JobControl,
  ): Promise<LiveLine> {
    const { log } = this.#deps;
    const { livePass } = await import('../../compute/livePass.ts');
    const scope = vscode.Uri.file(task);
    const pytorch = await pytorchOptions(task, log);
    return await livePass(
      run,
      averaged,
      {
        task,
        ...(reference === undefined ? {} : { reference }),
        seed: SEED,
        backend: readSetting('backend', scope),
        useGpu: readSetting('live.useGpu', scope),
        ...(pytorch === undefined ? {} : { pytorch }),
      },
      {
        signal,
        cwd: path.dirname(task),
        onProgress: (progress) => report(overall(progress), progressText(progress)),
        onLog: (level, text) => log[level](text),
      },
    );
  }

  /** The best checkpoint of the finished runs of the same task. */
  async #reference(run: Run, task: string): Promise<string | undefined> {
    const { runs, liveness } = this.#deps;
    const finished: Run[] = [];
    for (const other of runs.snapshot.runs) {
      if (liveness.status(other).state !== 'finished') continue;
      if ((await nearestTask(other.directory)) === task) finished.push(other);
    }
    return bestOf(run, finished)?.path;
  }

  /** What was pointed at or highlighted, else the only run that fits, else what the user picks. */
  async #run(targets: readonly Target[], fits: (run: Run) => boolean): Promise<Run | undefined> {
    const { runs, selected, dialogs } = this.#deps;
    const { index, snapshot } = runs;
    for (const target of targets.length > 0 ? targets : selected()) {
      const at = pathOf(target);
      const run = index.run(at) ?? index.entry(at)?.run;
      if (run !== undefined && fits(run)) return run;
    }
    const fitting = snapshot.runs.filter((run) => run.checkpoints.length > 0 && fits(run));
    if (fitting.length === 0) throw new TwaError('usage', l10n.t('There is no run to do that with.'));
    if (targets.length > 0) return undefined;
    return await dialogs.pickOne(
      fitting.map((run) => ({ label: runLabel(run), detail: run.directory, value: run })),
      { title: l10n.t('Keep Averaged'), placeholder: l10n.t('Of which run?') },
    );
  }
}
