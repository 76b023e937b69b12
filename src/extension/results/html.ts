/** "Export Report": one file that any browser shows, without scripts and without anything from elsewhere. */
import path from 'node:path';
import type { AverageReport, Interval, ResultGeometry } from '../../core/averaging/types.ts';
import type { ResultMore } from '../../../webview/protocol.ts';
import { chosenPoint } from '../../../webview/result/chosen.ts';
import {
  bufferNames,
  methodName,
  optionFacts,
  provenanceFacts,
  splitFacts,
  timeText,
} from '../../../webview/result/facts.ts';
import { geometryWords, placeLabels } from '../../../webview/result/geometryWords.ts';
import { intervalScale } from '../../../webview/result/intervals.ts';
import { movesPicture, percent } from '../../../webview/result/pictures/bars.ts';
import { heatLegend, heatPicture } from '../../../webview/result/pictures/heat.ts';
import { mapPicture, mixMark } from '../../../webview/result/pictures/map.ts';
import { coefficientsPicture, lossPicture } from '../../../webview/result/pictures/plots.ts';
import { markup, px, type Shape, shape } from '../../../webview/result/pictures/shape.ts';
import { fill } from '../../../webview/shared/fill.ts';
import { formatBytes, formatDuration, formatNumber } from '../../../webview/shared/numbers.ts';
import { type ResultStrings, resultStrings } from '../../../webview/strings.ts';
import { STYLE } from './htmlStyle.ts';
import { tableText } from './tableText.ts';

const FONT = 11;

type More = Pick<ResultMore, 'geometry' | 'evaluations'>;

/** @param language of the texts, as in `lang` */
export function resultHtml(report: AverageReport, more: More, language: string): string {
  const strings = resultStrings();
  const { geometry, evaluations } = more;
  const title = path.basename(report.output);
  const document = shape(
    'html',
    { lang: language },
    shape(
      'head',
      {},
      shape('meta', { charset: 'utf-8' }),
      shape('meta', { name: 'viewport', content: 'width=device-width, initial-scale=1' }),
      // Nothing is loaded and nothing runs, whatever names of files may say.
      shape('meta', {
        'http-equiv': 'Content-Security-Policy',
        content: "default-src 'none'; style-src 'unsafe-inline'",
      }),
      shape('title', {}, title),
      // It has no character that markup would escape.
      shape('style', {}, STYLE),
    ),
    shape(
      'body',
      {},
      shape(
        'main',
        {},
        shape('p', { class: 'muted' }, methodName(report.method, strings)),
        shape('h1', {}, report.recommendation.sentence),
        shape(
          'p',
          {},
          shape('span', { class: 'muted' }, `${strings.output} `),
          shape('code', {}, report.output),
        ),
        ...comparison(report, strings),
        ...(evaluations.length === 0 ? [] : own(evaluations, strings, language)),
        ...(report.notes.length === 0 ? [] : [heading(strings.notes), list(report.notes)]),
        ...charts(report, strings),
        ...(geometry === undefined ? [] : lying(geometry, report, strings)),
        ...running(report, strings),
        ...facts(report, strings, language),
        ...sources(report, strings),
      ),
    ),
  );
  return `<!doctype html>\n${markup(document)}\n`;
}

const heading = (text: string): Shape => shape('h2', {}, text);
const muted = (text: string): Shape => shape('p', { class: 'muted' }, text);
const list = (items: readonly string[]): Shape =>
  shape('ul', {}, ...items.map((item) => shape('li', {}, item)));

/** The first column names the rows. */
function table(
  columns: readonly string[],
  rows: readonly (readonly (Shape | string)[])[],
  used?: number,
): Shape {
  return shape(
    'table',
    {},
    shape('thead', {}, shape('tr', {}, ...columns.map((column) => shape('th', { scope: 'col' }, column)))),
    shape(
      'tbody',
      {},
      ...rows.map((row, index) =>
        shape(
          'tr',
          { class: index === used ? 'used' : undefined },
          ...row.map((cell, at) => (at === 0 ? shape('th', { scope: 'row' }, cell) : shape('td', {}, cell))),
        ),
      ),
    ),
  );
}

