/**
 * JSON Lines metrics logs: one object per line, `{"step": 3, "train": {"loss": 0.1}}` giving the series `train/loss`.
 */
import { basename, extname } from 'node:path';
import { axisOf, namesLog } from './columns.ts';
import { flatten, isObject, parseLooseJson } from './json.ts';
import { LineLog } from './lineLog.ts';
import { RowCollector } from './rows.ts';
import type { MetricsFormat } from './types.ts';

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

class JsonlTail extends LineLog<RowCollector> {
  constructor(path: string) {
    super(path, () => new RowCollector());
  }

  protected override reset(): void {
    // Every line stands for itself.
  }

  protected override line(text: string, number: number, ended: boolean): void {
    if (text.trim() === '') return;
    let record: unknown;
    try {
      record = parseLooseJson(text);
    } catch (error) {
      if (ended) this.warnings.add(number, `the line is no JSON (${messageOf(error)}); it is left out.`);
      return;
    }
    if (!isObject(record)) {
      this.warnings.add(number, 'the line is no JSON object; it is left out.');
      return;
    }
    this.points.addRow(flatten(record, isAxis));
  }
}

function isAxis(name: string): boolean {
  return axisOf(name) !== undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
