import { h, onClick } from '../shared/dom.ts';
import { fill } from '../shared/editor.ts';
import { formatBytes, formatNumber } from '../shared/numbers.ts';
import type { TensorInfo } from '../../src/core/checkpoints/types.ts';
import { count } from './heading.ts';
import type { ChangeRow, TensorRow } from './rows.ts';
import type { TensorsStrings } from './strings.ts';
import type { Column } from './table.ts';

const shapeOf = ({ shape }: TensorInfo): string => `[${shape.join(', ')}]`;

export function tensorColumns(
  strings: TensorsStrings,
  compute: (name: string) => void,
): readonly Column<TensorRow>[] {
  const statistic = (id: 'min' | 'max' | 'mean' | 'std', hint?: string): Column<TensorRow> => ({
    id,
    title: strings[id],
    ...(hint === undefined ? {} : { hint }),
    width: 12,
    numeric: true,
    cell: ({ name, statistics }) => {
      if (statistics !== undefined) return formatNumber(statistics[id]);
      return id === 'min' ? computeButton(strings, name, compute) : '';
    },
    tip: ({ statistics }) => (statistics === undefined ? undefined : String(statistics[id])),
    value: ({ statistics }) => statistics?.[id],
  });
  return [
    {
      id: 'name',
      title: strings.name,
      width: 24,
      numeric: false,
      cell: ({ name, tensor: { aliasOf } }) =>
        aliasOf === undefined
          ? name
          : h('span', {}, name, h('span', { class: 'muted' }, ` ${fill(strings.sameAs, aliasOf)}`)),
      tip: ({ name }) => name,
      value: ({ name }) => name,
    },
    {
      id: 'dtype',
      title: strings.dtype,
      width: 8,
      numeric: false,
      cell: ({ tensor }) => tensor.dtype,
      value: ({ tensor }) => tensor.dtype,
    },
    {
      id: 'shape',
      title: strings.shape,
      width: 17,
      numeric: false,
      cell: ({ tensor }) => shapeOf(tensor),
      tip: ({ tensor }) => shapeOf(tensor),
      value: ({ tensor }) => shapeOf(tensor),
    },
    {
      id: 'parameters',
      title: strings.parameters,
      width: 14,
      numeric: true,
      cell: ({ elements }) => count(elements),
      value: ({ elements }) => elements,
    },
    {
      id: 'bytes',
      title: strings.bytes,
      width: 11,
      numeric: true,
      cell: ({ bytes, tensor }) => (tensor.aliasOf === undefined ? formatBytes(bytes) : '–'),
      tip: ({ bytes }) => `${count(bytes)} B`,
      value: ({ bytes }) => bytes,
    },
    statistic('min'),
    statistic('max'),
    statistic('mean'),
    statistic('std', strings.stdHint),
    {
      id: 'notFinite',
      title: strings.notFinite,
      hint: strings.notFiniteHint,
      width: 11,
      numeric: true,
      cell: ({ statistics }) =>
        statistics === undefined ? '' : notFinite(statistics.nan + statistics.infinite),
      tip: ({ statistics }) =>
        statistics === undefined
          ? undefined
          : fill(strings.nanAndInfinite, count(statistics.nan), count(statistics.infinite)),
      value: ({ statistics }) =>
        statistics === undefined ? undefined : statistics.nan + statistics.infinite,
    },
  ];
}

/** Not reached by Tab, which would stop at every row: Enter does the same for the keyboard's row. */
function computeButton(strings: TensorsStrings, name: string, compute: (name: string) => void): HTMLElement {
  const label = fill(strings.computeOf, name);
  return onClick(
    h('button', { class: 'link compute', tabindex: -1, title: label, 'aria-label': label }, strings.compute),
    () => compute(name),
  );
}

const notFinite = (places: number): string | Node =>
  places === 0 ? '0' : h('strong', { class: 'wrong' }, count(places));

export function changeColumns(strings: TensorsStrings): readonly Column<ChangeRow>[] {
  const figure = (id: 'relative' | 'largest' | 'cosine', width: number, hint: string): Column<ChangeRow> => ({
    id,
    title: strings[id],
    hint,
    width,
    numeric: true,
    cell: (row) => (Number.isNaN(row[id]) ? '' : formatNumber(row[id])),
    tip: (row) => (Number.isNaN(row[id]) ? undefined : String(row[id])),
    value: (row) => row[id],
  });
  const both = (row: ChangeRow, text: (tensor: TensorInfo) => string): string => {
    const [a, b] = [row.a && text(row.a), row.b && text(row.b)];
    return a === undefined || b === undefined || a === b ? (a ?? b ?? '') : `${a} → ${b}`;
  };
  const shape = (row: ChangeRow): string => both(row, shapeOf);
  const dtype = (row: ChangeRow): string => both(row, (tensor) => tensor.dtype);
  return [
    {
      id: 'name',
      title: strings.name,
      width: 24,
      numeric: false,
      cell: ({ name, kind, a, b, indented }) => {
        if (kind !== 'difference') return indented ? h('span', { class: 'indented' }, name) : name;
        const only = a === undefined ? strings.onlyInB : b === undefined ? strings.onlyInA : undefined;
        return only === undefined ? name : h('span', {}, name, h('span', { class: 'only' }, only));
      },
      tip: ({ name }) => name,
      value: ({ name }) => name,
    },
    figure('relative', 16, strings.relativeHint),
    figure('largest', 16, strings.largestHint),
    figure('cosine', 13, strings.cosineHint),
    {
      id: 'notFinite',
      title: strings.notFinite,
      hint: strings.notFiniteHint,
      width: 12,
      numeric: true,
      cell: (row) => (row.notFinite === 0 ? '' : notFinite(row.notFinite)),
      value: (row) => row.notFinite,
    },
    { id: 'dtype', title: strings.dtype, width: 13, numeric: false, cell: dtype, tip: dtype, value: dtype },
    { id: 'shape', title: strings.shape, width: 30, numeric: false, cell: shape, tip: shape, value: shape },
  ];
}
