import * as l10n from '@vscode/l10n';
import path from 'node:path';
import * as vscode from 'vscode';
import { runJob } from '../../compute/client.ts';
import { isFormula } from '../../core/averaging/coefficients.ts';
import { chooseOutput } from '../../core/averaging/output.ts';
import { readReport, reportPathFor } from '../../core/averaging/report.ts';
import type { AverageReport, PassProgress } from '../../core/averaging/types.ts';
import { inTrainingOrder } from '../../core/checkpoints/order.ts';
import { partialPathFor } from '../../core/checkpoints/publish.ts';
import { expandPaths, inspectPath, requireComplete } from '../../core/checkpoints/registry.ts';
import { TwaError } from '../../core/errors.ts';
import type { Engine } from '../../core/task/types.ts';
import type { Run } from '../../core/runs/types.ts';
import { readSetting } from '../api.ts';
import type { ReportChoice } from '../commands/reportChoice.ts';
import { targetOfNode } from '../commands/targets.ts';
import type { Target } from '../commands/targets.ts';
import type { Dialogs } from '../dialogs.ts';
import { isCancelled, textOf } from '../errors.ts';
import type { ResultPanels } from '../panels/result.ts';
import { describeCheckpoint, runLabel } from '../tree/describe.ts';
import { byMetric, displayMetric } from '../tree/metric.ts';
import { checkable } from '../tree/selection.ts';
import type { RunsView } from '../tree/view.ts';
import { requireTrust } from '../trust.ts';
import type { Runs } from '../watching/runs.ts';
import { planAgain, sourcesOf } from './again.ts';
import { choose, FEWEST, proposal } from './choose.ts';
import type { Choice } from './choose.ts';
import { SEED } from './draft.ts';
import type { Chosen, Draft } from './draft.ts';
import { fitting, leaveOut } from './fitting.ts';
import type { JobControl, JobQueue } from './jobQueue.ts';
import { showProgress } from './notification.ts';
import { UNIFORM } from './plans.ts';
import { overall, progressText } from './progress.ts';
import { pytorchOptions } from './python.ts';
import { askDraft } from './steps.ts';
import type { Beginning } from './steps.ts';
import { taskFor } from './task.ts';

export interface FlowDependencies {
  readonly runs: Runs;
  readonly view: RunsView;
  readonly jobs: JobQueue;
  readonly results: ResultPanels;
  readonly reports: ReportChoice;
  readonly dialogs: Dialogs;
  readonly memory: vscode.Memento;
  readonly log: vscode.LogOutputChannel;
  readonly createTaskFile: (targets: readonly Target[]) => Promise<void>;
}

/** From what the user pointed at to the average in the tree and its result on the screen. */
export class AveragingFlow {
  readonly #deps: FlowDependencies;

  constructor(deps: FlowDependencies) {
    this.#deps = deps;
  }

  /**
   * `how`: let the user choose the method and see what will be done, or take the plain mean at once. Gives the report,
   * or undefined where the user turned away before the work began. Throws what the user must know, `cancelled` among
   * it.
   */
  async start(how: 'ask' | 'uniform', targets: readonly Target[]): Promise<AverageReport | undefined> {
    requireTrusted();
    const choice = await this.#choose(targets);
    const chosen = choice && (await this.#chosen(choice.run, choice.paths));
    if (chosen === undefined) return undefined;
    const beginning: Beginning = {
      chosen,
      plan: how === 'uniform' ? UNIFORM : undefined,
      seed: SEED,
      backend: readSetting('backend'),
      memory: readSetting('pytorchMemory', vscode.Uri.file(chosen.task ?? chosen.run)),
      output: undefined,
    };
    const draft = how === 'uniform' ? { ...beginning, plan: UNIFORM } : await this.#ask(beginning);
    return draft && (await this.#work(draft));
  }

  /** Another pass with the checkpoints and all options of an average, each of which can be changed first. */
  async again(targets: readonly Target[]): Promise<AverageReport | undefined> {
    requireTrusted();
    const { reports, dialogs } = this.#deps;
    const title = l10n.t('Average Again');
    const reportPath = await reports.choose(targets, title);
    if (reportPath === undefined) return undefined;
    const report = await readReport(reportPath);
    const sources = await sourcesOf(report, reportPath);
    const rest = sources.found.length;
    if (rest < FEWEST) {
      throw new TwaError(
        'not-found',
        l10n.t(
          'Of the {0} checkpoints in this average {1} are left.',
          report.provenance.sources.length,
          rest,
        ),
        { details: sources.missing.flatMap(({ reasons }) => reasons) },
      );
    }
    if (sources.missing.length > 0) {
      const why = l10n.t('Not all checkpoints of this average are as they were.');
      if (!(await leaveOut(sources.missing, rest, why, dialogs))) return undefined;
    }
    const newest = sources.found.at(-1)!;
    const run = this.#deps.runs.index.entry(newest)?.run.directory ?? path.dirname(newest);
    const chosen = await this.#chosen(run, sources.found);
    if (chosen === undefined) return undefined;
    const draft = await this.#ask({
      chosen,
      plan: planAgain(report, chosen),
      seed: report.provenance.seed,
      backend: readSetting('backend'),
      memory: readSetting('pytorchMemory', vscode.Uri.file(chosen.task ?? chosen.run)),
      output: undefined,
    });
    return draft && (await this.#work(draft));
  }

  /** Reads headers and looks for the task; undefined where the user turns away. */
  async #chosen(run: string, paths: readonly string[]): Promise<Chosen | undefined> {
    const { dialogs, memory, runs } = this.#deps;
    const all = inTrainingOrder(await Promise.all(paths.map((file) => requireComplete(file))));
    const headers = await fitting(all, dialogs);
    if (headers === undefined) return undefined;
    const known = runs.index.run(run);
    const task = await taskFor(run, dialogs, memory);
    return {
      run,
      runName: known === undefined ? path.basename(run) : runLabel(known),
      headers,
      task,
      engine: task === undefined ? undefined : await checkTask(task),
    };
  }

