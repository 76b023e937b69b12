/** One quantity: heading, legend, plot and data table. */
import { h, onClick } from '../shared/dom.ts';
import { fill } from '../shared/editor.ts';
import { formatNumber } from '../shared/numbers.ts';
import type { CurvesStrings } from '../strings.ts';
import { metricGoal } from '../../src/core/runs/goals.ts';
import type { PreparedGroup } from './prepare.ts';
import { placeAt } from './decimate.ts';
import type { DrawnLine } from './lines.ts';
import { Plot, type PlotEvents, type PlotInput, type PlotLine } from './plot.ts';
import { tableRows } from './rows.ts';
import type { LineStyle } from './style.ts';
import { formatOn, swatch } from './tooltip.ts';

export interface SectionLine extends PlotLine {
  /** By its tag, or by its run. */
  readonly hidden: boolean;
}

/** What the legend names: a line, or with several runs all lines of a tag. */
export interface LegendEntry {
  readonly tag: string;
  readonly hidden: boolean;
  readonly style: LineStyle;
  /** Undefined where the entry stands for several. */
  readonly line: SectionLine | undefined;
}

export interface SectionInput
  extends Omit<PlotInput, 'lines' | 'walked'>, Pick<PreparedGroup, 'pinned' | 'health'> {
  readonly lines: readonly SectionLine[];
  readonly legend: readonly LegendEntry[];
  /** Key of the line with the marks. */
  readonly carrier: string | undefined;
  readonly table: boolean;
}

export interface SectionEvents extends PlotEvents {
  toggleLine(tag: string): void;
  toggleLog(): void;
  togglePin(): void;
}

/** Lines whose last and best values screen readers are told; the table has them all. */
const SUMMARISED = 8;

export class Section {
  readonly element: HTMLElement;
  readonly plot: Plot;
  readonly #title: string;
  readonly #strings: CurvesStrings;
  readonly #legend = h('div', { class: 'legend' });
  readonly #summary = h('p', { class: 'visually-hidden' });
  readonly #table = h('div', { class: 'table-scroll', hidden: true, tabindex: 0 });
  readonly #health = h('span', { class: 'health', role: 'status' });
  readonly #log: HTMLButtonElement;
  readonly #pin: HTMLButtonElement;
  readonly #events: SectionEvents;
  /** Buttons stay the same elements, so that an update takes no focus away. */
  readonly #buttons = new Map<string, HTMLButtonElement>();
  #tableShows = '';
  #healthShows = '[]';

