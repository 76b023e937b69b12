/** The table of a result as texts, for documents that are read outside the editor. */
import * as l10n from '@vscode/l10n';
import type { AverageReport, Interval, TableRow } from '../../core/averaging/types.ts';
import { decimalsForIntervals, fixed, signed } from '../../../webview/shared/numbers.ts';

export interface TextTable {
  readonly heading: readonly string[];
  readonly rows: readonly { readonly cells: readonly string[]; readonly isUsed: boolean }[];
}

/** Undefined where nothing was measured. */
export function tableText({ table, metric, recommendation }: AverageReport): TextTable | undefined {
  if (metric === undefined || table.length === 0) return undefined;
  const hasLoss = table.some(({ loss }) => !Number.isNaN(loss));
  const decimals = decimalsForIntervals(table.map(({ metricInterval }) => metricInterval));
  const ofLoss = decimalsForIntervals(table.map(({ lossInterval }) => lossInterval));
  const arrow = metric.goal === 'maximize' ? '↑' : '↓';
  return {
    heading: [
      l10n.t('Weights'),
      `${metric.name} ${arrow}`,
      ...(hasLoss ? [`${l10n.t('loss')} ↓`] : []),
      `${metric.name} ${l10n.t('against plain average')}`,
    ],
    rows: table.map((row) => ({
      isUsed: row.id === recommendation.use,
      cells: [
        row.label,
        withEnds(fixed(row.metric, decimals), row.metricInterval, (value) => fixed(value, decimals)),
        ...(hasLoss
          ? [withEnds(fixed(row.loss, ofLoss), row.lossInterval, (value) => fixed(value, ofLoss))]
          : []),
        versus(row, decimals),
      ],
    })),
  };
}

function versus({ metricVersusUniform: found }: TableRow, decimals: number): string {
  if (found === undefined) return '–';
  return withEnds(signed(found.difference, decimals), found, (value) => signed(value, decimals));
}

/** "0.978 [0.961, 0.992]"; the number alone where there is no interval. */
function withEnds(value: string, { low, high }: Interval, format: (value: number) => string): string {
  return Number.isNaN(low) || Number.isNaN(high) ? value : `${value} [${format(low)}, ${format(high)}]`;
}
