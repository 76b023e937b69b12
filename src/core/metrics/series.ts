import { pointsBefore } from './points.ts';
import type { MetricsUpdate, Series, SeriesPoints } from './types.ts';

/**
 * The series of one log after an update. Nothing is changed in place: series that got points are new objects with
 * new arrays, the others keep their identity, so whoever holds an older list sees it unchanged. In order of first
 * appearance.
 */
export function applyUpdate(
  series: readonly Series[],
  update: MetricsUpdate,
  source: string,
): readonly Series[] {
  const { reset, voidFrom } = update;
  if (!reset && voidFrom === undefined && update.points.length === 0) return series;
  const before = reset ? [] : series;
  const kept = voidFrom === undefined ? before : withoutVoid(before, voidFrom);
  const byTag = new Map(kept.map((one) => [one.tag, one]));
  for (const points of update.points) {
    const known = byTag.get(points.tag);
    byTag.set(points.tag, known === undefined ? { ...points, source } : joined(known, points));
  }
  return [...byTag.values()];
}

/** Without the points at `step` and later, and without series that have no others. */
export function withoutVoid(series: readonly Series[], step: number): readonly Series[] {
  return series
    .map((one) => (one.steps.some((at) => at >= step) ? pointsBefore(one, step) : one))
    .filter((one) => one.steps.length > 0);
}

export function joined(before: Series, points: SeriesPoints): Series {
  return {
    ...before,
    steps: before.steps.concat(points.steps),
    values: before.values.concat(points.values),
    epochs: before.epochs.concat(points.epochs),
    wallTimes: before.wallTimes.concat(points.wallTimes),
  };
}
