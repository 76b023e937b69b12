/**
 * The fastest backend for the user's own model: one step of it is measured on every backend that works, and the outcome
 * is remembered for this machine. Which one is fastest depends on the model: a graphics processor is slow with small
 * ones.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { throwIfAborted, TwaError } from '../../core/errors.ts';
import type { BackendName } from '../protocol.ts';

export interface Candidate {
  readonly name: BackendName;
  /** With version and device. */
  readonly detail: string;
}

export interface Fastest {
  readonly name: BackendName;
  /** Milliseconds of a step by backend; Infinity where it failed. */
  readonly milliseconds: Readonly<Partial<Record<BackendName, number>>>;
  /** Not measured now, but known from an earlier time. */
  readonly remembered: boolean;
}

interface Entry {
  readonly name: BackendName;
  readonly milliseconds: Readonly<Partial<Record<BackendName, number | null>>>;
}

/** Models that are remembered. */
const MOST_ENTRIES = 100;

/**
 * @param candidates Those that work, the one to take when all are alike first.
 * @param model Whatever a step's time depends on, besides the machine.
 * @param measure Milliseconds of a step. What it throws puts the candidate out of the race.
 */
export async function fastestBackend(
  candidates: readonly Candidate[],
  model: unknown,
  measure: (name: BackendName) => Promise<number>,
  file: string,
  signal?: AbortSignal,
): Promise<Fastest> {
  const [only] = candidates;
  if (only !== undefined && candidates.length === 1) {
    return { name: only.name, milliseconds: {}, remembered: false };
  }
  const key = keyOf(candidates, model);
  const entries = readEntries(file);
  const known = entries[key];
  if (known !== undefined && candidates.some(({ name }) => name === known.name)) {
    return { name: known.name, milliseconds: numbers(known.milliseconds), remembered: true };
  }

  const milliseconds: Partial<Record<BackendName, number>> = {};
  let fastest: Candidate | undefined;
  let failure: Error | undefined;
  for (const candidate of candidates) {
    throwIfAborted(signal);
    try {
      milliseconds[candidate.name] = await measure(candidate.name);
    } catch (error) {
      throwIfAborted(signal);
      milliseconds[candidate.name] = Infinity;
      // A mistake in the task is one on every backend; the first is told.
      failure ??= error instanceof Error ? error : new Error(String(error));
      continue;
    }
    const best = fastest === undefined ? Infinity : milliseconds[fastest.name]!;
    if (milliseconds[candidate.name]! < best) fastest = candidate;
  }
  if (fastest === undefined) {
    throw failure ?? new TwaError('no-backend', 'No compute backend works on this machine.');
  }
  remember(file, entries, key, { name: fastest.name, milliseconds });
  return { name: fastest.name, milliseconds, remembered: false };
}

/** "tensorflow 53 ms, wasm 210 ms". */
export function describeTimes({ milliseconds }: Fastest): string {
  return Object.entries(milliseconds)
    .sort(([, a], [, b]) => a - b)
    .map(([name, time]) => `${name} ${Number.isFinite(time) ? `${time.toPrecision(3)} ms` : 'fails'}`)
    .join(', ');
}

function keyOf(candidates: readonly Candidate[], model: unknown): string {
  const cpus = os.cpus();
  const machine = [os.hostname(), cpus[0]?.model ?? '', cpus.length, process.version];
  const backends = candidates.map(({ name, detail }) => `${name} ${detail}`).sort();
  return createHash('sha256')
    .update(JSON.stringify([machine, backends, model]))
    .digest('hex')
    .slice(0, 32);
}

/** Nothing where the file is missing or is none of ours. */
function readEntries(file: string): Record<string, Entry> {
  try {
    const content = JSON.parse(readFileSync(file, 'utf8')) as unknown;
    if (typeof content !== 'object' || content === null) return {};
    return Object.fromEntries(
      Object.entries(content).filter((each): each is [string, Entry] => isEntry(each[1])),
    );
  } catch {
    return {};
  }
}

function isEntry(value: unknown): value is Entry {
  if (typeof value !== 'object' || value === null) return false;
  const { name, milliseconds } = value as Partial<Record<keyof Entry, unknown>>;
  return typeof name === 'string' && typeof milliseconds === 'object' && milliseconds !== null;
}

/** JSON has no infinity: it is null there. */
function numbers(times: Entry['milliseconds']): Fastest['milliseconds'] {
  return Object.fromEntries(Object.entries(times).map(([name, time]) => [name, time ?? Infinity]));
}

function remember(file: string, entries: Record<string, Entry>, key: string, entry: Entry): void {
  const kept = Object.entries(entries).slice(1 - MOST_ENTRIES);
  try {
    mkdirSync(path.dirname(file), { recursive: true });
    const partial = `${file}.${process.pid}`;
    writeFileSync(partial, `${JSON.stringify(Object.fromEntries([...kept, [key, entry]]), undefined, 1)}\n`);
    renameSync(partial, file);
  } catch {
    // A read-only home: it is measured again next time.
  }
}
