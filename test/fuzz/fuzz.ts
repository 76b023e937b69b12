/**
 * Mutations of real checkpoints of every format, in child processes of little memory: each must end in the right answer
 * or a typed error, soon. A case depends on the seed and its number alone, so that it can be run again by itself.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import type { Outcome } from './case.ts';

/** What the child says. */
export type Report =
  | { readonly subjects: number }
  | { readonly starts: number }
  | (Outcome & {
      readonly index: number;
      readonly seconds: number;
      readonly megabytes: number;
      readonly error?: string;
    });

export interface FuzzOptions {
  readonly seed: number;
  readonly from: number;
  readonly count: number;
  /** The id of a format; all of them when absent. */
  readonly format?: string;
  /** Where the cases work, and the failed ones stay. */
  readonly directory: string;
  readonly onProgress?: (done: number) => void;
  /** As soon as a case has failed. */
  readonly onFailure?: (failure: Failure) => void;
}

export interface Failure {
  readonly index: number;
  readonly why: string;
}

export interface FuzzResult {
  /** Cases by how they ended: codes of errors, and `merged`. */
  readonly results: ReadonlyMap<string, number>;
  readonly failures: readonly Failure[];
  readonly slowest: number;
  readonly megabytes: number;
}

/** Of processor time, which other work on the machine does not change. */
const MOST_SECONDS = 2;
const MOST_MEGABYTES = 400;
/** Of waiting: a hang. */
const DEADLINE = 60_000;

export async function fuzz(options: FuzzOptions): Promise<FuzzResult> {
  const results = new Map<string, number>();
  const failures: Failure[] = [];
  const fail = (index: number, why: string): void => {
    failures.push({ index, why });
    options.onFailure?.({ index, why });
  };
  let slowest = 0;
  let largest = 0;
  const end = options.from + options.count;
  for (let next = options.from; next < end;) {
    let running: number | undefined;
    const died = await runChild(options, next, end, (report) => {
      if ('subjects' in report) {
        if (report.subjects === 0) throw new Error(`No fixture has the format ${options.format ?? ''}.`);
      } else if ('starts' in report) {
        running = report.starts;
      } else {
        const { index, result, seconds, megabytes, error, subject, what } = report;
        running = undefined;
        next = index + 1;
        results.set(result, (results.get(result) ?? 0) + 1);
        slowest = Math.max(slowest, seconds);
        const grown = megabytes > MOST_MEGABYTES && largest <= MOST_MEGABYTES;
        largest = Math.max(largest, megabytes);
        const where = `${subject} (${what})`;
        if (error !== undefined) fail(index, error);
        else if (seconds > MOST_SECONDS) fail(index, `${where} took ${seconds} s`);
        else if (grown) fail(index, `${where} took ${megabytes} MB`);
        options.onProgress?.(next - options.from);
      }
    });
    if (next >= end) break;
    if (running === undefined) throw new Error(`The process ended without a case: ${died}.`);
    fail(running, `the process died: ${died}`);
    next = running + 1;
  }
  return { results, failures, slowest, megabytes: largest };
}

/** Gives how it ended. */
async function runChild(
  { seed, format = '', directory }: FuzzOptions,
  from: number,
  to: number,
  onReport: (report: Report) => void,
): Promise<string> {
  const script = join(import.meta.dirname, 'child.ts');
  const args = [
    '--max-old-space-size=256',
    script,
    String(seed),
    String(from),
    String(to),
    format,
    directory,
  ];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const state = { hangs: false, errors: '' };
  child.stderr.on('data', (text: Buffer) => (state.errors = (state.errors + text.toString()).slice(-2000)));
  const watch = (): NodeJS.Timeout =>
    setTimeout(() => {
      state.hangs = true;
      child.kill('SIGKILL');
    }, DEADLINE);
  let timer = watch();
  const closed = once(child, 'close');
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      clearTimeout(timer);
      timer = watch();
      onReport(JSON.parse(line) as Report);
    }
    const [code, signal] = (await closed) as [number | null, string | null];
    return state.hangs
      ? `no answer within ${DEADLINE / 1000} s`
      : `${signal ?? `exit ${code ?? ''}`} ${state.errors}`;
  } finally {
    clearTimeout(timer);
    child.kill('SIGKILL');
  }
}
