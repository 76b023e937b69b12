/** What "Keep Averaged" says, in the user's language. No VS Code here. */
import * as l10n from '@vscode/l10n';
import path from 'node:path';
import type { LiveLine } from '../../core/live/line.ts';
import type { Verdict } from '../../core/live/verdict.ts';
import { formatMetric } from '../text.ts';

/** "averaged live: accuracy 0.9700 after epoch 40" */
export function liveText(line: LiveLine): string {
  return l10n.t('averaged live: {0} {1} after {2}', line.name, formatMetric(line.metric), placeText(line));
}

/** With what it is to be compared with: the newest checkpoint, measured on the same examples. */
export function liveSentence(line: LiveLine): string {
  return l10n.t(
    '{0} of {1}: {2} {3}, 95 % interval {4} to {5}; the newest checkpoint by itself {6} ({7} stop examples)',
    averageText(line),
    rangeText(line),
    line.name,
    formatMetric(line.metric),
    formatMetric(line.metricInterval.low),
    formatMetric(line.metricInterval.high),
    formatMetric(line.newest.metric),
    line.examples,
  );
}

export function verdictSentence({ line, reference }: Verdict): string {
  const { difference } = reference;
  return l10n.t(
    'stop now: {0} of {1} is within noise of your best run ({2} {3} against {4} of {5}; difference {6}, 95 % interval {7} to {8}, {9} stop examples)',
    averageText(line),
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

/** Tasks without gradients have the plain mean. */
function averageText({ method }: LiveLine): string {
  return method === 'twa' ? 'TWA' : l10n.t('the plain average');
}

function placeText({ epoch, step, checkpoints }: LiveLine): string {
  if (epoch !== undefined) return l10n.t('epoch {0}', epoch);
  return step === undefined ? (checkpoints.at(-1) ?? '') : l10n.t('step {0}', step);
}

function rangeText({ epochs, steps, checkpoints }: LiveLine): string {
  if (epochs !== undefined) return l10n.t('epochs {0}-{1}', ...epochs);
  if (steps !== undefined) return l10n.t('steps {0}-{1}', ...steps);
  return l10n.t('{0} checkpoints', checkpoints.length);
}

function signed(value: number): string {
  return `${value < 0 ? '-' : '+'}${Math.abs(value).toPrecision(2)}`;
}
