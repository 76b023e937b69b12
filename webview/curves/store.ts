import type { AverageMark, CheckpointMark, RunChoice, SeriesPart, ToCurves } from '../protocol.ts';
import type { NamedSeries } from './grouping.ts';

/** One series as logged, in columns that grow by doubling. */
export class StoredSeries implements NamedSeries {
  readonly key: string;
  readonly tag: string;
  readonly source: string;
  /** Changes with the points. */
  version = 0;
  #length = 0;
  #steps = new Float64Array(0);
  #epochs = new Float64Array(0);
  #values = new Float64Array(0);

  constructor({ key, tag, source }: NamedSeries) {
    this.key = key;
    this.tag = tag;
    this.source = source;
  }

  get length(): number {
    return this.#length;
  }
  /** Views, valid until the next {@link put}. */
  get steps(): Float64Array {
    return this.#steps.subarray(0, this.#length);
  }
  get epochs(): Float64Array {
    return this.#epochs.subarray(0, this.#length);
  }
  get values(): Float64Array {
    return this.#values.subarray(0, this.#length);
  }

  /** Replaces everything from `part.from` on; false when points in between are missing. */
  put(part: SeriesPart): boolean {
    if (part.from > this.#length) return false;
    const length = part.from + part.values.length;
    if (length > this.#values.length) {
      const capacity = Math.max(length, 2 * this.#values.length);
      this.#steps = grown(this.#steps, capacity);
      this.#epochs = grown(this.#epochs, capacity);
      this.#values = grown(this.#values, capacity);
    }
    this.#steps.set(part.steps, part.from);
    this.#epochs.set(part.epochs, part.from);
    this.#values.set(part.values, part.from);
    this.#length = length;
    this.version += 1;
    return true;
  }
}

function grown(from: Float64Array<ArrayBuffer>, capacity: number): Float64Array<ArrayBuffer> {
  const to = new Float64Array(capacity);
  to.set(from);
  return to;
}

export interface StoredRun extends RunChoice {
  readonly series: Map<string, StoredSeries>;
  checkpoints: readonly CheckpointMark[];
  averages: readonly AverageMark[];
}

/** The page's copy of what the host knows. */
export class CurvesStore {
  scanning = true;
  runs: readonly RunChoice[] = [];
  wanted: string | null = null;
  run: StoredRun | undefined;
  #number: number | undefined;

  /** False when something is missing in between: ask for a snapshot. */
  apply(message: ToCurves): boolean {
    switch (message.kind) {
      case 'snapshot': {
        this.#number = message.number;
        this.scanning = message.scanning;
        this.runs = message.runs;
        this.wanted = message.wanted;
        const { run } = message;
        this.run = run && { ...run, series: new Map() };
        return run === undefined || run.series.every((part) => this.#put(part));
      }
      case 'increment': {
        if (this.#number === undefined || message.number !== this.#number + 1) {
          this.#number = undefined;
          return false;
        }
        this.#number = message.number;
        this.scanning = message.scanning ?? this.scanning;
        this.runs = message.runs ?? this.runs;
        if (this.run === undefined) return true;
        for (const key of message.removed) this.run.series.delete(key);
        this.run.checkpoints = message.checkpoints ?? this.run.checkpoints;
        this.run.averages = message.averages ?? this.run.averages;
        return message.series.every((part) => this.#put(part));
      }
    }
  }

  #put(part: SeriesPart): boolean {
    const known = this.run?.series.get(part.key);
    if (known !== undefined) return known.put(part);
    const series = new StoredSeries(part);
    this.run?.series.set(part.key, series);
    return series.put(part);
  }
}
