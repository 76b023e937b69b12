/** Which runs are drawn: a checkbox each, with the run's colour. */
import { h, onClick } from '../shared/dom.ts';
import { fill } from '../shared/editor.ts';
import { matcher } from '../../src/core/filter.ts';
import type { KnownRun } from '../protocol.ts';
import type { CurvesStrings } from '../strings.ts';
import type { LineStyle } from './style.ts';
import { swatch } from './tooltip.ts';

export interface RunListInput {
  readonly runs: readonly KnownRun[];
  /** Which of them the list has: see `matcher`. */
  readonly filter: string;
  /** Directories asked for; null follows the newest. */
  readonly wanted: readonly string[] | null;
  /** Directories of those that are drawn. */
  readonly shown: ReadonlySet<string>;
  /** With one run colours mean the split, so it has none of its own. */
  readonly styleOf: (directory: string) => LineStyle | undefined;
}

export interface RunListEvents {
  setFilter(filter: string): void;
  selectRuns(directories: readonly string[] | null): void;
  /** The pointer or the focus is on this run: it is to stand out. */
  highlight(directory: string | undefined): void;
}

interface Row {
  readonly element: HTMLElement;
  readonly checkbox: HTMLInputElement;
  readonly swatch: HTMLElement;
  readonly name: HTMLButtonElement;
  readonly state: HTMLElement;
}

export class RunList {
  readonly element: HTMLElement;
  readonly #strings: CurvesStrings;
  readonly #events: RunListEvents;
  readonly #newest = h('input', { type: 'checkbox', id: 'newest-run' });
  readonly #list = h('ul', {});
  readonly #none: HTMLButtonElement;
  readonly #filter: HTMLInputElement;
  readonly #all: HTMLButtonElement;
  readonly #rows = new Map<string, Row>();
  #input: RunListInput | undefined;

  constructor(strings: CurvesStrings, events: RunListEvents) {
    this.#strings = strings;
    this.#events = events;
    this.#newest.addEventListener('change', () => {
      events.selectRuns(this.#newest.checked ? null : [...(this.#input?.shown ?? [])]);
    });
    this.#none = onClick(h('button', { type: 'button', class: 'link' }, strings.showNoRun), () =>
      events.selectRuns([]),
    );
    this.#all = onClick(h('button', { type: 'button', class: 'link' }, strings.showAllRuns), () =>
      events.selectRuns(this.#listed().map(({ directory }) => directory)),
    );
    this.#filter = h('input', {
      type: 'search',
      class: 'filter',
      placeholder: strings.filterRuns,
      'aria-label': strings.filterRuns,
      title: strings.filterHint,
    });
    this.#filter.addEventListener('input', () => events.setFilter(this.#filter.value));
    this.element = h(
      'aside',
      { class: 'runs', 'aria-label': strings.runs },
      h(
        'div',
        { class: 'runs-head' },
        h('label', { class: 'run-row' }, this.#newest, strings.newestRun),
        this.#none,
        this.#all,
      ),
      this.#filter,
      this.#list,
    );
    this.element.addEventListener('pointerleave', () => events.highlight(undefined));
  }

  render(input: RunListInput): void {
    this.#input = input;
    const { runs, wanted, shown, styleOf, filter } = input;
    if (this.#filter.value !== filter) this.#filter.value = filter;
    this.#filter.hidden = runs.length < 2;
    this.#all.hidden = runs.length < 2;
    this.#newest.checked = wanted === null;
    this.#none.hidden = wanted === null || wanted.length === 0;
    // A run that was asked for and is gone can still be taken back.
    const gone = (wanted ?? []).filter((directory) => !runs.some((run) => run.directory === directory));
    const all: readonly KnownRun[] = [
      ...this.#listed(),
      ...gone.map((directory) => ({ directory, name: directory })),
    ];
    const kept = new Set(all.map(({ directory }) => directory));
    for (const [directory, row] of this.#rows) {
      if (kept.has(directory)) continue;
      row.element.remove();
      this.#rows.delete(directory);
    }
    let previous: Element | undefined;
    for (const { directory, name, state } of all) {
      const row = this.#rows.get(directory) ?? this.#newRow(directory);
      if (row.name.textContent !== name) {
        row.name.textContent = name;
        row.name.title = fill(this.#strings.showOnlyRun, directory);
        row.checkbox.setAttribute('aria-label', name);
      }
      const label = state?.label ?? '';
      if (row.state.textContent !== label) {
        row.state.textContent = label;
        row.state.className = `run-state ${state?.name ?? ''}`;
      }
      row.checkbox.checked = shown.has(directory) || gone.includes(directory);
      const style = shown.has(directory) ? styleOf(directory) : undefined;
      const shows = JSON.stringify(style ?? null);
      if (row.swatch.dataset['shows'] !== shows) {
        row.swatch.dataset['shows'] = shows;
        row.swatch.replaceChildren(...(style === undefined ? [] : [swatch(style)]));
      }
      // Moving an element takes its focus: only when it is not in its place.
      const place = previous === undefined ? this.#list.firstElementChild : previous.nextElementSibling;
      if (place !== row.element) this.#list.insertBefore(row.element, place);
      previous = row.element;
    }
  }

  /** The runs that the filter leaves. */
  #listed(): readonly KnownRun[] {
    const matches = matcher(this.#input?.filter ?? '');
    return (this.#input?.runs ?? []).filter(({ name }) => matches(name));
  }

  #newRow(directory: string): Row {
    const checkbox = h('input', { type: 'checkbox' });
    const mark = h('span', { class: 'run-swatch' });
    const name = onClick(h('button', { type: 'button', class: 'run-name' }), () =>
      this.#events.selectRuns([directory]),
    );
    const state = h('span', { class: 'run-state' });
    const element = h('li', { class: 'run-row' }, checkbox, mark, name, state);
    checkbox.addEventListener('change', () => {
      const before = this.#input?.wanted ?? [...(this.#input?.shown ?? [])];
      this.#events.selectRuns(
        checkbox.checked ? [...before, directory] : before.filter((one) => one !== directory),
      );
    });
    element.addEventListener('pointerenter', () => this.#events.highlight(directory));
    element.addEventListener('focusin', () => this.#events.highlight(directory));
    element.addEventListener('focusout', () => this.#events.highlight(undefined));
    const row = { element, checkbox, swatch: mark, name, state };
    this.#rows.set(directory, row);
    return row;
  }
}
