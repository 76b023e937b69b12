import type { Series } from '../../core/metrics/types.ts';
import type { CheckpointEntry } from '../../core/runs/types.ts';
import type {
  AverageMark,
  CheckpointMark,
  HealthMark,
  KnownRun,
  RunChange,
  RunChoice,
  SeriesOverview,
  SeriesPart,
  ToCurves,
} from '../../../webview/protocol.ts';
import { type Glance, glanceAt, pick, planOverviews } from '../../../webview/curves/overview.ts';
import { weightFor } from '../../../webview/curves/smooth.ts';
import { defaultSmoothing } from '../../../webview/curves/state.ts';

/** A run as a page shows it. Its marks are the same objects as long as nothing about them changed. */
export interface ShownRun extends RunChoice {
  readonly series: readonly Series[];
  readonly checkpoints: readonly CheckpointMark[];
  readonly averages: readonly AverageMark[];
  readonly health: readonly HealthMark[];
}

/** Everything a curves page shows, before it is cut into messages. */
export interface CurvesView {
  readonly scanning: boolean;
  readonly runs: readonly KnownRun[];
  /** Null follows the newest run. */
  readonly wanted: readonly string[] | null;
  readonly shown: readonly ShownRun[];
}

interface SentSeries {
  readonly series: Series;
  /** Points that the page has. The watcher may lengthen a series in place, and a long one takes several messages. */
  readonly length: number;
}

interface SentRun {
  readonly series: Map<string, SentSeries>;
  readonly name: string;
  readonly checkpoints: readonly CheckpointMark[];
  readonly averages: readonly AverageMark[];
  readonly health: readonly HealthMark[];
}

/** So that a message is some megabytes: neither the editor nor a remote connection is held up by one. */
export const POINTS_PER_MESSAGE = 200_000;
const NO_MARKS = { checkpoints: [], averages: [], health: [] };
/** What is logged together has the same steps; a run has few such groups. */
const MOST_LEADERS = 4;
/** Of shorter series an overview would be no shorter. */
const LEAST_OVERVIEWED = 2000;

/**
 * Cuts successive views into one snapshot and numbered increments that carry only new points, so a long run costs
 * what it adds, and showing another run costs that run. Remembers what the page has.
 */
export class CurvesFeed {
  /** The user's choice on the page, for overviews; undefined as long as there is none. */
  smoothing: number | undefined;
  /** What was made of a series, and from what: a page that is shown again gets the same. */
  readonly #glanced = new WeakMap<Series, { readonly of: string; readonly overview?: SeriesOverview }>();
  #view: CurvesView | undefined;
  #sent = new Map<string, SentRun>();
  #number = 0;

  /** The whole state but for points that do not fit into a message; what comes after is counted from it. */
  snapshot(view: CurvesView): ToCurves {
    this.#sent = new Map();
    const { changed, more } = this.#changes(view);
    this.#view = view;
    this.#number += 1;
    return {
      kind: 'snapshot',
      number: this.#number,
      more,
      scanning: view.scanning,
      runs: view.runs,
      wanted: view.wanted,
      // A run that is new has all of its marks.
      shown: changed.map((run) => ({ ...NO_MARKS, ...run })),
    };
  }

