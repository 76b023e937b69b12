/** Logs of lines that another extension reads: it tells what a line says, and following the file is ours. */
import { basename } from 'node:path';
import type { MetricsPoint } from '../../../api/twa.d.ts';
import { LineTail } from '../metrics/lines.ts';
import { MAX_SERIES, PointCollector } from '../metrics/points.ts';
import type { MetricsFormat, MetricsTail, MetricsUpdate } from '../metrics/types.ts';
import { Warnings } from '../metrics/warnings.ts';
import { badExtension, importContribution, messageOf } from './module.ts';
import type { Contribution } from './types.ts';

type Open = (path: string) => unknown;

export async function loadMetrics(contribution: Contribution): Promise<MetricsFormat> {
  const exported = await importContribution(contribution, 'metrics');
  const { fileName, open } = exported;
  if (!(fileName instanceof RegExp))
    throw badExtension(contribution, 'exports metrics whose "fileName" is no regular expression');
  if (typeof open !== 'function')
    throw badExtension(contribution, 'exports metrics without a function "open"');
  // With g or y an expression remembers where it was.
  const pattern = new RegExp(fileName.source, fileName.flags.replace(/[gy]/g, ''));
  return {
    id: contribution.id,
    extensions: [],
    candidate: (path) => pattern.test(basename(path)),
    open: (path) => new ContributedTail(path, (of) => open.call(exported, of)),
  };
}

class ContributedTail implements MetricsTail {
  readonly path: string;
  readonly #open: Open;
  readonly #lines: LineTail;
  readonly #warnings: Warnings;
  #parse: ((text: string) => unknown) | undefined;
  #points = new PointCollector();

  constructor(path: string, open: Open) {
    this.path = path;
    this.#open = open;
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
    this.#parse = undefined;
    this.#points = new PointCollector();
    this.#warnings.reset();
  }

  #line(text: string, number: number, ended: boolean): void {
    try {
      this.#parse ??= parserOf(this.#open(this.path));
      const given = this.#parse(text);
      if (given === undefined) return;
      // All of them before any is taken: a line counts whole or not at all.
      const points = [...(given as Iterable<unknown>)].map(narrow);
      for (const { tag, step, value, epoch = NaN, wallTime = NaN } of points) {
        this.#points.add(tag, step, value, epoch, wallTime);
      }
    } catch (error) {
      // Without its newline a broken line is one that is still being written.
      if (ended) this.#warnings.add(number, `${messageOf(error)}; the line is left out.`);
    }
    if (this.#points.overflowed) {
      this.#points.overflowed = false;
      this.#warnings.add(number, `only the first ${MAX_SERIES} series of the file are read.`);
    }
  }
}

function parserOf(given: unknown): (text: string) => unknown {
  const line: unknown = (given as { readonly line?: unknown } | null | undefined)?.line;
  if (typeof line !== 'function') throw new Error('the extension gives no parser for the log');
  return (text) => line.call(given, text) as unknown;
}

function narrow(value: unknown): MetricsPoint {
  if (typeof value !== 'object' || value === null)
    throw new Error('the extension gives a point that is none');
  const { tag, step, value: number, epoch, wallTime } = value as Readonly<Record<string, unknown>>;
  const isOptional = (given: unknown) => given === undefined || typeof given === 'number';
  if (
    typeof tag !== 'string' ||
    tag === '' ||
    typeof step !== 'number' ||
    !Number.isFinite(step) ||
    typeof number !== 'number' ||
    !isOptional(epoch) ||
    !isOptional(wallTime)
  ) {
    throw new Error('the extension gives a point without a tag, a finite step or a value');
  }
  return value as MetricsPoint;
}
