/**
 * Weights & Biases' own file of a run, `wandb/offline-run-20261124_011605-a1b2c3d4/run-a1b2c3d4.wandb`, which it keeps
 * of runs that are synchronised, too. Of its records (wandb/proto/wandb_internal.proto) the history is read: one row
 * per `log` call.
 */
import { basename } from 'node:path';
import { ByteTail } from '../bytes.ts';
import type { ByteSink, Taken } from '../bytes.ts';
import { axisOf } from '../columns.ts';
import { flatten, parseLooseJson } from '../json.ts';
import { MAX_SERIES } from '../points.ts';
import { RowCollector } from '../rows.ts';
import type { MetricsFormat, MetricsTail, MetricsUpdate } from '../types.ts';
import { Warnings } from '../warnings.ts';
import { WireError, WireReader } from '../../wire.ts';
import { takeLogRecords } from './records.ts';

export const wandbFormat: MetricsFormat = {
  id: 'wandb',
  extensions: ['.wandb'],
  candidate: (path) => basename(path).endsWith('.wandb'),
  open: (path) => new WandbTail(path),
};

class WandbTail implements MetricsTail, ByteSink {
  readonly path: string;
  readonly #bytes: ByteTail;
  readonly #warnings: Warnings;
  #rows = new RowCollector();
  #isUnknown = false;

  constructor(path: string) {
    this.path = path;
    this.#bytes = new ByteTail(path, this);
    this.#warnings = new Warnings(path, 'byte');
  }

  async poll(signal?: AbortSignal): Promise<MetricsUpdate> {
    const reset = await this.#bytes.poll(signal);
    return { reset, points: this.#rows.take(), warnings: this.#warnings.take() };
  }

  reset(): void {
    this.#rows = new RowCollector();
    this.#isUnknown = false;
    this.#warnings.reset();
  }

  take(bytes: Buffer, position: number, size: number): Taken {
    return takeLogRecords(bytes, position, size, {
      record: (data, at) => this.#record(data, at),
      damaged: (at) =>
        this.#warnings.add(at, 'the checksum is wrong; records up to the next block are left out.'),
      unknown: () => {
        if (!this.#isUnknown)
          this.#warnings.add(0, 'the file is no run of Weights & Biases that can be read.');
        this.#isUnknown = true;
      },
    });
  }

  #record(data: Buffer, position: number): void {
    try {
      const record = new WireReader(data);
      while (record.next()) {
        if (record.field === 2) this.#rows.addRow(decodeHistory(record.message()));
        else record.skip();
      }
    } catch (error) {
      if (!(error instanceof WireError) && !(error instanceof SyntaxError)) throw error;
      this.#warnings.add(position, `the record cannot be read (${error.message}); it is left out.`);
    }
    if (this.#rows.overflowed) {
      this.#rows.overflowed = false;
      this.#warnings.add(position, `only the first ${MAX_SERIES} series of the file are read.`);
    }
  }
}

/** HistoryRecord: the values of one `log` call by name, those of nested ones joined with `/`. */
function decodeHistory(history: WireReader): [string, number | string][] {
  const fields: [string, number | string][] = [];
  let step: number | undefined;
  while (history.next()) {
    if (history.field === 1) fields.push(...decodeItem(history.message()));
    else if (history.field === 2) step = decodeStep(history.message());
    else history.skip();
  }
  // The row has its step as an item, too; a version that leaves it out is no harm.
  if (step !== undefined && !fields.some(([name]) => name === '_step')) fields.push(['_step', step]);
  return fields;
}

function decodeStep(message: WireReader): number {
  let step = 0;
  while (message.next()) {
    if (message.field === 1) step = message.integer();
    else message.skip();
  }
  return step;
}

function decodeItem(item: WireReader): [string, number | string][] {
  const names: string[] = [];
  let json = 'null';
  while (item.next()) {
    switch (item.field) {
      case 1: // key
      case 2: // nested_key: the whole path
        names.push(item.string());
        break;
      case 16:
        json = item.string();
        break;
      default:
        item.skip();
    }
  }
  const name = names.filter((part) => part !== '').join('/');
  const value: unknown = parseLooseJson(json);
  return flatten({ [name]: value }, (key) => axisOf(key) !== undefined);
}