  /** The next step from what the page has to this view; undefined when it has it all. */
  next(view: CurvesView): Extract<ToCurves, { kind: 'increment' }> | undefined {
    const old = this.#view;
    const shown = new Set(view.shown.map(({ directory }) => directory));
    const gone = [...this.#sent.keys()].filter((directory) => !shown.has(directory));
    for (const directory of gone) this.#sent.delete(directory);
    const { changed, more } = this.#changes(view);
    this.#view = view;
    const changes = {
      ...(old?.scanning === view.scanning ? {} : { scanning: view.scanning }),
      ...(same(old?.runs, view.runs) ? {} : { runs: view.runs }),
      ...(same(old?.wanted, view.wanted) ? {} : { wanted: view.wanted }),
    };
    if (changed.length === 0 && gone.length === 0 && Object.keys(changes).length === 0) return undefined;
    this.#number += 1;
    return { kind: 'increment', number: this.#number, more, changed, gone, ...changes };
  }

  /** What is to be said of each run, with as many points as one message may carry; notes them as sent. */
  #changes(view: CurvesView): { readonly changed: readonly RunChange[]; readonly more: boolean } {
    let room = POINTS_PER_MESSAGE;
    let more = false;
    const changed: RunChange[] = [];
    const overviews = this.#overviews(view);
    for (const run of view.shown) {
      const { directory, name, checkpoints, averages, health } = run;
      const before = this.#sent.get(directory);
      const sent = before?.series ?? new Map<string, SentSeries>();
      const keys = new Set<string>();
      const series: SeriesPart[] = [];
      /** As the page will have them. */
      const leaders: SentSeries[] = [];
      for (const entry of run.series) {
        const key = seriesKey(entry);
        keys.add(key);
        const from = firstDifference(sent.get(key), entry);
        if (from === undefined) {
          if (leaders.length < MOST_LEADERS) leaders.push({ series: entry, length: entry.values.length });
          continue;
        }
        if (overviews.has(entry)) {
          more = true;
          sent.set(key, { series: entry, length: 0 });
          continue;
        }
        const length = Math.min(entry.values.length, from + room);
        more ||= length < entry.values.length;
        if (room === 0) continue;
        room -= length - from;
        const like = leaders.find((leader) => isAlike(leader, entry, from, length))?.series;
        series.push(partOf(entry, from, length, like));
        const now = { series: entry, length };
        if (like === undefined && leaders.length < MOST_LEADERS) leaders.push(now);
        sent.set(key, now);
      }
      const removed = [...sent.keys()].filter((key) => !keys.has(key));
      for (const key of removed) sent.delete(key);
      this.#sent.set(directory, { series: sent, name, checkpoints, averages, health });
      const marks = {
        ...(same(before?.checkpoints, checkpoints) ? {} : { checkpoints }),
        ...(same(before?.averages, averages) ? {} : { averages }),
        ...(same(before?.health ?? [], health) ? {} : { health }),
      };
      const glances = run.series.flatMap((entry) => overviews.get(entry) ?? []);
      const news = series.length + removed.length + glances.length;
      if (before?.name !== name || news > 0 || Object.keys(marks).length > 0) {
        const overviewed = glances.length === 0 ? {} : { overviews: glances };
        changed.push({ directory, name, series, ...overviewed, removed, ...marks });
      }
    }
    return { changed, more };
  }

  /** Of long series that the page does not know yet, if it is to wait for more than a message. */
  #overviews({ shown }: CurvesView): ReadonlyMap<Series, SeriesOverview> {
    const news = shown.flatMap((run) => {
      const sent = this.#sent.get(run.directory)?.series;
      return run.series.flatMap((series) => (sent?.has(seriesKey(series)) === true ? [] : [{ run, series }]));
    });
    const points = news.reduce((sum, { series }) => sum + series.values.length, 0);
    const long = news.filter(({ series }) => series.values.length >= LEAST_OVERVIEWED);
    if (points <= POINTS_PER_MESSAGE || long.length === 0) return new Map();
    const longest = Math.max(
      ...shown.map(({ series }) => Math.max(0, ...series.map((one) => one.values.length))),
    );
    const smoothing = this.smoothing ?? defaultSmoothing(longest);
    const plan = planOverviews(long.length);
    const densest = new Map(shown.map((run) => [run, Math.min(...run.series.map(spacingOf))]));
    return new Map(
      long.flatMap(({ run, series }) => {
        const weight = weightFor(smoothing, spacingOf(series), densest.get(run)!);
        const of = [series.values.length, smoothing, weight, plan.stretches, plan.values].join();
        let known = this.#glanced.get(series);
        if (known?.of !== of) {
          const glance = glanceAt(series, weight, plan);
          known = {
            of,
            ...(glance === undefined ? {} : { overview: overviewOf(series, glance, smoothing) }),
          };
          this.#glanced.set(series, known);
        }
        return known.overview === undefined ? [] : [[series, known.overview] as const];
      }),
    );
  }
}

