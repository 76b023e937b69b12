/** What became of BatchNorm's running statistics: what each choice measures, and how far they moved. */
import type { AverageReport, BufferMove } from '../../src/core/averaging/types.ts';
import { h, icon } from '../shared/dom.ts';
import { fill } from '../shared/fill.ts';
import { formatNumber } from '../shared/numbers.ts';
import type { Theme } from '../shared/theme.ts';
import type { ResultStrings } from '../strings.ts';
import { dataTable } from './dataTable.ts';
import { bufferNames } from './facts.ts';
import { MOST_BARS, movesPicture, percent } from './pictures/bars.ts';
import { element } from './pictures/element.ts';

/** Pixels. */
const WIDEST = 560;

/** Whether the report has anything to tell. */
export const hasBuffers = ({ bufferScores = [], bufferMoves = [] }: AverageReport): boolean =>
  bufferScores.length + bufferMoves.length > 0;

export class BuffersSection {
  readonly element: HTMLElement;
  readonly #moves: readonly BufferMove[];
  readonly #strings: ResultStrings;
  readonly #plot = h('div', { class: 'picture moves-plot' });
  readonly #table = h('div', {});
  readonly #resized: ResizeObserver;
  #fontSize = 12;

  constructor(report: AverageReport, strings: ResultStrings) {
    this.#strings = strings;
    this.#moves = report.bufferMoves ?? [];
    this.element = h(
      'section',
      { class: 'buffers' },
      h('h2', {}, strings.runningStatistics),
      h(
        'div',
        { class: 'charts', role: 'group' },
        ...(report.bufferScores === undefined ? [] : [scores(report, strings)]),
        ...(this.#moves.length === 0 ? [] : [this.#movesChart()]),
      ),
    );
    this.#resized = new ResizeObserver(() => this.#draw());
    this.#resized.observe(this.#plot);
  }

  render(theme: Theme, table: boolean): void {
    this.#fontSize = Math.round(theme.fontSize * 0.85);
    this.#draw();
    const strings = this.#strings;
    this.#table.replaceChildren(
      ...(table && this.#moves.length > 0
        ? [
            dataTable(
              strings.moved,
              [strings.tensor, strings.fromNewest, strings.fromAverage],
              this.#moves.map(({ name, fromNewest, fromAverage }) => [
                name,
                percent(fromNewest),
                percent(fromAverage),
              ]),
            ),
          ]
        : []),
    );
  }

  dispose(): void {
    this.#resized.disconnect();
  }

  #movesChart(): HTMLElement {
    const strings = this.#strings;
    const key = (className: string, text: string): HTMLElement =>
      h('span', { class: 'legend-item' }, h('span', { class: `key ${className}` }), h('span', {}, text));
    const count = this.#moves.length;
    return h(
      'div',
      { class: 'chart' },
      h('h3', {}, strings.moved),
      h(
        'p',
        { class: 'muted' },
        [strings.movedHint, ...(count > MOST_BARS ? [fill(strings.movedMost, MOST_BARS, count)] : [])].join(
          ' ',
        ),
      ),
      h(
        'div',
        { class: 'legend' },
        key('from-newest', strings.fromNewest),
        key('from-average', strings.fromAverage),
      ),
      this.#plot,
      this.#table,
    );
  }

  #draw(): void {
    const available = this.#plot.clientWidth;
    if (this.#moves.length === 0 || available === 0) return;
    this.#plot.replaceChildren(
      element(movesPicture(this.#moves, { width: Math.min(WIDEST, available), fontSize: this.#fontSize })),
    );
  }
}

function scores(
  { bufferScores = [], provenance, metric }: AverageReport,
  strings: ResultStrings,
): HTMLElement {
  const names = bufferNames(strings);
  return h(
    'div',
    { class: 'chart' },
    h('p', { class: 'muted' }, strings.runningStatisticsHint),
    h(
      'div',
      { class: 'table-scroll', tabindex: 0, role: 'region', 'aria-label': strings.choice },
      h(
        'table',
        { class: 'data scores' },
        h(
          'thead',
          {},
          h(
            'tr',
            {},
            ...[strings.choice, metric?.name ?? '', strings.loss].map((text) =>
              h('th', { scope: 'col' }, text),
            ),
          ),
        ),
        h(
          'tbody',
          {},
          ...bufferScores.map(({ mode, metric: value, loss }) => {
            const isUsed = mode === provenance.buffers;
            return h(
              'tr',
              { class: isUsed ? 'recommended' : undefined },
              h(
                'th',
                { scope: 'row' },
                h('span', { class: 'label' }, names[mode]),
                isUsed
                  ? h('span', { class: 'badge' }, icon('check'), h('span', {}, strings.used))
                  : undefined,
              ),
              h('td', {}, formatNumber(value)),
              h('td', {}, Number.isNaN(loss) ? '–' : formatNumber(loss)),
            );
          }),
        ),
      ),
    ),
  );
}
