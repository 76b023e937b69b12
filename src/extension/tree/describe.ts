/** What a run, a checkpoint or an average looks like in the tree. No VS Code here: `provider.ts` only copies. */
import * as l10n from '@vscode/l10n';
import path from 'node:path';
import type { AverageSummary, CheckpointEntry, Run } from '../../core/runs/types.ts';
import type { ViewItem } from '../names.ts';
import { escapeMarkdown, formatBytes, formatMetric, formatTime } from '../text.ts';
import { metricGoal } from '../../core/runs/goals.ts';
import type { RunStatus } from '../../core/runs/status.ts';
import type { LiveOutcome } from '../../core/live/verdict.ts';
import { liveSentence, liveText, verdictSentence } from '../live/words.ts';
import {
  findingMarks,
  findingSentence,
  remainingText,
  speedText,
  stateIcon,
  stateLabel,
  stateSentence,
} from './health.ts';
import type { DisplayMetric } from './metric.ts';
import { checkable, isRunChecked } from './selection.ts';
import type { Checked } from './selection.ts';

export interface Row {
  readonly label: string;
  readonly description: string;
  /** Markdown. Put together when it is asked for: most rows are never pointed at. */
  readonly tooltip: string;
  readonly icon: { readonly id: string; readonly color?: string };
  readonly viewItem: ViewItem;
  /** Absent where there is nothing to check. The texts are what a screen reader says. */
  readonly checkbox?: { readonly checked: boolean; readonly label: string };
  readonly spoken: string;
}

export interface Look {
  readonly checked: Checked;
  readonly metric: DisplayMetric | undefined;
  /** Path of the run's best checkpoint by that metric. */
  readonly best: string | undefined;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly locale?: string;
}

export interface RunLook extends Look {
  readonly status: RunStatus;
  readonly pinned: boolean;
  /** Absent: it is not kept averaged; without an outcome no pass has been made. */
  readonly live?: { readonly outcome: LiveOutcome | undefined };
}

const MOST_METRICS_IN_TOOLTIP = 12;
const MOST_SOURCES_IN_TOOLTIP = 10;

export function describeRun(run: Run, look: RunLook): Row {
  const { checked, metric, best, status, pinned, live, now, locale } = look;
  const isOver = status.state === 'finished' || status.state === 'failed';
  // Whether to stop is no question any more when it has ended.
  const verdict = isOver ? undefined : live?.outcome?.verdict;
  const complete = checkable(run);
  const bytes = [...run.checkpoints, ...run.averages].reduce((sum, entry) => sum + entry.bytes, 0);
  const counts = [
    run.checkpoints.length === 1 ? l10n.t('1 checkpoint') : l10n.t('{0} checkpoints', run.checkpoints.length),
    ...(run.averages.length === 0
      ? []
      : [run.averages.length === 1 ? l10n.t('1 average') : l10n.t('{0} averages', run.averages.length)]),
  ];
  const label = runLabel(run);
  const speed = status.state === 'training' && status.pace !== undefined ? speedText(status.pace) : undefined;
  const remaining = speed === undefined ? undefined : remainingText(status.pace!, now);
  const bestEntry = run.checkpoints.find((entry) => entry.path === best);
  const bestValue =
    metric === undefined || bestEntry === undefined ? undefined : metricText(bestEntry, metric);
  const parts = [
    // At rest is what most runs are: only what is not is said.
    ...(status.state === 'finished' ? [] : [stateLabel(status.state)]),
    ...findingMarks(status.findings),
    ...(speed === undefined ? [] : [speed]),
    ...(live === undefined
      ? []
      : [live.outcome === undefined ? l10n.t('kept averaged') : liveText(live.outcome.line)]),
    ...(verdict === undefined ? [] : [l10n.t('stop now')]),
    // What the numbers of its checkpoints are, once for all of them.
    ...(bestValue === undefined ? [] : [l10n.t('best {0} {1}', metric!.tag, bestValue)]),
    ...counts,
    formatBytes(bytes),
  ];
  const description = parts.join(' · ');
  return {
    label,
    description,
    get tooltip() {
      return lines([
        `**${escapeMarkdown(label)}**`,
        escapeMarkdown(description),
        ...(bestValue === undefined
          ? []
          : [escapeMarkdown(l10n.t('Best {0}: {1} ({2})', metric!.tag, bestValue, bestEntry!.name))]),
        escapeMarkdown(
          [stateSentence(status, now, locale), speed, remaining]
            .filter((part) => part !== undefined)
            .join(' · '),
        ),
        ...(live?.outcome === undefined ? [] : [escapeMarkdown(liveSentence(live.outcome.line))]),
        ...(verdict === undefined ? [] : [escapeMarkdown(verdictSentence(verdict))]),
        ...status.findings.map((finding) => escapeMarkdown(findingSentence(finding))),
        escapeMarkdown(run.directory),
      ]);
    },
    icon: pinned ? { ...stateIcon(status.state), id: 'pinned' } : stateIcon(status.state),
    viewItem: 'run',
    ...(complete.length === 0
      ? {}
      : {
          checkbox: {
            checked: isRunChecked(run, checked),
            label: l10n.t('All complete checkpoints of {0}', label),
          },
        }),
    spoken: l10n.t('Run {0}, {1}', label, [...(pinned ? [l10n.t('pinned')] : []), ...parts].join(', ')),
  };
}

