/** What is selected on a curve, and the way from there to an average. */
import { h, onClick } from '../shared/dom.ts';
import { fill } from '../shared/editor.ts';
import type { CurvesStrings } from '../strings.ts';

export interface SelectionBarInput {
  /** Names of the selected checkpoints, oldest first. */
  readonly names: readonly string[];
  /** Where several runs are shown: whose checkpoints these are. */
  readonly run: string | undefined;
}

export interface SelectionBarEvents {
  average(): void;
  clear(): void;
}

export class SelectionBar {
  readonly element: HTMLElement;
  readonly #strings: CurvesStrings;
  readonly #text = h('span', {});
  readonly #average: HTMLButtonElement;

  constructor(strings: CurvesStrings, events: SelectionBarEvents) {
    this.#strings = strings;
    this.#average = onClick(h('button', { type: 'button', class: 'primary' }, strings.averageSelected), () =>
      events.average(),
    );
    this.element = h(
      'div',
      { class: 'selection-bar', role: 'region', 'aria-label': strings.selectedCheckpoints, hidden: true },
      this.#text,
      this.#average,
      onClick(h('button', { type: 'button', class: 'plain' }, strings.clearSelection), () => events.clear()),
    );
  }

  /** Gives what it says. */
  render(input: SelectionBarInput | undefined): string {
    this.element.hidden = input === undefined;
    if (input === undefined) return '';
    const { names, run } = input;
    const text = fill(this.#strings.checkpointsSelected, names.length, names[0] ?? '', names.at(-1) ?? '');
    this.#text.textContent = run === undefined ? text : `${run}: ${text}`;
    return text;
  }
}
