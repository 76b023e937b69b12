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
} from '../protocol.ts';
import { Column, LazyColumn } from './column.ts';
import type { NamedSeries } from './grouping.ts';

/** Where the points of a series stand: on every axis that the log knows. Series that were logged together share one. */
class Places {
  /** Others read what is there: it may grow, but not change. */
  shared = false;
  readonly steps = new Column();
  /** From the first point on as soon as the log names one; until then there is nothing to keep. */
  epochs: LazyColumn | undefined;
  wallTimes: LazyColumn | undefined;

  /** Replaces everything from `from` on. */
  put(from: number, total: number, { steps, epochs, wallTimes }: PlaceColumns): void {
    const end = from + steps.length;
    this.epochs = extended(this.epochs, epochs, from, end, total);
    this.wallTimes = extended(this.wallTimes, wallTimes, from, end, total);
    this.steps.put(from, steps, total);
  }

  /** Copies of the points `[from, to)`. */
  slice(from: number, to: number): PlaceColumns {
    const { epochs, wallTimes } = this;
    return {
      steps: this.steps.view.slice(from, to),
      ...(epochs === undefined ? {} : { epochs: epochs.view.slice(from, to) }),
      ...(wallTimes === undefined ? {} : { wallTimes: wallTimes.view.slice(from, to) }),
    };
  }
}

type PlaceColumns = { readonly steps: Float64Array } & Pick<SeriesPart, 'epochs' | 'wallTimes'>;

/** A column that may not be there yet, or may have nothing to add. */
function extended(
  column: LazyColumn | undefined,
  points: Float64Array | undefined,
  from: number,
  end: number,
  total: number,
): LazyColumn | undefined {
  if (points === undefined && column === undefined) return undefined;
  const known = column ?? new LazyColumn();
  if (known.length < from) known.put(known.length, new Float64Array(from - known.length).fill(NaN), total);
  known.put(from, points ?? new Float64Array(end - from).fill(NaN), total);
  return known;
}

/**
 * One series as logged, in columns that grow in place: what was added costs what it adds. Of one that comes with many
 * messages the columns are those of its overview until all of its points are there.
 */
export class StoredSeries implements NamedSeries {
  /** Unique among all runs. */
  readonly key: string;
  readonly run: string;
  readonly tag: string;
  readonly source: string;
  /** Changes with the points. */
  version = 0;
  /** Points before this index have been what they are since `rewrites` last changed. */
  rewrites = 0;
  readonly #values = new Column();
  #places = new Places();
  /** Of columns of the places that have more points than this series. */
  readonly #parts = new WeakMap<Float64Array, Float64Array>();
  #overview: SeriesOverview | undefined;

  constructor(run: string, { key, tag, source }: NamedSeries) {
    this.run = run;
    this.key = `${run}\n${key}`;
    this.tag = tag;
    this.source = source;
  }

