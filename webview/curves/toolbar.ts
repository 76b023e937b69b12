/** Run, axis, smoothing, zoom and table: the controls that all charts share. */
import { h, onClick } from '../shared/dom.ts';
import { fill } from '../shared/editor.ts';
import type { RunChoice } from '../protocol.ts';
import type { CurvesStrings } from '../strings.ts';
import type { Axis } from './state.ts';

export interface ToolbarInput {
  readonly runs: readonly RunChoice[];
  readonly wanted: string | null;
  readonly runName: string | undefined;
  readonly axis: Axis;
  readonly epochKnown: boolean;
  readonly smoothing: number;
  readonly zoomed: boolean;
  readonly table: boolean;
  /** Whether there is anything for the controls to act on. */
  readonly charts: boolean;
}

export interface ToolbarEvents {
  selectRun(directory: string | null): void;
  setAxis(axis: Axis): void;
  setSmoothing(smoothing: number): void;
  resetZoom(): void;
  toggleTable(): void;
}

export class Toolbar {
  readonly element: HTMLElement;
  readonly #strings: CurvesStrings;
  readonly #run: HTMLSelectElement;
  readonly #axes: Readonly<Record<Axis, HTMLButtonElement>>;
  readonly #smoothing: HTMLInputElement;
  readonly #smoothingValue = h('output', { class: 'number', for: 'smoothing' });
  readonly #reset: HTMLButtonElement;
  readonly #table: HTMLButtonElement;
  readonly #controls: HTMLElement;
  #runsShown = '';

  constructor(strings: CurvesStrings, events: ToolbarEvents) {
    this.#strings = strings;
    this.#run = h('select', { id: 'run', 'aria-label': strings.run });
    this.#run.addEventListener('change', () => {
      events.selectRun(this.#run.value === '' ? null : this.#run.value);
    });
    const axis = (name: Axis): HTMLButtonElement =>
      onClick(h('button', { type: 'button' }, strings[name]), () => events.setAxis(name));
    this.#axes = { epoch: axis('epoch'), step: axis('step') };
    this.#smoothing = h('input', { id: 'smoothing', type: 'range', min: 0, max: 0.99, step: 0.01 });
    this.#smoothing.addEventListener('input', () => events.setSmoothing(this.#smoothing.valueAsNumber));
    this.#reset = onClick(h('button', { type: 'button', class: 'plain' }, strings.resetZoom), () =>
      events.resetZoom(),
    );
    this.#table = onClick(h('button', { type: 'button', class: 'toggle' }, strings.showTable), () =>
      events.toggleTable(),
    );
    this.#controls = h(
      'div',
      { class: 'controls' },
      h(
        'span',
        { class: 'segmented', role: 'group', 'aria-label': strings.xAxis },
        this.#axes.epoch,
        this.#axes.step,
      ),
      h(
        'span',
        { class: 'field', title: strings.smoothingHint },
        h('label', { for: 'smoothing' }, strings.smoothing),
        this.#smoothing,
        this.#smoothingValue,
      ),
      h('span', { class: 'spacer' }),
      this.#reset,
      this.#table,
    );
    this.element = h(
      'header',
      { class: 'toolbar' },
      h('span', { class: 'field run-field' }, h('label', { for: 'run' }, strings.run), this.#run),
      this.#controls,
    );
  }

  render(input: ToolbarInput): void {
    this.#renderRuns(input);
    this.#controls.hidden = !input.charts;
    for (const name of ['epoch', 'step'] as const) {
      this.#axes[name].setAttribute('aria-pressed', String(input.axis === name));
    }
    this.#axes.epoch.disabled = !input.epochKnown;
    this.#axes.epoch.title = input.epochKnown ? '' : this.#strings.epochUnknown;
    this.#smoothing.value = String(input.smoothing);
    this.#smoothingValue.textContent = input.smoothing.toFixed(2);
    this.#reset.disabled = !input.zoomed;
    this.#table.setAttribute('aria-pressed', String(input.table));
  }

  #renderRuns({ runs, wanted, runName }: ToolbarInput): void {
    const { newestRun, newestRunIs } = this.#strings;
    const newest = wanted === null && runName !== undefined ? fill(newestRunIs, runName) : newestRun;
    const shows = JSON.stringify([newest, runs, wanted]);
    // An open list must not be rebuilt under the user's hand for nothing.
    if (shows === this.#runsShown) return;
    this.#runsShown = shows;
    const gone = wanted !== null && !runs.some(({ directory }) => directory === wanted);
    this.#run.replaceChildren(
      h('option', { value: '' }, newest),
      ...runs.map(({ directory, name }) => h('option', { value: directory, title: directory }, name)),
      ...(gone ? [h('option', { value: wanted }, wanted)] : []),
    );
    this.#run.value = wanted ?? '';
  }
}
