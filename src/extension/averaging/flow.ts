import * as l10n from '@vscode/l10n';
import { statfs } from 'node:fs/promises';
import path from 'node:path';
import * as vscode from 'vscode';
import { runJob } from '../../compute/client.ts';
import { isFormula } from '../../core/averaging/coefficients.ts';
import { chooseOutput } from '../../core/averaging/output.ts';
import { reportPathFor } from '../../core/averaging/report.ts';
import type { AverageReport, PassProgress } from '../../core/averaging/types.ts';
import { requireSameArchitecture } from '../../core/checkpoints/compare.ts';
import { inTrainingOrder } from '../../core/checkpoints/order.ts';
import { expandPaths, inspectPath, requireComplete } from '../../core/checkpoints/registry.ts';
import { isRunningStatistic } from '../../core/checkpoints/running-statistics.ts';
import type { CheckpointHeader } from '../../core/checkpoints/types.ts';
import { TwaError } from '../../core/errors.ts';
import type { Engine } from '../../core/task/types.ts';
import type { Run } from '../../core/runs/types.ts';
import { readSetting } from '../api.ts';
import { targetOfNode } from '../commands/targets.ts';
import type { Target } from '../commands/targets.ts';
import type { Dialogs } from '../dialogs.ts';
import { isCancelled, textOf } from '../errors.ts';
import { RUNS_VIEW } from '../names.ts';
import type { ResultPanels } from '../panels/result.ts';
import { formatBytes } from '../text.ts';
import { describeCheckpoint, runLabel } from '../tree/describe.ts';
import { byMetric, displayMetric } from '../tree/metric.ts';
import { checkable } from '../tree/selection.ts';
import type { RunsView } from '../tree/view.ts';
import { requireTrust } from '../trust.ts';
import type { Runs } from '../watching/runs.ts';
import { choose, FEWEST, proposal } from './choose.ts';
import type { Choice } from './choose.ts';
import type { Job, JobControl, JobQueue } from './jobQueue.ts';
import { planOptions, UNIFORM, withoutTaskOptions } from './plans.ts';
import type { Plan } from './plans.ts';
import { overall, progressText } from './progress.ts';
import { pytorchOptions } from './python.ts';
import { complete } from './questions.ts';
import { taskFor } from './task.ts';

/** Every random choice of a pass follows from it; the report names it. */
const SEED = 1;

export interface FlowDependencies {
  readonly runs: Runs;
  readonly view: RunsView;
  readonly jobs: JobQueue;
  readonly results: ResultPanels;
  readonly dialogs: Dialogs;
  readonly memory: vscode.Memento;
  readonly log: vscode.LogOutputChannel;
  readonly createTaskFile: (targets: readonly Target[]) => Promise<void>;
}

interface Chosen {
  readonly runName: string;
  /** Oldest first, of one architecture. */
  readonly headers: readonly CheckpointHeader[];
}

/** From what the user pointed at to the average in the tree and its result on the screen. */
export class AveragingFlow {
  readonly #deps: FlowDependencies;

  constructor(deps: FlowDependencies) {
    this.#deps = deps;
  }

  /**
   * `how`: let the user choose the method, or take the plain mean at once. Gives the report, or undefined where the
   * user turned away before the work began. Throws what the user must know, `cancelled` among it.
   */
  async start(how: 'ask' | 'uniform', targets: readonly Target[]): Promise<AverageReport | undefined> {
    requireTrust(
      l10n.t('Trust this workspace to average checkpoints: that runs code of the project and writes files.'),
    );
    const choice = await this.#choose(targets);
    if (choice === undefined) return undefined;
    const headers = inTrainingOrder(await Promise.all(choice.paths.map((file) => requireComplete(file))));
    requireSameArchitecture(headers);
    const known = this.#deps.runs.index.run(choice.run);
    const chosen: Chosen = {
      headers,
      runName: known === undefined ? path.basename(choice.run) : runLabel(known),
    };
    const task = await taskFor(choice.run, this.#deps.dialogs, this.#deps.memory);
    const engine = task === undefined ? undefined : await checkTask(task);
    const plan = how === 'uniform' ? UNIFORM : await this.#plan(chosen, choice.run, task, engine);
    return plan === undefined ? undefined : await this.#work(chosen, plan, task);
  }

  async #choose(targets: readonly Target[]): Promise<Extract<Choice, { kind: 'chosen' }> | undefined> {
    const { runs, view } = this.#deps;
    let choice = await choose(targets, view.checkedRuns, view.selection.map(targetOfNode), runs.index, {
      expand: (file) => expandPaths([file]),
      inspect: (file) => inspectPath(file),
    });
    if (choice.kind === 'pickRun') {
      const run = await this.#pickRun();
      if (run === undefined) return undefined;
      choice = proposal(run, []);
    }
    if (choice.kind !== 'pick') return choice.kind === 'chosen' ? choice : undefined;
    const paths = await this.#pickCheckpoints(choice.run, new Set(choice.picked.map((entry) => entry.path)));
    if (paths === undefined) return undefined;
    if (paths.length < FEWEST) {
      throw new TwaError('usage', l10n.t('Averaging needs at least {0} checkpoints.', FEWEST));
    }
    return { kind: 'chosen', run: choice.run.directory, paths };
  }