function comparison(report: AverageReport, strings: ResultStrings): Shape[] {
  const found = tableText(report);
  if (found === undefined) return [muted(strings.noTableHint)];
  const scale = intervalScale(
    report.table.map(({ metric, metricInterval }) => ({ value: metric, ...metricInterval })),
  );
  const bar = ({ low, high }: Interval, value: number): Shape | string => {
    if (scale === undefined || !Number.isFinite(value)) return '';
    const at = (number: number): number => px(4 + 132 * scale.at(number));
    return shape(
      'svg',
      { class: 'interval', width: 140, height: 14, 'aria-hidden': 'true' },
      shape('path', {
        class: 'whisker',
        d: `M${at(low)} 7H${at(high)}M${at(low)} 4v6M${at(high)} 4v6`,
      }),
      shape('circle', { class: 'point', cx: at(value), cy: 7, r: 3.5 }),
    );
  };
  const used = found.rows.findIndex(({ isUsed }) => isUsed);
  const [weights, metric, ...others] = found.heading;
  return [
    table(
      [weights!, metric!, strings.interval, ...others],
      found.rows.map(({ cells: [name, value, ...rest], isUsed }, index) => {
        const row = report.table[index]!;
        return [
          isUsed ? `${name!} ✓ ${strings.recommended}` : name!,
          value!,
          bar(row.metricInterval, row.metric),
          ...rest,
        ];
      }),
      used,
    ),
    ...(report.splits === undefined ? [] : [muted(fill(strings.onReportSplit, report.splits.report))]),
  ];
}

function own(evaluations: More['evaluations'], strings: ResultStrings, language: string): Shape[] {
  return [
    heading(strings.evaluations),
    shape(
      'ul',
      {},
      ...evaluations.map(({ command, directory, value, at, milliseconds }) =>
        shape(
          'li',
          {},
          shape('strong', {}, formatNumber(value)),
          ' ',
          shape('code', {}, command),
          ` ${fill(strings.evaluationHint, directory, timeText(at, language), formatDuration(milliseconds))}`,
        ),
      ),
    ),
  ];
}

function charts(report: AverageReport, strings: ResultStrings): Shape[] {
  const { coefficients, lossCurve, method } = report;
  const row = report.table.find(({ id }) => id === method);
  const chosen = chosenPoint(lossCurve, row);
  const sum = coefficients.reduce((total, value) => total + value, 0);
  return [
    ...(lossCurve.length === 0
      ? []
      : [
          heading(strings.lossCurve),
          shape(
            'p',
            { class: 'legend' },
            key('fit-loss', strings.fitLoss),
            key('stop-loss', strings.stopLoss),
          ),
          lossPicture(
            lossCurve,
            chosen,
            strings.lossCurve,
            chosen === undefined ? '' : fill(strings.chosenEpoch, chosen.epoch),
          ),
        ]),
    heading(strings.coefficients),
    muted(fill(strings.coefficientsHint, coefficients.length, formatNumber(sum))),
    coefficientsPicture(coefficients, placeLabels(report), strings.coefficients),
  ];
}

const key = (className: string, text: string): Shape =>
  shape('span', {}, shape('span', { class: `key ${className}` }), ` ${text}`);

