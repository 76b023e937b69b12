/** The rows of the queue: what works and what waits. No VS Code here. */
import * as l10n from '@vscode/l10n';
import type { QueueState } from '../averaging/jobQueue.ts';
import { escapeMarkdown } from '../text.ts';
import type { Row } from './describe.ts';

/** In their order: the one in work first. */
export function jobIds({ current, waiting }: QueueState): readonly number[] {
  return [...(current === undefined ? [] : [current.id]), ...waiting.map(({ id }) => id)];
}

/** Undefined for a job that has ended. */
export function describeJob(id: number, { current, waiting }: QueueState): Row | undefined {
  if (current?.id === id) {
    const { title, fraction, message } = current;
    const parts = [l10n.t('{0} %', Math.round(100 * fraction)), ...(message === '' ? [] : [message])];
    return row(title, parts.join(' · '), { id: 'beaker', color: 'charts.blue' });
  }
  const place = waiting.findIndex((job) => job.id === id);
  const job = waiting[place];
  if (job === undefined) return undefined;
  const before = place + (current === undefined ? 0 : 1);
  return row(
    job.title,
    before === 0
      ? l10n.t('starts now')
      : before === 1
        ? l10n.t('waits, next in line')
        : l10n.t('waits, {0} before it', before),
    { id: 'watch' },
  );
}

function row(title: string, description: string, icon: Row['icon']): Row {
  return {
    label: title,
    description,
    tooltip: `**${escapeMarkdown(title)}**\n\n${escapeMarkdown(description)}`,
    icon,
    viewItem: 'job',
    spoken: `${title}, ${description}`,
  };
}
