import type { SeriesPoints } from './types.ts';

/** A log with more series than this is something else (a table keyed by example, say). */
export const MAX_SERIES = 2000;

interface Points {
  readonly tag: string;
  steps: number[];
  values: number[];
  epochs: number[];
  wallTimes: number[];
}

/** Gathers points by tag, in order of first appearance, until they are taken. */
export class PointCollector {
  readonly #tags = new Set<string>();
  #points = new Map<string, Points>();
  /** Set when {@link MAX_SERIES} was reached and values were left out. */
  overflowed = false;

  /** @param wallTime milliseconds since 1970, or NaN; `epoch` may be NaN, too. */
  add(tag: string, step: number, value: number, epoch: number, wallTime: number): void {
    let points = this.#points.get(tag);
    if (points === undefined) {
      if (!this.#tags.has(tag)) {
        if (this.#tags.size >= MAX_SERIES) {
          this.overflowed = true;
          return;
        }
        this.#tags.add(tag);
      }
      points = { tag, steps: [], values: [], epochs: [], wallTimes: [] };
      this.#points.set(tag, points);
    }
    points.steps.push(step);
    points.values.push(value);
    points.epochs.push(epoch);
    points.wallTimes.push(wallTime);
  }

  /** Forgets the points at `step` and later that were not taken yet. */
  dropFrom(step: number): void {
    for (const [tag, points] of this.#points) {
      const kept = pointsBefore(points, step);
      if (kept.steps.length > 0) this.#points.set(tag, kept);
      else this.#points.delete(tag);
    }
  }

  /** The points since the last call. */
  take(): SeriesPoints[] {
    const points = [...this.#points.values()];
    this.#points = new Map();
    return points;
  }
}

/** A copy without the points at `step` and later. */
export function pointsBefore<T extends SeriesPoints>(points: T, step: number): T & Points {
  const keeps = points.steps.map((one) => one < step);
  const kept = (values: readonly number[]): number[] => values.filter((_, i) => keeps[i]!);
  return {
    ...points,
    steps: kept(points.steps),
    values: kept(points.values),
    epochs: kept(points.epochs),
    wallTimes: kept(points.wallTimes),
  };
}