function lying(geometry: ResultGeometry, report: AverageReport, strings: ResultStrings): Shape[] {
  const labels = placeLabels(report);
  const { use } = report.recommendation;
  const share = 100 * geometry.explained.reduce((sum, value) => sum + value, 0);
  const heat = heatPicture(geometry.cosines, { side: 320, fontSize: FONT, labels });
  return [
    heading(strings.geometry),
    list(geometryWords(geometry, strings)),
    shape('h3', {}, strings.map),
    muted(fill(strings.mapHint, share.toFixed(0))),
    mapPicture(geometry, { width: 620, height: 340, fontSize: FONT, labels, use }).shape,
    shape(
      'p',
      { class: 'legend' },
      ...geometry.mixes.map(({ id, label }) =>
        shape(
          'span',
          {},
          shape(
            'svg',
            { class: 'map', width: 18, height: 18, 'aria-hidden': 'true' },
            mixMark(id, { x: 9, y: 9 }, id === use),
          ),
          ` ${label}`,
        ),
      ),
    ),
    shape('h3', {}, strings.similarity),
    muted(strings.similarityHint),
    heat.shape,
    heatLegend(FONT),
    table(
      [strings.weights, 'x', 'y', strings.fromMean],
      [
        ...geometry.names.map((name, i) => [
          name,
          ...geometry.points[i]!.map((at) => formatNumber(at)),
          formatNumber(geometry.fromMean[i]!),
        ]),
        ...geometry.mixes.map(({ label, x, y, fromMean }) => [
          label,
          formatNumber(x),
          formatNumber(y),
          formatNumber(fromMean),
        ]),
      ],
    ),
  ];
}

function running(report: AverageReport, strings: ResultStrings): Shape[] {
  const { bufferScores = [], bufferMoves = [], provenance, metric } = report;
  if (bufferScores.length + bufferMoves.length === 0) return [];
  return [
    heading(strings.runningStatistics),
    ...(bufferScores.length === 0
      ? []
      : [
          table(
            [strings.choice, metric?.name ?? '', strings.loss],
            bufferScores.map(({ mode, metric: value, loss }) => [
              bufferNames(strings)[mode] + (mode === provenance.buffers ? ` ✓ ${strings.used}` : ''),
              formatNumber(value),
              Number.isNaN(loss) ? '–' : formatNumber(loss),
            ]),
            bufferScores.findIndex(({ mode }) => mode === provenance.buffers),
          ),
          muted(strings.runningStatisticsHint),
        ]),
    ...(bufferMoves.length === 0
      ? []
      : [
          shape('h3', {}, strings.moved),
          shape(
            'p',
            { class: 'legend' },
            key('from-newest', strings.fromNewest),
            key('from-average', strings.fromAverage),
          ),
          movesPicture(bufferMoves, { width: 560, fontSize: FONT }),
          table(
            [strings.tensor, strings.fromNewest, strings.fromAverage],
            bufferMoves.map(({ name, fromNewest, fromAverage }) => [
              name,
              percent(fromNewest),
              percent(fromAverage),
            ]),
          ),
        ]),
  ];
}

function facts(report: AverageReport, strings: ResultStrings, language: string): Shape[] {
  const { splits, provenance } = report;
  const definitions = (pairs: readonly (readonly [string, string])[]): Shape =>
    shape('dl', {}, ...pairs.flatMap(([name, value]) => [shape('dt', {}, name), shape('dd', {}, value)]));
  return [
    ...(splits === undefined
      ? []
      : [
          heading(strings.splits),
          definitions(splitFacts(splits, strings).map(({ name, size, hint }) => [name, `${size}: ${hint}`])),
          muted(splits.origin),
        ]),
    ...(provenance.options === undefined
      ? []
      : [heading(strings.options), definitions(optionFacts(provenance.options, strings))]),
    heading(strings.provenance),
    definitions([
      ...provenanceFacts(report, strings, language),
      ...(provenance.task === undefined ? [] : [[strings.task, provenance.task] as const]),
      ['SHA-256', provenance.outputSha256],
    ]),
  ];
}

function sources({ provenance, coefficients }: AverageReport, strings: ResultStrings): Shape[] {
  const number = (value: number | undefined): string => (value === undefined ? '' : formatNumber(value));
  return [
    heading(strings.sources),
    table(
      [strings.checkpoint, strings.epoch, strings.step, strings.coefficient, strings.size, 'SHA-256'],
      provenance.sources.map(({ path: file, epoch, step, size, sha256 }, index) => [
        shape('span', { title: file }, path.basename(file)),
        number(epoch),
        number(step),
        number(coefficients[index]),
        formatBytes(size),
        shape('code', {}, sha256),
      ]),
    ),
    muted(provenance.sources.length === 0 ? '' : path.dirname(provenance.sources[0]!.path)),
  ];
}
