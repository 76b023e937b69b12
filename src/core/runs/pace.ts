/** How fast a training goes and how long it will take, from what it leaves behind. Times in milliseconds. */
import type { Series } from '../metrics/types.ts';
import { median } from './health.ts';
import type { Run } from './types.ts';

/** The training was this far at this time. */
export interface Mark {
  /** Since 1970. */
  readonly at: number;
  readonly step?: number;
  /** Completed ones; may be a fraction. */
  readonly epoch?: number;
}

export interface Pace {
  /** When the newest mark was made. */
  readonly at: number;
  /** The usual time between two marks: their median. */
  readonly intervalMs: number;
  /** The longest that was no pause: an evaluation, a checkpoint that is written. */
  readonly longestMs: number;
  readonly step?: number;
  readonly stepsPerSecond?: number;
  readonly epoch?: number;
  readonly epochsPerSecond?: number;
  /** From `at` to the end; where the whole length is known. */
  readonly remainingMs?: number;
  /** 0..1; where the whole length is known. */
  readonly fraction?: number;
}

/** Of a long run only its newest marks say how fast it is now. */
const NEWEST = 64;
const FEWEST = 3;
/** A gap is a pause (the training was stopped, and resumed the next day) when it is longer than both. */
const PAUSE_MS = 3_600_000;
const PAUSE_INTERVALS = 20;
/** Checkpoints that are closer to each other were copied, and say nothing of when they were made. */
const COPIED_MS = 20;

/** Undefined with fewer than three marks. @param marks in order of time. */
export function paceOf(marks: readonly Mark[], plan: Run['training']['plan'] = {}): Pace | undefined {
  const newest = marks.slice(-NEWEST);
  const last = newest.at(-1);
  if (last === undefined || newest.length < FEWEST) return undefined;
  const gaps = newest.slice(1).map((mark, i) => mark.at - newest[i]!.at);
  const intervalMs = median(gaps);
  const isPause = (gap: number): boolean => gap > Math.max(PAUSE_MS, PAUSE_INTERVALS * intervalMs);
  const working = gaps.filter((gap) => !isPause(gap));
  const rate = (of: 'step' | 'epoch'): number | undefined => {
    let made = 0;
    let took = 0;
    for (const [i, gap] of gaps.entries()) {
      const from = newest[i]![of];
      const to = newest[i + 1]![of];
      // A resumed training goes back: what it did before is not undone speed.
      if (from === undefined || to === undefined || to < from || isPause(gap)) continue;
      made += to - from;
      took += gap;
    }
    return made > 0 && took > 0 ? (made / took) * 1000 : undefined;
  };
  const stepsPerSecond = rate('step');
  const epochsPerSecond = rate('epoch');
  return {
    at: last.at,
    intervalMs,
    longestMs: Math.max(...working),
    ...(last.step === undefined ? {} : { step: last.step }),
    ...(stepsPerSecond === undefined ? {} : { stepsPerSecond }),
    ...(last.epoch === undefined ? {} : { epoch: last.epoch }),
    ...(epochsPerSecond === undefined ? {} : { epochsPerSecond }),
    ...(whole(last.step, stepsPerSecond, plan.steps) ?? whole(last.epoch, epochsPerSecond, plan.epochs)),
  };
}

function whole(
  done: number | undefined,
  perSecond: number | undefined,
  total: number | undefined,
): Pick<Pace, 'fraction' | 'remainingMs'> | undefined {
  if (done === undefined || total === undefined || total <= 0) return undefined;
  const left = Math.max(0, total - done);
  return {
    fraction: Math.min(1, done / total),
    ...(perSecond === undefined ? {} : { remainingMs: (left / perSecond) * 1000 }),
  };
}

/** From the log that says when its points were made, else from the times of the checkpoints. */
export function marksOf(run: Run): readonly Mark[] {
  const timed = run.series
    .filter(({ wallTimes }) => Number.isFinite(wallTimes.at(-1)))
    .reduce<Series | undefined>(
      (best, one) => (best === undefined || one.wallTimes.length > best.wallTimes.length ? one : best),
      undefined,
    );
  if (timed !== undefined) {
    const from = Math.max(0, timed.values.length - NEWEST);
    return timed.wallTimes
      .slice(from)
      .map((at, i) => ({ at, ...placeIn(timed, from + i) }))
      .filter(({ at }) => Number.isFinite(at))
      .sort((a, b) => a.at - b.at);
  }
  const marks = run.checkpoints
    .filter(({ state, step, epoch }) => state === 'complete' && (step ?? epoch) !== undefined)
    .map(({ mtimeMs, step, epoch }) => ({
      at: mtimeMs,
      ...(step === undefined ? {} : { step }),
      ...(epoch === undefined ? {} : { epoch }),
    }))
    .sort((a, b) => a.at - b.at);
  const gaps = marks.slice(1).map(({ at }, i) => at - marks[i]!.at);
  return gaps.length > 0 && median(gaps) < COPIED_MS ? [] : marks;
}

/** The furthest that any log or checkpoint of the run has come: the last step need not have been logged. */
export function progressOf(run: Run): Pick<Mark, 'step' | 'epoch'> {
  let step: number | undefined;
  let epoch: number | undefined;
  for (const series of run.series) {
    if (series.values.length === 0) continue;
    const place = placeIn(series, series.values.length - 1);
    if (place.step !== undefined) step = Math.max(step ?? -Infinity, place.step);
    if (place.epoch !== undefined) epoch = Math.max(epoch ?? -Infinity, place.epoch);
  }
  for (const checkpoint of run.checkpoints) {
    if (checkpoint.step !== undefined) step = Math.max(step ?? -Infinity, checkpoint.step);
    if (checkpoint.epoch !== undefined) epoch = Math.max(epoch ?? -Infinity, checkpoint.epoch);
  }
  return { ...(step === undefined ? {} : { step }), ...(epoch === undefined ? {} : { epoch }) };
}

/** A log whose x is the epoch knows no steps; one that counts epochs from 0 has one more behind it than it says. */
function placeIn({ steps, epochs }: Series, index: number): Pick<Mark, 'step' | 'epoch'> {
  const step = steps[index]!;
  const epoch = epochs[index]!;
  return {
    ...(step === epoch && steps[0] === epochs[0] ? {} : { step }),
    ...(Number.isNaN(epoch) ? {} : { epoch: epochs[0] === 0 && Number.isInteger(epoch) ? epoch + 1 : epoch }),
  };
}

/**
 * When points were seen to arrive: what there is to go by where a log does not say when its points were made. Knows
 * nothing of the time before it began.
 */
export class Arrivals {
  readonly #marks = new Map<string, Mark[]>();

  /** The newest marks of a run, this look included. */
  observe(run: Run, now: number): readonly Mark[] {
    const marks = this.#marks.get(run.directory) ?? [];
    this.#marks.set(run.directory, marks);
    const place = progressOf(run);
    const last = marks.at(-1);
    if (last === undefined || last.step !== place.step || last.epoch !== place.epoch) {
      if ((place.step ?? place.epoch) !== undefined) marks.push({ at: now, ...place });
      if (marks.length > NEWEST) marks.shift();
    }
    return marks;
  }

  /** Forgets runs that are gone. */
  keep(directories: ReadonlySet<string>): void {
    for (const directory of this.#marks.keys()) {
      if (!directories.has(directory)) this.#marks.delete(directory);
    }
  }
}
