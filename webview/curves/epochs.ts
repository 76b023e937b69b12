import { lowerBound } from './search.ts';

/** Steps and epochs of one series; an epoch is NaN, or there are none, where the log does not say. */
export interface StepsAndEpochs {
  readonly steps: Float64Array;
  readonly epochs: Float64Array | undefined;
}

/** Which epoch a step belongs to, as a fraction: an epoch's value stands at its last step. */
export interface EpochScale {
  readonly epochOf: (step: number) => number;
  readonly stepOf: (epoch: number) => number;
}

interface Anchor {
  readonly epoch: number;
  readonly step: number;
}

/** Epochs that are counted in fractions (Hugging Face) need not all be anchors. */
const ANCHORS_PER_EPOCH = 64;

/** What one series says about epochs, followed while it grows: every point is looked at once. */
export class SeriesEpochs {
  /** The last step of each epoch, by (a fraction of) the epoch. */
  readonly anchors = new Map<number, Anchor>();
  /** Every point has an epoch, and none has that of the point before. */
  own = true;
  /** Changes with the anchors. */
  version = 0;
  #seen = 0;

  /** @param rewritten what was seen before may be different now. */
  follow({ steps, epochs }: StepsAndEpochs, rewritten = false): void {
    if (rewritten) {
      this.anchors.clear();
      this.own = true;
      this.#seen = 0;
      this.version += 1;
    }
    if (epochs === undefined) {
      this.own = false;
      return;
    }
    for (let index = this.#seen; index < steps.length; index++) {
      const epoch = epochs[index]!;
      if (!(epoch > (epochs[index - 1] ?? -Infinity))) this.own = false;
      // Of a stretch with one epoch only the end counts.
      if (epoch === epochs[index + 1] && steps[index + 1]! >= steps[index]!) continue;
      const step = steps[index]!;
      if (!Number.isFinite(epoch) || !Number.isFinite(step)) continue;
      const bucket = Math.ceil(epoch * ANCHORS_PER_EPOCH);
      const known = this.anchors.get(bucket);
      if (known !== undefined && (known.epoch > epoch || (known.epoch === epoch && known.step >= step)))
        continue;
      this.anchors.set(bucket, { epoch, step });
      this.version += 1;
    }
    this.#seen = steps.length;
  }
}

/**
 * Logs name the epoch that a step is part of, so a whole epoch of steps shares one number. The last step of each
 * epoch anchors it and steps between are interpolated: a loss per step then runs up to the value that was logged at
 * the end of its epoch. The last epoch may not be over: it is taken to be as long as the one before it unless it is
 * already longer. Undefined when no series names two epochs.
 */
export function epochScale(series: readonly SeriesEpochs[]): EpochScale | undefined {
  const lastStep = new Map<number, number>();
  for (const { anchors } of series) {
    for (const { epoch, step } of anchors.values()) {
      lastStep.set(epoch, Math.max(step, lastStep.get(epoch) ?? -Infinity));
    }
  }
  const anchors: { epoch: number; step: number }[] = [];
  for (const [epoch, step] of [...lastStep].sort(([a], [b]) => a - b)) {
    // Only what ascends in both can be a scale; a resumed run may have left other pairs behind.
    if (anchors.length === 0 || step > anchors.at(-1)!.step) anchors.push({ epoch, step });
  }
  if (anchors.length < 2) return undefined;
  if (anchors.length > 2) {
    const [before, last, end] = [anchors.at(-3)!, anchors.at(-2)!, anchors.at(-1)!];
    const length = (last.step - before.step) / (last.epoch - before.epoch);
    end.step = Math.max(end.step, last.step + length * (end.epoch - last.epoch));
  }
  const epochs = Float64Array.from(anchors, ({ epoch }) => epoch);
  const steps = Float64Array.from(anchors, ({ step }) => step);
  return {
    epochOf: (step) => interpolate(steps, epochs, step),
    stepOf: (epoch) => interpolate(epochs, steps, epoch),
  };
}

/** Linear between the entries, and beyond them with the slope of the first and last stretch. */
function interpolate(from: Float64Array, to: Float64Array, at: number): number {
  const above = Math.min(Math.max(1, lowerBound(from, at)), from.length - 1);
  const x0 = from[above - 1]!;
  const y0 = to[above - 1]!;
  const share = (at - x0) / (from[above]! - x0);
  // Exact at the anchors themselves.
  return share === 1 ? to[above]! : y0 + share * (to[above]! - y0);
}