/** Mean distance in steps of a series' points; Infinity where there are none. */
function spacingOf({ steps }: Series): number {
  const { length } = steps;
  return length < 2 ? Infinity : (steps[length - 1]! - steps[0]!) / (length - 1);
}

function overviewOf(series: Series, { indices, averages }: Glance, smoothing: number): SeriesOverview {
  const epochs = pick(series.epochs, indices);
  const wallTimes = pick(series.wallTimes, indices);
  return {
    key: seriesKey(series),
    tag: series.tag,
    source: series.source,
    total: series.values.length,
    steps: pick(series.steps, indices),
    values: pick(series.values, indices),
    ...(epochs.every(Number.isNaN) ? {} : { epochs }),
    ...(wallTimes.every(Number.isNaN) ? {} : { wallTimes }),
    smoothing,
    ...(averages === undefined ? {} : { averages }),
  };
}

/** NaN metrics stay: the page shows them as what they are. */
export function checkpointMark(entry: CheckpointEntry): CheckpointMark {
  return {
    path: entry.path,
    name: entry.name,
    complete: entry.state === 'complete',
    ...(entry.step === undefined ? {} : { step: entry.step }),
    ...(entry.epoch === undefined ? {} : { epoch: entry.epoch }),
    metrics: entry.metrics,
  };
}

export const seriesKey = (series: Series): string => `${series.source}\n${series.tag}`;

/** Typed arrays cross the webview line as bytes; plain ones would as JSON, in which NaN does not exist. */
function partOf(series: Series, from: number, to: number, like: Series | undefined): SeriesPart {
  const part = {
    key: seriesKey(series),
    tag: series.tag,
    source: series.source,
    from,
    total: series.values.length,
    values: column(series.values, from, to),
  };
  if (like !== undefined) return { ...part, like: seriesKey(like) };
  const epochs = known(series.epochs, from, to);
  const wallTimes = known(series.wallTimes, from, to);
  return {
    ...part,
    steps: column(series.steps, from, to),
    ...(epochs === undefined ? {} : { epochs }),
    ...(wallTimes === undefined ? {} : { wallTimes }),
  };
}

/** Whether the points `[from, to)` of a series stand where those of another one do, which the page has. */
function isAlike({ series, length }: SentSeries, other: Series, from: number, to: number): boolean {
  if (length < to || to === from) return false;
  return (['steps', 'epochs', 'wallTimes'] as const).every((name) => {
    const ours = series[name];
    const theirs = other[name];
    if (ours === theirs) return true;
    let index = from;
    while (index < to && Object.is(ours[index], theirs[index])) index += 1;
    return index === to;
  });
}

/** Of its own memory: the editor sends the whole buffer behind a view. */
function column(numbers: readonly number[], from: number, to: number): Float64Array {
  const out = new Float64Array(to - from);
  for (let index = from; index < to; index++) out[index - from] = numbers[index]!;
  return out;
}

/** Undefined where the log says nothing. */
function known(numbers: readonly number[], from: number, to: number): Float64Array | undefined {
  for (let index = from; index < to; index++) {
    if (!Number.isNaN(numbers[index])) return column(numbers, from, to);
  }
  return undefined;
}

/** Index of the first point that the page does not have as it is now; undefined when it has them all. */
function firstDifference(sent: SentSeries | undefined, now: Series): number | undefined {
  if (sent === undefined) return 0;
  const length = now.values.length;
  const common = Math.min(sent.length, length);
  let index = 0;
  if (sent.series === now || sent.series.values === now.values) {
    index = common;
  } else {
    const old = sent.series;
    while (
      index < common &&
      Object.is(old.values[index], now.values[index]) &&
      old.steps[index] === now.steps[index] &&
      Object.is(old.epochs[index], now.epochs[index])
    ) {
      index += 1;
    }
  }
  return index === length && length === sent.length ? undefined : index;
}

const same = (a: unknown, b: unknown): boolean => a === b || JSON.stringify(a) === JSON.stringify(b);
