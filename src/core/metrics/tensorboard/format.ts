/**
 * Event files of TensorBoard (`events.out.tfevents...`), as SummaryWriters of PyTorch, tensorboardX, TensorFlow and
 * Keras write them. Scalars only, as TensorBoard reads them. A training that was resumed has several files in one
 * directory: see `../resumed.ts`.
 */
import { basename, dirname } from 'node:path';
import { ByteTail } from '../bytes.ts';
import type { ByteSink, Taken } from '../bytes.ts';
import { MAX_SERIES, PointCollector } from '../points.ts';
import type { MetricsFormat, MetricsTail, MetricsUpdate } from '../types.ts';
import { Warnings } from '../warnings.ts';
import { WireError } from '../../wire.ts';
import { decodeEvent } from './events.ts';
import type { TrainingEvent } from './events.ts';
import { takeRecords } from './records.ts';

export const tensorBoardFormat: MetricsFormat = {
  id: 'tensorboard',
  extensions: [],
  inParts: true,
  // TensorBoard's own rule, less the profiler's files.
  candidate(path) {
    const name = basename(path);
    return name.includes('tfevents') && !name.endsWith('.profile-empty');
  },
  open: (path) => new EventTail(path),
};

/** Keras' callback writes into these, the metrics of each epoch as `epoch_loss` with the epoch for a step. */
const KERAS_DIRECTORIES: ReadonlySet<string> = new Set(['train', 'validation']);

class EventTail implements MetricsTail, ByteSink {
  readonly path: string;
  readonly #bytes: ByteTail;
  readonly #warnings: Warnings;
  readonly #hasKerasEpochs: boolean;
  #points = new PointCollector();
  #scalarTags = new Set<string>();
  #voidFrom: number | undefined;
  /** Where the file was lost; told once. */
  #lostAt: number | undefined;

  constructor(path: string) {
    this.path = path;
    this.#bytes = new ByteTail(path, this);
    this.#warnings = new Warnings(path, 'byte');
    this.#hasKerasEpochs = KERAS_DIRECTORIES.has(basename(dirname(path)));
  }

  async poll(signal?: AbortSignal): Promise<MetricsUpdate> {
    const reset = await this.#bytes.poll(signal);
    const voidFrom = this.#voidFrom;
    this.#voidFrom = undefined;
    return {
      reset,
      points: this.#points.take(),
      warnings: this.#warnings.take(),
      ...(voidFrom === undefined ? {} : { voidFrom }),
    };
  }

  reset(): void {
    this.#points = new PointCollector();
    this.#scalarTags = new Set();
    this.#voidFrom = undefined;
    this.#lostAt = undefined;
    this.#warnings.reset();
  }

  take(bytes: Buffer, position: number, size: number): Taken {
    return takeRecords(bytes, position, size, {
      record: (data, at) => this.#record(data, at),
      damaged: (at) => this.#warnings.add(at, 'the checksum of the record is wrong; it is left out.'),
      lost: (at) => {
        if (this.#lostAt === at) return;
        this.#lostAt = at;
        this.#warnings.add(at, 'the checksum of the length is wrong; the rest of the file cannot be read.');
      },
    });
  }

  #record(data: Buffer, position: number): void {
    let event: TrainingEvent;
    try {
      event = decodeEvent(data, this.#scalarTags);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.#warnings.add(position, `the record is no event (${error.message}); it is left out.`);
      return;
    }
    const { step, wallTime, scalars } = event;
    if (event.restarts) {
      this.#points.dropFrom(step);
      this.#voidFrom = Math.min(this.#voidFrom ?? Infinity, step);
    }
    for (const { tag, value, isTensor } of scalars) {
      const isEpoch = this.#hasKerasEpochs && isTensor && tag.startsWith('epoch_');
      this.#points.add(tag, step, value, isEpoch ? step : NaN, wallTime * 1000);
    }
    if (this.#points.overflowed) {
      this.#points.overflowed = false;
      this.#warnings.add(position, `only the first ${MAX_SERIES} series of the file are read.`);
    }
  }
}
