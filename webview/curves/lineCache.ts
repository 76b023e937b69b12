/** Lines made from series and kept: what a log gains is added to them, and a zoom costs nothing here. */
import { placingOf, type Placing, type RunAxis } from './axes.ts';
import { epochScale, type EpochScale, SeriesEpochs } from './epochs.ts';
import { type DrawnLine, FollowedLine, type IndexedLine, Pyramids } from './lines.ts';
import type { Pyramid } from './pyramid.ts';
import { meanSpacing, Smoother, weightFor } from './smooth.ts';
import type { StoredSeries } from './store.ts';

export interface CachedLine {
  readonly raw: DrawnLine;
  /** Undefined where nothing is smoothed. */
  readonly smoothed: IndexedLine | undefined;
}

/** A weight under this leaves the average where the value is, to the eye. */
const NO_WEIGHT = 1e-3;

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
    const densest = entries.reduce((least, [, { raw }]) => Math.min(least, meanSpacing(raw)), Infinity);
    for (const [, entry] of entries) entry.smooth(weightFor(smoothing, entry.raw, densest));
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
  smoothed: SmoothedLine | undefined;
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
    if (weight < NO_WEIGHT) {
      this.smoothed = undefined;
      return;
    }
    if (this.smoothed?.weight !== weight) {
      this.smoothed = new SmoothedLine(this.raw, weight);
      this.#changedFrom = 0;
    }
    this.smoothed.changed(this.#changedFrom);
    this.#changedFrom = this.raw.y.length;
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
