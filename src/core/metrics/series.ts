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
  if (!update.reset && update.points.length === 0) return series;
  const byTag = new Map((update.reset ? [] : series).map((one) => [one.tag, one]));
  for (const points of update.points) {
    const before = byTag.get(points.tag);
    byTag.set(points.tag, before === undefined ? { ...points, source } : joined(before, points));
  }
  return [...byTag.values()];
}

function joined(before: Series, points: SeriesPoints): Series {
  return {
    ...before,
    steps: before.steps.concat(points.steps),
    values: before.values.concat(points.values),
    epochs: before.epochs.concat(points.epochs),
    wallTimes: before.wallTimes.concat(points.wallTimes),
  };
}
