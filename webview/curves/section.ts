/** One quantity: heading, legend, plot and data table. */
import { h, onClick } from '../shared/dom.ts';
import { fill } from '../shared/editor.ts';
import { formatNumber } from '../shared/numbers.ts';
import type { CurvesStrings } from '../strings.ts';
import type { DrawnLine } from './lines.ts';
import { Plot, type PlotEvents, type PlotInput, type PlotLine } from './plot.ts';
import { tableRows } from './rows.ts';
import { formatPlace, swatch } from './tooltip.ts';

export interface SectionLine extends PlotLine {
  readonly key: string;
  readonly hidden: boolean;
}

export interface SectionInput extends Omit<PlotInput, 'lines' | 'walked'> {
  readonly lines: readonly SectionLine[];
  /** Key of the line with the marks. */
  readonly carrier: string | undefined;
  readonly table: boolean;
}

export interface SectionEvents extends PlotEvents {
  toggleLine(tag: string): void;
  toggleLog(): void;
}

export class Section {
  readonly element: HTMLElement;
  readonly plot: Plot;
  readonly #title: string;
  readonly #strings: CurvesStrings;
  readonly #legend = h('div', { class: 'legend' });
  readonly #summary = h('p', { class: 'visually-hidden' });
  readonly #table = h('div', { class: 'table-scroll', hidden: true, tabindex: 0 });
  readonly #log: HTMLButtonElement;
  readonly #events: SectionEvents;
  /** Buttons stay the same elements, so that an update takes no focus away. */
  readonly #buttons = new Map<string, HTMLButtonElement>();
  #tableShows = '';

  constructor(title: string, strings: CurvesStrings, input: SectionInput, events: SectionEvents) {
    this.#title = title;
    this.#strings = strings;
    this.#events = events;
    this.#log = onClick(
      h('button', { class: 'toggle', type: 'button', title: strings.logScaleHint }, strings.logScale),
      () => events.toggleLog(),
    );
    this.plot = new Plot(input.theme, fill(strings.chartLabel, title), strings.chartHelp, events);
    this.element = h(
      'section',
      { class: 'chart', 'aria-label': title },
      h('header', {}, h('h2', {}, title), this.#legend, this.#log),
      this.#summary,
      this.plot.element,
      this.#table,
    );
  }

  render(input: SectionInput): void {
    const visible = input.lines.filter(({ hidden }) => !hidden);
    this.#log.setAttribute('aria-pressed', String(input.log));
    this.#renderLegend(input.lines);
    this.#summary.textContent = visible.map((line) => this.#summaryOf(line)).join('; ');
    const walked = visible.findIndex(({ key }) => key === input.carrier);
    this.plot.render({ ...input, lines: visible, walked });
    this.#table.hidden = !input.table;
    if (input.table) this.#renderTable(visible, input.xTitle);
  }

  dispose(): void {
    this.plot.dispose();
    this.element.remove();
  }

  #renderLegend(lines: readonly SectionLine[]): void {
    const { notFinite, superseded, hideSeries } = this.#strings;
    const keys = new Set(lines.map(({ key }) => key));
    for (const [key, button] of this.#buttons) {
      if (keys.has(key)) continue;
      button.remove();
      this.#buttons.delete(key);
    }
    for (const { key, tag, style, raw, hidden } of lines) {
      let button = this.#buttons.get(key);
      if (button === undefined) {
        button = onClick(h('button', { class: 'legend-item', type: 'button' }), () =>
          this.#events.toggleLine(tag),
        );
        this.#buttons.set(key, button);
        this.#legend.append(button);
      }
      const last = raw.y.at(-1);
      button.setAttribute('aria-pressed', String(!hidden));
      button.title = [
        fill(hideSeries, tag),
        ...(raw.superseded > 0 ? [fill(superseded, raw.superseded)] : []),
      ].join('\n');
      button.replaceChildren(
        swatch(style),
        h('span', {}, tag),
        h('span', { class: 'number muted' }, last === undefined ? '' : formatNumber(last)),
        ...(raw.notFinite > 0 ? [h('span', { class: 'warning' }, fill(notFinite, raw.notFinite))] : []),
      );
    }
  }

  #summaryOf({ tag, raw }: PlotLine): string {
    const lowIsBest = /loss|error|perplexity/i.test(this.#title);
    let best: number | undefined;
    for (let index = 0; index < raw.y.length; index++) {
      const value = raw.y[index]!;
      if (!Number.isFinite(value)) continue;
      if (best === undefined || (lowIsBest ? value < raw.y[best]! : value > raw.y[best]!)) best = index;
    }
    if (best === undefined) return tag;
    return fill(
      this.#strings.lastValue,
      tag,
      formatNumber(raw.y.at(-1)!),
      formatNumber(raw.y[best]!),
      formatPlace(raw.x[best]!),
    );
  }

  #renderTable(lines: readonly PlotLine[], xTitle: string): void {
    const shows = `${xTitle}\n${lines.map(({ tag, raw }) => `${tag} ${lastOf(raw)}`).join('\n')}`;
    if (shows === this.#tableShows) return;
    this.#tableShows = shows;
    const { total, rows } = tableRows(lines.map(({ raw }) => raw));
    const caption = fill(this.#strings.tableCaption, this.#title, rows.length, total);
    this.#table.setAttribute('aria-label', caption);
    this.#table.replaceChildren(
      h(
        'table',
        { class: 'data' },
        h('caption', {}, caption),
        h(
          'thead',
          {},
          h(
            'tr',
            {},
            h('th', { scope: 'col' }, xTitle),
            ...lines.map(({ tag }) => h('th', { scope: 'col' }, tag)),
          ),
        ),
        h(
          'tbody',
          {},
          ...rows.map(({ x, values }) =>
            h(
              'tr',
              {},
              h('th', { scope: 'row' }, formatPlace(x)),
              ...values.map((value) => h('td', {}, value === undefined ? '' : formatNumber(value))),
            ),
          ),
        ),
      ),
    );
  }
}

const lastOf = ({ x, y }: DrawnLine): string => `${x.length} ${x.at(-1) ?? ''} ${y.at(-1) ?? ''}`;