  constructor(title: string, strings: CurvesStrings, input: SectionInput, events: SectionEvents) {
    this.#title = title;
    this.#strings = strings;
    this.#events = events;
    this.#log = onClick(
      h('button', { class: 'toggle', type: 'button', title: strings.logScaleHint }, strings.logScale),
      () => events.toggleLog(),
    );
    this.#pin = onClick(
      h('button', { class: 'toggle', type: 'button', title: strings.pinChartHint }, strings.pinChart),
      () => events.togglePin(),
    );
    this.plot = new Plot(input.theme, fill(strings.chartLabel, title), strings.chartHelp, events);
    this.element = h(
      'section',
      { class: 'chart', 'aria-label': title },
      h('header', {}, h('h2', {}, title), this.#health, this.#legend, this.#log, this.#pin),
      this.#summary,
      this.plot.element,
      this.#table,
    );
  }

  render(input: SectionInput): void {
    const visible = input.lines.filter(({ hidden }) => !hidden);
    this.#log.setAttribute('aria-pressed', String(input.log));
    this.#pin.setAttribute('aria-pressed', String(input.pinned));
    this.#renderHealth(input.health);
    this.#renderLegend(input.legend);
    this.#renderSummary(visible, input);
    this.#table.hidden = !input.table;
    if (input.table) this.#renderTable(visible, input);
  }

  /** Apart from the rest: a canvas that measures text after a change of the page makes the page lay itself out. */
  draw(input: SectionInput): void {
    const visible = input.lines.filter(({ hidden }) => !hidden);
    const walked = visible.findIndex(({ key }) => key === input.carrier);
    this.plot.render({ ...input, lines: visible, walked });
  }

  /** Another view of what was rendered last. */
  zoom(zooms: Pick<PlotInput, 'xZoom' | 'yZoom'>): void {
    this.plot.zoom(zooms);
  }

  dispose(): void {
    this.plot.dispose();
    this.element.remove();
  }

  #renderHealth(marks: SectionInput['health']): void {
    const shows = JSON.stringify(marks);
    if (shows === this.#healthShows) return;
    this.#healthShows = shows;
    this.#health.replaceChildren(
      ...marks.map(({ kind, mark, sentence }) =>
        h(
          'span',
          { class: kind === 'plateau' ? 'health-mark' : 'health-mark warning', title: sentence },
          mark,
          h('span', { class: 'visually-hidden' }, `: ${sentence}`),
        ),
      ),
    );
  }

  #renderLegend(entries: readonly LegendEntry[]): void {
    const { notFinite, superseded, hideSeries } = this.#strings;
    const tags = new Set(entries.map(keyOf));
    for (const [key, button] of this.#buttons) {
      if (tags.has(key)) continue;
      button.remove();
      this.#buttons.delete(key);
    }
    for (const entry of entries) {
      const { tag, style, line, hidden } = entry;
      let button = this.#buttons.get(keyOf(entry));
      if (button === undefined) {
        button = onClick(h('button', { class: 'legend-item', type: 'button' }), () =>
          this.#events.toggleLine(tag),
        );
        this.#buttons.set(keyOf(entry), button);
        this.#legend.append(button);
      }
      const last = line?.raw.y.at(-1);
      button.setAttribute('aria-pressed', String(!hidden));
      const title = [
        fill(hideSeries, tag),
        ...(line !== undefined && line.raw.superseded > 0 ? [fill(superseded, line.raw.superseded)] : []),
      ].join('\n');
      const value = last === undefined ? '' : formatNumber(last);
      const gaps = line === undefined ? 0 : line.raw.notFinite;
      const shows = JSON.stringify([style, value, gaps, title]);
      if (button.dataset['shows'] === shows) continue;
      button.dataset['shows'] = shows;
      button.title = title;
      button.replaceChildren(
        swatch(style),
        h('span', {}, tag),
        h('span', { class: 'number muted' }, value),
        ...(gaps > 0 ? [h('span', { class: 'warning' }, fill(notFinite, gaps))] : []),
      );
    }
  }

  #renderSummary(lines: readonly PlotLine[], input: SectionInput): void {
    const said = lines.slice(0, SUMMARISED).map((line) => this.#summaryOf(line, input));
    if (lines.length > said.length) said.push(fill(this.#strings.moreLines, lines.length - said.length));
    const text = said.join('; ');
    // What says the same is left alone: every change costs a layout.
    if (this.#summary.textContent !== text) this.#summary.textContent = text;
  }

  #summaryOf({ label, tag, raw }: PlotLine, { axis, language }: SectionInput): string {
    const best = metricGoal(tag) === 'minimize' ? raw.lowest : raw.highest;
    if (best < 0) return label;
    return fill(
      this.#strings.lastValue,
      label,
      formatNumber(raw.y.at(-1)!),
      formatNumber(raw.y[best]!),
      formatOn(axis, placeAt(raw, best), language),
    );
  }

  #renderTable(lines: readonly PlotLine[], { xTitle, axis, language }: SectionInput): void {
    const shows = `${xTitle}\n${lines.map(({ label, raw }) => `${label} ${lastOf(raw)}`).join('\n')}`;
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
            ...lines.map(({ label }) => h('th', { scope: 'col' }, label)),
          ),
        ),
        h(
          'tbody',
          {},
          ...rows.map(({ x, values }) =>
            h(
              'tr',
              {},
              h('th', { scope: 'row' }, formatOn(axis, x, language)),
              ...values.map((value) => h('td', {}, value === undefined ? '' : formatNumber(value))),
            ),
          ),
        ),
      ),
    );
  }
}

const lastOf = ({ x, y }: DrawnLine): string => `${x.length} ${x.at(-1) ?? ''} ${y.at(-1) ?? ''}`;
const keyOf = ({ tag, line }: LegendEntry): string => line?.key ?? tag;
