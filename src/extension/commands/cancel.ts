/** "Cancel Averaging": of the jobs pointed at in the tree, else of the only one, else of those that the user picks. */
import * as l10n from '@vscode/l10n';
import type { JobQueue } from '../averaging/jobQueue.ts';
import type { Dialogs } from '../dialogs.ts';
import { jobIds } from '../tree/jobs.ts';
import { isJobNode } from '../tree/nodes.ts';

export async function cancelJobs(
  first: unknown,
  second: unknown,
  jobs: JobQueue,
  dialogs: Pick<Dialogs, 'pickMany'>,
): Promise<void> {
  const pointedAt = (Array.isArray(second) ? second : [first]).filter(isJobNode).map(({ id }) => id);
  for (const id of pointedAt.length > 0 ? pointedAt : await chosen(jobs, dialogs)) jobs.cancel(id);
}

async function chosen(jobs: JobQueue, dialogs: Pick<Dialogs, 'pickMany'>): Promise<readonly number[]> {
  const { current, waiting } = jobs.state;
  const ids = jobIds({ current, waiting });
  if (ids.length <= 1) return ids;
  const picked = await dialogs.pickMany(
    [
      ...(current === undefined ? [] : [{ job: current, description: l10n.t('at work') }]),
      ...waiting.map((job) => ({ job, description: l10n.t('waits') })),
    ].map(({ job, description }) => ({ label: job.title, description, value: job.id })),
    { title: l10n.t('Cancel Averaging'), placeholder: l10n.t('Which ones?') },
  );
  return picked ?? [];
}
