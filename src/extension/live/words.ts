/** What "Keep Averaged" says, in the user's language. No VS Code here. */
import * as l10n from '@vscode/l10n';
import path from 'node:path';
import type { LiveLine } from '../../core/live/line.ts';
import type { Verdict } from '../../core/live/verdict.ts';
import type { Run } from '../../core/runs/types.ts';
import { formatMetric } from '../text.ts';

/** "averaged live: accuracy 0.9700 after epoch 40"; undefined where no pass has been made. */
export function liveText({ averagedSeries }: Run): string | undefined {
  const [metric] = averagedSeries;
  const value = metric?.values.at(-1);
  if (metric === undefined || value === undefined) return undefined;
  const name = metric.tag.replace(/^averaged\//, '');
  const epoch = metric.epochs.at(-1)!;
  const place = Number.isNaN(epoch) ? l10n.t('step {0}', metric.steps.at(-1)!) : l10n.t('epoch {0}', epoch);
  return l10n.t('averaged live: {0} {1} after {2}', name, formatMetric(value), place);
}

/** Of the metric of TWA, or of the plain mean where the task has no gradients. */
export function verdictSentence({ line, reference }: Verdict): string {
  const { difference } = reference;
  return l10n.t(
    'stop now: {0} of {1} is within noise of your best run ({2} {3} against {4} of {5}; difference {6}, 95 % interval {7} to {8}, {9} stop examples)',
    line.method === 'twa' ? 'TWA' : l10n.t('the plain average'),
    rangeText(line),
    line.name,
    formatMetric(line.metric),
    formatMetric(reference.metric),
    path.join(path.basename(path.dirname(reference.path)), path.basename(reference.path)),
    signed(difference.difference),
    signed(difference.low),
    signed(difference.high),
    line.examples,
  );
}

function rangeText({ epochs, steps, checkpoints }: LiveLine): string {
  if (epochs !== undefined) return l10n.t('epochs {0}-{1}', ...epochs);
  if (steps !== undefined) return l10n.t('steps {0}-{1}', ...steps);
  return l10n.t('{0} checkpoints', checkpoints.length);
}

function signed(value: number): string {
  return `${value < 0 ? '-' : '+'}${Math.abs(value).toPrecision(2)}`;
}
