import type * as vscode from 'vscode';
import type { AveragingFlow } from '../averaging/flow.ts';
import type { JobQueue } from '../averaging/jobQueue.ts';
import type { Dialogs } from '../dialogs.ts';
import type { KeepAveraged } from '../live/keepAveraged.ts';
import type { CommandHandlers } from '../names.ts';
import type { ResultsDocument } from '../results/document.ts';
import type { TensorsCommands } from '../tensors/commands.ts';
import type { TrashCommands } from '../trash/commands.ts';
import type { Runs } from '../watching/runs.ts';
import { showAbout } from './about.ts';
import { cancelJobs } from './cancel.ts';
import type { CheckpointChoice } from './checkpointChoice.ts';
import type { ArrangeCommands } from './arrange.ts';
import { openWalkthrough } from './walkthrough.ts';
import { stopWatching, watchFolders } from './folders.ts';
import type { Example } from './example.ts';
import type { SelectionCommands } from './selection.ts';
import type { ShowCommands } from './show.ts';
import { targetsFrom } from './targets.ts';
import type { Target } from './targets.ts';

export interface Services {
  readonly extensionUri: vscode.Uri;
  readonly runs: Runs;
  readonly jobs: JobQueue;
  readonly flow: () => Promise<AveragingFlow>;
  readonly live: KeepAveraged;
  readonly selection: SelectionCommands;
  readonly arrange: ArrangeCommands;
  readonly comparison: ResultsDocument;
  readonly example: Example;
  readonly show: ShowCommands;
  readonly tensors: () => Promise<TensorsCommands>;
  readonly choice: CheckpointChoice;
  readonly trash: () => Promise<TrashCommands>;
  readonly dialogs: Dialogs;
  readonly log: vscode.LogOutputChannel;
  readonly createTaskFile: (targets: readonly Target[]) => Promise<void>;
}

/**
 * What each command does. All take their targets in the same way, see {@link targetsFrom}. What is large is only loaded
 * when it is asked for.
 */
export function commandHandlers(services: Services): CommandHandlers {
  const { runs, jobs, flow, live, selection, arrange, comparison, show, tensors, trash } = services;
  const { dialogs, log, createTaskFile } = services;
  const on =
    (handle: (targets: readonly Target[]) => unknown) =>
    async (first: unknown, second: unknown): Promise<void> => {
      await handle(targetsFrom(first, second));
    };
  return {
    'twa.openExample': on(() => services.example.open()),
    'twa.trainExample': on(() => services.example.train()),
    'twa.openWalkthrough': on(() => openWalkthrough()),
    'twa.about': on(() => showAbout(services.extensionUri)),
    'twa.watchFolder': on((targets) => watchFolders(targets, dialogs)),
    'twa.stopWatchingFolder': on((targets) => stopWatching(targets, dialogs)),
    'twa.refresh': on(() => runs.refresh()),
    'twa.showCurves': on((targets) => show.curves(targets)),
    'twa.average': on(async (targets) => (await flow()).start('ask', targets)),
    'twa.averageUniformly': on(async (targets) => (await flow()).start('uniform', targets)),
    'twa.averageAgain': on(async (targets) => (await flow()).again(targets)),
    'twa.cancelAveraging': (first, second) => cancelJobs(first, second, jobs, dialogs),
    'twa.keepAveraged': on((targets) => live.start(targets)),
    'twa.stopKeepingAveraged': on((targets) => live.stop(targets)),
    'twa.createTaskFile': on((targets) => createTaskFile(targets)),
    'twa.showResult': on((targets) => show.result(targets)),
    'twa.openTensors': on(async (targets) => (await tensors()).open(targets)),
    'twa.compareTensors': on(async (targets) => (await tensors()).compare(targets)),
    'twa.convert': on(async (targets) =>
      (await import('./convert.ts')).convertToSafetensors(targets, services),
    ),
    'twa.selectAll': on((targets) => selection.all(targets)),
    'twa.selectNone': on((targets) => selection.none(targets)),
    'twa.selectLast': on((targets) => selection.last(targets)),
    'twa.selectBest': on((targets) => selection.best(targets)),
    'twa.selectRange': on((targets) => selection.range(targets)),
    'twa.selectEvery': on((targets) => selection.every(targets)),
    'twa.sort': on(() => arrange.sort()),
    'twa.filter': on(() => arrange.filter()),
    'twa.clearFilter': on(() => arrange.clearFilter()),
    'twa.togglePin': on((targets) => arrange.togglePin(targets)),
    'twa.compareResults': on(() => comparison.show()),
    'twa.exportCurves': on(() => show.exportCurves()),
    'twa.revealInExplorer': on((targets) => show.revealInExplorer(targets)),
    'twa.copyPath': on((targets) => show.copyPath(targets)),
    'twa.moveToTrash': on(async (targets) => (await trash()).move(targets)),
    'twa.trashAllButBest': on(async (targets) => (await trash()).keepBest(targets)),
    'twa.showLog': on(() => log.show()),
    'twa.showDevices': on(async () => (await import('./devices.ts')).showDevices(jobs, dialogs, log)),
    'twa.setUpGpu': on(async () => (await import('./setUpGpu.ts')).setUpGpu(jobs, dialogs, log)),
  };
}
