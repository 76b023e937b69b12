/** "If the user wants, one notification": of what happens to a run while it is watched. */
import * as l10n from '@vscode/l10n';
import type { RunStatus } from '../core/runs/status.ts';
import type { Dialogs } from './dialogs.ts';
import { findingSentence, stateSentence } from './tree/health.ts';
import { runLabel } from './tree/describe.ts';
import type { Liveness, StatusChange } from './watching/liveness.ts';

export interface Alert {
  /** One and the same event has one key. */
  readonly key: string;
  readonly sentence: string;
}

/** What is new about a run that was known before: events in the past are no news. */
export function alertsOf(
  { run, before, after }: StatusChange,
  now: number,
  locale?: string,
): readonly Alert[] {
  if (before === undefined || !isLive(before)) return [];
  const known = new Set(before.findings.map(({ kind, tag }) => `${kind}:${tag}`));
  const found = after.findings
    .map((finding) => ({ key: `${finding.kind}:${finding.tag}`, sentence: findingSentence(finding) }))
    .filter(({ key }) => !known.has(key));
  const state =
    after.state !== before.state && (after.state === 'stalled' || after.state === 'failed')
      ? [{ key: `${after.state}:${after.activeMs}`, sentence: stateSentence(after, now, locale) }]
      : [];
  return [...found, ...state].map(({ key, sentence }) => ({
    key: `${run.directory}\n${key}`,
    sentence: `${runLabel(run)}: ${sentence}`,
  }));
}

function isLive({ state }: RunStatus): boolean {
  return state === 'training' || state === 'stalled';
}

export interface AlertOptions {
  readonly liveness: Liveness;
  readonly dialogs: Dialogs;
  readonly wanted: () => boolean;
  readonly showCurves: (runDirectory: string) => void;
  readonly locale?: string;
}

/** Tells each event once. Gives the function that stops it. */
export function tellAlerts({ liveness, dialogs, wanted, showCurves, locale }: AlertOptions): () => void {
  const told = new Set<string>();
  return liveness.onChange((changes) => {
    for (const change of changes) {
      for (const { key, sentence } of alertsOf(change, Date.now(), locale)) {
        if (told.has(key)) continue;
        told.add(key);
        if (!wanted()) continue;
        const show = l10n.t('Show Curves');
        void dialogs.notify('warning', sentence, [show]).then((button) => {
          if (button === show) showCurves(change.run.directory);
        });
      }
    }
  });
}
