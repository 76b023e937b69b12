import type {
  AverageMark,
  CheckpointMark,
  HealthMark,
  KnownRun,
  RunChange,
  RunChoice,
  SeriesPart,
  ToCurves,
} from '../protocol.ts';
import { Column, LazyColumn } from './column.ts';
import type { NamedSeries } from './grouping.ts';

/** One series as logged, in columns that grow in place: what was added costs what it adds. */
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

  constructor(run: string, { key, tag, source }: NamedSeries) {
    this.run = run;
    this.key = `${run}\n${key}`;
    this.tag = tag;
    this.source = source;
  }

  get length(): number {
    return this.#values.length;
  }
  /** Views, valid until the next {@link put}. */
  get steps(): Float64Array {
    return this.#steps.view;
  }
  get values(): Float64Array {
    return this.#values.view;
  }
  /** NaN where the log does not say; undefined where it never does. */
  get epochs(): Float64Array | undefined {
    return this.#epochs?.view;
  }
  /** Milliseconds since 1970, as above. */
  get wallTimes(): Float64Array | undefined {
    return this.#wallTimes?.view;
  }
  /** Whether there are times, without looking at them. */
  get timed(): boolean {
    return this.#wallTimes !== undefined;
  }
  /** Of all columns together, with the room they keep for growing. */
  get bytes(): number {
    return [this.#steps, this.#values, this.#epochs, this.#wallTimes].reduce(
      (sum, column) => sum + (column?.bytes ?? 0),
      0,
    );
  }

  /** Replaces everything from `part.from` on; false when points in between are missing. */
  put(part: SeriesPart): boolean {
    const { from, total } = part;
    if (from > this.length) return false;
    if (from < this.length) this.rewrites += 1;
    this.#epochs = extended(this.#epochs, part.epochs, part);
    this.#wallTimes = extended(this.#wallTimes, part.wallTimes, part);
    this.#steps.put(from, part.steps, total);
    this.#values.put(from, part.values, total);
    this.version += 1;
    return true;
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

  #change({ directory, name, series, removed, checkpoints, averages, health }: RunChange): boolean {
    let run = this.shown.get(directory);
    if (run === undefined) {
      run = { directory, name, series: new Map(), checkpoints: [], averages: [], health: [] };
      this.shown.set(directory, run);
    }
    run.checkpoints = checkpoints ?? run.checkpoints;
    run.averages = averages ?? run.averages;
    run.health = health ?? run.health;
    for (const key of removed) run.series.delete(key);
    for (const part of series) {
      let one = run.series.get(part.key);
      if (one === undefined) {
        one = new StoredSeries(directory, part);
        run.series.set(part.key, one);
      }
      if (!one.put(part)) return false;
    }
    return true;
  }
}
