/** Everything needed to judge a result and to make it again: splits, options, environment, sources. */
import type { AverageReport, TwaOptions } from '../../src/core/averaging/types.ts';
import { h, icon, onClick } from '../shared/dom.ts';
import { fill } from '../shared/editor.ts';
import { formatBytes, formatDuration } from '../shared/numbers.ts';
import { PASS_PHASES } from '../shared/report.ts';
import type { ResultStrings } from '../strings.ts';
import { fileName, numberOrNothing } from './coefficients.ts';

export interface DetailEvents {
  reveal(path: string): void;
  copy(text: string): void;
}

/** Hex digits that tell files apart at a glance; the whole hash is in the title and on the clipboard. */
const SHORT_HASH = 12;

export function details(report: AverageReport, strings: ResultStrings, events: DetailEvents): HTMLElement {
  return h(
    'div',
    { class: 'details' },
    ...(report.splits === undefined ? [] : [splits(report.splits, strings)]),
    ...(report.provenance.options === undefined ? [] : [options(report.provenance.options, strings)]),
    environment(report, strings, events),
    sources(report, strings, events),
  );
}

function splits(sizes: NonNullable<AverageReport['splits']>, strings: ResultStrings): HTMLElement {
  const rows = [
    [strings.splitFit, sizes.fit, strings.splitFitHint],
    [strings.splitStop, sizes.stop, strings.splitStopHint],
    [strings.splitReport, sizes.report, strings.splitReportHint],
  ] as const;
  return group(
    strings.splits,
    rows.map(([name, size, hint]) => [
      name,
      h(
        'span',
        {},
        h('span', { class: 'number' }, fill(strings.examples, size)),
        h('span', { class: 'muted' }, ` ${hint}`),
      ),
    ]),
    h('p', { class: 'muted origin' }, sizes.origin),
  );
}

function options(chosen: TwaOptions, strings: ResultStrings): HTMLElement {
  const rules = { v4: strings.ruleV4, iclr: strings.ruleIclr, lbfgs: strings.ruleLbfgs };
  const constraints = {
    simplex: strings.constraintSimplex,
    affine: strings.constraintAffine,
    free: strings.constraintFree,
  };
  const granularities = {
    one: strings.granularityOne,
    tensor: strings.granularityTensor,
    groups: strings.granularityGroups,
  };
  const schedules = {
    step: strings.scheduleStep,
    linear: strings.scheduleLinear,
    cosine: strings.scheduleCosine,
  };
  const has = (condition: boolean, name: string, value: unknown): (readonly [string, string])[] =>
    condition ? [[name, String(value)]] : [];
  return group(strings.options, [
    [strings.rule, rules[chosen.rule]],
    [strings.constraint, constraints[chosen.constraint]],
    [strings.granularity, granularities[chosen.granularity]],
    [strings.fitData, chosen.fitData === 'train' ? strings.fitDataTrain : strings.fitDataValidation],
    [strings.start, chosen.start],
    [strings.epochs, String(chosen.epochs)],
    [strings.patience, String(chosen.patience)],
    [strings.batchSize, String(chosen.batchSize)],
    ...has(chosen.rule !== 'lbfgs', strings.learningRate, chosen.learningRate),
    ...has(chosen.rule !== 'lbfgs', strings.schedule, schedules[chosen.schedule]),
    ...has(chosen.rule !== 'lbfgs', strings.weightDecay, chosen.weightDecay),
    ...has(chosen.rule === 'iclr', strings.momentum, chosen.momentum),
    ...has(chosen.ridge > 0, strings.ridge, chosen.ridge),
    ...has(chosen.sparse, strings.sparse, strings.sparseYes),
  ]);
}

function environment(
  { provenance, timings }: AverageReport,
  strings: ResultStrings,
  events: DetailEvents,
): HTMLElement {
  const buffers = {
    recalibrate: strings.buffersRecalibrate,
    average: strings.buffersAverage,
    newest: strings.buffersNewest,
    none: strings.buffersNone,
  }[provenance.buffers];
  const took = PASS_PHASES.reduce((sum, phase) => sum + (timings[phase] ?? 0), 0);
  const created = new Date(provenance.createdAt);
  const { backend, task } = provenance;
  return group(strings.provenance, [
    [
      strings.created,
      Number.isNaN(created.getTime())
        ? provenance.createdAt
        : created.toLocaleString(document.documentElement.lang || undefined, {
            dateStyle: 'medium',
            timeStyle: 'short',
          }),
    ],
    ...(took > 0 ? [[strings.took, formatDuration(took)] as const] : []),
    [strings.tool, `${provenance.tool} ${provenance.version}`],
    ...(backend === undefined ? [] : [[strings.backend, backend] as const]),
    ...(task === undefined ? [] : [[strings.task, h('span', { title: task }, fileName(task))] as const]),
    [strings.seed, String(provenance.seed)],
    [strings.buffers, buffers],
    ['SHA-256', hash(provenance.outputSha256, strings.copyHash, events)],
  ]);
}

function sources(
  { provenance, coefficients }: AverageReport,
  strings: ResultStrings,
  events: DetailEvents,
): HTMLElement {
  const heading = (text: string): HTMLElement => h('th', { scope: 'col' }, text);
  return h(
    'section',
    { class: 'sources' },
    h(
      'h2',
      {},
      strings.sources,
      ' ',
      h('span', { class: 'muted number' }, String(provenance.sources.length)),
    ),
    h(
      'div',
      { class: 'table-scroll', tabindex: 0, role: 'region', 'aria-label': strings.sources },
      h(
        'table',
        { class: 'data' },
        h(
          'thead',
          {},
          h(
            'tr',
            {},
            ...[
              strings.checkpoint,
              strings.epoch,
              strings.step,
              strings.coefficient,
              strings.size,
              'SHA-256',
            ].map(heading),
            h('td', {}),
          ),
        ),
        h(
          'tbody',
          {},
          ...provenance.sources.map((source, index) =>
            h(
              'tr',
              {},
              h(
                'th',
                { scope: 'row', title: source.path },
                onClick(h('button', { type: 'button', class: 'link' }, fileName(source.path)), () =>
                  events.reveal(source.path),
                ),
              ),
              h('td', {}, numberOrNothing(source.epoch)),
              h('td', {}, numberOrNothing(source.step)),
              h('td', {}, numberOrNothing(coefficients[index])),
              h('td', {}, formatBytes(source.size)),
              h('td', {}, hash(source.sha256, strings.copyHash, events)),
              h('td', {}, copyButton(source.path, strings.copyPath, events)),
            ),
          ),
        ),
      ),
    ),
  );
}

function group(
  title: string,
  rows: readonly (readonly [string, Node | string])[],
  ...more: readonly Node[]
): HTMLElement {
  return h(
    'section',
    {},
    h('h2', {}, title),
    h('dl', {}, ...rows.flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, value)])),
    ...more,
  );
}

function hash(sha256: string, label: string, events: DetailEvents): HTMLElement {
  return h(
    'span',
    { class: 'hash' },
    h('code', { title: sha256 }, sha256.slice(0, SHORT_HASH)),
    copyButton(sha256, label, events),
  );
}

export function copyButton(text: string, label: string, events: Pick<DetailEvents, 'copy'>): HTMLElement {
  return onClick(
    h('button', { type: 'button', class: 'icon-button', title: label, 'aria-label': label }, icon('copy')),
    () => events.copy(text),
  );
}
