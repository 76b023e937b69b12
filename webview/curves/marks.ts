/** Where checkpoints and averages stand in a chart. */
import type { AverageMark, CheckpointMark, Measured } from '../protocol.ts';
import type { Line } from './decimate.ts';
import type { EpochScale } from './epochs.ts';
import { type GroupMember, type NamedSeries, parseTag, type SeriesGroup } from './grouping.ts';
import { valueAt } from './lines.ts';
import type { Axis } from './state.ts';

export interface PlacedCheckpoint {
  readonly kind: 'checkpoint';
  readonly mark: CheckpointMark;
  readonly x: number;
  /** On the curve; undefined: there is none at that place, so at the foot of the chart. */
  readonly y: number | undefined;
}

export interface PlacedAverage {
  readonly kind: 'average';
  readonly mark: AverageMark;
  readonly x: number;
  readonly y: number;
  /** The number it stands at. */
  readonly measured: Measured;
}

export type PlacedMark = PlacedCheckpoint | PlacedAverage;

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
  axis: Axis,
  scale: EpochScale | undefined,
): readonly PlacedCheckpoint[] {
  return checkpoints.flatMap((mark) => {
    const x = placeOf(mark, axis, scale);
    if (x === undefined) return [];
    // What the run's own log says of this checkpoint comes first: it was joined by epoch or step, not by position.
    const joined = mark.metrics[tag];
    const y = joined !== undefined && Number.isFinite(joined) ? joined : valueAt(line, x);
    return [{ kind: 'checkpoint', mark, x, y }];
  });
}

/** Averages stand in the charts of the quantities that their report has a number for. */
export function placeAverages(
  averages: readonly AverageMark[],
  group: SeriesGroup<NamedSeries>,
  axis: Axis,
  scale: EpochScale | undefined,
): readonly PlacedAverage[] {
  return averages.flatMap((mark) => {
    const x = placeOf(mark, axis, scale);
    const measured = mark.measured.find(({ name }) => parseTag(name).quantity === group.key);
    if (x === undefined || measured === undefined || !Number.isFinite(measured.value)) return [];
    return [{ kind: 'average', mark, x, y: measured.value, measured }];
  });
}

function placeOf(
  { step, epoch }: { readonly step?: number; readonly epoch?: number },
  axis: Axis,
  scale: EpochScale | undefined,
): number | undefined {
  // Without a scale the axis is the step's; a log per epoch counts epochs as steps.
  if (axis === 'epoch' && scale !== undefined)
    return epoch ?? (step === undefined ? undefined : scale.epochOf(step));
  return step ?? (epoch === undefined ? undefined : (scale?.stepOf(epoch) ?? epoch));
}
