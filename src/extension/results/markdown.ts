/** "Copy as Markdown": a result for an issue, a wiki or a paper's notes. No VS Code here. */
import path from 'node:path';
import type { AverageReport } from '../../core/averaging/types.ts';
import {
  bufferNames,
  methodName,
  optionFacts,
  provenanceFacts,
  splitFacts,
  timeText,
} from '../../../webview/result/facts.ts';
import { geometryWords } from '../../../webview/result/geometryWords.ts';
import { fill } from '../../../webview/shared/fill.ts';
import { formatDuration, formatNumber } from '../../../webview/shared/numbers.ts';
import type { ResultMore } from '../../../webview/protocol.ts';
import { resultStrings } from '../../../webview/strings.ts';
import { escapeMarkdown } from '../text.ts';
import { tableText } from './tableText.ts';

export function resultMarkdown(
  report: AverageReport,
  { geometry, evaluations }: Pick<ResultMore, 'geometry' | 'evaluations'>,
  locale?: string,
): string {
  const strings = resultStrings();
  const { provenance, method, output, recommendation, splits, notes, bufferScores, coefficients } = report;
  const table = tableText(report);
  const facts = [
    ...(splits === undefined
      ? []
      : [
          [
            strings.splits,
            splitFacts(splits, strings)
              .map(({ name, size }) => `${name} ${size}`)
              .join(', '),
          ],
          ['', splits.origin],
        ]),
    ...(provenance.options === undefined ? [] : optionFacts(provenance.options, strings)),
    ...provenanceFacts(report, strings, locale),
    ...(provenance.task === undefined ? [] : [[strings.task, provenance.task]]),
    ['SHA-256', provenance.outputSha256],
  ] as readonly (readonly [string, string])[];
  return [
    `## ${methodName(method, strings)}: ${escapeMarkdown(path.basename(output))}`,
    escapeMarkdown(recommendation.sentence),
    ...(table === undefined
      ? []
      : [
          [
            rowOf(table.heading),
            `|:--|${'--:|'.repeat(table.heading.length - 1)}`,
            ...table.rows.map(({ cells, isUsed }) =>
              rowOf(isUsed ? cells.map((cell) => ({ strong: cell })) : cells),
            ),
          ].join('\n'),
          ...(splits === undefined ? [] : [escapeMarkdown(fill(strings.onReportSplit, splits.report))]),
        ]),
    ...(evaluations.length === 0
      ? []
      : [
          `### ${strings.evaluations}`,
          evaluations
            .map(
              ({ command, directory, value, at, milliseconds }) =>
                `- **${formatNumber(value)}** ${code(command)} ${escapeMarkdown(
                  fill(strings.evaluationHint, directory, timeText(at, locale), formatDuration(milliseconds)),
                )}`,
            )
            .join('\n'),
        ]),
    ...(notes.length === 0 ? [] : [`### ${strings.notes}`, list(notes)]),
    ...(geometry === undefined ? [] : [`### ${strings.geometry}`, list(geometryWords(geometry, strings))]),
    ...(bufferScores === undefined
      ? []
      : [
          `### ${strings.runningStatistics}`,
          [
            rowOf([strings.choice, report.metric?.name ?? '', strings.loss]),
            '|:--|--:|--:|',
            ...bufferScores.map(({ mode, metric, loss }) => {
              const name = bufferNames(strings)[mode];
              return rowOf([
                mode === provenance.buffers ? `${name} (${strings.used})` : name,
                formatNumber(metric),
                Number.isNaN(loss) ? '–' : formatNumber(loss),
              ]);
            }),
          ].join('\n'),
        ]),
    `### ${strings.sources}`,
    [
      rowOf([strings.checkpoint, strings.epoch, strings.step, strings.coefficient, 'SHA-256']),
      '|:--|--:|--:|--:|:--|',
      ...provenance.sources.map(({ path: file, epoch, step, sha256 }, index) =>
        rowOf([
          path.basename(file),
          epoch === undefined ? '' : String(epoch),
          step === undefined ? '' : String(step),
          formatNumber(coefficients[index] ?? NaN),
          sha256,
        ]),
      ),
    ].join('\n'),
    `### ${strings.provenance}`,
    facts
      .map(([name, value]) => `- ${name === '' ? '' : `${escapeMarkdown(name)}: `}${escapeMarkdown(value)}`)
      .join('\n'),
    '',
  ].join('\n\n');
}

type Cell = string | { readonly strong: string };

const rowOf = (cells: readonly Cell[]): string =>
  `| ${cells.map((cell) => (typeof cell === 'string' ? escapeMarkdown(cell) : `**${escapeMarkdown(cell.strong)}**`)).join(' | ')} |`;

const list = (sentences: readonly string[]): string =>
  sentences.map((sentence) => `- ${escapeMarkdown(sentence)}`).join('\n');

/** With more backticks around than in it. */
function code(text: string): string {
  const longest = Math.max(0, ...(text.match(/`+/g) ?? []).map(({ length }) => length));
  const ticks = '`'.repeat(longest + 1);
  const space = longest > 0 ? ' ' : '';
  return `${ticks}${space}${text.replace(/\s*\n\s*/g, ' ')}${space}${ticks}`;
}
