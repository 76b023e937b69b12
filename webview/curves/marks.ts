/** Where checkpoints and averages stand in a chart. */
import type { AverageMark, CheckpointMark, Measured } from '../protocol.ts';
import type { RunAxis } from './axes.ts';
import type { Line } from './decimate.ts';
import { type GroupMember, type NamedSeries, parseTag, type SeriesGroup } from './grouping.ts';
import { valueAt } from './lines.ts';

interface Placed {
  /** Directory of its run. */
  readonly run: string;
  /** The run's, where several are shown; else the theme's. */
  readonly color: string | undefined;
  readonly x: number;
}

export interface PlacedCheckpoint extends Placed {
  readonly kind: 'checkpoint';
  readonly mark: CheckpointMark;
  /** On the curve; undefined: there is none at that place, so at the foot of the chart. */
  readonly y: number | undefined;
}

export interface PlacedAverage extends Placed {
  readonly kind: 'average';
  readonly mark: AverageMark;
  readonly y: number;
  /** The number it stands at. */
  readonly measured: Measured;
}

export type PlacedMark = PlacedCheckpoint | PlacedAverage;

/** The run whose marks are placed. */
export interface MarkedRun {
  readonly directory: string;
  readonly color: string | undefined;
  readonly axis: RunAxis;
  /** When a step was logged; undefined where the log does not say. */
  readonly timeOf: (step: number) => number | undefined;
}

/** The series that carries the marks: validation where there is one, else test, else training. */
export function carrier<S extends NamedSeries>(
  members: readonly GroupMember<S>[],
): GroupMember<S> | undefined {
  return (
    members.find(({ role }) => role === 'validation') ??
    members.find(({ role }) => role === 'test') ??
    members[0]
  );
}

export function placeCheckpoints(
  checkpoints: readonly CheckpointMark[],
  tag: string,
  line: Line,
  run: MarkedRun,
): readonly PlacedCheckpoint[] {
  const { directory, color } = run;
  return checkpoints.flatMap((mark) => {
    const x = placeOf(mark, run);
    if (x === undefined) return [];
    // What the run's own log says of this checkpoint comes first: it was joined by epoch or step, not by position.
    const joined = mark.metrics[tag];
    const y = joined !== undefined && Number.isFinite(joined) ? joined : valueAt(line, x);
    return [{ kind: 'checkpoint', run: directory, color, mark, x, y }];
  });
}

/** Averages stand in the charts of the quantities that their report has a number for. */
export function placeAverages(
  averages: readonly AverageMark[],
  group: SeriesGroup<NamedSeries>,
  run: MarkedRun,
): readonly PlacedAverage[] {
  const { directory, color } = run;
  return averages.flatMap((mark) => {
    const x = placeOf(mark, run);
    const measured = mark.measured.find(({ name }) => parseTag(name).quantity === group.key);
    if (x === undefined || measured === undefined || !Number.isFinite(measured.value)) return [];
    return [{ kind: 'average', run: directory, color, mark, x, y: measured.value, measured }];
  });
}

function placeOf(
  { step, epoch }: { readonly step?: number; readonly epoch?: number },
  { axis: { axis, scale, start }, timeOf }: MarkedRun,
): number | undefined {
  // A log per epoch counts epochs as steps.
  const atStep = step ?? (epoch === undefined ? undefined : (scale?.stepOf(epoch) ?? epoch));
  switch (axis) {
    case 'epoch':
      return epoch ?? (step === undefined ? undefined : scale?.epochOf(step));
    case 'step':
      return atStep;
    case 'wall':
    case 'relative': {
      const time = atStep === undefined ? undefined : timeOf(atStep);
      if (time === undefined || axis === 'wall') return time;
      return (time - (start ?? time)) / 1000;
    }
  }
}
