/** The table's rows as plain data: which there are, in which order, and which of them are in sight. */
import {
  changesByLayer,
  cosine,
  differencesBetween,
  relativeChange,
  type TensorChange,
  type TensorDifference,
  type TensorStatistics,
} from '../../src/core/checkpoints/changes.ts';
import { bytesPerElement, elementCount, isDType } from '../../src/core/checkpoints/dtype.ts';
import type { TensorInfo } from '../../src/core/checkpoints/types.ts';

export interface TensorRow {
  readonly name: string;
  readonly tensor: TensorInfo;
  readonly elements: number;
  /** 0 for one whose elements are another's. */
  readonly bytes: number;
  readonly statistics?: TensorStatistics;
}

export function tensorRows(
  tensors: readonly TensorInfo[],
  statistics: ReadonlyMap<string, TensorStatistics>,
): readonly TensorRow[] {
  return tensors.map((tensor) => {
    const { name, dtype, shape, aliasOf } = tensor;
    const elements = elementCount(shape) ?? NaN;
    const known = statistics.get(name);
    return {
      name,
      tensor,
      elements,
      bytes: aliasOf === undefined && isDType(dtype) ? elements * bytesPerElement(dtype) : 0,
      ...(known === undefined ? {} : { statistics: known }),
    };
  });
}

/** Elements that tensors share count once. */
export function totals(rows: readonly TensorRow[]): { readonly elements: number; readonly bytes: number } {
  let [elements, bytes] = [0, 0];
  for (const row of rows) {
    if (row.tensor.aliasOf !== undefined) continue;
    elements += row.elements;
    bytes += row.bytes;
  }
  return { elements, bytes };
}

/** A row of a comparison. A layer stands for the tensors below it. */
export interface ChangeRow {
  readonly kind: 'difference' | 'layer' | 'tensor';
  readonly name: string;
  /** Below its layer. */
  readonly indented: boolean;
  readonly a?: TensorInfo;
  readonly b?: TensorInfo;
  readonly relative: number;
  readonly largest: number;
  readonly cosine: number;
  readonly notFinite: number;
}

/** A heading row and what stands below it; filtering and sorting keep them together. */
export interface Block<Row> {
  readonly head?: Row;
  readonly rows: readonly Row[];
}

export interface Comparison {
  readonly differences: readonly ChangeRow[];
  readonly layers: readonly Block<ChangeRow>[];
}

const UNKNOWN = { relative: NaN, largest: NaN, cosine: NaN, notFinite: 0 };
const numbersOf = (change: Omit<TensorChange, 'name'>) => ({
  relative: relativeChange(change),
  largest: change.largest,
  cosine: cosine(change),
  notFinite: change.notFinite,
});

/** Until the changes are known, one block of all tensors in file order. */
export function compareRows(
  a: readonly TensorInfo[],
  b: readonly TensorInfo[],
  changes: readonly TensorChange[] | undefined,
): Comparison {
  const [inA, inB] = [new Map(named(a)), new Map(named(b))];
  const differing = differencesBetween(a, b);
  const known = new Map((changes ?? []).map((change) => [change.name, change]));
  const differences = differing.map((difference) => differenceRow(difference, known.get(difference.name)));
  const elsewhere = new Set(differing.map(({ name }) => name));
  const row = (name: string, indented: boolean): ChangeRow => {
    const change = known.get(name);
    return {
      ...{ kind: 'tensor', name, indented, a: inA.get(name)!, b: inB.get(name)! },
      ...(change === undefined ? UNKNOWN : numbersOf(change)),
    };
  };
  if (changes === undefined) {
    const rows = a.filter(({ name }) => !elsewhere.has(name)).map(({ name }) => row(name, false));
    return { differences, layers: [{ rows }] };
  }
  const layers = changesByLayer(changes.filter(({ name }) => !elsewhere.has(name) && inA.has(name))).map(
    (layer): Block<ChangeRow> => {
      // A layer of one tensor is that tensor.
      if (layer.tensors.length === 1) return { rows: [row(layer.tensors[0]!.name, false)] };
      return {
        head: { kind: 'layer', name: layer.layer, indented: false, ...numbersOf(layer) },
        rows: layer.tensors.map(({ name }) => row(name, true)),
      };
    },
  );
  return { differences, layers };
}

