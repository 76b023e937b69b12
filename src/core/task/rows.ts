/** Which rows of a table belong to which split: the JSON file that `data.splits` names. */
import { readFile } from 'node:fs/promises';
import { TwaError } from '../errors.ts';
import { atPlace, type JsonPath, parseJson } from './json.ts';
import type { UserSplit } from './types.ts';

export type SplitRows = Readonly<Partial<Record<UserSplit, Int32Array>>>;

const SPLITS: readonly UserSplit[] = ['train', 'validation', 'test'];

/**
 * Row numbers per split, each a row of a table with `rows` rows, none of them twice, in one split or across splits:
 * a result on examples that were fitted to means nothing. Throws a TwaError 'bad-data' with line and column.
 */
export async function readSplitRows(file: string, rows: number): Promise<SplitRows> {
  const text = await readFile(file, 'utf8');
  const wrong = (at: JsonPath, sentence: string, what: 'key' | 'value' = 'value') => {
    // Only an error pays for a syntax tree with positions: these files can hold millions of numbers.
    const place = parseJson(file, text, 'bad-data').place(at, what);
    return new TwaError('bad-data', `${atPlace(place)}: ${sentence}`, { place });
  };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = parseJson(file, text, 'bad-data').value;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw wrong([], 'splits are {"train": [rows], "validation": [rows], "test": [rows]}.');
  }
  const unknown = Object.keys(value).find((key) => !(SPLITS as readonly string[]).includes(key));
  if (unknown !== undefined) {
    throw wrong([unknown], `"${unknown}" is no split: use "train", "validation" and "test".`, 'key');
  }

  const given = value as Readonly<Record<string, unknown>>;
  /** Per row, 1 + the index of the split that has it. */
  const owner = new Uint8Array(rows);
  const result: Partial<Record<UserSplit, Int32Array>> = {};
  for (const [index, split] of SPLITS.entries()) {
    const list = given[split];
    if (list === undefined && split === 'test') continue;
    if (!Array.isArray(list)) throw wrong([split], `"${split}" must be a list of row numbers.`);
    if (list.length === 0) throw wrong([split], `"${split}" has no rows.`);
    result[split] = Int32Array.from(list as readonly unknown[], (row, at) => {
      if (typeof row !== 'number' || !Number.isInteger(row) || row < 0 || row >= rows) {
        throw wrong(
          [split, at],
          `${JSON.stringify(row)} is no row number: the table has rows 0 to ${rows - 1}.`,
        );
      }
      const other = owner[row]!;
      if (other !== 0) {
        const before = SPLITS[other - 1]!;
        throw wrong(
          [split, at],
          other === index + 1
            ? `row ${row} is in ${split} twice.`
            : `row ${row} is in ${before} and in ${split}: no example may be in two splits.`,
        );
      }
      owner[row] = index + 1;
      return row;
    });
  }
  return result;
}
