/** Runs, axis, smoothing, modes, zoom and table: the controls that all charts share. */
import { h, onClick } from '../shared/dom.ts';
import { fill } from '../shared/editor.ts';
import type { CurvesStrings } from '../strings.ts';
import { AXES, type Axis } from './axes.ts';

export interface ToolbarInput {
  /** Names of the runs that are drawn. */
  readonly shown: readonly string[];
  readonly followsNewest: boolean;
  readonly runList: boolean;
  readonly axis: Axis;
  /** Axes that the logs have places for. */
  readonly known: ReadonlySet<Axis>;
  readonly logX: boolean;
  readonly smoothing: number;
  /** Whether there are several runs to make a band of. */
  readonly severalRuns: boolean;
  readonly envelope: boolean;
  readonly selecting: boolean;
  readonly zoomed: boolean;
  readonly table: boolean;
  readonly filter: string;
  /** Whether there is anything for the controls to act on. */
  readonly charts: boolean;
  /** There would be, but for the filter. */
  readonly filtered: boolean;
}

export interface ToolbarEvents {
  toggleRunList(): void;
  setAxis(axis: Axis): void;
  toggleLogX(): void;
  setSmoothing(smoothing: number): void;
  toggleEnvelope(): void;
  toggleSelecting(): void;
  resetZoom(): void;
  toggleTable(): void;
  setFilter(filter: string): void;
  export(): void;
}

export class Toolbar {
  readonly element: HTMLElement;
  readonly #strings: CurvesStrings;
  readonly #runs: HTMLButtonElement;
  readonly #axis: HTMLSelectElement;
  readonly #logX: HTMLButtonElement;
  readonly #smoothing: HTMLInputElement;
  readonly #smoothingValue = h('output', { class: 'number', for: 'smoothing' });
  readonly #envelope: HTMLButtonElement;
  readonly #selecting: HTMLButtonElement;
  readonly #reset: HTMLButtonElement;
  readonly #table: HTMLButtonElement;
  readonly #filter: HTMLInputElement;
  readonly #controls: HTMLElement;

  constructor(strings: CurvesStrings, events: ToolbarEvents) {
    this.#strings = strings;
    const toggle = (text: string, hint: string | undefined, act: () => void): HTMLButtonElement =>
      onClick(h('button', { type: 'button', class: 'toggle', title: hint }, text), act);
    this.#runs = toggle('', strings.runsHint, () => events.toggleRunList());
    this.#runs.classList.add('runs-button');
    this.#axis = h(
      'select',
      { id: 'axis' },
      ...AXES.map((axis) => h('option', { value: axis }, strings[axis])),
    );
    this.#axis.addEventListener('change', () => {
      const axis = AXES.find((one) => one === this.#axis.value);
      if (axis !== undefined) events.setAxis(axis);
    });
    this.#logX = toggle(strings.logScale, strings.logXHint, () => events.toggleLogX());
    this.#logX.setAttribute('aria-label', strings.logXHint);
    this.#smoothing = h('input', { id: 'smoothing', type: 'range', min: 0, max: 0.99, step: 0.01 });
    this.#smoothing.addEventListener('input', () => events.setSmoothing(this.#smoothing.valueAsNumber));
    this.#envelope = toggle(strings.envelope, strings.envelopeHint, () => events.toggleEnvelope());
    this.#selecting = toggle(strings.selectMode, strings.selectModeHint, () => events.toggleSelecting());
    this.#reset = onClick(h('button', { type: 'button', class: 'plain reset' }, strings.resetZoom), () =>
      events.resetZoom(),
    );
    this.#table = toggle(strings.showTable, undefined, () => events.toggleTable());
    this.#filter = h('input', {
      type: 'search',
      class: 'filter',
      placeholder: strings.filterTags,
      'aria-label': strings.filterTags,
      title: strings.filterHint,
    });
    this.#filter.addEventListener('input', () => events.setFilter(this.#filter.value));
    this.#controls = h(
      'div',
      { class: 'controls' },
      h('span', { class: 'field' }, h('label', { for: 'axis' }, strings.xAxis), this.#axis, this.#logX),
      h(
        'span',
        { class: 'field', title: strings.smoothingHint },
        h('label', { for: 'smoothing' }, strings.smoothing),
        this.#smoothing,
        this.#smoothingValue,
      ),
      this.#envelope,
      h(
        'span',
        { class: 'actions' },
        this.#filter,
        this.#selecting,
        this.#reset,
        this.#table,
        onClick(
          h('button', { type: 'button', class: 'plain', title: strings.exportHint }, strings.export),
          () => events.export(),
        ),
      ),
    );
    this.element = h('header', { class: 'toolbar' }, this.#runs, this.#controls);
  }

  render(input: ToolbarInput): void {
    const { newestRun, newestRunIs, severalRuns, noRun } = this.#strings;
    const [first] = input.shown;
    this.#runs.textContent =
      input.shown.length > 1
        ? fill(severalRuns, input.shown.length)
        : first === undefined
          ? input.followsNewest
            ? newestRun
            : noRun
          : input.followsNewest
            ? fill(newestRunIs, first)
            : first;
    press(this.#runs, input.runList);
    this.#controls.hidden = !input.charts && !input.filtered;
    // What is being typed is already there.
    if (this.#filter.value !== input.filter) this.#filter.value = input.filter;
    for (const option of this.#axis.options) option.disabled = !input.known.has(option.value as Axis);
    this.#axis.title = input.known.has('epoch') ? '' : this.#strings.epochUnknown;
    this.#axis.value = input.axis;
    press(this.#logX, input.logX);
    this.#smoothing.value = String(input.smoothing);
    this.#smoothingValue.textContent = input.smoothing.toFixed(2);
    this.#envelope.hidden = !input.severalRuns;
    press(this.#envelope, input.envelope);
    press(this.#selecting, input.selecting);
    this.showZoomed(input.zoomed);
    press(this.#table, input.table);
  }

  showZoomed(zoomed: boolean): void {
    this.#reset.disabled = !zoomed;
  }
}

const press = (button: HTMLButtonElement, pressed: boolean): void =>
  button.setAttribute('aria-pressed', String(pressed));
