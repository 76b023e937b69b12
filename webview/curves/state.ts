/** What a curves page remembers over a reload, in `vscode.setState` and so in the hands of the panel serializer. */
import {
  arrayOf,
  boolean,
  narrower,
  nullable,
  number,
  object,
  oneOf,
  recordOf,
  string,
} from '../shared/narrow.ts';

export type Axis = 'epoch' | 'step';
export interface Range {
  readonly min: number;
  readonly max: number;
}

export interface CurvesState {
  /** Directory of the run; null follows the newest. */
  readonly run: string | null;
  readonly axis: Axis;
  /** 0 (off) up to, not including, 1; null as long as nobody chose: see {@link defaultSmoothing}. */
  readonly smoothing: number | null;
  readonly table: boolean;
  /** Tags of hidden series. */
  readonly hidden: readonly string[];
  /** Keys of groups with a logarithmic y axis. */
  readonly log: readonly string[];
  /** In units of `axis`; null shows everything. */
  readonly xZoom: Range | null;
  /** By group key. */
  readonly yZoom: Readonly<Record<string, Range>>;
}

export const INITIAL_STATE: CurvesState = {
  run: null,
  axis: 'epoch',
  smoothing: null,
  table: false,
  hidden: [],
  log: [],
  xZoom: null,
  yZoom: {},
};

const range = object({ min: number, max: number });
const state = narrower<CurvesState>(
  object({
    run: nullable(string),
    axis: oneOf('epoch', 'step'),
    smoothing: nullable(number),
    table: boolean,
    hidden: arrayOf(string),
    log: arrayOf(string),
    xZoom: nullable(range),
    yZoom: recordOf(range),
  }),
);

/** A state of an older version, or none, gives the initial one. */
export function readState(value: unknown): CurvesState {
  const read = state(value);
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
export const wantedRun = (value: unknown): string | null => readState(value).run;
