/**
 * Everything that crosses the line between the extension host and the two webviews. Both sides narrow what arrives
 * with the functions at the end and ignore what does not fit. Nothing here needs VS Code or a browser.
 *
 * Order: a page that (re)starts says `ready` and gets the whole state; later changes are numbered from there. A page
 * that misses a number says `resync` and gets the whole state again. (VS Code drops messages to a hidden page.)
 */
import type {
  AverageReport,
  Interval,
  LossPoint,
  PassPhase,
  ResultGeometry,
} from '../src/core/averaging/types.ts';
import {
  arrayOf,
  boolean,
  float64s,
  Mismatch,
  narrower,
  nullable,
  number,
  object,
  oneOf,
  type Reader,
  recordOf,
  shortString,
  string,
  union,
} from './shared/narrow.ts';
import { averageReport, interval, lossPoint, PASS_PHASES, resultGeometry } from './shared/report.ts';

/** Points `[from, from + length)` of one series; what the page holds from `from` on is replaced by them. */
export interface SeriesPart {
  /** Identity within the run. */
  readonly key: string;
  /** As logged. */
  readonly tag: string;
  /** Absolute path of the log. */
  readonly source: string;
  readonly from: number;
  /** Points that the series has by now; the parts that come next bring what is missing. So room is made only once. */
  readonly total: number;
  /**
   * Key of another series of the run that the page has up to there: these points have the steps, epochs and times of
   * its points `[from, from + length)`, and none of their own here.
   */
  readonly like?: string;
  /** Absent with `like` only. */
  readonly steps?: Float64Array;
  readonly values: Float64Array;
  /** NaN where the log does not say; absent where it says nothing at all about these points. */
  readonly epochs?: Float64Array;
  /** Milliseconds since 1970; NaN and absent as above. */
  readonly wallTimes?: Float64Array;
}

/**
 * A series that does not fit into one message, at a glance: of every stretch of it the points that its picture needs.
 * It stands for the series until all of its points are there.
 */
export interface SeriesOverview extends Pick<
  SeriesPart,
  'key' | 'tag' | 'source' | 'total' | 'values' | 'epochs' | 'wallTimes'
> {
  readonly steps: Float64Array;
  /** The page's smoothing that it was made for, 0 for none. */
  readonly smoothing: number;
  /** Moving average at these points, over all points; absent where nothing is to be smoothed. */
  readonly averages?: Float64Array;
}

export interface CheckpointMark {
  readonly path: string;
  readonly name: string;
  readonly complete: boolean;
  readonly step?: number;
  readonly epoch?: number;
  /** The run's metrics at this checkpoint, by tag. */
  readonly metrics: Readonly<Record<string, number>>;
}

/** A number measured on the report split. The interval is 95 %, by bootstrap. */
export interface Measured {
  readonly name: string;
  readonly value: number;
  readonly interval?: Interval;
}

export interface AverageMark {
  readonly path: string;
  readonly name: string;
  readonly reportPath: string;
  readonly method: string;
  readonly step?: number;
  readonly epoch?: number;
  readonly sources: readonly string[];
  /** The metric and, once the report has been read, the loss. Empty without a task. */
  readonly measured: readonly Measured[];
  readonly recommendation: string;
}

export interface RunChoice {
  readonly directory: string;
  readonly name: string;
}

/** A run in the list of all. */
export interface KnownRun extends RunChoice {
  /** Absent: at rest, as most runs are. */
  readonly state?: { readonly name: 'training' | 'stalled' | 'failed'; readonly label: string };
}

/** Something about the health of a series, in the user's language. */
export interface HealthMark {
  /** Of the series, as in {@link SeriesPart}. */
  readonly tag: string;
  readonly kind: 'not-finite' | 'diverging' | 'plateau';
  /** One or two words. */
  readonly mark: string;
  readonly sentence: string;
}

