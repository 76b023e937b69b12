import * as l10n from '@vscode/l10n';
import * as vscode from 'vscode';
import type { TwaExports } from '../../api/twa.d.ts';
import { tellAlerts } from './alerts.ts';
import { readSetting, registerCommands } from './api.ts';
import type { AveragingFlow } from './averaging/flow.ts';
import { JobQueue } from './averaging/jobQueue.ts';
import { CheckpointChoice } from './commands/checkpointChoice.ts';
import { ArrangeCommands } from './commands/arrange.ts';
import { Example } from './commands/example.ts';
import { commandHandlers } from './commands/handlers.ts';
import { ReportChoice } from './commands/reportChoice.ts';
import { SelectionCommands } from './commands/selection.ts';
import { ShowCommands } from './commands/show.ts';
import { targetOfNode } from './commands/targets.ts';
import type { Target } from './commands/targets.ts';
import { vscodeDialogs } from './dialogs.ts';
import type { Dialogs } from './dialogs.ts';
import { reportError } from './errors.ts';
import { KeepAveraged } from './live/keepAveraged.ts';
import { CurvesPanels } from './panels/curves.ts';
import { CurvesExport } from './panels/curvesExport.ts';
import { ResultPanels } from './panels/result.ts';
import { ResultActions } from './results/actions.ts';
import { ResultsDocument } from './results/document.ts';
import { showJobs } from './statusBar.ts';
import { TensorsPanels } from './tensors/panels.ts';
import { publicApi } from './publicApi/api.ts';
import { showTraining } from './trainingStatus.ts';
import { RunsView } from './tree/view.ts';
import { systemTrash } from './trash/can.ts';
import type { TrashCan } from './trash/can.ts';
import { Liveness } from './watching/liveness.ts';
import { Runs } from './watching/runs.ts';

/**
 * What `activate` gives to tests inside a real extension host. Internal: not a promise to other extensions, and it
 * changes without notice.
 */
export interface Internals {
  readonly runs: Runs;
  readonly liveness: Liveness;
  readonly view: RunsView;
  readonly jobs: JobQueue;
  readonly flow: () => Promise<AveragingFlow>;
  readonly live: KeepAveraged;
  readonly tensors: TensorsPanels;
  readonly actions: ResultActions;
  /** Puts answers in place of the real dialogs, which nobody can press inside a test host. Gives the way back. */
  answerWith(answers: Partial<Dialogs>): () => void;
  /** Puts another trash in place of the system's, which a test must not fill. Gives the way back. */
  trashInto(can: Partial<TrashCan>): () => void;
}

/** To other extensions `api/twa.d.ts` is the promise, and nothing else. */
export interface TwaExtension extends TwaExports {
  readonly internal: Internals;
}

let jobs: JobQueue | undefined;

