/**
 * Whether the averaged model has already reached what a whole schedule reached: said only against the best checkpoint
 * of a finished run of the same task, measured on the same examples. A run's own best checkpoint says nothing about
 * what its schedule would still reach.
 */
import type { LiveLine } from './line.ts';

/** With fewer, noise is so wide that nearly everything lies within it. */
export const FEWEST_EXAMPLES = 100;
/** So many passes, one after the other, must agree: one may be lucky. */
export const PASSES = 2;

export interface Verdict {
  /** The newest pass. */
  readonly line: LiveLine;
  readonly reference: NonNullable<LiveLine['reference']>;
}

/** What has come of keeping a run averaged. */
export interface LiveOutcome {
  /** The newest pass. */
  readonly line: LiveLine;
  readonly verdict: Verdict | undefined;
}

/** @param lines of one run, in the order in which they were written */
export function stopVerdict(lines: readonly LiveLine[]): Verdict | undefined {
  // Two windows may have measured the same at the same time: that is one pass.
  const passes = lines.filter((one, i) => newestOf(one) !== newestOf(lines[i - 1]));
  const newest = passes.slice(-PASSES);
  const line = newest.at(-1);
  if (line?.reference === undefined || newest.length < PASSES) return undefined;
  const { reference, task, seed, name } = line;
  const agree = newest.every(
    (one) =>
      one.reference?.path === reference.path &&
      one.task === task &&
      one.seed === seed &&
      one.name === name &&
      one.examples >= FEWEST_EXAMPLES &&
      Number.isFinite(one.metric) &&
      Number.isFinite(one.reference.metric) &&
      !one.reference.isWorse,
  );
  return agree ? { line, reference } : undefined;
}

function newestOf(line: LiveLine | undefined): string | undefined {
  return line?.checkpoints.at(-1);
}