export interface CurvesRun extends RunChoice {
  readonly series: readonly SeriesPart[];
  /** Of series whose points come with later messages. */
  readonly overviews?: readonly SeriesOverview[];
  readonly checkpoints: readonly CheckpointMark[];
  readonly averages: readonly AverageMark[];
  /** Absent: nothing to tell. */
  readonly health?: readonly HealthMark[];
}

/** What changed of a run that is shown; what is absent did not change. A run that is new has everything. */
export interface RunChange extends RunChoice {
  readonly series: readonly SeriesPart[];
  readonly overviews?: readonly SeriesOverview[];
  /** Keys of series that are gone. */
  readonly removed: readonly string[];
  readonly checkpoints?: readonly CheckpointMark[];
  readonly averages?: readonly AverageMark[];
  readonly health?: readonly HealthMark[];
}

/**
 * Points come a bounded number per message: a snapshot brings the first ones (of long series an overview), increments
 * the rest, and then what the logs gain. `more` says that further points are on their way already.
 */
export type ToCurves =
  | {
      readonly kind: 'snapshot';
      readonly number: number;
      readonly more: boolean;
      readonly scanning: boolean;
      /** Every run that is known, whether shown or not. */
      readonly runs: readonly KnownRun[];
      /** Directories of the runs that were asked for; null follows the newest. */
      readonly wanted: readonly string[] | null;
      /** Those of them that there are. */
      readonly shown: readonly CurvesRun[];
    }
  /** What is absent did not change. */
  | {
      readonly kind: 'increment';
      readonly number: number;
      readonly more: boolean;
      readonly scanning?: boolean;
      readonly runs?: readonly KnownRun[];
      readonly wanted?: readonly string[] | null;
      readonly changed: readonly RunChange[];
      /** Directories of runs that are no longer shown. */
      readonly gone: readonly string[];
    };

/** Give what is shown in this format. Outside the numbering: it changes nothing. */
export interface CurvesRequest {
  readonly kind: 'export';
  readonly format: ExportFormat;
}

export const EXPORT_FORMATS = ['csv', 'json', 'svg', 'png'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** What both pages may say. */
export type FromPage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'resync' }
  /** A defect of the page, for the log. */
  | { readonly kind: 'defect'; readonly text: string };

export type FromCurves =
  | FromPage
  /** What the user chose, for overviews; before `ready` if it was chosen before. */
  | { readonly kind: 'smoothing'; readonly smoothing: number }
  /** Show these runs; null follows the newest. */
  | { readonly kind: 'selectRuns'; readonly directories: readonly string[] | null }
  /** Show this checkpoint in the tree. */
  | { readonly kind: 'reveal'; readonly path: string }
  | { readonly kind: 'openReport'; readonly path: string }
  /** Average these checkpoints of one run, oldest first: the ones that were selected on its curve. */
  | { readonly kind: 'averageRange'; readonly directory: string; readonly paths: readonly string[] }
  | { readonly kind: 'watchFolder' }
  /** The user wants to export what is shown; the host asks as what. */
  | { readonly kind: 'export' }
  /** The series that are shown, each as its run's directory, a line feed and its key: the host has all their points. */
  | {
      readonly kind: 'exportData';
      readonly format: 'csv' | 'json';
      readonly series: readonly string[];
    }
  /** An SVG as text, a PNG in base64. */
  | { readonly kind: 'exportPicture'; readonly format: 'svg' | 'png'; readonly content: string };

export interface LiveCheckpoint {
  readonly path: string;
  readonly step?: number;
  readonly epoch?: number;
}

export interface LiveFailure {
  readonly message: string;
  readonly details: readonly string[];
}

/** A pass that is running, or ended without a result. */
export interface LivePassState {
  readonly title: string;
  /** Oldest first. */
  readonly checkpoints: readonly LiveCheckpoint[];
  readonly cancellable: boolean;
  readonly phase?: PassPhase;
  /** Of the phase, 0..1. */
  readonly fraction: number;
  readonly message: string;
  readonly points: readonly LossPoint[];
  readonly coefficients?: readonly number[];
  readonly failure?: LiveFailure;
}

