/**
 * The log of "Keep Averaged" (`averages/twa-live.jsonl`) as curves: `averaged/<metric>` and `averaged/loss`. They are of
 * models that training never had, so they are kept apart from its own series.
 */
import { basename } from 'node:path';
import { NarrowError } from '../averaging/narrow.ts';
import { parseLine } from '../live/line.ts';
import { LIVE_LOG } from '../live/log.ts';
import { LineLog } from './lineLog.ts';
import { PointCollector } from './points.ts';
import type { MetricsFormat } from './types.ts';

export const averagedFormat: MetricsFormat = {
  id: 'averaged',
  extensions: [],
  ofAverages: true,
  candidate: (path) => basename(path) === LIVE_LOG,
  open: (path) => new AveragedTail(path),
};

class AveragedTail extends LineLog {
  #passes = 0;

  constructor(path: string) {
    super(path, () => new PointCollector());
  }

  protected override reset(): void {
    this.#passes = 0;
  }

  protected override line(text: string, number: number, ended: boolean): void {
    if (text.trim() === '') return;
    try {
      const { step, epoch = NaN, name, metric, loss, time } = parseLine(text);
      const at = step ?? (Number.isNaN(epoch) ? this.#passes : epoch);
      this.#passes += 1;
      this.points.add(`averaged/${name}`, at, metric, epoch, Date.parse(time));
      // A command prints the metric alone.
      if (name !== 'loss' && !Number.isNaN(loss))
        this.points.add('averaged/loss', at, loss, epoch, Date.parse(time));
    } catch (error) {
      if (!(error instanceof NarrowError || error instanceof SyntaxError)) throw error;
      if (ended)
        this.warnings.add(number, `the line is none of a live pass (${error.message}); it is left out.`);
    }
  }
}
