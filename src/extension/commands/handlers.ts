import type * as vscode from 'vscode';
import type { AveragingFlow } from '../averaging/flow.ts';
import type { JobQueue } from '../averaging/jobQueue.ts';
import type { Dialogs } from '../dialogs.ts';
import type { CommandHandlers } from '../names.ts';
import type { ResultsDocument } from '../results/document.ts';
import type { TensorsCommands } from '../tensors/commands.ts';
import type { TrashCommands } from '../trash/commands.ts';
import type { Runs } from '../watching/runs.ts';
import { showAbout } from './about.ts';
import { cancelJobs } from './cancel.ts';
import type { CheckpointChoice } from './checkpointChoice.ts';
import type { ArrangeCommands } from './arrange.ts';
import { convertToSafetensors } from './convert.ts';
import { showDevices } from './devices.ts';
import { setUpGpu } from './setUpGpu.ts';
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
  readonly flow: AveragingFlow;
  readonly selection: SelectionCommands;
  readonly arrange: ArrangeCommands;
  readonly comparison: ResultsDocument;
  readonly example: Example;
  readonly show: ShowCommands;
  readonly tensors: TensorsCommands;
  readonly choice: CheckpointChoice;
  readonly trash: TrashCommands;
  readonly dialogs: Dialogs;
  readonly log: vscode.LogOutputChannel;
  readonly createTaskFile: (targets: readonly Target[]) => Promise<void>;
}

/** What each command does. All take their targets in the same way, see {@link targetsFrom}. */
export function commandHandlers(services: Services): CommandHandlers {
  const { runs, jobs, flow, selection, arrange, comparison, show, tensors, trash } = services;
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
    'twa.average': on((targets) => flow.start('ask', targets)),
    'twa.averageUniformly': on((targets) => flow.start('uniform', targets)),
    'twa.averageAgain': on((targets) => flow.again(targets)),
    'twa.cancelAveraging': (first, second) => cancelJobs(first, second, jobs, dialogs),
    'twa.createTaskFile': on((targets) => createTaskFile(targets)),
    'twa.showResult': on((targets) => show.result(targets)),
    'twa.openTensors': on((targets) => tensors.open(targets)),
    'twa.compareTensors': on((targets) => tensors.compare(targets)),
    'twa.convert': on((targets) => convertToSafetensors(targets, services)),
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
    'twa.moveToTrash': on((targets) => trash.move(targets)),
    'twa.trashAllButBest': on((targets) => trash.keepBest(targets)),
    'twa.showLog': on(() => log.show()),
    'twa.showDevices': on(() => showDevices(jobs, dialogs, log)),
    'twa.setUpGpu': on(() => setUpGpu(jobs, dialogs, log)),
  };
}
