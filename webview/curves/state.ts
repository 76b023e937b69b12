/** What a curves page remembers over a reload, in `vscode.setState` and so in the hands of the panel serializer. */
import {
  arrayOf,
  boolean,
  narrower,
  nullable,
  number,
  object,
  oneOf,
  type Reader,
  recordOf,
  string,
} from '../shared/narrow.ts';
import { AXES, type Axis } from './axes.ts';

export interface Range {
  readonly min: number;
  readonly max: number;
}

/** Checkpoints of one run, chosen on its curve. */
export interface CheckpointSelection {
  /** Of the run. */
  readonly directory: string;
  /** Oldest first. */
  readonly paths: readonly string[];
}

export interface CurvesState {
  /** Directories of the runs asked for; null follows the newest. */
  readonly runs: readonly string[] | null;
  readonly axis: Axis;
  readonly logX: boolean;
  /** 0 (off) up to, not including, 1; null as long as nobody chose: see {@link defaultSmoothing}. */
  readonly smoothing: number | null;
  readonly table: boolean;
  /** Of tags and of runs in the list: see `matcher`. */
  readonly filter: string;
  readonly runFilter: string;
  /** Keys of groups that stand before the others. */
  readonly pinned: readonly string[];
  /** Whether the list of runs is open; null as long as nobody chose: where there is room and a choice. */
  readonly runList: boolean | null;
  /** One band per tag from the lowest to the highest run, in place of a line per run. */
  readonly envelope: boolean;
  /** A drag selects checkpoints; else it zooms. */
  readonly selecting: boolean;
  readonly selection: CheckpointSelection | null;
  /** Tags of hidden series. */
  readonly hidden: readonly string[];
  /** Keys of groups with a logarithmic y axis. */
  readonly log: readonly string[];
  /** In units of `axis`; null shows everything. */
  readonly xZoom: Range | null;
  /** By group key. */
  readonly yZoom: Readonly<Record<string, Range>>;
  /** Place in the row of colours by directory of the run, so that a run keeps its own. */
  readonly colors: Readonly<Record<string, number>>;
  /** Pixels from the top. */
  readonly scroll: number;
}

export const INITIAL_STATE: CurvesState = {
  runs: null,
  axis: 'epoch',
  logX: false,
  smoothing: null,
  table: false,
  filter: '',
  runFilter: '',
  pinned: [],
  runList: null,
  envelope: false,
  selecting: false,
  selection: null,
  hidden: [],
  log: [],
  xZoom: null,
  yZoom: {},
  colors: {},
  scroll: 0,
};

const range = object({ min: number, max: number });
const readers: { readonly [K in keyof CurvesState]: Reader<CurvesState[K]> } = {
  runs: nullable(arrayOf(string)),
  axis: oneOf(...AXES),
  logX: boolean,
  smoothing: nullable(number),
  table: boolean,
  filter: string,
  runFilter: string,
  pinned: arrayOf(string),
  runList: nullable(boolean),
  envelope: boolean,
  selecting: boolean,
  selection: nullable(object({ directory: string, paths: arrayOf(string) })),
  hidden: arrayOf(string),
  log: arrayOf(string),
  xZoom: nullable(range),
  yZoom: recordOf(range),
  colors: recordOf(number),
  scroll: number,
};
const state = narrower<CurvesState>((value) =>
  // What an older version did not know is as it is initially.
  object(readers)({ ...INITIAL_STATE, ...(value as object) }),
);

/** Of something else than a state, or a damaged one, the initial one. */
export function readState(value: unknown): CurvesState {
  const read = typeof value === 'object' ? state(value) : undefined;
  if (read === undefined) return INITIAL_STATE;
  const { smoothing } = read;
  if (smoothing !== null && !(smoothing >= 0 && smoothing < 1)) return INITIAL_STATE;
  return read;
}

/** Where every point can be seen for itself, a moving average only hides them. */
const DENSE = 200;

/** @param longest Points of the run's longest series. */
export const defaultSmoothing = (longest: number): number => (longest >= DENSE ? 0.6 : 0);

/** For the panel serializer. */
export const wantedRuns = (value: unknown): readonly string[] | null => readState(value).runs;
