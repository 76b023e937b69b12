/**
 * The log of "Keep Averaged" (`averages/twa-live.jsonl`) as curves: `averaged/<metric>` and `averaged/loss`. They are of
 * models that training never had, so they are kept apart from its own series.
 */
import { basename } from 'node:path';
import { NarrowError } from '../averaging/narrow.ts';
import { parseLine } from '../live/line.ts';
import { LIVE_LOG } from '../live/log.ts';
import { LineTail } from './lines.ts';
import { PointCollector } from './points.ts';
import type { MetricsFormat, MetricsTail, MetricsUpdate } from './types.ts';
import { Warnings } from './warnings.ts';

export const averagedFormat: MetricsFormat = {
  id: 'averaged',
  extensions: [],
  ofAverages: true,
  candidate: (path) => basename(path) === LIVE_LOG,
  open: (path) => new AveragedTail(path),
};

class AveragedTail implements MetricsTail {
  readonly path: string;
  readonly #lines: LineTail;
  readonly #warnings: Warnings;
  #points = new PointCollector();
  #passes = 0;

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
    return { reset, points: this.#points.take(), warnings: this.#warnings.take() };
  }

  #reset(): void {
    this.#points = new PointCollector();
    this.#passes = 0;
    this.#warnings.reset();
  }

  #line(text: string, number: number, ended: boolean): void {
    if (text.trim() === '') return;
    try {
      const { step, epoch = NaN, name, metric, loss, time } = parseLine(text);
      const at = step ?? (Number.isNaN(epoch) ? this.#passes : epoch);
      this.#passes += 1;
      this.#points.add(`averaged/${name}`, at, metric, epoch, Date.parse(time));
      // A command prints the metric alone.
      if (name !== 'loss' && !Number.isNaN(loss))
        this.#points.add('averaged/loss', at, loss, epoch, Date.parse(time));
    } catch (error) {
      if (!(error instanceof NarrowError || error instanceof SyntaxError)) throw error;
      // Without its newline a broken line is one that is still being written.
      if (ended)
        this.#warnings.add(number, `the line is none of a live pass (${error.message}); it is left out.`);
    }
  }
}