const named = (tensors: readonly TensorInfo[]) => tensors.map((tensor) => [tensor.name, tensor] as const);

function differenceRow(difference: TensorDifference, change: TensorChange | undefined): ChangeRow {
  const common = {
    kind: 'difference',
    name: difference.name,
    indented: false,
    ...(change === undefined ? UNKNOWN : numbersOf(change)),
  } as const;
  switch (difference.kind) {
    case 'only-a':
      return { ...common, a: difference.tensor };
    case 'only-b':
      return { ...common, b: difference.tensor };
    case 'differs':
      return { ...common, a: difference.a, b: difference.b };
  }
}

// Filter ---------------------------------------------------------------------------------------------------------

/**
 * Which names a filter lets through: those that contain the text, whatever its case, or match `/expression/flags`.
 * Undefined for an expression that is not one (yet).
 */
export function nameFilter(text: string): ((name: string) => boolean) | undefined {
  const wanted = text.trim();
  const [, source, flags] = /^\/(.+)\/([a-z]*)$/.exec(wanted) ?? [];
  if (source !== undefined) {
    try {
      // Without g and y, whose place in the last name would decide on the next.
      const expression = new RegExp(source, flags?.replaceAll(/[gy]/g, ''));
      return (name) => expression.test(name);
    } catch {
      return undefined;
    }
  }
  const lower = wanted.toLowerCase();
  return (name) => name.toLowerCase().includes(lower);
}

/** A layer stays as long as one of its tensors does. */
export function filterBlocks<Row extends { readonly name: string }>(
  blocks: readonly Block<Row>[],
  keep: (name: string) => boolean,
): readonly Block<Row>[] {
  return blocks
    .map((block) => ({ ...block, rows: block.rows.filter(({ name }) => keep(name)) }))
    .filter(({ rows }) => rows.length > 0);
}

// Sort -----------------------------------------------------------------------------------------------------------

export type Direction = 'ascending' | 'descending';

/** `layer.2` before `layer.10`. */
const collator = new Intl.Collator('en', { numeric: true });

/** What has no value (or is NaN) is last in both directions; equal ones keep their order. */
export function sorted<Row>(
  rows: readonly Row[],
  valueOf: (row: Row) => string | number | undefined,
  direction: Direction,
): readonly Row[] {
  const sign = direction === 'ascending' ? 1 : -1;
  const missing = (value: string | number | undefined): boolean => value === undefined || Number.isNaN(value);
  return rows
    .map((row) => ({ row, value: valueOf(row) }))
    .sort(({ value: x }, { value: y }) => {
      if (missing(x) || missing(y)) return Number(missing(x)) - Number(missing(y));
      if (typeof x === 'string' || typeof y === 'string')
        return sign * collator.compare(String(x), String(y));
      return x === y ? 0 : x! < y! ? -sign : sign;
    })
    .map(({ row }) => row);
}

/** Blocks by their heads, and rows within. */
export function sortedBlocks<Row>(
  blocks: readonly Block<Row>[],
  valueOf: (row: Row) => string | number | undefined,
  direction: Direction,
): readonly Block<Row>[] {
  const inside = blocks.map((block) => ({ ...block, rows: sorted(block.rows, valueOf, direction) }));
  return sorted(inside, ({ head, rows }) => valueOf(head ?? rows[0]!), direction);
}

export const flattened = <Row>(blocks: readonly Block<Row>[]): readonly Row[] =>
  blocks.flatMap(({ head, rows }) => (head === undefined ? rows : [head, ...rows]));

// Sight ----------------------------------------------------------------------------------------------------------

export interface Sight {
  /** First row to be drawn, and the one after the last. */
  readonly first: number;
  readonly end: number;
}

/** Rows beyond both edges that are drawn as well, so that a flick of the wheel meets no blank. */
const MARGIN = 8;

export function inSight(scrollTop: number, height: number, rowHeight: number, count: number): Sight {
  const first = Math.floor(Math.max(0, scrollTop) / rowHeight) - MARGIN;
  const end = Math.ceil((Math.max(0, scrollTop) + height) / rowHeight) + MARGIN;
  const within = (row: number): number => Math.min(count, Math.max(0, row));
  return { first: within(Math.min(first, count - 1)), end: within(end) };
}
