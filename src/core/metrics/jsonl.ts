/**
 * JSON Lines metrics logs: one object per line, `{"step": 3, "train": {"loss": 0.1}}` giving the series `train/loss`.
 */
import { basename, extname } from 'node:path';
import { axisOf, namesLog } from './columns.ts';
import { flatten, isObject, parseLooseJson } from './json.ts';
import { LineTail } from './lines.ts';
import { MAX_SERIES, RowCollector } from './rows.ts';
import type { MetricsFormat, MetricsTail, MetricsUpdate } from './types.ts';
import { Warnings } from './warnings.ts';

export const jsonlFormat: MetricsFormat = {
  id: 'jsonl',
  extensions: ['.jsonl', '.ndjson'],
  candidate(path) {
    const name = basename(path);
    const extension = extname(name);
    return this.extensions.includes(extension) && namesLog(name.slice(0, -extension.length));
  },
  open: (path) => new JsonlTail(path),
};

class JsonlTail implements MetricsTail {
  readonly path: string;
  readonly #lines: LineTail;
  readonly #warnings: Warnings;
  #rows = new RowCollector();

  constructor(path: string) {
    this.path = path;
    this.#warnings = new Warnings(path);
    this.#lines = new LineTail(path, {
      reset: () => this.#reset(),
      line: (text, number, ended) => this.#line(text, number, ended),
    });
  }

  async poll(signal?: AbortSignal, atEnd = false): Promise<MetricsUpdate> {
    const reset = await this.#lines.poll(signal, atEnd);
    return { reset, points: this.#rows.take(), warnings: this.#warnings.take() };
  }

  #reset(): void {
    this.#rows = new RowCollector();
    this.#warnings.reset();
  }

  #line(text: string, number: number, ended: boolean): void {
    if (text.trim() === '') return;
    let record: unknown;
    try {
      record = parseLooseJson(text);
    } catch (error) {
      // Without its newline a broken line is one that is still being written.
      if (ended) this.#warnings.add(number, `the line is no JSON (${messageOf(error)}); it is left out.`);
      return;
    }
    if (!isObject(record)) {
      this.#warnings.add(number, 'the line is no JSON object; it is left out.');
      return;
    }
    this.#rows.addRow(flatten(record, isAxis));
    if (this.#rows.overflowed) {
      this.#rows.overflowed = false;
      this.#warnings.add(number, `only the first ${MAX_SERIES} series of the file are read.`);
    }
  }
}

function isAxis(name: string): boolean {
  return axisOf(name) !== undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
