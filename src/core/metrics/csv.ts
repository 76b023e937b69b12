/**
 * CSV and TSV metrics logs: Keras CSVLogger (one row per epoch), Lightning CSVLogger (sparse: several rows per step,
 * each with some of the metrics), ultralytics results.csv (names padded with blanks), and hand-written ones. The
 * first line names the columns; those `columns.ts` knows are x, every other column with numbers is a series.
 */
import { basename, extname } from 'node:path';
import { parse } from 'csv-parse/sync';
import { axisOf, namesLog, parseNumber } from './columns.ts';
import { LineLog } from './lineLog.ts';
import { RowCollector } from './rows.ts';
import type { MetricsFormat } from './types.ts';

export const csvFormat: MetricsFormat = {
  id: 'csv',
  extensions: ['.csv', '.tsv', '.log'],
  candidate(path) {
    const name = basename(path);
    const extension = extname(name);
    // Keras' documentation calls its CSV log `training.log`; other .log files are prose.
    if (name === 'training.log') return true;
    return (extension === '.csv' || extension === '.tsv') && namesLog(name.slice(0, -extension.length));
  },
  open: (path) => new CsvTail(path),
};

class CsvTail extends LineLog<RowCollector> {
  #delimiter = ',';
  #columns: readonly string[] | undefined;
  #isNoTable = false;

  constructor(path: string) {
    super(path, () => new RowCollector());
  }

  protected override reset(): void {
    this.#columns = undefined;
    this.#isNoTable = false;
  }

  protected override line(text: string, number: number, ended: boolean): void {
    if (this.#isNoTable || text.trim() === '') return;
    if (this.#columns === undefined) this.#delimiter = delimiterOf(text);
    const cells = this.#cells(text, number, ended);
    if (cells === undefined) return;
    if (this.#columns === undefined && !this.#startsTable(cells, number)) return;
    if (this.#columns === undefined || isHeader(cells)) {
      // A header further down starts a new table: a logger was started again on the same file, or knows more by now.
      this.#columns = cells;
      return;
    }
    if (cells.length !== this.#columns.length) {
      // Without its newline a short row is one that is still being written.
      if (!ended) return;
      this.warnings.add(
        number,
        `the row has ${cells.length} values where the header has ${this.#columns.length}; it is left out.`,
      );
      return;
    }
    const fields: [string, number | string][] = [];
    for (const [index, name] of this.#columns.entries()) {
      const cell = cells[index]!;
      // Keras writes NA for what an epoch did not give.
      if (name !== '' && cell !== '' && cell !== 'NA') fields.push([name, parseNumber(cell) ?? cell]);
    }
    this.points.addRow(fields);
  }

  /** Whether a first line names columns; if not, the file is no table and the rest of it is left out. */
  #startsTable(cells: readonly string[], number: number): boolean {
    const hasNumbers = cells.some((cell) => parseNumber(cell) !== undefined);
    // Prose that is called `training.log` is nothing to complain about.
    const isProse = extname(this.path) === '.log';
    if (cells.some((cell) => axisOf(cell) !== undefined) || (!hasNumbers && !isProse)) return true;
    if (!isProse) {
      this.warnings.add(
        number,
        'the first line must name the columns (epoch, step, loss, ...); the file is left out.',
      );
    }
    this.#isNoTable = true;
    return false;
  }

  #cells(text: string, number: number, ended: boolean): string[] | undefined {
    // The parser costs ten times what split does; only quotes need it.
    if (!text.includes('"')) return text.split(this.#delimiter).map((cell) => cell.trim());
    try {
      const records: unknown = parse(text, { delimiter: this.#delimiter, trim: true });
      const [record] = records as string[][];
      return record;
    } catch (error) {
      if (ended) {
        this.warnings.add(
          number,
          `the row is no CSV: ${error instanceof Error ? error.message : String(error)}.`,
        );
      }
      return undefined;
    }
  }
}

/** The delimiter that the header has most of. */
function delimiterOf(header: string): string {
  const count = (delimiter: string): number => header.split(delimiter).length;
  return [',', '\t', ';'].reduce((best, next) => (count(next) > count(best) ? next : best));
}

function isHeader(cells: readonly string[]): boolean {
  return (
    cells.some((cell) => axisOf(cell) !== undefined) &&
    cells.every((cell) => parseNumber(cell) === undefined && cell !== '')
  );
}