/** What the user's own command printed for the merged checkpoint. */
export interface OwnEvaluation {
  readonly command: string;
  /** Where it ran. */
  readonly directory: string;
  readonly value: number;
  /** ISO 8601. */
  readonly at: string;
  readonly milliseconds: number;
}

/** What a result page may ask of the editor about its report. */
export const RESULT_ACTIONS = ['evaluate', 'terminal', 'markdown', 'export', 'again', 'geometry'] as const;
export type ResultAction = (typeof RESULT_ACTIONS)[number];

/** What belongs to a report and does not stand in it. */
export interface ResultMore {
  /** Absent: not known (yet). */
  readonly geometry?: ResultGeometry;
  /** Newest first. */
  readonly evaluations: readonly OwnEvaluation[];
  /** What can be done here and now. */
  readonly can: readonly ResultAction[];
}

export type ToResult =
  /** Of the report that was sent before. */
  | { readonly kind: 'more'; readonly more: ResultMore }
  | { readonly kind: 'report'; readonly path: string; readonly report: AverageReport }
  | { readonly kind: 'live'; readonly number: number; readonly live: LivePassState }
  | {
      readonly kind: 'progress';
      readonly number: number;
      readonly phase: PassPhase;
      readonly fraction: number;
      readonly message: string;
      /** New ones, to be added. */
      readonly points: readonly LossPoint[];
      readonly coefficients?: readonly number[];
    }
  | { readonly kind: 'unavailable'; readonly message: string };

export type FromResult =
  | FromPage
  | { readonly kind: 'reveal'; readonly path: string }
  /** Open the report file itself in an editor. */
  | { readonly kind: 'openFile' }
  | { readonly kind: 'copy'; readonly text: string }
  | { readonly kind: 'act'; readonly action: ResultAction }
  | { readonly kind: 'cancel' };

const seriesPart: Reader<SeriesPart> = (value) => {
  const part = object(
    {
      key: string,
      tag: string,
      source: string,
      from: number,
      total: number,
      values: float64s,
    },
    { like: string, steps: float64s, epochs: float64s, wallTimes: float64s },
  )(value);
  if ((part.like === undefined) === (part.steps === undefined)) {
    throw new Mismatch('steps, or the series that has the same');
  }
  checkColumns(part);
  return part;
};
const seriesOverview: Reader<SeriesOverview> = (value) => {
  const overview = object(
    {
      key: string,
      tag: string,
      source: string,
      total: number,
      steps: float64s,
      values: float64s,
      smoothing: number,
    },
    { epochs: float64s, wallTimes: float64s, averages: float64s },
  )(value);
  checkColumns(overview);
  return overview;
};
function checkColumns({ steps, values, epochs, wallTimes, averages }: Partial<SeriesOverview>): void {
  for (const column of [steps, epochs, wallTimes, averages]) {
    if (column !== undefined && column.length !== values?.length) {
      throw new Mismatch('columns differ in length');
    }
  }
}
const knownRun: Reader<KnownRun> = object(
  { directory: string, name: string },
  { state: object({ name: oneOf('training', 'stalled', 'failed'), label: string }) },
);
const healthMark: Reader<HealthMark> = object({
  tag: string,
  kind: oneOf('not-finite', 'diverging', 'plateau'),
  mark: string,
  sentence: string,
});
const checkpointMark: Reader<CheckpointMark> = object(
  { path: string, name: string, complete: boolean, metrics: recordOf(number) },
  { step: number, epoch: number },
);
const averageMark: Reader<AverageMark> = object(
  {
    path: string,
    name: string,
    reportPath: string,
    method: string,
    sources: arrayOf(string),
    measured: arrayOf(object({ name: string, value: number }, { interval })),
    recommendation: string,
  },
  { step: number, epoch: number },
);
const curvesRun: Reader<CurvesRun> = object(
  {
    directory: string,
    name: string,
    series: arrayOf(seriesPart),
    checkpoints: arrayOf(checkpointMark),
    averages: arrayOf(averageMark),
  },
  { overviews: arrayOf(seriesOverview), health: arrayOf(healthMark) },
);
const runChange: Reader<RunChange> = object(
  { directory: string, name: string, series: arrayOf(seriesPart), removed: arrayOf(string) },
  {
    overviews: arrayOf(seriesOverview),
    checkpoints: arrayOf(checkpointMark),
    averages: arrayOf(averageMark),
    health: arrayOf(healthMark),
  },
);
const phase: Reader<PassPhase> = oneOf(...PASS_PHASES);
const livePass: Reader<LivePassState> = object(
  {
    title: string,
    checkpoints: arrayOf(object({ path: string }, { step: number, epoch: number })),
    cancellable: boolean,
    fraction: number,
    message: string,
    points: arrayOf(lossPoint),
  },
  {
    phase,
    coefficients: arrayOf(number),
    failure: object({ message: string, details: arrayOf(string) }),
  },
);

