/** The tensors page: one checkpoint's tensors, or how two checkpoints differ. */
import type { TensorStatistics } from '../../src/core/checkpoints/changes.ts';
import { emptyState, h } from '../shared/dom.ts';
import { type Editor, fill } from '../shared/editor.ts';
import { formatBytes } from '../shared/numbers.ts';
import { changeColumns, tensorColumns } from './columns.ts';
import { count, heading, metadataSection } from './heading.ts';
import { type FromTensors, readState, type TensorsState, type ToTensors } from './protocol.ts';
import {
  type Block,
  type ChangeRow,
  compareRows,
  filterBlocks,
  flattened,
  nameFilter,
  sorted,
  sortedBlocks,
  tensorRows,
  type TensorRow,
  totals,
} from './rows.ts';
import type { TensorsStrings } from './strings.ts';
import { type Column, type Sort, VirtualTable } from './table.ts';
import { Toolbar } from './toolbar.ts';

type Shown = Extract<ToTensors, { kind: 'checkpoint' | 'comparison' }>;

export class TensorsPage {
  readonly #root: HTMLElement;
  readonly #editor: Editor<FromTensors, TensorsState>;
  readonly #strings: TensorsStrings;
  readonly #toolbar: Toolbar;
  #state: TensorsState;
  #shown: Shown | undefined;
  readonly #statistics = new Map<string, TensorStatistics>();
  #refresh: () => void = () => undefined;
  /** Of the rows that the filter lets through; what "Compute Statistics" is about. */
  #names: readonly string[] | undefined;