  #ask(beginning: Beginning): Promise<Draft | undefined> {
    const { dialogs, createTaskFile, runs } = this.#deps;
    return askDraft(beginning, {
      dialogs,
      createTaskFile,
      snapshot: () => runs.snapshot,
      rechoose: async (chosen) => {
        const run = runs.index.run(chosen.run);
        if (run === undefined) return undefined;
        const paths = await this.#pickCheckpoints(run, new Set(chosen.headers.map((header) => header.path)));
        return paths && (await this.#chosen(run.directory, paths));
      },
    });
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
    return paths && { kind: 'chosen', run: choice.run.directory, paths };
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
    const paths = await this.#deps.dialogs.pickMany(
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
    if (paths !== undefined && paths.length < FEWEST) {
      throw new TwaError('usage', l10n.t('Averaging needs at least {0} checkpoints.', FEWEST));
    }
    return paths;
  }

  async #work(draft: Draft): Promise<AverageReport> {
    const { jobs, results, runs, log } = this.#deps;
    const { headers, runName, task } = draft.chosen;
    const title = l10n.t('Averaging {0} checkpoints of {1}', headers.length, runName);
    // The panel of a pass is there from the start, so that the loss can be watched; a plain mean has none.
    const live =
      task !== undefined && !isFormula(draft.plan.method)
        ? results.openLive({
            title,
            checkpoints: headers.map(({ path: file, step, epoch }) => ({
              path: file,
              ...(step === undefined ? {} : { step }),
              ...(epoch === undefined ? {} : { epoch }),
            })),
            cancel: () => job.cancel(),
          })
        : undefined;
    const job = jobs.add(
      title,
      async (control) => {
        const started = performance.now();
        const report = await this.#run(draft, control, (progress) => live?.progress(progress));
        log.info(`${report.output}: ${((performance.now() - started) / 1000).toFixed(1)} s`);
        return report;
      },
      { reads: headers.map((header) => header.path) },
    );
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
    { chosen: { headers, task }, plan, seed, backend, memory, output: wanted }: Draft,
    { signal, report }: JobControl,
    onProgress: (progress: PassProgress) => void,
  ): Promise<AverageReport> {
    const { log } = this.#deps;
    const { method, options = {}, settings, coefficients, buffers = 'recalibrate' } = plan;
    const template = headers.at(-1);
    if (template === undefined) throw new Error('no checkpoints');
    const { rule } = options;
    // Only now: a pass that was waiting must not have been promised the name that the one before it took.
    const { output, partial } =
      wanted === undefined
        ? await chooseOutput({ template, headers, method, ...(rule === undefined ? {} : { rule }) })
        : { output: wanted, partial: partialPathFor(wanted) };
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
        seed,
        backend,
        ...(pytorch === undefined ? {} : { pytorch: { ...pytorch, memory } }),
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

function requireTrusted(): void {
  requireTrust(
    l10n.t('Trust this workspace to average checkpoints: that runs code of the project and writes files.'),
  );
}

/** What runs the task. A mistake in the file is told at once, before a process starts. */
async function checkTask(task: string): Promise<Engine> {
  // Loaded when it is needed: the schema validator would be half of the extension's start-up time.
  const { loadTask } = await import('../../core/task/load.ts');
  return (await loadTask(task)).engine;
}
