/** Logs of lines that another extension reads: it tells what a line says, and following the file is ours. */
import { basename } from 'node:path';
import type { MetricsPoint } from '../../../api/twa.d.ts';
import { LineLog } from '../metrics/lineLog.ts';
import { PointCollector } from '../metrics/points.ts';
import type { MetricsFormat } from '../metrics/types.ts';
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

class ContributedTail extends LineLog {
  readonly #open: Open;
  #parse: ((text: string) => unknown) | undefined;

  constructor(path: string, open: Open) {
    super(path, () => new PointCollector());
    this.#open = open;
  }

  protected override reset(): void {
    this.#parse = undefined;
  }

  protected override line(text: string, number: number, ended: boolean): void {
    try {
      this.#parse ??= parserOf(this.#open(this.path));
      const given = this.#parse(text);
      if (given === undefined) return;
      // All of them before any is taken: a line counts whole or not at all.
      const points = [...(given as Iterable<unknown>)].map(narrow);
      for (const { tag, step, value, epoch = NaN, wallTime = NaN } of points) {
        this.points.add(tag, step, value, epoch, wallTime);
      }
    } catch (error) {
      if (ended) this.warnings.add(number, `${messageOf(error)}; the line is left out.`);
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
