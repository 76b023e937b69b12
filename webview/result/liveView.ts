/** A pass while it runs, and one that did not finish. */
import type { PassPhase } from '../../src/core/averaging/types.ts';
import type { LivePassState } from '../protocol.ts';
import { h, icon, onClick } from '../shared/dom.ts';
import { PASS_PHASES } from '../shared/report.ts';
import type { Theme } from '../shared/theme.ts';
import type { ResultStrings } from '../strings.ts';
import { CoefficientsChart } from './coefficients.ts';
import { LossCurveChart } from './lossCurve.ts';

export interface LiveEvents {
  cancel(): void;
  toggleTable(): void;
}

export class LiveView {
  readonly element: HTMLElement;
  readonly #strings: ResultStrings;
  readonly #title = h('h1', {});
  readonly #bar = h('div', { class: 'progress-fill' });
  readonly #progress: HTMLElement;
  readonly #status = h('p', { class: 'status', role: 'status' });
  readonly #phases: ReadonlyMap<PassPhase, HTMLElement>;
  readonly #running: HTMLElement;
  readonly #failure = h('div', { class: 'failure', role: 'alert', hidden: true });
  readonly #cancel: HTMLButtonElement;
  readonly #charts: HTMLElement;
  readonly #toggle: HTMLButtonElement;
  readonly #coefficients: CoefficientsChart;
  readonly #lossCurve: LossCurveChart;

  constructor(strings: ResultStrings, events: LiveEvents) {
    this.#strings = strings;
    this.#coefficients = new CoefficientsChart(strings);
    this.#lossCurve = new LossCurveChart(strings);
    this.#cancel = onClick(h('button', { type: 'button', class: 'plain' }, strings.cancel), () => {
      this.#cancel.disabled = true;
      this.#cancel.textContent = strings.cancelling;
      events.cancel();
    });
    this.#toggle = onClick(h('button', { type: 'button', class: 'toggle' }, strings.showTable), () =>
      events.toggleTable(),
    );
    this.#progress = h(
      'div',
      { class: 'progress', role: 'progressbar', 'aria-valuemin': 0, 'aria-valuemax': 100 },
      this.#bar,
    );
    this.#phases = new Map(PASS_PHASES.map((phase) => [phase, h('li', {}, this.#phaseName(phase))]));
    this.#running = h(
      'div',
      {},
      this.#progress,
      h('div', { class: 'status-line' }, this.#status, this.#cancel),
      h('ol', { class: 'phases' }, ...this.#phases.values()),
    );
    this.#charts = h(
      'div',
      { class: 'charts', role: 'group' },
      this.#lossCurve.element,
      this.#coefficients.element,
    );
    this.element = h(
      'article',
      { class: 'live' },
      h('header', { class: 'headline' }, this.#title),
      this.#running,
      this.#failure,
      this.#charts,
      h('div', { class: 'chart-actions' }, this.#toggle),
    );
  }

  render(live: LivePassState, theme: Theme, table: boolean): void {
    const { title, phase, fraction, message, failure, points, coefficients, checkpoints } = live;
    this.#title.textContent = title;
    this.#renderPhase(phase, fraction, message);
    this.#cancel.hidden = !live.cancellable;
    this.#running.hidden = failure !== undefined;
    this.#failure.hidden = failure === undefined;
    if (failure !== undefined) this.#renderFailure(failure);
    this.#toggle.setAttribute('aria-pressed', String(table));
    // After a failure the charts stay where they have something to tell.
    this.#charts.hidden = failure !== undefined && points.length === 0;
    this.#toggle.hidden = this.#charts.hidden || points.length === 0;
    this.#lossCurve.render({ theme, points, chosen: undefined, metricName: undefined, table });
    this.#coefficients.render({ theme, checkpoints, coefficients, table });
  }

  dispose(): void {
    this.#coefficients.dispose();
    this.#lossCurve.dispose();
    this.element.remove();
  }

  #renderPhase(phase: PassPhase | undefined, fraction: number, message: string): void {
    const percent = Math.round(100 * Math.min(1, Math.max(0, fraction || 0)));
    this.#bar.style.width = `${percent}%`;
    this.#progress.setAttribute('aria-valuenow', String(percent));
    const name = phase === undefined ? this.#strings.starting : this.#phaseName(phase);
    this.#progress.setAttribute('aria-label', name);
    const status = message === '' ? name : message;
    if (this.#status.textContent !== status) this.#status.textContent = status;
    const now = phase === undefined ? -1 : PASS_PHASES.indexOf(phase);
    for (const [index, item] of [...this.#phases.values()].entries()) {
      item.className = index < now ? 'done' : index === now ? 'now' : 'to-come';
      if (index === now) item.setAttribute('aria-current', 'step');
      else item.removeAttribute('aria-current');
    }
  }

  #renderFailure({ message, details }: NonNullable<LivePassState['failure']>): void {
    this.#failure.replaceChildren(
      h('p', { class: 'failure-title' }, icon('warning'), h('span', {}, message)),
      ...(details.length === 0 ? [] : [h('ul', {}, ...details.map((detail) => h('li', {}, detail)))]),
      h('p', { class: 'muted' }, this.#strings.nothingWritten),
    );
  }

  #phaseName(phase: PassPhase): string {
    const strings = this.#strings;
    switch (phase) {
      case 'reading':
        return strings.phaseReading;
      case 'backend':
        return strings.phaseBackend;
      case 'baselines':
        return strings.phaseBaselines;
      case 'training':
        return strings.phaseTraining;
      case 'writing':
        return strings.phaseWriting;
      case 'evaluating':
        return strings.phaseEvaluating;
    }
  }
}