  async #pickRun(): Promise<Run | undefined> {
    const runs = this.#deps.runs.snapshot.runs.filter((run) => checkable(run).length >= FEWEST);
    if (runs.length === 0) {
      throw new TwaError(
        'not-found',
        l10n.t(
          'No watched run has {0} complete checkpoints. Watch the folder that training writes to.',
          FEWEST,
        ),
      );
    }
    return await this.#deps.dialogs.pickOne(
      runs.map((run) => ({
        label: runLabel(run),
        description: l10n.t('{0} checkpoints', checkable(run).length),
        detail: run.directory,
        value: run,
      })),
      { title: l10n.t('Average Checkpoints'), placeholder: l10n.t('Of which run?') },
    );
  }

  async #pickCheckpoints(run: Run, picked: ReadonlySet<string>): Promise<readonly string[] | undefined> {
    const metric = displayMetric(run, readSetting('metric', vscode.Uri.file(run.directory)));
    const best = metric && byMetric(run, metric)[0]?.path;
    const look = { checked: picked, metric, best, now: Date.now(), locale: vscode.env.language };
    return await this.#deps.dialogs.pickMany(
      // The newest first: what is proposed can be seen without scrolling.
      [...checkable(run)].reverse().map((entry) => ({
        label: entry.name,
        description: describeCheckpoint(entry, look).description,
        picked: picked.has(entry.path),
        value: entry.path,
      })),
      {
        title: l10n.t('Average Checkpoints of {0}', runLabel(run)),
        placeholder: l10n.t('Which checkpoints? At least {0}.', FEWEST),
      },
    );
  }

  async #plan(
    { runName, headers }: Chosen,
    run: string,
    task: string | undefined,
    engine: Engine | undefined,
  ): Promise<Plan | undefined> {
    const { dialogs, createTaskFile } = this.#deps;
    const title = l10n.t('Average {0} Checkpoints of {1}', headers.length, runName);
    if (task !== undefined) {
      const picked = await dialogs.pickOne(planOptions(engine !== 'command'), {
        title,
        placeholder: l10n.t(
          'How? {0}. Task: {1}',
          await diskText(headers),
          vscode.workspace.asRelativePath(task),
        ),
      });
      const batchNorm = headers.some(({ tensors }) => tensors.some(isRunningStatistic));
      return picked && (await complete(picked, { title, count: headers.length, batchNorm }, dialogs));
    }
    const answer = await dialogs.pickOne(withoutTaskOptions(), {
      title,
      placeholder: l10n.t('There is no twa.json for this run.'),
    });
    if (answer === 'create') await createTaskFile([{ kind: 'path', path: run }]);
    if (answer === undefined || answer === 'create') return undefined;
    return await complete(answer, { title, count: headers.length }, dialogs);
  }

  async #work(chosen: Chosen, plan: Plan, task: string | undefined): Promise<AverageReport> {
    const { jobs, results, runs, log } = this.#deps;
    const title = l10n.t('Averaging {0} checkpoints of {1}', chosen.headers.length, chosen.runName);
    // The panel of a pass is there from the start, so that the loss can be watched; a plain mean has none.
    const live =
      task !== undefined && !isFormula(plan.method)
        ? results.openLive({
            title,
            checkpoints: chosen.headers.map(({ path: file, step, epoch }) => ({
              path: file,
              ...(step === undefined ? {} : { step }),
              ...(epoch === undefined ? {} : { epoch }),
            })),
            cancel: () => job.cancel(),
          })
        : undefined;
    const job = jobs.add(title, async (control) => {
      const started = performance.now();
      const report = await this.#run(chosen, plan, task, control, (progress) => live?.progress(progress));
      log.info(`${report.output}: ${((performance.now() - started) / 1000).toFixed(1)} s`);
      return report;
    });
    showProgress(title, jobs, job);
    const report = await job.result.catch((error: unknown) => {
      live?.failed(
        isCancelled(error) ? l10n.t('Cancelled.') : textOf(error),
        error instanceof TwaError ? error.details : [],
      );
      throw error;
    });
    const reportPath = reportPathFor(report.output);
    await (live === undefined ? results.show(reportPath) : live.done(reportPath));
    // The watcher sees the average by itself, but not on every file system.
    await runs.refresh();
    return report;
  }

  async #run(
    { headers }: Chosen,
    { method, options = {}, settings, coefficients, buffers = 'recalibrate' }: Plan,
    task: string | undefined,
    { signal, report }: JobControl,
    onProgress: (progress: PassProgress) => void,
  ): Promise<AverageReport> {
    const { log } = this.#deps;
    const template = headers.at(-1);
    if (template === undefined) throw new Error('no checkpoints');
    const { rule } = options;
    // Only now: a pass that was waiting must not have been promised the name that the one before it took.
    const { output, partial } = await chooseOutput({
      template,
      headers,
      method,
      ...(rule === undefined ? {} : { rule }),
    });
    log.info(
      `${method}${rule === undefined ? '' : ` (${rule})`} of ${headers.length} checkpoints -> ${output}`,
    );
    const pytorch = task === undefined ? undefined : await pytorchOptions(task, log);
    return await runJob(
      'average',
      {
        checkpoints: headers.map((header) => header.path),
        method,
        ...(task === undefined ? {} : { task }),
        options,
        ...(settings === undefined ? {} : { settings }),
        ...(coefficients === undefined ? {} : { coefficients }),
        // Running statistics of a mean are only right after a pass over data; without a task there is no data.
        buffers: task === undefined ? 'average' : buffers,
        seed: SEED,
        backend: readSetting('backend'),
        ...(pytorch === undefined ? {} : { pytorch }),
        output,
        partial,
      },
      {
        signal,
        // Optional packages (a native backend) are those of the project.
        cwd: path.dirname(task ?? template.path),
        onProgress: (progress) => {
          report(overall(progress), progressText(progress));
          onProgress(progress);
        },
        onLog: (level, text) => log[level](text),
      },
    );
  }
}

