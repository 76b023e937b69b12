/**
 * A table of any number of rows, of which only those in sight are in the document. Rows have one fixed height, so
 * that where a row stands follows from its number.
 */
import { h } from '../shared/dom.ts';
import { oncePerFrame } from '../shared/editor.ts';
import { inSight, type Direction } from './rows.ts';

export interface Column<Row> {
  readonly id: string;
  readonly title: string;
  readonly hint?: string;
  /** In letters; the first column takes what is left. */
  readonly width: number;
  /** Right-aligned, and sorted from the largest first. */
  readonly numeric: boolean;
  cell(row: Row): string | Node;
  /** A longer text for the pointer. */
  tip?(row: Row): string | undefined;
  /** To sort by. */
  value(row: Row): string | number | undefined;
}

export interface Sort {
  readonly column: string;
  readonly direction: Direction;
}

export interface TableEvents<Row> {
  sortBy(column: string): void;
  /** Enter, or a double click, on a row. */
  choose(row: Row): void;
  copy(row: Row): void;
}

export interface TableContent<Row> {
  readonly rows: readonly Row[];
  readonly sort: Sort | null;
}

export class VirtualTable<Row extends { readonly name: string }> {
  readonly element: HTMLElement;
  readonly #columns: readonly Column<Row>[];
  readonly #events: TableEvents<Row>;
  readonly #classOf: (row: Row) => string;
  readonly #table: HTMLTableElement;
  readonly #head = h('tr', { 'aria-rowindex': 1 });
  readonly #before = h('tr', { 'aria-hidden': 'true' });
  readonly #after = h('tr', { 'aria-hidden': 'true' });
  readonly #body = h('tbody');
  readonly #draw = oncePerFrame(() => this.#drawRows());
  #rows: readonly Row[] = [];
  #rowHeight = 22;
  /** Number of the row that the keyboard is on; -1 before the first key. */
  #active = -1;

