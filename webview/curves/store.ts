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
  readonly #steps = new Column();
  readonly #values = new Column();
  /** From the first point on as soon as the log names one; until then there is nothing to keep. */
  #epochs: LazyColumn | undefined;
  #wallTimes: LazyColumn | undefined;
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
  get steps(): Float64Array {
    return this.#shown.steps;
  }
  get values(): Float64Array {
    return this.#shown.values;
  }
  /** NaN where the log does not say; undefined where it never does. */
  get epochs(): Float64Array | undefined {
    return this.#overview === undefined ? this.#epochs?.view : this.#overview.epochs;
  }
  /** Milliseconds since 1970, as above. */
  get wallTimes(): Float64Array | undefined {
    return this.#overview === undefined ? this.#wallTimes?.view : this.#overview.wallTimes;
  }
  /** Whether there are times, without looking at them. */
  get timed(): boolean {
    return (this.#overview ?? { wallTimes: this.#wallTimes }).wallTimes !== undefined;
  }
  /** Of all columns together, with the room they keep for growing. */
  get bytes(): number {
    return [this.#steps, this.#values, this.#epochs, this.#wallTimes].reduce(
      (sum, column) => sum + (column?.bytes ?? 0),
      0,
    );
  }

  /** Before the first point. */
  glance(overview: SeriesOverview): void {
    this.#overview = overview;
    this.version += 1;
  }

  /** Replaces everything from `part.from` on; false when points in between are missing. */
  put(part: SeriesPart): boolean {
    const { from, total } = part;
    const { length } = this.#values;
    if (from > length) return false;
    if (from < length) this.rewrites += 1;
    this.#epochs = extended(this.#epochs, part.epochs, part);
    this.#wallTimes = extended(this.#wallTimes, part.wallTimes, part);
    this.#steps.put(from, part.steps, total);
    this.#values.put(from, part.values, total);
    if (this.#overview !== undefined) {
      if (this.#values.length < total) return true;
      this.#overview = undefined;
      this.rewrites += 1;
    }
    this.version += 1;
    return true;
  }

  get #shown(): { readonly steps: Float64Array; readonly values: Float64Array } {
    return this.#overview ?? { steps: this.#steps.view, values: this.#values.view };
  }
}

/** A column that may not be there yet, or may have nothing to add. */
function extended(
  column: LazyColumn | undefined,
  points: Float64Array | undefined,
  { from, total, values }: SeriesPart,
): LazyColumn | undefined {
  if (points === undefined && column === undefined) return undefined;
  const known = column ?? new LazyColumn();
  if (known.length < from) known.put(known.length, new Float64Array(from - known.length).fill(NaN), total);
  known.put(from, points ?? new Float64Array(values.length).fill(NaN), total);
  return known;
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
    return series.every((part) => seriesIn(run, part).put(part));
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
