/** Lines made from series and kept: what a log gains is added to them, and a zoom costs nothing here. */
import { placingOf, type Placing, type RunAxis } from './axes.ts';
import { epochScale, type EpochScale, SeriesEpochs } from './epochs.ts';
import { type DrawnLine, FollowedLine, type IndexedLine, Pyramids } from './lines.ts';
import type { SeriesOverview } from '../protocol.ts';
import type { Pyramid } from './pyramid.ts';
import { meanSpacing, Smoother, weightFor } from './smooth.ts';
import type { StoredSeries } from './store.ts';

export interface CachedLine {
  readonly raw: DrawnLine;
  /** Undefined where nothing is smoothed. */
  readonly smoothed: IndexedLine | undefined;
}

export class LineCache {
  readonly #entries = new WeakMap<StoredSeries, Entry>();
  readonly #epochs = new WeakMap<StoredSeries, FollowedEpochs>();
  readonly #scales = new Map<string, { readonly of: string; readonly scale: EpochScale | undefined }>();

  /** Of all series of a run together; the same object as long as it says the same. */
  scale(run: string, series: readonly StoredSeries[]): EpochScale | undefined {
    const epochs = series.map((one) => this.#epochsOf(one));
    const of = epochs.map(({ version }, index) => `${series[index]!.key} ${version}`).join('\n');
    let known = this.#scales.get(run);
    if (known?.of !== of) {
      known = { of, scale: epochScale(epochs) };
      this.#scales.set(run, known);
    }
    return known.scale;
  }

  /** Of all series of a run: the densest one sets the stretch that the others are smoothed over. */
  lines(
    series: readonly StoredSeries[],
    axis: RunAxis,
    smoothing: number,
  ): ReadonlyMap<StoredSeries, CachedLine> {
    const entries = series.map((one) => {
      const placing = placingOf(this.#epochsOf(one).own, axis);
      let entry = this.#entries.get(one);
      if (entry?.placing.column !== placing.column) {
        entry = new Entry(placing);
        this.#entries.set(one, entry);
      }
      entry.follow(one, placing);
      return [one, entry] as const;
    });
    const spacings = entries.map(([{ overview }, { raw }]) => meanSpacing(raw, overview?.total));
    const densest = Math.min(...spacings);
    for (const [index, [{ overview }, entry]] of entries.entries()) {
      if (overview === undefined) entry.smooth(weightFor(smoothing, spacings[index]!, densest));
      else entry.smoothAs(overview, smoothing);
    }
    return new Map(entries);
  }

  #epochsOf(series: StoredSeries): FollowedEpochs {
    let epochs = this.#epochs.get(series);
    if (epochs === undefined) {
      epochs = new FollowedEpochs();
      this.#epochs.set(series, epochs);
    }
    epochs.catchUp(series);
    return epochs;
  }
}

/** Looks at a series only when it has changed. */
class FollowedEpochs extends SeriesEpochs {
  #version = 0;
  #rewrites = 0;

  catchUp(series: StoredSeries): void {
    if (series.version === this.#version) return;
    this.follow(series, series.rewrites !== this.#rewrites);
    this.#version = series.version;
    this.#rewrites = series.rewrites;
  }
}

class Entry implements CachedLine {
  placing: Placing;
  raw: FollowedLine;
  smoothed: SmoothedLine | GlancedAverage | undefined;
  #version: number | undefined;
  /** Of the raw line, since it was smoothed last. */
  #changedFrom = 0;

  constructor(placing: Placing) {
    this.placing = placing;
    this.raw = new FollowedLine(placing);
  }

  follow(series: StoredSeries, placing: Placing): void {
    this.placing = placing;
    this.raw.map = placing.map;
    if (series.version === this.#version) return;
    this.#version = series.version;
    this.#changedFrom = Math.min(this.#changedFrom, this.raw.follow(series));
  }

  smooth(weight: number): void {
    if (weight === 0) {
      this.smoothed = undefined;
      return;
    }
    let { smoothed } = this;
    if (!(smoothed instanceof SmoothedLine) || smoothed.weight !== weight) {
      this.smoothed = smoothed = new SmoothedLine(this.raw, weight);
      this.#changedFrom = 0;
    }
    smoothed.changed(this.#changedFrom);
    this.#changedFrom = this.raw.y.length;
  }

  /** As the host did, who has all points; if that is not what is wanted (any more), not before they are all here. */
  smoothAs({ averages, smoothing: made }: SeriesOverview, smoothing: number): void {
    const { raw, smoothed } = this;
    if (averages === undefined || made !== smoothing || averages.length !== raw.x.length) {
      this.smoothed = undefined;
    } else if (!(smoothed instanceof GlancedAverage) || smoothed.y !== averages) {
      this.smoothed = new GlancedAverage(raw, averages);
    }
  }
}

/** The average of an overview: it does not grow. */
class GlancedAverage implements IndexedLine {
  readonly y: Float64Array;
  readonly #raw: FollowedLine;
  readonly #pyramids = new Pyramids();

  constructor(raw: FollowedLine, y: Float64Array) {
    this.#raw = raw;
    this.y = y;
    this.#pyramids.follow(y, 0);
  }

  get x(): Float64Array {
    return this.#raw.x;
  }
  get map() {
    return this.#raw.map;
  }

  pyramid(positive: boolean): Pyramid {
    return this.#pyramids.get(positive);
  }
}

/** Made when it is first looked at: charts that are out of view may never be. */
class SmoothedLine implements IndexedLine {
  readonly weight: number;
  readonly #smoother: Smoother;
  readonly #raw: FollowedLine;
  readonly #pyramids = new Pyramids();
  /** Of the raw line, since it was looked at last. */
  #changedFrom = 0;

  constructor(raw: FollowedLine, weight: number) {
    this.#raw = raw;
    this.weight = weight;
    this.#smoother = new Smoother(weight);
  }

  get x(): Float64Array {
    return this.#raw.x;
  }
  get y(): Float64Array {
    this.#catchUp();
    return this.#smoother.y;
  }
  get map() {
    return this.#raw.map;
  }

  pyramid(positive: boolean): Pyramid {
    this.#catchUp();
    return this.#pyramids.get(positive);
  }

  /** The raw line is another one from there on. */
  changed(from: number): void {
    this.#changedFrom = Math.min(this.#changedFrom, from);
  }

  #catchUp(): void {
    const { y } = this.#raw;
    if (this.#changedFrom >= y.length && this.#smoother.y.length === y.length) return;
    const from = this.#smoother.follow(y, this.#changedFrom);
    this.#pyramids.follow(this.#smoother.y, from);
    this.#changedFrom = y.length;
  }
}
