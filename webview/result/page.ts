/** The result page: a pass while it runs, then its report. */
import type { FromResult, LivePassState, ResultAction, ToResult } from '../protocol.ts';
import { emptyState, h } from '../shared/dom.ts';
import { type Editor, oncePerFrame } from '../shared/editor.ts';
import { readTheme } from '../shared/theme.ts';
import type { ResultStrings } from '../strings.ts';
import { LiveView } from './liveView.ts';
import { ReportView } from './reportView.ts';
import { readState, type ResultPageState } from './state.ts';

export class ResultPage {
  readonly #root: HTMLElement;
  readonly #editor: Editor<FromResult, ResultPageState>;
  readonly #strings: ResultStrings;
  readonly #announcement = h('div', { class: 'visually-hidden', 'aria-live': 'polite' });
  readonly #draw = oncePerFrame(() => this.#render());
  #state: ResultPageState;
  #theme = readTheme();
  #live: { pass: LivePassState; number: number } | undefined;
  #view: LiveView | ReportView | undefined;

  constructor(root: HTMLElement, editor: Editor<FromResult, ResultPageState>, strings: ResultStrings) {
    this.#root = root;
    this.#editor = editor;
    this.#strings = strings;
    this.#state = readState(editor.state());
    root.append(h('p', { class: 'muted loading' }, strings.loading), this.#announcement);
  }

  receive(message: ToResult): void {
    switch (message.kind) {
      case 'report':
        this.#live = undefined;
        this.#remember({ report: message.path });
        this.#replace(
          new ReportView(message.report, this.#strings, {
            reveal: (path) => this.#editor.send({ kind: 'reveal', path }),
            copy: (text) => this.#copy(text),
            openFile: () => this.#editor.send({ kind: 'openFile' }),
            act: (action) => this.#act(action),
            toggleTable: () => this.#toggleTable(),
          }),
        );
        return;
      case 'more':
        if (this.#view instanceof ReportView) this.#view.more(message.more);
        this.#draw();
        return;
      case 'live':
        this.#live = { pass: message.live, number: message.number };
        this.#remember({ report: null });
        if (this.#view instanceof LiveView) this.#draw();
        else {
          this.#replace(
            new LiveView(this.#strings, {
              cancel: () => this.#editor.send({ kind: 'cancel' }),
              toggleTable: () => this.#toggleTable(),
            }),
          );
        }
        return;
      case 'progress':
        this.#progress(message);
        return;
      case 'unavailable':
        this.#live = undefined;
        this.#replace(undefined);
        this.#show(emptyState(this.#strings.unavailable, message.message));
        return;
    }
  }

  themeChanged(): void {
    this.#theme = readTheme();
    this.#draw();
  }

  #progress(message: Extract<ToResult, { kind: 'progress' }>): void {
    const live = this.#live;
    const { number, phase, fraction, message: text, points, coefficients } = message;
    if (live === undefined || number !== live.number + 1) {
      // Only a live pass counts: after its report, a late number means nothing.
      if (!(this.#view instanceof ReportView)) this.#editor.send({ kind: 'resync' });
      return;
    }
    this.#live = {
      number,
      pass: {
        ...live.pass,
        phase,
        fraction,
        message: text,
        points: [...live.pass.points, ...points],
        ...(coefficients === undefined ? {} : { coefficients }),
      },
    };
    this.#draw();
  }

  #remember(change: Partial<ResultPageState>): void {
    this.#state = { ...this.#state, ...change };
    this.#editor.remember(this.#state);
  }

  #toggleTable(): void {
    this.#remember({ table: !this.#state.table });
    this.#draw();
  }

  #act(action: ResultAction): void {
    this.#editor.send({ kind: 'act', action });
    if (action === 'markdown') this.#announceCopied();
  }

  #copy(text: string): void {
    this.#editor.send({ kind: 'copy', text });
    this.#announceCopied();
  }

  #announceCopied(): void {
    this.#announcement.textContent = this.#strings.copied;
    setTimeout(() => (this.#announcement.textContent = ''), 1500);
  }

  #replace(view: LiveView | ReportView | undefined): void {
    this.#view?.dispose();
    this.#view = view;
    if (view !== undefined) this.#show(view.element);
    this.#draw();
  }

  #show(element: HTMLElement): void {
    this.#root.replaceChildren(element, this.#announcement);
  }

  #render(): void {
    const { table } = this.#state;
    if (this.#view instanceof ReportView) this.#view.render(this.#theme, table);
    else if (this.#live !== undefined) this.#view?.render(this.#live.pass, this.#theme, table);
  }
}