  /** Points that were logged, as far as is known. */
  get length(): number {
    return this.#overview?.total ?? this.#values.length;
  }
  /** What the columns are as long as points are missing. */
  get overview(): SeriesOverview | undefined {
    return this.#overview;
  }
  /** Views, valid until the next {@link put}. */
  get values(): Float64Array {
    return this.#overview?.values ?? this.#values.view;
  }
  get steps(): Float64Array {
    return this.#overview?.steps ?? this.#own(this.#places.steps);
  }
  /** NaN where the log does not say; undefined where it never does. */
  get epochs(): Float64Array | undefined {
    if (this.#overview !== undefined) return this.#overview.epochs;
    return this.#places.epochs && this.#own(this.#places.epochs);
  }
  /** Milliseconds since 1970, as above. */
  get wallTimes(): Float64Array | undefined {
    if (this.#overview !== undefined) return this.#overview.wallTimes;
    return this.#places.wallTimes && this.#own(this.#places.wallTimes);
  }
  /** Whether there are times, without looking at them. */
  get timed(): boolean {
    return (this.#overview ?? this.#places).wallTimes !== undefined;
  }

  /** Before the first point. */
  glance(overview: SeriesOverview): void {
    this.#overview = overview;
    this.version += 1;
  }

  /**
   * Replaces everything from `part.from` on; false when points in between are missing.
   * @param like the series that the part says to be alike.
   */
  put(part: SeriesPart, like?: StoredSeries): boolean {
    const { from, total, values } = part;
    const { length } = this.#values;
    const end = from + values.length;
    if (from > length) return false;
    if (part.steps === undefined) {
      if (like === undefined || like.#values.length < end) return false;
      this.#follow(like.#places, from, end, total);
    } else {
      this.#disown(from);
      this.#places.put(from, total, { ...part, steps: part.steps });
    }
    if (from < length) this.rewrites += 1;
    this.#values.put(from, values, total);
    if (this.#overview !== undefined) {
      if (end < total) return true;
      this.#overview = undefined;
      this.rewrites += 1;
    }
    this.version += 1;
    return true;
  }

  /** Takes the points `[from, end)` of others: as they are, if it has them or nothing else. */
  #follow(places: Places, from: number, end: number, total: number): void {
    if (places === this.#places) return;
    if (from === 0) {
      places.shared = true;
      this.#places = places;
      return;
    }
    this.#disown(from);
    this.#places.put(from, total, places.slice(from, end));
  }

  /** What is to be changed from there on must be nobody else's. */
  #disown(from: number): void {
    const places = this.#places;
    if (!places.shared || from === places.steps.length) return;
    this.#places = new Places();
    if (from > 0) this.#places.put(0, from, places.slice(0, from));
  }

  #own(column: Column | LazyColumn): Float64Array {
    const { view } = column;
    const { length } = this.#values;
    if (view.length === length) return view;
    let part = this.#parts.get(view);
    if (part?.length !== length) {
      part = view.subarray(0, length);
      this.#parts.set(view, part);
    }
    return part;
  }
}

export interface StoredRun extends RunChoice {
  readonly series: Map<string, StoredSeries>;
  checkpoints: readonly CheckpointMark[];
  averages: readonly AverageMark[];
  health: readonly HealthMark[];
}

/** The page's copy of what the host knows. */
export class CurvesStore {
  scanning = true;
  /** All that are known. */
  runs: readonly KnownRun[] = [];
  /** Null follows the newest. */
  wanted: readonly string[] | null = null;
  /** By directory, in the host's order: the runs that are shown. */
  readonly shown = new Map<string, StoredRun>();
  /** More points are on their way. */
  more = false;
  #number: number | undefined;

  /** Of all runs that are shown. */
  get series(): readonly StoredSeries[] {
    return [...this.shown.values()].flatMap(({ series }) => [...series.values()]);
  }

  /** False when something is missing in between: ask for a snapshot. */
  apply(message: ToCurves): boolean {
    switch (message.kind) {
      case 'snapshot':
        this.#number = message.number;
        this.more = message.more;
        this.scanning = message.scanning;
        this.runs = message.runs;
        this.wanted = message.wanted;
        this.shown.clear();
        return message.shown.every((run) => this.#change({ ...run, removed: [] }));
      case 'increment':
        if (this.#number === undefined || message.number !== this.#number + 1) {
          this.#number = undefined;
          return false;
        }
        this.#number = message.number;
        this.more = message.more;
        this.scanning = message.scanning ?? this.scanning;
        this.runs = message.runs ?? this.runs;
        if (message.wanted !== undefined) this.wanted = message.wanted;
        for (const directory of message.gone) this.shown.delete(directory);
        return message.changed.every((change) => this.#change(change));
    }
  }

  #change(change: RunChange): boolean {
    const { directory, name, series, overviews, removed, checkpoints, averages, health } = change;
    let run = this.shown.get(directory);
    if (run === undefined) {
      run = { directory, name, series: new Map(), checkpoints: [], averages: [], health: [] };
      this.shown.set(directory, run);
    }
    run.checkpoints = checkpoints ?? run.checkpoints;
    run.averages = averages ?? run.averages;
    run.health = health ?? run.health;
    for (const key of removed) run.series.delete(key);
    for (const overview of overviews ?? []) seriesIn(run, overview).glance(overview);
    return series.every((part) =>
      seriesIn(run, part).put(part, part.like === undefined ? undefined : run.series.get(part.like)),
    );
  }
}

function seriesIn({ directory, series }: StoredRun, named: NamedSeries): StoredSeries {
  let one = series.get(named.key);
  if (one === undefined) {
    one = new StoredSeries(directory, named);
    series.set(named.key, one);
  }
  return one;
}