  constructor(root: HTMLElement, editor: Editor<FromTensors, TensorsState>, strings: TensorsStrings) {
    this.#root = root;
    this.#editor = editor;
    this.#strings = strings;
    this.#state = readState(editor.state());
    this.#toolbar = new Toolbar(strings, this.#state.filter, {
      filter: (text) => {
        this.#remember({ filter: text });
        this.#refresh();
      },
      start: () => this.#start(),
      cancel: () => editor.send({ kind: 'cancel' }),
    });
    root.append(h('p', { class: 'muted loading' }, strings.loading));
  }

  receive(message: ToTensors): void {
    // What runs says so again at once.
    if (message.kind === 'checkpoint' || message.kind === 'comparison') this.#toolbar.ended(undefined);
    switch (message.kind) {
      case 'checkpoint':
        this.#shown = message;
        this.#statistics.clear();
        for (const row of message.statistics) this.#statistics.set(row.name, row);
        this.#showCheckpoint(message);
        return;
      case 'comparison':
        this.#shown = message;
        this.#remember({ subject: { a: message.a.path, b: message.b.path } });
        this.#showComparison(message);
        return;
      case 'unavailable':
        this.#shown = undefined;
        this.#refresh = () => undefined;
        this.#root.replaceChildren(
          emptyState(
            message.title,
            message.message,
            ...message.details.map((detail) => h('p', { class: 'muted path' }, detail)),
          ),
        );
        return;
      case 'statistics':
        for (const row of message.rows) this.#statistics.set(row.name, row);
        this.#refresh();
        return;
      case 'changes':
        if (this.#shown?.kind !== 'comparison') return;
        this.#shown = { ...this.#shown, changes: message.changes };
        this.#showComparison(this.#shown);
        return;
      case 'running':
        this.#toolbar.running(message.fraction, message.tensor);
        return;
      case 'ended':
        this.#toolbar.ended(message.message);
        return;
    }
  }

  #start(): void {
    if (this.#shown?.kind === 'comparison') this.#editor.send({ kind: 'compare' });
    else {
      const tensors = this.#names;
      this.#editor.send({ kind: 'compute', ...(tensors === undefined ? {} : { tensors }) });
    }
  }

  #showCheckpoint({ checkpoint }: Extract<Shown, { kind: 'checkpoint' }>): void {
    const strings = this.#strings;
    const compute = (names: readonly string[]): void =>
      this.#editor.send({ kind: 'compute', tensors: names });
    const columns = tensorColumns(strings, (name) => compute([name]));
    const table = this.#table(columns, (row: TensorRow) => compute([row.name]));
    this.#toolbar.button(strings.computeAll, strings.computeHint);
    this.#refresh = () => {
      const filter = this.#filter();
      const all = tensorRows(checkpoint.tensors, this.#statistics);
      const kept = all.filter(({ name }) => filter(name));
      this.#names = kept.length === all.length ? undefined : kept.map(({ name }) => name);
      const { column, direction } = this.#sortBy(columns);
      const rows = column === undefined ? kept : sorted(kept, (row) => column.value(row), direction);
      table.show({ rows, sort: this.#state.sort });
      const { elements, bytes } = totals(kept);
      this.#toolbar.summary(
        fill(strings.shown, count(kept.length), count(all.length), count(elements), formatBytes(bytes)),
        kept.length > 0,
      );
      this.#empty(all.length === 0 ? strings.noTensors : kept.length === 0 ? strings.noneShown : '');
    };
    this.#fill(heading(checkpoint, strings, this.#copy), metadataSection([checkpoint], strings), table);
  }

  #showComparison({ a, b, changes }: Extract<Shown, { kind: 'comparison' }>): void {
    const strings = this.#strings;
    const columns = changeColumns(strings);
    const table = this.#table<ChangeRow>(
      columns,
      () => undefined,
      ({ kind }) => kind,
    );
    this.#toolbar.button(changes === undefined ? strings.compare : undefined);
    const { differences, layers } = compareRows(a.tensors, b.tensors, changes);
    const total = differences.length + layers.reduce((sum, { rows }) => sum + rows.length, 0);
    this.#refresh = () => {
      const filter = this.#filter();
      const first = differences.filter(({ name }) => filter(name));
      const kept = filterBlocks(layers, filter);
      const { column, direction } = this.#sortBy(columns);
      const blocks: readonly Block<ChangeRow>[] =
        column === undefined ? kept : sortedBlocks(kept, (row) => column.value(row), direction);
      const rows = [...first, ...flattened(blocks)];
      table.show({ rows, sort: this.#state.sort });
      const tensors = first.length + kept.reduce((sum, block) => sum + block.rows.length, 0);
      this.#toolbar.summary(fill(strings.changesShown, count(tensors), count(total)), tensors > 0);
      this.#empty(total === 0 ? strings.noTensors : tensors === 0 ? strings.noneShown : '');
    };
    const equal = changes?.every(({ distance, notFinite }) => distance === 0 && notFinite === 0) === true;
    const structure =
      differences.length === 0
        ? strings.sameStructure
        : differences.length === 1
          ? strings.oneDifference
          : fill(strings.differences, count(differences.length));
    this.#fill(
      h(
        'div',
        { class: 'sides' },
        h('span', { class: 'side' }, 'A'),
        heading(a, strings, this.#copy),
        h('span', { class: 'side' }, 'B'),
        heading(b, strings, this.#copy),
        h('p', { class: 'structure' }, equal ? `${structure} ${strings.identical}` : structure),
      ),
      metadataSection([a, b], strings),
      table,
    );
  }

  #table<Row extends { readonly name: string }>(
    columns: readonly Column<Row>[],
    choose: (row: Row) => void,
    classOf?: (row: Row) => string,
  ): VirtualTable<Row> {
    const { tensors, tableHelp } = this.#strings;
    const table: VirtualTable<Row> = new VirtualTable(
      tensors,
      tableHelp,
      columns,
      {
        sortBy: (id) => {
          this.#remember({
            sort: nextSort(
              this.#state.sort,
              columns.find((column) => column.id === id)!,
            ),
          });
          this.#refresh();
          table.toTop();
        },
        choose,
        copy: ({ name }) => this.#copy(name),
      },
      classOf,
    );
    return table;
  }

  #fill(
    ...[top, metadata, table]: readonly [HTMLElement, HTMLElement | undefined, { element: HTMLElement }]
  ): void {
    const { activeElement } = document;
    this.#root.replaceChildren(
      top,
      ...(metadata === undefined ? [] : [metadata]),
      this.#toolbar.element,
      table.element,
      this.#nothing,
    );
    this.#refresh();
    // Somebody may be typing a filter while the numbers arrive.
    if (activeElement instanceof HTMLElement && this.#root.contains(activeElement)) activeElement.focus();
  }

  readonly #nothing = h('p', { class: 'nothing muted', role: 'status', hidden: true });

  #empty(text: string): void {
    this.#nothing.textContent = text;
    this.#nothing.hidden = text === '';
  }

  /** While an expression is being typed, the last filter that made sense stays. */
  #lastFilter: (name: string) => boolean = () => true;

  #filter(): (name: string) => boolean {
    const filter = nameFilter(this.#state.filter);
    this.#toolbar.wrong(filter === undefined);
    return (this.#lastFilter = filter ?? this.#lastFilter);
  }

  #sortBy<Row>(columns: readonly Column<Row>[]) {
    const { sort } = this.#state;
    return {
      column: columns.find(({ id }) => id === sort?.column),
      direction: sort?.direction ?? 'ascending',
    } as const;
  }

  readonly #copy = (text: string): void => {
    this.#editor.send({ kind: 'copy', text });
    this.#toolbar.announce(this.#strings.copied);
  };

  #remember(change: Partial<TensorsState>): void {
    this.#state = { ...this.#state, ...change };
    this.#editor.remember(this.#state);
  }
}

/** First click: largest number, or A, first. Second: the other way. Third: as in the file. */
function nextSort<Row>(sort: Sort | null, { id, numeric }: Column<Row>): Sort | null {
  const first = numeric ? 'descending' : 'ascending';
  const second = numeric ? 'ascending' : 'descending';
  if (sort?.column !== id) return { column: id, direction: first };
  return sort.direction === first ? { column: id, direction: second } : null;
}
