/**
 * Every name that package.json and the code share, once. `test/unit/extension/manifest.test.ts` holds the two
 * against each other; the types below make the compiler hold the code against this file.
 */
import { MEMORY_MODES } from '../compute/protocol.ts';
import type { BackendChoice, MemoryMode } from '../compute/protocol.ts';
import { EVERY } from '../core/live/schedule.ts';
import { STALLED_INTERVALS } from '../core/runs/status.ts';

/** publisher.name */
export const EXTENSION_ID = 'twa.trainable-weight-averaging';

/** The id of the walkthrough. */
export const WALKTHROUGH = 'start';

export const COMMANDS = [
  'twa.openExample',
  'twa.trainExample',
  'twa.openWalkthrough',
  'twa.about',
  'twa.watchFolder',
  'twa.stopWatchingFolder',
  'twa.refresh',
  'twa.showCurves',
  'twa.average',
  'twa.averageUniformly',
  'twa.averageAgain',
  'twa.cancelAveraging',
  'twa.keepAveraged',
  'twa.stopKeepingAveraged',
  'twa.createTaskFile',
  'twa.showResult',
  'twa.openTensors',
  'twa.compareTensors',
  'twa.convert',
  'twa.selectAll',
  'twa.selectNone',
  'twa.selectLast',
  'twa.selectBest',
  'twa.selectRange',
  'twa.selectEvery',
  'twa.sort',
  'twa.filter',
  'twa.clearFilter',
  'twa.togglePin',
  'twa.compareResults',
  'twa.exportCurves',
  'twa.revealInExplorer',
  'twa.copyPath',
  'twa.moveToTrash',
  'twa.trashAllButBest',
  'twa.showLog',
  'twa.showDevices',
  'twa.setUpGpu',
] as const;
export type CommandId = (typeof COMMANDS)[number];

/** Gets what VS Code passes: `(item, items[])` from a tree, `(uri, uris[])` from the Explorer, nothing from the palette. */
export type CommandHandler = (first: unknown, second: unknown) => Promise<void> | void;
/** One handler per command: a command without one does not compile. */
export type CommandHandlers = Readonly<Record<CommandId, CommandHandler>>;

/** The editors of tensors, by VS Code's priority: one opens by itself, the other is offered under "Open With...". */
export const TENSOR_EDITORS = { default: 'twa.tensors', option: 'twa.tensors.option' } as const;

/**
 * What they open. Only extensions that nothing else uses open by themselves: `.pt` is a page template too, `.pth` a
 * list of Python paths, `.bin` anything.
 */
export const TENSOR_FILES: { readonly [Priority in keyof typeof TENSOR_EDITORS]: readonly string[] } = {
  default: ['*.safetensors', '*.keras'],
  option: [
    '*.safetensors.index.json',
    '*.pt',
    '*.pth',
    '*.ckpt',
    '*.pt.tar',
    '*.pth.tar',
    '*.bin',
    '*.h5',
    '*.hdf5',
    '*.npz',
    '*.msgpack',
    '*.index',
    'saved_model.pb',
    'model.json',
  ],
};

export const RUNS_VIEW = 'twa.runs';

/** What `when` clauses and the walkthrough in package.json ask for, beside VS Code's own keys. */
export interface ContextKeys {
  'twa.hasRuns': boolean;
  'twa.hasChecked': boolean;
  'twa.hasAverages': boolean;
  'twa.scanning': boolean;
  'twa.averaging': boolean;
  'twa.keepsAveraged': boolean;
  'twa.filtered': boolean;
}

/** The `viewItem` of tree items in `when` clauses. */
export type ViewItem = 'run' | 'checkpoint' | 'incomplete' | 'average' | 'job';

export type Polling = 'auto' | 'on' | 'off';

export interface Settings {
  autoDetect: boolean;
  watchFolders: readonly string[];
  ignore: readonly string[];
  polling: Polling;
  /** Empty: chosen by `tree/metric.ts`. */
  metric: string;
  /** After how many of its usual intervals a silent run is called stalled. */
  stalledAfter: number;
  notifyHealth: boolean;
  /** A live pass after so many new checkpoints. */
  'live.every': number;
  /** Of how many of the newest checkpoints; 0: the newer half. */
  'live.window': number;
  'live.useGpu': boolean;
  backend: BackendChoice;
  /** Empty: the Python extension's, or found. */
  pythonPath: string;
  /** Of one node, under torchrun. */
  pytorchProcesses: number;
  pytorchMemory: MemoryMode;
}
export type SettingName = keyof Settings;

export const BACKENDS: readonly BackendChoice[] = ['auto', 'tensorflow', 'webgpu', 'wasm', 'cpu'];
const POLLING: readonly Polling[] = ['auto', 'on', 'off'];

/** What a user wrote in settings.json is `unknown`: each reader gives a value of the right type, or the default. */
export const SETTINGS: { readonly [Name in SettingName]: (value: unknown) => Settings[Name] } = {
  autoDetect: (value) => value !== false,
  watchFolders: strings,
  ignore: strings,
  polling: (value) => POLLING.find((known) => known === value) ?? 'auto',
  metric: (value) => (typeof value === 'string' ? value.trim() : ''),
  stalledAfter: (value) => (typeof value === 'number' && value >= 1 ? value : STALLED_INTERVALS),
  notifyHealth: (value) => value === true,
  'live.every': (value) => (typeof value === 'number' && value >= 1 ? Math.floor(value) : EVERY),
  'live.window': (value) => (typeof value === 'number' && value >= 1 ? Math.floor(value) : 0),
  'live.useGpu': (value) => value === true,
  backend: (value) => BACKENDS.find((known) => known === value) ?? 'auto',
  pythonPath: (value) => (typeof value === 'string' ? value.trim() : ''),
  pytorchProcesses: (value) => (typeof value === 'number' && value >= 1 ? Math.floor(value) : 1),
  pytorchMemory: (value) => MEMORY_MODES.find((known) => known === value) ?? 'auto',
};

function strings(value: unknown): readonly string[] {
  if (!Array.isArray(value)) return [];
  return value.filter((item): item is string => typeof item === 'string' && item.trim() !== '');
}