export function describeCheckpoint(entry: CheckpointEntry, look: Look): Row {
  const { checked, metric, best, now, locale } = look;
  if (entry.state !== 'complete') return describeUnusable(entry, look);
  const isBest = entry.path === best;
  const value = metric === undefined ? undefined : metricText(entry, metric);
  const parts = [
    ...(isBest ? [l10n.t('best')] : []),
    ...position(entry),
    formatBytes(entry.bytes),
    formatTime(entry.mtimeMs, now, locale),
  ];
  return {
    label: entry.name,
    // The number first: a narrow side bar cuts the rest off. The run's row says which it is.
    description: [...(value === undefined ? [] : [value]), ...parts].join(' · '),
    get tooltip() {
      return lines([
        `**${escapeMarkdown(entry.name)}**`,
        ...metricTable(entry),
        ...facts(entry, now, locale),
      ]);
    },
    icon: isBest ? { id: 'package', color: 'charts.green' } : { id: 'package' },
    viewItem: 'checkpoint',
    checkbox: { checked: checked.has(entry.path), label: l10n.t('Checkpoint {0} for averaging', entry.name) },
    spoken: l10n.t(
      'Checkpoint {0}, {1}',
      entry.name,
      [...(value === undefined ? [] : [`${value} ${metric!.tag}`]), ...parts].join(', '),
    ),
  };
}

export function describeAverage(entry: CheckpointEntry, look: Look): Row {
  if (entry.state !== 'complete') return describeUnusable(entry, look);
  const { now, locale } = look;
  const average = entry.average;
  const method = average === undefined ? l10n.t('average') : methodLabel(average.method);
  const metric = average?.metric;
  const parts = [
    method,
    ...(metric === undefined ? [] : [`${formatMetric(metric.value)} ${metric.name}`]),
    ...(average?.gain === undefined ? [] : [gainText(average.gain)]),
    formatBytes(entry.bytes),
    formatTime(entry.mtimeMs, now, locale),
  ];
  return {
    label: entry.name,
    description: parts.join(' · '),
    get tooltip() {
      return lines([
        `**${escapeMarkdown(entry.name)}**`,
        ...(average === undefined
          ? []
          : [
              escapeMarkdown(l10n.t('{0} of {1} checkpoints', method, average.sources.length)),
              ...(metric === undefined
                ? []
                : [
                    escapeMarkdown(
                      l10n.t('{0} {1} on the report split', metric.name, formatMetric(metric.value)) +
                        (average.gain === undefined
                          ? ''
                          : `, ${l10n.t('{0} than the best single checkpoint', gainText(average.gain))}`),
                    ),
                  ]),
              `*${escapeMarkdown(average.recommendation)}*`,
              ...provenance(average),
            ]),
        ...facts(entry, now, locale),
      ]);
    },
    icon: { id: 'star-full', color: 'charts.yellow' },
    viewItem: 'average',
    spoken: l10n.t('Average {0}, {1}', entry.name, parts.join(', ')),
  };
}

/** Against the best single checkpoint, whichever way the metric is better. */
function gainText(gain: number): string {
  if (gain === 0) return l10n.t('no better');
  return gain > 0 ? l10n.t('{0} better', formatMetric(gain)) : l10n.t('{0} worse', formatMetric(-gain));
}

