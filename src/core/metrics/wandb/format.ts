/**
 * Weights & Biases' own file of a run, `wandb/offline-run-20261124_011605-a1b2c3d4/run-a1b2c3d4.wandb`, which it keeps
 * of runs that are synchronised, too. Of its records (wandb/proto/wandb_internal.proto) are read: the history, one row
 * per `log` call; the machine's figures (GPU, memory), as the series `system/...` at the step that was logged last;
 * the configuration, for how long the training shall be; and how it ended.
 */
import { basename } from 'node:path';
import { ByteTail } from '../bytes.ts';
import type { ByteSink, Taken } from '../bytes.ts';
import { axisOf } from '../columns.ts';
import { flatten, isObject, parseLooseJson } from '../json.ts';
import { planOf } from '../plan.ts';
import { MAX_SERIES } from '../points.ts';
import { RowCollector } from '../rows.ts';
import type { MetricsFormat, MetricsTail, MetricsUpdate, TrainingFacts } from '../types.ts';
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
  #lastStep = 0;
  #facts: TrainingFacts | undefined;

  constructor(path: string) {
    this.path = path;
    this.#bytes = new ByteTail(path, this);
    this.#warnings = new Warnings(path, 'byte');
  }

  async poll(signal?: AbortSignal): Promise<MetricsUpdate> {
    const reset = await this.#bytes.poll(signal);
    const facts = this.#facts;
    this.#facts = undefined;
    return {
      reset,
      points: this.#rows.take(),
      ...(facts === undefined ? {} : { facts }),
      warnings: this.#warnings.take(),
    };
  }

  reset(): void {
    this.#rows = new RowCollector();
    this.#isUnknown = false;
    this.#lastStep = 0;
    this.#facts = undefined;
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

  #addRow(fields: readonly [string, number | string][]): void {
    const step = fields.find(([name]) => name === '_step')?.[1];
    if (typeof step === 'number') this.#lastStep = step;
    this.#rows.addRow(fields);
  }

  #addStats(stats: WireReader): void {
    const values: [string, number][] = [];
    let at = NaN;
    while (stats.next()) {
      if (stats.field === 2) at = decodeTime(stats.message());
      else if (stats.field === 3) {
        const { names, json } = decodeItem(stats.message());
        const value = parseLooseJson(json);
        if (typeof value === 'number') values.push([names.join('/'), value]);
      } else stats.skip();
    }
    for (const [name, value] of values) {
      if (IS_WATCHED.test(name)) this.#rows.add(`system/${name}`, this.#lastStep, value, NaN, at);
    }
  }

  #learn(facts: TrainingFacts): void {
    this.#facts = { ...this.#facts, ...facts, plan: { ...this.#facts?.plan, ...facts.plan } };
  }

  #record(data: Buffer, position: number): void {
    try {
      const record = new WireReader(data);
      while (record.next()) {
        switch (record.field) {
          case HISTORY:
            this.#addRow(decodeHistory(record.message()));
            break;
          case CONFIG:
            this.#learn({ plan: planOf(decodeItems(record.message())) });
            break;
          case STATS:
            this.#addStats(record.message());
            break;
          case RUN:
            this.#learn({ plan: planOf(decodeRun(record.message())) });
            break;
          case EXIT:
            this.#learn({ outcome: exitCode(record.message()) === 0 ? 'finished' : 'failed' });
            break;
          default:
            record.skip();
        }
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

/** Of Record. */
const HISTORY = 2;
const CONFIG = 5;
const STATS = 7;
const RUN = 17;
const EXIT = 18;

/** Of the machine's figures, those that say whether the training uses it; disks and networks have a dozen more each. */
const IS_WATCHED = /^(?:gpu\.|cpu$|memory_percent$|proc\.memory\.rssMB$)/;

/** RunRecord: of it the configuration. */
function decodeRun(run: WireReader): [string, unknown][] {
  const settings: [string, unknown][] = [];
  while (run.next()) {
    if (run.field === 4) settings.push(...decodeItems(run.message()));
    else run.skip();
  }
  return settings;
}

/** ConfigRecord: its items, by name. The value of one may be an object with `value` in it. */
function decodeItems(config: WireReader): [string, unknown][] {
  const settings: [string, unknown][] = [];
  while (config.next()) {
    if (config.field !== 1) {
      config.skip();
      continue;
    }
    const { names, json } = decodeItem(config.message());
    const value = parseLooseJson(json);
    settings.push([
      names.at(-1) ?? '',
      isObject(value) && 'value' in value ? (value as { readonly value: unknown }).value : value,
    ]);
  }
  return settings;
}

/** RunExitRecord. */
function exitCode(exit: WireReader): number {
  let code = 0;
  while (exit.next()) {
    if (exit.field === 1) code = exit.integer();
    else exit.skip();
  }
  return code;
}

/** google.protobuf.Timestamp, in milliseconds. */
function decodeTime(time: WireReader): number {
  let milliseconds = 0;
  while (time.next()) {
    if (time.field === 1) milliseconds += 1000 * time.integer();
    else if (time.field === 2) milliseconds += time.integer() / 1e6;
    else time.skip();
  }
  return milliseconds;
}

/** HistoryRecord: the values of one `log` call by name, those of nested ones joined with `/`. */
function decodeHistory(history: WireReader): [string, number | string][] {
  const fields: [string, number | string][] = [];
  let step: number | undefined;
  while (history.next()) {
    if (history.field === 1) fields.push(...fieldsOf(history.message()));
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

/** HistoryItem, ConfigItem, StatsItem. */
function decodeItem(item: WireReader): { readonly names: readonly string[]; readonly json: string } {
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
  return { names: names.filter((part) => part !== ''), json };
}

function fieldsOf(item: WireReader): [string, number | string][] {
  const { names, json } = decodeItem(item);
  const name = names.join('/');
  const value: unknown = parseLooseJson(json);
  return flatten({ [name]: value }, (key) => axisOf(key) !== undefined);
}
