/**
 * MLflow's file store: `mlruns/<experiment>/<run, 32 hexadecimal digits>/metrics/<name>`, one file per metric, a line
 * per value: `<milliseconds since 1970> <value> <step>` (mlflow/store/tracking/file_store.py). Very old ones have no
 * step.
 */
import { parseNumber, parseWallTime } from '../columns.ts';
import { LineLog } from '../lineLog.ts';
import { PointCollector } from '../points.ts';
import type { MetricsFormat } from '../types.ts';

const METRIC = /^(.*[\\/][0-9a-f]{32}[\\/]metrics)[\\/](.+)$/;

export const mlflowFilesFormat: MetricsFormat = {
  id: 'mlflow',
  extensions: [],
  candidate: (path) => METRIC.test(path),
  anchor: (path) => METRIC.exec(path)?.[1] ?? path,
  open: (path) => new MetricTail(path, (METRIC.exec(path)?.[2] ?? path).replaceAll('\\', '/')),
};

class MetricTail extends LineLog {
  readonly #tag: string;
  #count = 0;

  constructor(path: string, tag: string) {
    super(path, () => new PointCollector());
    this.#tag = tag;
  }

  protected override reset(): void {
    this.#count = 0;
  }

  protected override line(text: string, line: number, ended: boolean): void {
    const cells = text.trim().split(/\s+/);
    if (cells[0] === '') return;
    const [time, value, step] = cells.map(parseNumber);
    if (time === undefined || value === undefined || (step === undefined && cells.length > 2)) {
      if (ended) this.warnings.add(line, 'the line is no `time value step`; it is left out.');
      return;
    }
    this.points.add(this.#tag, step ?? this.#count, value, NaN, parseWallTime(time));
    this.#count += 1;
  }
}