/** What went in, with which coefficients, those that count most first; and by what they were found. */
function provenance({ sources, coefficients, rule, task }: AverageSummary): string[] {
  const shares = sources
    .map((source, i) => ({ name: path.basename(source), share: coefficients?.[i] }))
    .sort((a, b) => Math.abs(b.share ?? 0) - Math.abs(a.share ?? 0));
  const shown = shares.slice(0, MOST_SOURCES_IN_TOOLTIP);
  return [
    [
      '| | |',
      '|:--|--:|',
      ...shown.map(
        ({ name, share }) =>
          `| ${escapeMarkdown(name)} | ${share === undefined ? '' : escapeMarkdown(formatMetric(share))} |`,
      ),
    ].join('\n'),
    ...(shown.length < shares.length
      ? [escapeMarkdown(l10n.t('and {0} more', shares.length - shown.length))]
      : []),
    escapeMarkdown(
      [
        ...(rule === undefined ? [] : [l10n.t('Rule {0}', rule)]),
        ...(task === undefined ? [] : [l10n.t('Task {0}', task)]),
      ].join(' · '),
    ),
  ];
}

export function runLabel(run: Run): string {
  return run.name === '' || run.name === '.' ? path.basename(run.directory) : run.name;
}

export function methodLabel(method: string): string {
  switch (method) {
    case 'twa':
      return 'TWA';
    case 'uniform':
      return l10n.t('uniform (SWA)');
    case 'last-k':
      return l10n.t('newest (LAWA)');
    case 'ema':
      return l10n.t('EMA');
    case 'best-k':
      return l10n.t('best by metric');
    case 'prune':
      return l10n.t('pruned');
    case 'greedy':
      return l10n.t('greedy soup');
    case 'search':
      return l10n.t('searched coefficients');
    case 'manual':
      return l10n.t('own coefficients');
    default:
      return method;
  }
}

function describeUnusable(entry: CheckpointEntry, { now, locale }: Look): Row {
  const incomplete = entry.state === 'incomplete';
  const state = incomplete ? l10n.t('incomplete') : l10n.t('unreadable');
  const reason = entry.reason ?? '';
  const description = [state, formatBytes(entry.bytes), formatTime(entry.mtimeMs, now, locale)].join(' · ');
  return {
    label: entry.name,
    description,
    get tooltip() {
      return lines([
        `**${escapeMarkdown(entry.name)}** — ${escapeMarkdown(state)}`,
        escapeMarkdown(reason),
        ...facts(entry, now, locale),
      ]);
    },
    icon: incomplete
      ? { id: 'watch', color: 'disabledForeground' }
      : { id: 'warning', color: 'problemsWarningIcon.foreground' },
    viewItem: 'incomplete',
    spoken: l10n.t('Checkpoint {0}, {1}. {2}', entry.name, description, reason),
  };
}

/** Epoch and step, without a number that the name tells already. */
function position(entry: CheckpointEntry): string[] {
  const told = (entry.name.match(/\d+/g) ?? []).map(Number);
  const untold = (number: number | undefined): number is number =>
    number !== undefined && !told.includes(number);
  return [
    ...(untold(entry.epoch) ? [l10n.t('epoch {0}', entry.epoch)] : []),
    ...(untold(entry.step) ? [l10n.t('step {0}', entry.step)] : []),
  ];
}

function metricText(entry: CheckpointEntry, metric: DisplayMetric): string | undefined {
  const value = entry.metrics[metric.tag];
  return value === undefined ? undefined : formatMetric(value);
}

function metricTable(entry: CheckpointEntry): string[] {
  const rows = Object.entries(entry.metrics);
  if (rows.length === 0) return [];
  const shown = rows.slice(0, MOST_METRICS_IN_TOOLTIP);
  const better = (tag: string): string => (metricGoal(tag) === 'minimize' ? '↓' : '↑');
  return [
    [
      '| | | |',
      '|:--|--:|:-:|',
      ...shown.map(
        ([tag, value]) =>
          `| ${escapeMarkdown(tag)} | ${escapeMarkdown(formatMetric(value))} | ${better(tag)} |`,
      ),
    ].join('\n'),
    ...(shown.length < rows.length
      ? [escapeMarkdown(l10n.t('and {0} more', rows.length - shown.length))]
      : []),
  ];
}

function facts(entry: CheckpointEntry, now: number, locale: string | undefined): string[] {
  return [
    escapeMarkdown(
      [
        ...position(entry),
        formatBytes(entry.bytes),
        entry.format,
        formatTime(entry.mtimeMs, now, locale),
      ].join(' · '),
    ),
    escapeMarkdown(entry.path),
  ];
}

function lines(parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join('\n\n');
}
