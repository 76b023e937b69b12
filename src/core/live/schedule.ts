/** Which checkpoints of a run that trains to average next, and when. Pure. */
import type { CheckpointEntry } from '../runs/types.ts';
import type { LiveLine } from './line.ts';

export interface LivePlan {
  /** A pass after so many new checkpoints. */
  readonly every: number;
  /** How many of the newest are averaged; 0: the second half of the run. */
  readonly window: number;
}

export const EVERY = 5;
/** Fewer say little: the mean of two is a point between them. */
export const FEWEST = 3;
/** Of a longer second half only every so manieth is taken: each takes its time and memory. */
export const MOST_OF_HALF = 40;

export type LiveCheckpoint = Pick<CheckpointEntry, 'path' | 'state' | 'step' | 'epoch' | 'mtimeMs'>;

/** The newest checkpoint of the last pass, as the log keeps it. */
export interface Before {
  /** Absolute path. */
  readonly path: string;
  readonly step?: number;
  readonly epoch?: number;
}

/**
 * The checkpoints of the pass that is due, oldest first; undefined where none is.
 *
 * @param checkpoints of the run, in training order
 * @param before absent: no pass has been made yet, and the first is due as soon as there are enough checkpoints
 */
export function duePass<C extends LiveCheckpoint>(
  checkpoints: readonly C[],
  before: Before | undefined,
  { every, window }: LivePlan,
): readonly C[] | undefined {
  const usable = distinct(checkpoints.filter(({ state }) => state === 'complete'));
  if (usable.length < FEWEST || newSince(usable, before) < (before === undefined ? FEWEST : every)) {
    return undefined;
  }
  if (window > 0) return usable.slice(-Math.max(FEWEST, window));
  const half = usable.slice(-Math.max(FEWEST, Math.ceil(usable.length / 2)));
  const stride = Math.ceil(half.length / MOST_OF_HALF);
  // Counted from the newest, which is always there.
  return half.filter((_, i) => (half.length - 1 - i) % stride === 0);
}

/** What the last line says of its newest checkpoint. @param inRun makes a path of the log absolute. */
export function beforeOf(
  line: LiveLine | undefined,
  inRun: (relative: string) => string,
): Before | undefined {
  const newest = line?.checkpoints.at(-1);
  if (line === undefined || newest === undefined) return undefined;
  const { steps, epochs } = line;
  return {
    path: inRun(newest),
    ...(steps === undefined ? {} : { step: steps[1] }),
    ...(epochs === undefined ? {} : { epoch: epochs[1] }),
  };
}

/** `last.pt` beside `epoch-9.pt` is the same model again: of those at one place the first counts. */
function distinct<C extends LiveCheckpoint>(checkpoints: readonly C[]): readonly C[] {
  const numbered = checkpoints.filter(({ step, epoch }) => (step ?? epoch) !== undefined);
  // Copies without a number (`best`, `last`) are of one that has one.
  if (numbered.length === 0) return checkpoints;
  const seen = new Set<string>();
  return numbered.filter(({ step, epoch }) => {
    const place = `${step ?? ''}/${epoch ?? ''}`;
    const isNew = !seen.has(place);
    seen.add(place);
    return isNew;
  });
}

function newSince(usable: readonly LiveCheckpoint[], before: Before | undefined): number {
  if (before === undefined) return usable.length;
  const found = usable.findIndex(({ path }) => path === before.path);
  if (found !== -1) return usable.length - 1 - found;
  // It was rotated away. A run that was begun anew stands before it: then all are new.
  const isLater = ({ step, epoch }: LiveCheckpoint): boolean =>
    before.step !== undefined && step !== undefined
      ? step > before.step
      : before.epoch === undefined || epoch === undefined || epoch > before.epoch;
  return isLater(usable.at(-1)!) ? usable.filter(isLater).length : usable.length;
}