export function activate(context: vscode.ExtensionContext): TwaExtension {
  if (vscode.l10n.bundle !== undefined) l10n.config({ contents: vscode.l10n.bundle });
  const log = vscode.window.createOutputChannel(l10n.t('Trainable Weight Averaging'), { log: true });
  const dialogs: Dialogs = { ...vscodeDialogs };
  const memory = context.workspaceState;
  const { extensionUri } = context;

  const queue = new JobQueue();
  jobs = queue;
  const runs = new Runs(log);
  const liveness = new Liveness({ runs, stalledIntervals: () => readSetting('stalledAfter') });
  const live = new KeepAveraged({
    runs,
    liveness,
    jobs: queue,
    memory,
    dialogs,
    log,
    selected: () => view.selection.map(targetOfNode),
    createTaskFile: (targets) => createTaskFile(targets),
    showCurves: (directory) => curves.show(directory),
    reportError: (error) => reportError(error, log, dialogs),
  });
  const view: RunsView = new RunsView(runs, liveness, queue, live.keeper, memory);
  const comparison = new ResultsDocument(runs);
  const reveal = (path: string): Promise<void> => view.reveal(path);
  const actions = new ResultActions({
    extensionUri,
    storage: context.globalStorageUri,
    memory,
    jobs: queue,
    dialogs,
    log,
  });
  const results = new ResultPanels({
    extensionUri,
    log,
    reveal,
    actions,
    reportError: (error) => reportError(error, log, dialogs),
  });
  const curves: CurvesPanels = new CurvesPanels({
    extensionUri,
    log,
    reveal,
    watcher: () => runs,
    liveness,
    exports: new CurvesExport(dialogs),
    openReport: (reportPath) => results.show(reportPath),
    average: async (paths) => {
      // What was chosen on the curve is seen in the tree, too, and stays chosen.
      view.check(new Set(paths));
      await vscode.commands.executeCommand('twa.average', paths);
    },
    watchFolder: async () => {
      await vscode.commands.executeCommand('twa.watchFolder');
    },
  });
  const tensors = new TensorsPanels({ extensionUri, log });
  const reports = new ReportChoice(runs, view, dialogs);
  const createTaskFile = async (targets: readonly Target[]): Promise<void> => {
    const commands = await import('./commands/taskFile.ts');
    await commands.createTaskFile(targets, runs, view);
  };
  const flow = once(async () => {
    const { AveragingFlow } = await import('./averaging/flow.ts');
    return new AveragingFlow({
      runs,
      view,
      jobs: queue,
      results,
      reports,
      dialogs,
      memory,
      log,
      createTaskFile,
    });
  });
  const choice = new CheckpointChoice(runs, view, dialogs);
  const example = new Example({
    extensionUri,
    memory: context.globalState,
    dialogs,
    openFolder: (folder) =>
      vscode.commands.executeCommand('vscode.openFolder', vscode.Uri.file(folder), {
        forceNewWindow: vscode.workspace.workspaceFolders !== undefined,
      }),
    watch: async (run) => {
      await vscode.commands.executeCommand('twa.runs.focus');
      curves.show(run);
    },
  });
  const can = { ...systemTrash };
  const selection = new SelectionCommands(runs, view, dialogs);
  const handlers = commandHandlers({
    extensionUri,
    example,
    runs,
    jobs: queue,
    flow,
    live,
    selection,
    trash: once(async () => {
      const { TrashCommands } = await import('./trash/commands.ts');
      return new TrashCommands({ runs, view, liveness, jobs: queue, selection, dialogs, can, log });
    }),
    arrange: new ArrangeCommands(runs, view, dialogs),
    comparison,
    show: new ShowCommands(runs, view, curves, results, reports),
    tensors: once(async () => {
      const { TensorsCommands } = await import('./tensors/commands.ts');
      return new TensorsCommands(view, tensors, choice);
    }),
    choice,
    dialogs,
    log,
    createTaskFile,
  });

  context.subscriptions.push(
    log,
    runs,
    live,
    view,
    results,
    curves,
    tensors,
    comparison,
    showJobs(queue),
    showTraining(runs, liveness),
    new vscode.Disposable(
      tellAlerts({
        liveness,
        dialogs,
        wanted: () => readSetting('notifyHealth'),
        showCurves: (directory) => curves.show(directory),
        locale: vscode.env.language,
      }),
    ),
    new vscode.Disposable(() => liveness.dispose()),
    registerCommands(handlers, (error) => reportError(error, log, dialogs)),
  );
  void example.resume().catch((error: unknown) => reportError(error, log, dialogs));
  return {
    ...publicApi({ jobs: queue, log, refresh: () => runs.refresh() }),
    internal: {
      runs,
      liveness,
      view,
      jobs: queue,
      flow,
      live,
      tensors,
      actions,
      answerWith: (answers) => replaced(dialogs, answers),
      trashInto: (other) => replaced(can, other),
    },
  };
}

/** What is large is loaded when it is first asked for. */
function once<T>(load: () => Promise<T>): () => Promise<T> {
  let loaded: Promise<T> | undefined;
  return () => (loaded ??= load());
}

/** Puts other members into an object. Gives the way back. */
function replaced<T extends object>(object: T, members: Partial<T>): () => void {
  const before = { ...object };
  Object.assign(object, members);
  return () => void Object.assign(object, before);
}

/** A pass that is running is cancelled, so that it leaves nothing behind. */
export async function deactivate(): Promise<void> {
  await jobs?.cancelAll();
}
