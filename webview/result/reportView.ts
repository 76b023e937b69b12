/** A finished average, from the sentence to the sources. */
import type { AverageReport, Method } from '../../src/core/averaging/types.ts';
import { h, icon, onClick } from '../shared/dom.ts';
import type { Theme } from '../shared/theme.ts';
import type { ResultStrings } from '../strings.ts';
import { chosenPoint } from './chosen.ts';
import { CoefficientsChart, fileName } from './coefficients.ts';
import { comparison } from './comparison.ts';
import { type DetailEvents, details } from './details.ts';
import { LossCurveChart } from './lossCurve.ts';

export interface ReportEvents extends DetailEvents {
  openFile(): void;
  toggleTable(): void;
}

export class ReportView {
  readonly element: HTMLElement;
  readonly #report: AverageReport;
  readonly #coefficients: CoefficientsChart;
  readonly #lossCurve: LossCurveChart | undefined;
  readonly #toggle: HTMLButtonElement;

  constructor(report: AverageReport, strings: ResultStrings, events: ReportEvents) {
    this.#report = report;
    this.#coefficients = new CoefficientsChart(strings);
    this.#lossCurve = report.lossCurve.length === 0 ? undefined : new LossCurveChart(strings);
    this.#toggle = onClick(h('button', { type: 'button', class: 'toggle' }, strings.showTable), () =>
      events.toggleTable(),
    );
    this.element = h(
      'article',
      { class: 'report' },
      headline(report, strings, events),
      comparison(report, strings),
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
      h('div', { class: 'chart-actions' }, this.#toggle),
      details(report, strings, events),
    );
  }

  render(theme: Theme, table: boolean): void {
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
    this.element.remove();
  }
}

function headline(report: AverageReport, strings: ResultStrings, events: ReportEvents): HTMLElement {
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
  );
}

function methodName(method: Method, strings: ResultStrings): string {
  const names: Readonly<Record<Method, string>> = {
    uniform: strings.methodUniform,
    'last-k': strings.methodLastK,
    ema: strings.methodEma,
    'best-k': strings.methodBestK,
    prune: strings.methodPrune,
    greedy: strings.methodGreedy,
    manual: strings.methodManual,
    search: strings.methodSearch,
    twa: strings.methodTwa,
  };
  return names[method];
}