/** What runs the task. A mistake in the file is told at once, before a process starts. */
async function checkTask(task: string): Promise<Engine> {
  // Loaded when it is needed: the schema validator would be half of the extension's start-up time.
  const { loadTask } = await import('../../core/task/load.ts');
  return (await loadTask(task)).engine;
}

/** A notification with Cancel, and the bar at the top of the view, until the job ends. */
export function showProgress(title: string, jobs: JobQueue, job: Job<unknown>): void {
  const ended = job.result.then(
    () => undefined,
    () => undefined,
  );
  void vscode.window.withProgress({ location: { viewId: RUNS_VIEW } }, () => ended);
  void vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title, cancellable: true },
    async (progress, token) => {
      token.onCancellationRequested(() => job.cancel());
      let before = 0;
      const stop = jobs.onChange(({ current }) => {
        if (current?.id !== job.id) return;
        const percent = 100 * current.fraction;
        progress.report({ message: current.message, increment: Math.max(0, percent - before) });
        before = Math.max(before, percent);
      });
      await ended;
      stop();
    },
  );
}

/** "Writes 1.2 MB, 20 GB free". */
async function diskText(headers: readonly CheckpointHeader[]): Promise<string> {
  const newest = headers.at(-1);
  if (newest === undefined) return '';
  const size = formatBytes(newest.files.reduce((sum, file) => sum + file.size, 0));
  try {
    const { bavail, bsize } = await statfs(path.dirname(newest.path));
    return l10n.t('Writes {0}, {1} free', size, formatBytes(bavail * bsize));
  } catch {
    return l10n.t('Writes {0}', size);
  }
}
