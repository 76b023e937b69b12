import { h, onClick } from '../shared/dom.ts';
import { fill } from '../shared/editor.ts';
import type { TensorsStrings } from './strings.ts';

export interface ToolbarEvents {
  filter(text: string): void;
  start(): void;
  cancel(): void;
}

/** Filter, how much it leaves, and the job that reads the numbers. */
export class Toolbar {
  readonly element: HTMLElement;
  readonly #strings: TensorsStrings;
  readonly #filter: HTMLInputElement;
  readonly #wrong: HTMLElement;
  readonly #summary = h('output', { class: 'muted' });
  readonly #start: HTMLButtonElement;
  readonly #bar = h('progress', { max: 1 });
  readonly #at = h('span', { class: 'at muted' });
  readonly #job: HTMLElement;
  readonly #failure = h('p', { class: 'failure', role: 'alert', hidden: true });
  readonly #announcement = h('div', { class: 'visually-hidden', 'aria-live': 'polite' });
  #wanted = false;
  #running = false;

  constructor(strings: TensorsStrings, filter: string, events: ToolbarEvents) {
    this.#strings = strings;
    this.#filter = h('input', {
      type: 'search',
      placeholder: strings.filter,
      'aria-label': strings.filter,
      spellcheck: 'false',
      'aria-describedby': 'filter-wrong',
    });
    this.#filter.value = filter;
    this.#filter.addEventListener('input', () => events.filter(this.#filter.value));
    this.#wrong = h('span', { class: 'wrong', id: 'filter-wrong', hidden: true }, strings.filterWrong);
    this.#start = onClick(h('button', { class: 'primary', hidden: true }), () => events.start());
    this.#job = h(
      'div',
      { class: 'job', hidden: true },
      this.#bar,
      this.#at,
      onClick(h('button', { class: 'plain' }, strings.cancel), () => events.cancel()),
    );
    this.element = h(
      'div',
      { class: 'toolbar' },
      this.#filter,
      this.#wrong,
      this.#summary,
      h('span', { class: 'spacer' }),
      this.#job,
      this.#start,
      this.#failure,
      this.#announcement,
    );
  }

  summary(text: string, any: boolean): void {
    this.#summary.textContent = text;
    this.#start.disabled = !any;
  }

  /** Without a text there is nothing to start. */
  button(text: string | undefined, hint = ''): void {
    this.#wanted = text !== undefined;
    this.#start.textContent = text ?? '';
    this.#start.title = hint;
    this.#arrange();
  }

  wrong(wrong: boolean): void {
    this.#wrong.hidden = !wrong;
    this.#filter.setAttribute('aria-invalid', String(wrong));
  }

  running(fraction: number, tensor: string): void {
    this.#running = true;
    this.#failure.hidden = true;
    this.#bar.value = fraction;
    this.#bar.setAttribute('aria-label', fill(this.#strings.reading, tensor));
    this.#at.textContent = tensor === '' ? '' : fill(this.#strings.reading, tensor);
    this.#arrange();
  }

  ended(failure: string | undefined): void {
    this.#running = false;
    this.#failure.hidden = failure === undefined;
    this.#failure.textContent = failure ?? '';
    this.#arrange();
  }

  announce(text: string): void {
    this.#announcement.textContent = text;
    setTimeout(() => (this.#announcement.textContent = ''), 1500);
  }

  #arrange(): void {
    this.#job.hidden = !this.#running;
    this.#start.hidden = this.#running || !this.#wanted;
  }
}
