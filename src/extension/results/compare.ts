/** All averages of all runs in one table. No VS Code here. */
import * as l10n from '@vscode/l10n';
import type { AverageReport, Interval, TableRow } from '../../core/averaging/types.ts';
import type { Goal } from '../../core/runs/types.ts';
import { methodLabel } from '../tree/describe.ts';
import { escapeMarkdown, formatMetric } from '../text.ts';

export interface NamedReport {
  readonly run: string;
  /** Of the averaged checkpoint. */
  readonly name: string;
  readonly report: AverageReport;
}

export interface ResultRow {
  readonly run: string;
  readonly name: string;
  readonly method: string;
  readonly checkpoints: number;
  readonly value: number;
  readonly interval: Interval;
  /** Better than the best single checkpoint by so much; negative is worse. */
  readonly gain: number | undefined;
  /** Better than the plain mean by so much, with its paired interval; undefined for the plain mean itself. */
  readonly overUniform: ({ readonly difference: number } & Interval) | undefined;
  /** The report recommends this average. */
  readonly isRecommended: boolean;
}

export interface ResultGroup {
  readonly metric: string;
  readonly goal: Goal;
  /** Best first. */
  readonly rows: readonly ResultRow[];
}

/** Numbers of different metrics cannot be compared: one group for each. Reports without a task have no numbers. */
export function compareResults(reports: readonly NamedReport[]): {
  readonly groups: readonly ResultGroup[];
  readonly unmeasured: readonly NamedReport[];
} {
  const groups = new Map<string, { metric: string; goal: Goal; rows: ResultRow[] }>();
  const unmeasured: NamedReport[] = [];
  for (const named of reports) {
    const { metric, table, method } = named.report;
    const row = table.find(({ id }) => id === method);
    if (metric === undefined || row === undefined) {
      unmeasured.push(named);
      continue;
    }
    const key = `${metric.name}\n${metric.goal}`;
    const group = groups.get(key) ?? { metric: metric.name, goal: metric.goal, rows: [] };
    groups.set(key, group);
    group.rows.push(rowOf(named, row, metric.goal));
  }
  for (const { goal, rows } of groups.values()) {
    rows.sort((a, b) => (goal === 'maximize' ? b.value - a.value : a.value - b.value));
  }
  return {
    groups: [...groups.values()].sort((a, b) => a.metric.localeCompare(b.metric)),
    unmeasured,
  };
}

function rowOf({ run, name, report }: NamedReport, row: TableRow, goal: Goal): ResultRow {
  const sign = goal === 'maximize' ? 1 : -1;
  const best = report.table.find(({ id }) => id === 'best');
  const versus = row.metricVersusUniform;
  return {
    run,
    name,
    method: methodLabel(report.method),
    checkpoints: report.provenance.sources.length,
    value: row.metric,
    interval: row.metricInterval,
    gain: best === undefined ? undefined : sign * (row.metric - best.metric),
    overUniform:
      versus === undefined
        ? undefined
        : {
            difference: sign * versus.difference,
            low: Math.min(sign * versus.low, sign * versus.high),
            high: Math.max(sign * versus.low, sign * versus.high),
          },
    isRecommended: report.recommendation.use === row.id,
  };
}

/** The comparison as a Markdown document. @param problems sentences about reports that could not be read. */
export function resultsMarkdown(reports: readonly NamedReport[], problems: readonly string[]): string {
  const { groups, unmeasured } = compareResults(reports);
  const sections = groups.map(({ metric, goal, rows }) =>
    [
      `## ${escapeMarkdown(metric)} (${goal === 'maximize' ? l10n.t('higher is better') : l10n.t('lower is better')})`,
      '',
      tableRow([
        l10n.t('Run'),
        l10n.t('Average'),
        l10n.t('Method'),
        l10n.t('Checkpoints'),
        escapeMarkdown(metric),
        l10n.t('95 % interval'),
        l10n.t('Gain over the best single one'),
        l10n.t('Gain over the plain mean'),
        l10n.t('Recommended'),
      ]),
      '|:--|:--|:--|--:|--:|:-:|--:|--:|:-:|',
      ...rows.map((row) =>
        tableRow([
          escapeMarkdown(row.run),
          escapeMarkdown(row.name),
          escapeMarkdown(row.method),
          String(row.checkpoints),
          number(row.value),
          intervalText(row.interval),
          row.gain === undefined ? '' : signed(row.gain),
          row.overUniform === undefined
            ? ''
            : `${signed(row.overUniform.difference)} ${intervalText(row.overUniform, signed)}`,
          row.isRecommended ? '✓' : '',
        ]),
      ),
    ].join('\n'),
  );
  return [
    `# ${l10n.t('Results of Averaging')}`,
    l10n.t(
      'Every number was measured on the report split of its own task: compare runs only where that is the same data.',
    ),
    ...sections,
    ...(unmeasured.length === 0
      ? []
      : [
          `## ${l10n.t('Not Measured')}`,
          l10n.t('Averaged without a task file, so there are no numbers:'),
          unmeasured
            .map(
              ({ run, name, report }) =>
                `- ${escapeMarkdown(`${run}: ${name} (${methodLabel(report.method)})`)}`,
            )
            .join('\n'),
        ]),
    ...problems.map((problem) => `> ${escapeMarkdown(problem)}`),
  ].join('\n\n');
}

const tableRow = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
const number = (value: number): string => escapeMarkdown(formatMetric(value));
const signed = (value: number): string =>
  value > 0 ? `+${number(value)}` : value < 0 ? `−${number(-value)}` : '0';
const intervalText = ({ low, high }: Interval, text = number): string => `[${text(low)}, ${text(high)}]`;
