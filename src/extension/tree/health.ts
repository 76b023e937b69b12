/** What a run's state and the health of its curves are called. No VS Code here. */
import * as l10n from '@vscode/l10n';
import type { Finding } from '../../core/runs/health.ts';
import type { Pace } from '../../core/runs/pace.ts';
import type { FailureReason, RunState, RunStatus } from '../../core/runs/status.ts';
import { formatDuration, formatMetric, formatTime } from '../text.ts';

export function stateLabel(state: RunState): string {
  switch (state) {
    case 'training':
      return l10n.t('training');
    case 'stalled':
      return l10n.t('stalled');
    case 'failed':
      return l10n.t('failed');
    case 'finished':
      return l10n.t('finished');
  }
}

export function stateIcon(state: RunState): { readonly id: string; readonly color?: string } {
  switch (state) {
    case 'training':
      return { id: 'pulse', color: 'charts.green' };
    case 'stalled':
      return { id: 'debug-pause', color: 'charts.yellow' };
    case 'failed':
      return { id: 'error', color: 'charts.red' };
    case 'finished':
      return { id: 'pulse' };
  }
}

/** Why a run is taken to be what it is, as a sentence. */
export function stateSentence(status: RunStatus, now: number, locale?: string): string {
  const at = formatTime(status.activeMs, now, locale);
  switch (status.state) {
    case 'training':
      return l10n.t('Training; it wrote last at {0}.', at);
    case 'stalled':
      return l10n.t(
        'Stalled: nothing since {0}, though it usually writes every {1}.',
        at,
        formatDuration(status.pace?.intervalMs ?? 0),
      );
    case 'failed':
      return failureSentence(status.reason, at);
    case 'finished':
      return l10n.t('Finished; it wrote last at {0}.', at);
  }
}

function failureSentence(reason: FailureReason | undefined, at: string): string {
  switch (reason) {
    case 'not-finite':
      return l10n.t('Failed: its loss was not a number when it ended at {0}.', at);
    case 'incomplete-checkpoint':
      return l10n.t('Failed: it ended in the middle of a checkpoint at {0}.', at);
    case 'tracker':
    case undefined:
      return l10n.t('Failed, as its tracker says, at {0}.', at);
  }
}

/** One or two words, for a row. */
export function findingMark(finding: Finding): string {
  switch (finding.kind) {
    case 'not-finite':
      return l10n.t('not finite');
    case 'diverging':
      return l10n.t('diverging');
    case 'plateau':
      return l10n.t('plateau');
  }
}

/** The whole of it, as a sentence. */
export function findingSentence(finding: Finding): string {
  const { tag } = finding;
  switch (finding.kind) {
    case 'not-finite':
      return finding.isLast
        ? l10n.t('{0} is not a number any more, first at step {1}.', tag, finding.firstStep)
        : l10n.t(
            '{0}: {1} of {2} values are not finite, the first at step {3}.',
            tag,
            finding.count,
            finding.points,
            finding.firstStep,
          );
    case 'diverging':
      return l10n.t(
        '{0} is diverging: it was {1} around step {2} and is {3} now.',
        tag,
        formatMetric(finding.best),
        finding.bestStep,
        formatMetric(finding.now),
      );
    case 'plateau':
      return l10n.t(
        '{0} has not improved since step {1}: it stays around {2}.',
        tag,
        finding.sinceStep,
        formatMetric(finding.value),
      );
  }
}

/** The marks of a row: each once, the gravest first. */
export function findingMarks(findings: readonly Finding[]): readonly string[] {
  const gravity = { 'not-finite': 0, diverging: 1, plateau: 2 };
  return [...new Set(findings.toSorted((a, b) => gravity[a.kind] - gravity[b.kind]).map(findingMark))];
}

/** "12.3 steps/s", or of a training that counts epochs only (or slowly): "42 s per epoch". */
export function speedText({ stepsPerSecond, epochsPerSecond }: Pace): string | undefined {
  if (stepsPerSecond !== undefined) {
    return stepsPerSecond >= 1
      ? l10n.t('{0} steps/s', rate(stepsPerSecond))
      : l10n.t('{0} per step', formatDuration(1000 / stepsPerSecond));
  }
  return epochsPerSecond === undefined
    ? undefined
    : l10n.t('{0} per epoch', formatDuration(1000 / epochsPerSecond));
}

/** "2 h 5 min left"; the time since the newest point has gone by. Undefined where the length is not known. */
export function remainingText(pace: Pace, now: number): string | undefined {
  if (pace.remainingMs === undefined) return undefined;
  return l10n.t('{0} left', formatDuration(Math.max(0, pace.remainingMs - (now - pace.at))));
}

const rate = (value: number): string =>
  value >= 100 ? value.toFixed(0) : value.toPrecision(3).replace(/\.?0+$/, '');
