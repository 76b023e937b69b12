/** What the status bar says of the training. No VS Code here. */
import * as l10n from '@vscode/l10n';
import type { RunStatus } from '../core/runs/status.ts';
import type { Run } from '../core/runs/types.ts';
import { runLabel } from './tree/describe.ts';
import { remainingText, speedText, stateSentence } from './tree/health.ts';

export interface TrainingText {
  readonly run: Run;
  readonly text: string;
  readonly tooltip: string;
}

/** Of the run that wrote last among those that train; undefined when none does. */
export function trainingText(
  training: readonly { readonly run: Run; readonly status: RunStatus }[],
  now: number,
  locale?: string,
): TrainingText | undefined {
  const [newest] = training.toSorted((a, b) => b.status.activeMs - a.status.activeMs);
  if (newest === undefined) return undefined;
  const { run, status } = newest;
  const { pace } = status;
  const parts = pace === undefined ? [] : [speedText(pace), remainingText(pace, now)];
  const known = parts.filter((part) => part !== undefined);
  const others = training.length === 1 ? '' : ` (+${training.length - 1})`;
  const percent = pace?.fraction === undefined ? [] : [`${Math.floor(100 * pace.fraction)} %`];
  return {
    run,
    text: `$(pulse) ${known.length === 0 ? l10n.t('training') : known.join(' · ')}${others}`,
    tooltip: [
      runLabel(run),
      [...percent, ...known].join(' · '),
      stateSentence(status, now, locale),
      l10n.t('Click to show its learning curves.'),
    ]
      .filter((line) => line !== '')
      .join('\n'),
  };
}
