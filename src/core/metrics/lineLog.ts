import { LineTail } from './lines.ts';
import { MAX_SERIES, type PointCollector } from './points.ts';
import type { MetricsTail, MetricsUpdate } from './types.ts';
import { Warnings } from './warnings.ts';

/** A log of lines: following it and telling what is wrong with it is done here; what a line says, by who extends this. */
export abstract class LineLog<Collector extends PointCollector = PointCollector> implements MetricsTail {
  readonly path: string;
  protected readonly warnings: Warnings;
  /** What the lines since the last poll have given. */
  protected points: Collector;
  readonly #lines: LineTail;

  constructor(path: string, newPoints: () => Collector) {
    this.path = path;
    this.warnings = new Warnings(path);
    this.points = newPoints();
    this.#lines = new LineTail(path, {
      reset: () => {
        this.points = newPoints();
        this.warnings.reset();
        this.reset();
      },
      line: (text, number, ended) => {
        this.line(text, number, ended);
        if (!this.points.overflowed) return;
        this.points.overflowed = false;
        this.warnings.add(number, `only the first ${MAX_SERIES} series of the file are read.`);
      },
    });
  }

  async poll(signal?: AbortSignal, atEnd = false): Promise<MetricsUpdate> {
    const reset = await this.#lines.poll(signal, atEnd);
    return { reset, points: this.points.take(), warnings: this.warnings.take() };
  }

  /** Forgets what was read: it belongs to a file that is no more. */
  protected abstract reset(): void;

  /**
   * @param number from 1.
   * @param ended false for a last line without its newline, which may still be being written: no reason to warn.
   */
  protected abstract line(text: string, number: number, ended: boolean): void;
}
