/** One live pass of a run, for the command line and the editor alike: due, measured, written into the run's log. */
import { TwaError } from '../core/errors.ts';
import { lineOf } from '../core/live/compose.ts';
import type { LiveLine } from '../core/live/line.ts';
import { appendLine, liveLogOf, pathInRun, readLiveLog } from '../core/live/log.ts';
import { beforeOf, duePass, type LivePlan } from '../core/live/schedule.ts';
import { stopVerdict, type LiveOutcome } from '../core/live/verdict.ts';
import type { CheckpointEntry, Run } from '../core/runs/types.ts';
import { runJob, type JobHooks } from './client.ts';
import type { LiveRequest } from './protocol.ts';

/** What the log says so far decides, whoever wrote it: so a pass is not made twice, and a reload changes nothing. */
export async function dueNow(run: Run, plan: LivePlan): Promise<readonly CheckpointEntry[] | undefined> {
  const { directory, checkpoints } = run;
  const last = (await readLiveLog(liveLogOf(directory))).at(-1);
  return duePass(
    checkpoints,
    beforeOf(last, (name) => pathInRun(directory, name)),
    plan,
  );
}

/** What the log of a run says so far; undefined where no pass has been made. */
export async function readOutcome({ directory }: Run): Promise<LiveOutcome | undefined> {
  const lines = await readLiveLog(liveLogOf(directory));
  const line = lines.at(-1);
  return line && { line, verdict: stopVerdict(lines) };
}

/** Rejects as {@link runJob} does, and then has written nothing. */
export async function livePass(
  run: Run,
  averaged: readonly CheckpointEntry[],
  request: Omit<LiveRequest, 'checkpoints'>,
  hooks: JobHooks = {},
): Promise<LiveLine> {
  const result = await runJob('live', { ...request, checkpoints: averaged.map(({ path }) => path) }, hooks);
  const { task, seed } = request;
  const line = lineOf(run, { averaged, result, task, seed, now: Date.now() });
  await appendLine(liveLogOf(run.directory), line);
  return line;
}

/** A trainer that keeps its last few may take a checkpoint away while it is read: the next pass will do without. */
export function isRotatedAway(error: unknown): boolean {
  return error instanceof TwaError && (error.code === 'not-found' || error.code === 'incomplete-checkpoint');
}
