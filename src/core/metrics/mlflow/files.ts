/**
 * MLflow's file store: `mlruns/<experiment>/<run, 32 hexadecimal digits>/metrics/<name>`, one file per metric, a line
 * per value: `<milliseconds since 1970> <value> <step>` (mlflow/store/tracking/file_store.py). Very old ones have no
 * step.
 */
import { parseNumber, parseWallTime } from '../columns.ts';
import { LineTail } from '../lines.ts';
import { PointCollector } from '../points.ts';
import type { MetricsFormat, MetricsTail, MetricsUpdate } from '../types.ts';
import { Warnings } from '../warnings.ts';

const METRIC = /^(.*[\\/][0-9a-f]{32}[\\/]metrics)[\\/](.+)$/;

export const mlflowFilesFormat: MetricsFormat = {
  id: 'mlflow',
  extensions: [],
  candidate: (path) => METRIC.test(path),
  anchor: (path) => METRIC.exec(path)?.[1] ?? path,
  open: (path) => new MetricTail(path, (METRIC.exec(path)?.[2] ?? path).replaceAll('\\', '/')),
};

class MetricTail implements MetricsTail {
  readonly path: string;
  readonly #tag: string;
  readonly #lines: LineTail;
  readonly #warnings: Warnings;
  #points = new PointCollector();
  #count = 0;

  constructor(path: string, tag: string) {
    this.path = path;
    this.#tag = tag;
    this.#warnings = new Warnings(path);
    this.#lines = new LineTail(path, {
      reset: () => {
        this.#points = new PointCollector();
        this.#count = 0;
        this.#warnings.reset();
      },
      line: (text, number, ended) => this.#line(text, number, ended),
    });
  }

  async poll(signal?: AbortSignal, atEnd = false): Promise<MetricsUpdate> {
    const reset = await this.#lines.poll(signal, atEnd);
    return { reset, points: this.#points.take(), warnings: this.#warnings.take() };
  }

  #line(text: string, line: number, ended: boolean): void {
    const cells = text.trim().split(/\s+/);
    if (cells[0] === '') return;
    const [time, value, step] = cells.map(parseNumber);
    if (time === undefined || value === undefined || (step === undefined && cells.length > 2)) {
      if (ended) this.#warnings.add(line, 'the line is no `time value step`; it is left out.');
      return;
    }
    this.#points.add(this.#tag, step ?? this.#count, value, NaN, parseWallTime(time));
    this.#count += 1;
  }
}
