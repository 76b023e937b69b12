/** Tables of numbers in CSV files (RFC 4180; comma, optional header line, UTF-8 with or without byte-order mark). */
import { CsvError, parse } from 'csv-parse';
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { pipeline } from 'node:stream/promises';
import { type ErrorPlace, throwIfAborted, TwaError } from '../errors.ts';
import type { Block, Located } from './block.ts';
import { atPlace } from './json.ts';

export interface CsvSelection {
  /** As `ArraySource.columns`; all when absent. */
  readonly columns?: string;
  readonly scale?: number;
}

/** A decimal number and nothing else: what `Number` takes on top ('', '0x1F', ' ') is a mistake in a table. */
const NUMBER = /^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*$/;
/** What programs write for "no value": such a cell is a bad number and never the name of a column. */
const MISSING = /^\s*(?:[+-]?(?:nan|inf(?:inity)?)|na|n\/a|null|none|\?)?\s*$/i;

/**
 * Reads several selections of columns of one file in one go. Each gives a block of shape [columns]. Throws a TwaError
 * 'bad-data' with line and column at the first cell that is no finite float32 number, and at a line of another length.
 */
export async function readCsv(
  file: string,
  header: boolean | undefined,
  selections: readonly CsvSelection[],
  signal?: AbortSignal,
): Promise<Block[]> {
  const columnsOf = selections.map((): number[] => []);
  const scales = selections.map(({ scale }) => scale ?? 1);
  const values = selections.map(() => new FloatList());
  const lines: number[] = [];
  let names: readonly string[] | undefined;
  let width: number | undefined;

  const record = async (cells: readonly string[], line: number): Promise<void> => {
    if (width === undefined) {
      width = cells.length;
      const first = header ?? cells.some((cell) => !NUMBER.test(cell) && !MISSING.test(cell));
      names = first ? cells.map((cell) => cell.trim()) : undefined;
      for (const [at, { columns }] of selections.entries()) {
        columnsOf[at]!.push(...parseColumns(file, columns, width, names));
      }
      if (first) return;
    }
    if (cells.length !== width) {
      throw bad({ path: file, line }, `this line has ${cells.length} cells, the first one has ${width}.`);
    }
    lines.push(line);
    for (const [at, columns] of columnsOf.entries()) {
      for (const column of columns) {
        const cell = cells[column]!;
        const value = Math.fround(NUMBER.test(cell) ? Number(cell) * scales[at]! : NaN);
        if (!Number.isFinite(value)) {
          const place = await cellPlace(file, line, column);
          throw bad(
            place,
            `${columnLabel(column, names)} has ${show(cell)}, which is no number that float32 holds.`,
          );
        }
        values[at]!.push(value);
      }
    }
  };

  const parser = parse({ bom: true, info: true, relax_column_count: true, skip_empty_lines: true });
  try {
    await pipeline(
      createReadStream(file),
      parser,
      async (records: AsyncIterable<{ record: string[]; info: { lines: number } }>) => {
        for await (const { record: cells, info } of records) await record(cells, info.lines);
      },
      ...(signal === undefined ? [] : [{ signal }]),
    );
  } catch (error) {
    throwIfAborted(signal);
    if (error instanceof CsvError) {
      const line = typeof error['lines'] === 'number' ? error['lines'] : undefined;
      throw bad({ path: file, ...(line === undefined ? {} : { line }) }, 'this is not valid CSV.', error);
    }
    throw error;
  }
  if (lines.length === 0) throw new TwaError('bad-data', `${file} holds no rows.`, { place: { path: file } });

  return selections.map((_, at): Block => {
    const columns = columnsOf[at]!;
    return {
      rows: lines.length,
      shape: [columns.length],
      values: values[at]!.toArray(),
      async locate(index): Promise<Located> {
        const line = lines[Math.floor(index / columns.length)]!;
        const place = await cellPlace(file, line, columns[index % columns.length]!);
        return { place, text: atPlace(place) };
      },
    };
  });
}

/** "0-63", "3", "label", "0-9,12" -> column numbers from 0, in the order given. */
function parseColumns(
  file: string,
  columns: string | undefined,
  width: number,
  names: readonly string[] | undefined,
): number[] {
  if (columns === undefined) return Array.from({ length: width }, (_, column) => column);
  const wrong = (sentence: string) =>
    new TwaError('bad-data', `${file}: ${sentence}`, { place: { path: file, line: 1, column: 1 } });
  const chosen = columns.split(',').flatMap((part) => {
    const item = part.trim();
    const range = /^(\d+)(?:\s*-\s*(\d+))?$/.exec(item);
    if (range === null) {
      const found = (names ?? []).flatMap((name, column) => (name === item ? [column] : []));
      if (found.length > 1)
        throw wrong(`${found.length} columns are called "${item}"; choose by number, from 0.`);
      if (found.length === 1) return found;
      throw wrong(
        names === undefined
          ? `columns "${item}" is a name, but the file has no header line; choose by number, from 0.`
          : `no column is called "${item}".`,
      );
    }
    const first = Number(range[1]);
    const last = Number(range[2] ?? first);
    if (first > last) throw wrong(`columns "${item}" runs backwards.`);
    if (last >= width)
      throw wrong(`columns "${item}" goes past the last column, ${width - 1} (they count from 0).`);
    return Array.from({ length: last - first + 1 }, (_, offset) => first + offset);
  });
  const twice = chosen.find((column, at) => chosen.indexOf(column) !== at);
  if (twice !== undefined) throw wrong(`columns "${columns}" names ${columnLabel(twice, names)} twice.`);
  return chosen;
}

function columnLabel(column: number, names: readonly string[] | undefined): string {
  const name = names?.[column];
  return name === undefined ? `column ${column}` : `column ${column} ("${name}")`;
}

function show(cell: string): string {
  if (cell.trim() === '') return 'an empty cell';
  return JSON.stringify(cell.length > 40 ? `${cell.slice(0, 40)}...` : cell);
}

function bad(place: ErrorPlace, sentence: string, cause?: unknown): TwaError {
  return new TwaError('bad-data', `${atPlace(place)}: ${sentence}`, { place, cause });
}

/** Where in its line a cell begins. Only for errors: reads the file up to that line once more. */
async function cellPlace(file: string, line: number, column: number): Promise<ErrorPlace> {
  const input = createReadStream(file);
  try {
    let at = 0;
    for await (const text of createInterface({ input, crlfDelay: Infinity })) {
      if (++at === line) return { path: file, line, column: cellStart(text, column) };
    }
  } finally {
    input.destroy();
  }
  return { path: file, line };
}

/** 1-based. Commas within quotes do not count. */
function cellStart(text: string, column: number): number {
  let cells = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    if (cells === column) return at + 1;
    if (text[at] === '"') quoted = !quoted;
    else if (text[at] === ',' && !quoted) cells++;
  }
  return text.length + 1;
}

/** Grows by doubling: a table's size is only known at its end. */
class FloatList {
  private buffer = new Float32Array(1024);
  private length = 0;

  push(value: number): void {
    if (this.length === this.buffer.length) {
      const larger = new Float32Array(2 * this.length);
      larger.set(this.buffer);
      this.buffer = larger;
    }
    this.buffer[this.length++] = value;
  }

  toArray(): Float32Array {
    return this.buffer.slice(0, this.length);
  }
}
