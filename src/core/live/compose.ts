/** A line of the log, from what was measured and where the checkpoints stand. */
import { epochShift, stepAt } from '../runs/join.ts';
import type { CheckpointEntry, Run } from '../runs/types.ts';
import type { LiveLine, LiveResult } from './line.ts';
import { nameInRun } from './log.ts';

export interface Measured {
  /** Those that were averaged, oldest first. */
  readonly averaged: readonly Pick<CheckpointEntry, 'path' | 'step' | 'epoch'>[];
  readonly result: LiveResult;
  /** Absolute path of the twa.json. */
  readonly task: string;
  readonly seed: number;
  /** Milliseconds since 1970. */
  readonly now: number;
}

export function lineOf(
  run: Pick<Run, 'directory' | 'checkpoints' | 'series'>,
  { averaged, result, task, seed, now }: Measured,
): LiveLine {
  const newest = averaged.at(-1);
  const step = newest?.step ?? (newest?.epoch === undefined ? undefined : loggedStep(run, newest.epoch));
  const range = (of: 'step' | 'epoch'): readonly [number, number] | undefined => {
    const [from, to] = [averaged[0]?.[of], newest?.[of]];
    return from === undefined || to === undefined ? undefined : [from, to];
  };
  const [epochs, steps] = [range('epoch'), range('step')];
  return {
    version: 1,
    time: new Date(now).toISOString(),
    ...(step === undefined ? {} : { step }),
    ...(newest?.epoch === undefined ? {} : { epoch: newest.epoch }),
    checkpoints: averaged.map(({ path }) => nameInRun(run.directory, path)),
    ...(epochs === undefined ? {} : { epochs }),
    ...(steps === undefined ? {} : { steps }),
    task,
    seed,
    ...result,
  };
}

/** Where the run's own log is at the end of an epoch: a checkpoint may know its epoch only. */
function loggedStep(
  { checkpoints, series }: Pick<Run, 'checkpoints' | 'series'>,
  epoch: number,
): number | undefined {
  const shift = epochShift(checkpoints, series);
  const steps = series.flatMap((one) => stepAt(one, epoch, shift) ?? []);
  return steps.length === 0 ? undefined : Math.max(...steps);
}
