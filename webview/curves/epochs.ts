import { lowerBound } from './search.ts';

/** Steps and epochs of one series; an epoch is NaN where the log does not say. */
export interface StepsAndEpochs {
  readonly steps: Float64Array;
  readonly epochs: Float64Array;
}

/** Which epoch a step belongs to, as a fraction: an epoch's value stands at its last step. */
export interface EpochScale {
  epochOf(step: number): number;
  stepOf(epoch: number): number;
}

/**
 * Logs name the epoch that a step is part of, so a whole epoch of steps shares one number. The last step of each
 * epoch anchors it and steps between are interpolated: a loss per step then runs up to the value that was logged at
 * the end of its epoch. The last epoch may not be over: it is taken to be as long as the one before it unless it is
 * already longer. Undefined when no series names two epochs.
 */
export function epochScale(series: readonly StepsAndEpochs[]): EpochScale | undefined {
  const lastStep = new Map<number, number>();
  for (const { steps, epochs } of series) {
    for (let index = 0; index < steps.length; index++) {
      const epoch = epochs[index]!;
      // Of a stretch with one epoch only the end counts; within it the map need not be asked.
      if (epoch === epochs[index + 1] && steps[index + 1]! >= steps[index]!) continue;
      const step = steps[index]!;
      if (!Number.isFinite(epoch) || !Number.isFinite(step)) continue;
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
