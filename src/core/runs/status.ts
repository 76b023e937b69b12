/** Whether a run is training now, and how it does. Pure: the time and what was seen arriving are given. */
import type { Finding } from './health.ts';
import { healthOf } from './health.ts';
import type { Mark, Pace } from './pace.ts';
import { marksOf, paceOf, progressOf } from './pace.ts';
import type { Run } from './types.ts';

/**
 * - `training`: something was written lately, by the run's own measure.
 * - `stalled`: nothing for much longer than usual. It may go on, or have been killed.
 * - `failed`: its tracker says so, its last loss is not finite, or it ended in the middle of a checkpoint.
 * - `finished`: everything else that is at rest.
 */
export type RunState = 'training' | 'stalled' | 'failed' | 'finished';

export type FailureReason = 'tracker' | 'not-finite' | 'incomplete-checkpoint';

export interface RunStatus {
  readonly state: RunState;
  /** Of `failed` only. */
  readonly reason?: FailureReason;
  /** When training wrote last, milliseconds since 1970. */
  readonly activeMs: number;
  readonly pace: Pace | undefined;
  readonly findings: readonly Finding[];
}

/** "Stalled": no new point for so many times the usual interval... */
export const STALLED_INTERVALS = 10;
/** ... and for twice the longest wait so far, and a minute: an evaluation between two points is no stall. */
const STALLED_WAITS = 2;
const SHORTEST_SILENCE_MS = 60_000;
/** A silence so many times as long is no stall any more: whatever it was has ended. */
const ENDED_SILENCES = 20;
/** Where nobody knows how often the run writes. */
const UNKNOWN_SILENCE_MS = 600_000;

/** @param arrivals points that were seen to arrive, for logs that do not say when theirs were made. */
export function statusOf(
  run: Run,
  now: number,
  arrivals: readonly Mark[] = [],
  stalledIntervals = STALLED_INTERVALS,
): RunStatus {
  const { activeMs, plan, outcome } = run.training;
  const timed = run.series.some(({ wallTimes }) => Number.isFinite(wallTimes.at(-1)));
  const pace = (timed ? undefined : paceOf(arrivals, plan)) ?? paceOf(marksOf(run), plan);
  const findings = healthOf(run);
  const status = { activeMs, pace, findings };
  if (outcome === 'failed') return { ...status, state: 'failed', reason: 'tracker' };
  if (outcome === 'finished' || isComplete(run)) return { ...status, state: 'finished' };
  const silence = Math.max(0, now - activeMs);
  const patience = patienceOf(pace, stalledIntervals);
  if (silence <= patience) return { ...status, state: 'training' };
  const reason = failureIn(run, findings);
  if (reason !== undefined) return { ...status, state: 'failed', reason };
  const isStalled = pace !== undefined && silence <= ENDED_SILENCES * patience;
  return { ...status, state: isStalled ? 'stalled' : 'finished' };
}

/** How long a run may be silent before that means something. */
export function patienceOf(pace: Pace | undefined, stalledIntervals = STALLED_INTERVALS): number {
  if (pace === undefined) return UNKNOWN_SILENCE_MS;
  return Math.max(SHORTEST_SILENCE_MS, stalledIntervals * pace.intervalMs, STALLED_WAITS * pace.longestMs);
}

function isComplete(run: Run): boolean {
  const { steps, epochs } = run.training.plan ?? {};
  const done = progressOf(run);
  if (steps !== undefined && done.step !== undefined) return done.step >= steps;
  return epochs !== undefined && done.epoch !== undefined && done.epoch >= epochs;
}

function failureIn(run: Run, findings: readonly Finding[]): FailureReason | undefined {
  if (findings.some((finding) => finding.kind === 'not-finite' && finding.isLast)) return 'not-finite';
  const newest = run.checkpoints.reduce<Run['checkpoints'][number] | undefined>(
    (best, entry) => (best === undefined || entry.mtimeMs > best.mtimeMs ? entry : best),
    undefined,
  );
  return newest?.state === 'incomplete' ? 'incomplete-checkpoint' : undefined;
}

/** Training ones first, then by when they were begun, the newest first: an order that does not jump while they train. */
export function newestFirst(runs: readonly Run[], stateOf: (run: Run) => RunState): readonly Run[] {
  const isLive = (run: Run): boolean => stateOf(run) === 'training';
  return runs
    .map((run, index) => ({ run, index, live: isLive(run) }))
    .sort(
      (a, b) =>
        Number(b.live) - Number(a.live) ||
        b.run.training.startedMs - a.run.training.startedMs ||
        a.index - b.index,
    )
    .map(({ run }) => run);
}
