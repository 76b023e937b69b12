/** A finished average, from the sentence to the sources. */
import type { AverageReport } from '../../src/core/averaging/types.ts';
import { h, icon, onClick } from '../shared/dom.ts';
import type { Theme } from '../shared/theme.ts';
import type { ResultAction, ResultMore } from '../protocol.ts';
import type { ResultStrings } from '../strings.ts';
import { BuffersSection, hasBuffers } from './buffersSection.ts';
import { chosenPoint } from './chosen.ts';
import { CoefficientsChart, fileName } from './coefficients.ts';
import { comparison } from './comparison.ts';
import { type DetailEvents, details } from './details.ts';
import { evaluationsSection } from './evaluations.ts';
import { methodName } from './facts.ts';
import { GeometrySection } from './geometrySection.ts';
import { LossCurveChart } from './lossCurve.ts';

export interface ReportEvents extends DetailEvents {
  openFile(): void;
  act(action: ResultAction): void;
  toggleTable(): void;
}

export class ReportView {
  readonly element: HTMLElement;
  readonly #report: AverageReport;
  readonly #coefficients: CoefficientsChart;
  readonly #lossCurve: LossCurveChart | undefined;
  readonly #toggle: HTMLButtonElement;
  readonly #strings: ResultStrings;
  readonly #events: ReportEvents;
  readonly #actions = h('span', { class: 'actions' });
  readonly #evaluations = h('div', { class: 'evaluations', hidden: true });
  readonly #geometryPlace = h('div', { class: 'geometry-place', hidden: true });
  readonly #buffers: BuffersSection | undefined;
  #geometry: GeometrySection | undefined;

  constructor(report: AverageReport, strings: ResultStrings, events: ReportEvents) {
    this.#report = report;
    this.#strings = strings;
    this.#events = events;
    this.#buffers = hasBuffers(report) ? new BuffersSection(report, strings) : undefined;
    this.#coefficients = new CoefficientsChart(strings);
    this.#lossCurve = report.lossCurve.length === 0 ? undefined : new LossCurveChart(strings);
    this.#toggle = onClick(h('button', { type: 'button', class: 'toggle' }, strings.showTable), () =>
      events.toggleTable(),
    );
    this.element = h(
      'article',
      { class: 'report' },
      headline(report, strings, events, this.#actions),
      comparison(report, strings),
      this.#evaluations,
      ...(report.notes.length === 0
        ? []
        : [
            h(
              'section',
              { class: 'notes' },
              h('h2', {}, strings.notes),
              h('ul', {}, ...report.notes.map((note) => h('li', {}, note))),
            ),
          ]),
      h(
        'div',
        { class: 'charts', role: 'group' },
        ...(this.#lossCurve === undefined ? [] : [this.#lossCurve.element]),
        this.#coefficients.element,
      ),
      this.#geometryPlace,
      this.#buffers?.element,
      h('div', { class: 'chart-actions' }, this.#toggle),
      details(report, strings, events),
    );
  }

  /** What is known beside the report, now. */
  more({ geometry, evaluations, can }: ResultMore): void {
    const strings = this.#strings;
    const button = (
      action: ResultAction,
      name: Parameters<typeof icon>[0],
      label: string,
      title?: string,
    ): HTMLElement | undefined =>
      can.includes(action)
        ? onClick(
            h('button', { type: 'button', class: 'icon-button', title }, icon(name), h('span', {}, label)),
            () => this.#events.act(action),
          )
        : undefined;
    // The button that has the focus must stay the same one.
    const key = can.join();
    if (this.#actions.dataset['can'] !== key) {
      this.#actions.dataset['can'] = key;
      this.#actions.replaceChildren(
        ...[
          button('evaluate', 'play', strings.evaluate),
          button('again', 'again', strings.averageAgain),
          button('terminal', 'terminal', strings.openInTerminal, strings.openInTerminalHint),
          button('markdown', 'copy', strings.copyMarkdown),
          button('export', 'export', strings.exportReport, strings.exportReportHint),
        ].filter((each) => each !== undefined),
      );
    }
    this.#evaluations.hidden = evaluations.length === 0;
    this.#evaluations.replaceChildren(...evaluationsSection(evaluations, strings));
    if (this.#report.provenance.sources.length < 2) return;
    this.#geometryPlace.hidden = false;
    if (this.#geometry === undefined) {
      this.#geometry = new GeometrySection(
        this.#report,
        strings,
        { compute: () => this.#events.act('geometry') },
        can.includes('geometry'),
      );
      this.#geometryPlace.replaceChildren(this.#geometry.element);
    }
    if (geometry !== undefined) this.#geometry.show(geometry);
  }

  render(theme: Theme, table: boolean): void {
    this.#geometry?.render(theme, table);
    this.#buffers?.render(theme, table);
    const { provenance, coefficients, lossCurve, table: rows, metric, method } = this.#report;
    this.#toggle.setAttribute('aria-pressed', String(table));
    this.#coefficients.render({ theme, checkpoints: provenance.sources, coefficients, table });
    const chosen = chosenPoint(
      lossCurve,
      rows.find(({ id }) => id === method),
    );
    this.#lossCurve?.render({ theme, points: lossCurve, chosen, metricName: metric?.name, table });
  }

  dispose(): void {
    this.#coefficients.dispose();
    this.#lossCurve?.dispose();
    this.#geometry?.dispose();
    this.#buffers?.dispose();
    this.element.remove();
  }
}

function headline(
  report: AverageReport,
  strings: ResultStrings,
  events: ReportEvents,
  more: HTMLElement,
): HTMLElement {
  const { recommendation, output, method } = report;
  const button = (name: Parameters<typeof icon>[0], label: string, action: () => void): HTMLElement =>
    onClick(h('button', { type: 'button', class: 'icon-button' }, icon(name), h('span', {}, label)), action);
  return h(
    'header',
    { class: 'headline' },
    h('p', { class: 'muted' }, methodName(method, strings)),
    h('h1', {}, recommendation.sentence),
    ...(recommendation.gain === undefined ? [] : [h('p', { class: 'gain' }, recommendation.gain)]),
    h(
      'p',
      { class: 'output' },
      h('span', { class: 'muted' }, strings.output),
      h('code', { title: output }, fileName(output)),
      h(
        'span',
        { class: 'actions' },
        button('tree', strings.showInTree, () => events.reveal(output)),
        button('copy', strings.copyPath, () => events.copy(output)),
        button('file', strings.openReport, () => events.openFile()),
      ),
    ),
    h('p', { class: 'output' }, more),
  );
}
