/** Everything needed to judge a result and to make it again: splits, options, environment, sources. */
import type { AverageReport } from '../../src/core/averaging/types.ts';
import { h, icon, onClick } from '../shared/dom.ts';
import { formatBytes } from '../shared/numbers.ts';
import type { ResultStrings } from '../strings.ts';
import { fileName, numberOrNothing } from './coefficients.ts';
import { optionFacts, provenanceFacts, splitFacts } from './facts.ts';

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
    ...(report.provenance.options === undefined
      ? []
      : [group(strings.options, optionFacts(report.provenance.options, strings))]),
    environment(report, strings, events),
    sources(report, strings, events),
  );
}

function splits(sizes: NonNullable<AverageReport['splits']>, strings: ResultStrings): HTMLElement {
  return group(
    strings.splits,
    splitFacts(sizes, strings).map(({ name, size, hint }) => [
      name,
      h('span', {}, h('span', { class: 'number' }, size), h('span', { class: 'muted' }, ` ${hint}`)),
    ]),
    h('p', { class: 'muted origin' }, sizes.origin),
  );
}

function environment(report: AverageReport, strings: ResultStrings, events: DetailEvents): HTMLElement {
  const { task, outputSha256 } = report.provenance;
  return group(strings.provenance, [
    ...provenanceFacts(report, strings, document.documentElement.lang || undefined),
    ...(task === undefined ? [] : [[strings.task, h('span', { title: task }, fileName(task))] as const]),
    ['SHA-256', hash(outputSha256, strings.copyHash, events)],
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