/** Paths and texts that a page hands back are bounded: a page never has a reason for more. */
const path = shortString(8192);
/** Characters of a picture: charts of a hundred series in print quality. */
const MOST_PICTURE = 256 << 20;
/** At least 0 and below 1. */
const fraction: Reader<number> = (value) => {
  const read = number(value);
  if (!(read >= 0 && read < 1)) throw new Mismatch('a number from 0 to below 1');
  return read;
};
const nothing = object({});
const fromPage = { ready: nothing, resync: nothing, defect: object({ text: shortString(8192) }) };

export const readToCurves: (message: unknown) => ToCurves | undefined = narrower(
  union<ToCurves>({
    snapshot: object({
      number,
      more: boolean,
      scanning: boolean,
      runs: arrayOf(knownRun),
      wanted: nullable(arrayOf(string)),
      shown: arrayOf(curvesRun),
    }),
    increment: object(
      { number, more: boolean, changed: arrayOf(runChange), gone: arrayOf(string) },
      { scanning: boolean, runs: arrayOf(knownRun), wanted: nullable(arrayOf(string)) },
    ),
  }),
);

export const readCurvesRequest: (message: unknown) => CurvesRequest | undefined = narrower(
  union<CurvesRequest>({ export: object({ format: oneOf(...EXPORT_FORMATS) }) }),
);

export const readFromCurves: (message: unknown) => FromCurves | undefined = narrower(
  union<FromCurves>({
    ...fromPage,
    smoothing: object({ smoothing: fraction }),
    selectRuns: object({ directories: nullable(arrayOf(path)) }),
    reveal: object({ path }),
    openReport: object({ path }),
    averageRange: object({ directory: path, paths: arrayOf(path) }),
    watchFolder: nothing,
    export: nothing,
    exportData: object({
      format: oneOf('csv', 'json'),
      series: arrayOf(shortString(3 * 8192)),
    }),
    exportPicture: object({ format: oneOf('svg', 'png'), content: shortString(MOST_PICTURE) }),
  }),
);

const more: Reader<ResultMore> = object(
  {
    evaluations: arrayOf(
      object({ command: string, directory: string, value: number, at: string, milliseconds: number }),
    ),
    can: arrayOf(oneOf(...RESULT_ACTIONS)),
  },
  { geometry: resultGeometry },
);

export const readToResult: (message: unknown) => ToResult | undefined = narrower(
  union<ToResult>({
    more: object({ more }),
    report: object({ path: string, report: averageReport }),
    live: object({ number, live: livePass }),
    progress: object(
      { number, phase, fraction: number, message: string, points: arrayOf(lossPoint) },
      { coefficients: arrayOf(number) },
    ),
    unavailable: object({ message: string }),
  }),
);

export const readFromResult: (message: unknown) => FromResult | undefined = narrower(
  union<FromResult>({
    ...fromPage,
    reveal: object({ path }),
    openFile: nothing,
    copy: object({ text: shortString(65536) }),
    act: object({ action: oneOf(...RESULT_ACTIONS) }),
    cancel: nothing,
  }),
);
