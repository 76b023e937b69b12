/** Curves from what checkpoints say of themselves (`torch.save({'epoch', 'loss', ...})`), for a run without a log. */
import type { Series } from '../metrics/types.ts';

interface Placed {
  readonly path: string;
  readonly step?: number;
  readonly epoch?: number;
}

/** Of one checkpoint no curve can be drawn. */
const FEWEST = 2;

/**
 * @param checkpoints in training order; of two at one place (`last.pt` beside `epoch-9.pt`) the first counts.
 * @param metricsOf of a checkpoint, by its path.
 * @param source stands for the log that there is not.
 */
export function ownSeries(
  checkpoints: readonly Placed[],
  metricsOf: ReadonlyMap<string, Readonly<Record<string, number>>>,
  source: string,
): readonly Series[] {
  const byTag = new Map<string, { step: number; value: number; epoch: number }[]>();
  for (const { path, step, epoch } of checkpoints) {
    // As in a log per epoch, epochs are the steps where there are no others.
    const at = step ?? epoch;
    if (at === undefined) continue;
    for (const [tag, value] of Object.entries(metricsOf.get(path) ?? {})) {
      const points = byTag.get(tag) ?? [];
      byTag.set(tag, points);
      if (points.at(-1)?.step !== at) points.push({ step: at, value, epoch: epoch ?? NaN });
    }
  }
  return [...byTag]
    .filter(([, points]) => points.length >= FEWEST)
    .map(([tag, points]) => ({
      tag,
      source,
      steps: points.map(({ step }) => step),
      values: points.map(({ value }) => value),
      epochs: points.map(({ epoch }) => epoch),
      wallTimes: points.map(() => NaN),
    }));
}