  constructor(
    label: string,
    help: string,
    columns: readonly Column<Row>[],
    events: TableEvents<Row>,
    classOf: (row: Row) => string = () => '',
  ) {
    this.#columns = columns;
    this.#events = events;
    this.#classOf = classOf;
    const widths = columns.map(({ width }) => {
      const column = h('col');
      column.style.width = `${width}ch`;
      return column;
    });
    widths[0]!.style.width = 'auto';
    this.#table = h(
      'table',
      { role: 'grid', tabindex: 0, 'aria-label': label, 'aria-description': help },
      h('colgroup', {}, ...widths),
      h('thead', {}, this.#head),
      this.#body,
    );
    this.#table.style.minWidth = `${columns.reduce((sum, { width }) => sum + width, 0)}ch`;
    this.element = h('div', { class: 'rows' }, this.#table);
    this.element.addEventListener('scroll', this.#draw);
    this.#table.addEventListener('keydown', (event) => this.#key(event));
    this.#table.addEventListener('focus', () => {
      if (this.#active === -1 && this.#table.matches(':focus-visible')) this.#move(0);
    });
    this.#body.addEventListener('click', (event) => this.#point(event, false));
    this.#body.addEventListener('dblclick', (event) => this.#point(event, true));
    new ResizeObserver(this.#draw).observe(this.element);
  }

  /** Other rows, or the same in another order: the keyboard's row stays by its name. */
  show({ rows, sort }: TableContent<Row>): void {
    const name = this.#rows[this.#active]?.name;
    this.#rows = rows;
    this.#active = name === undefined ? -1 : rows.findIndex((row) => row.name === name);
    this.#table.setAttribute('aria-rowcount', String(rows.length + 1));
    this.#head.replaceChildren(...this.#columns.map((column) => this.#heading(column, sort)));
    this.#draw();
  }

  toTop(): void {
    this.element.scrollTop = 0;
  }

  #heading(column: Column<Row>, sort: Sort | null): HTMLElement {
    const direction = sort?.column === column.id ? sort.direction : undefined;
    const arrow = direction === undefined ? '' : direction === 'ascending' ? ' ▲' : ' ▼';
    const button = h(
      'button',
      { class: 'sort', title: column.hint },
      column.title,
      h('span', { 'aria-hidden': 'true' }, arrow),
    );
    button.addEventListener('click', () => this.#events.sortBy(column.id));
    return h(
      'th',
      { scope: 'col', class: column.numeric ? 'numeric' : undefined, 'aria-sort': direction ?? 'none' },
      button,
    );
  }

  #drawRows(): void {
    const size = parseFloat(getComputedStyle(this.element).fontSize) || 13;
    this.#rowHeight = Math.round(size * 1.7);
    this.element.style.setProperty('--row-height', `${this.#rowHeight}px`);
    const { scrollTop, clientHeight } = this.element;
    const { first, end } = inSight(scrollTop, clientHeight, this.#rowHeight, this.#rows.length);
    this.#before.style.height = `${first * this.#rowHeight}px`;
    this.#after.style.height = `${(this.#rows.length - end) * this.#rowHeight}px`;
    const shown = this.#rows.slice(first, end).map((row, at) => this.#row(row, first + at));
    this.#body.replaceChildren(this.#before, ...shown, this.#after);
    if (this.#active >= first && this.#active < end) {
      this.#table.setAttribute('aria-activedescendant', `row-${this.#active}`);
    } else this.#table.removeAttribute('aria-activedescendant');
  }

  #row(row: Row, index: number): HTMLElement {
    const cells = this.#columns.map((column, at) =>
      h(
        at === 0 ? 'th' : 'td',
        {
          ...(at === 0 ? { scope: 'row' } : {}),
          class: column.numeric ? 'numeric' : undefined,
          title: column.tip?.(row),
        },
        column.cell(row),
      ),
    );
    return h(
      'tr',
      {
        id: `row-${index}`,
        'data-row': index,
        'aria-rowindex': index + 2,
        'aria-selected': index === this.#active ? 'true' : 'false',
        class: this.#classOf(row) || undefined,
      },
      ...cells,
    );
  }

  #point({ target }: Event, choose: boolean): void {
    if (!(target instanceof Element) || target.closest('button') !== null) return;
    const index = Number(target.closest('tr')?.dataset['row'] ?? -1);
    const row = this.#rows[index];
    if (row === undefined) return;
    this.#active = index;
    this.#draw();
    if (choose) this.#events.choose(row);
  }

  #key(event: KeyboardEvent): void {
    if (event.target !== this.#table) return;
    const active = this.#rows[this.#active];
    const page = Math.max(1, Math.floor(this.element.clientHeight / this.#rowHeight) - 2);
    const last = this.#rows.length - 1;
    const command = event.ctrlKey || event.metaKey;
    if (command && event.key === 'c' && active !== undefined) this.#events.copy(active);
    else if (command) return;
    else if (event.key === 'Enter' && active !== undefined) this.#events.choose(active);
    else if (event.key === 'ArrowDown') this.#move(this.#active + 1);
    else if (event.key === 'ArrowUp') this.#move(this.#active - 1);
    else if (event.key === 'PageDown') this.#move(this.#active + page);
    else if (event.key === 'PageUp') this.#move(this.#active - page);
    else if (event.key === 'Home') this.#move(0);
    else if (event.key === 'End') this.#move(last);
    else return;
    event.preventDefault();
  }

  #move(to: number): void {
    if (this.#rows.length === 0) return;
    this.#active = Math.min(this.#rows.length - 1, Math.max(0, to));
    // The column titles cover the first row's height.
    const top = this.#active * this.#rowHeight;
    const room = this.element.clientHeight - 2 * this.#rowHeight;
    if (top < this.element.scrollTop) this.element.scrollTop = top;
    else if (top > this.element.scrollTop + room) this.element.scrollTop = top - room;
    this.#draw();
  }
}
