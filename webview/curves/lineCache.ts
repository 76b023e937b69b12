/** Lines made from series: again only when the series, the axis or the smoothing changed, so a zoom costs neither. */
import { epochScale, type EpochScale } from './epochs.ts';
import { buildLine, type DrawnLine } from './lines.ts';
import { meanSpacing, smooth, weightFor } from './smooth.ts';
import type { Axis } from './state.ts';
import type { StoredSeries } from './store.ts';

export interface CachedLine {
  readonly raw: DrawnLine;
  /** Undefined where nothing is smoothed. */
  readonly smoothed: Float64Array | undefined;
}

interface Entry {
  readonly version: number;
  readonly axis: Axis;
  readonly scale: EpochScale | undefined;
  readonly raw: DrawnLine;
  weight: number;
  smoothed: Float64Array | undefined;
}

/** A weight under this leaves the average where the value is, to the eye. */
const NO_WEIGHT = 1e-3;

export class LineCache {
  readonly #entries = new WeakMap<StoredSeries, Entry>();
  #scale: { readonly of: string; readonly scale: EpochScale | undefined } = { of: '', scale: undefined };

  /** Of all series of a run together. */
  scale(series: readonly StoredSeries[]): EpochScale | undefined {
    const of = series.map(({ key, version }) => `${key} ${version}`).join('\n');
    if (of !== this.#scale.of) this.#scale = { of, scale: epochScale(series) };
    return this.#scale.scale;
  }

  /** Of all series of a run: the densest one sets the stretch that the others are smoothed over. */
  lines(
    series: readonly StoredSeries[],
    axis: Axis,
    scale: EpochScale | undefined,
    smoothing: number,
  ): ReadonlyMap<StoredSeries, CachedLine> {
    const entries = series.map((one) => [one, this.#entry(one, axis, scale)] as const);
    const densest = Math.min(...entries.map(([, { raw }]) => meanSpacing(raw.x)));
    for (const [, entry] of entries) {
      const weight = weightFor(smoothing, entry.raw.x, densest);
      if (weight === entry.weight) continue;
      entry.weight = weight;
      entry.smoothed = weight < NO_WEIGHT ? undefined : smooth(entry.raw.y, weight);
    }
    return new Map(entries);
  }

  #entry(series: StoredSeries, axis: Axis, scale: EpochScale | undefined): Entry {
    const { version } = series;
    const known = this.#entries.get(series);
    if (known?.version === version && known.axis === axis && known.scale === scale) return known;
    const raw = buildLine(series, axis, scale);
    const entry = { version, axis, scale, raw, weight: 0, smoothed: undefined };
    this.#entries.set(series, entry);
    return entry;
  }
}
