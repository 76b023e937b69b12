import type { Run, RunsSnapshot, RunWatcher } from '../../core/runs/types.ts';
import { Arrivals } from '../../core/runs/pace.ts';
import { statusOf } from '../../core/runs/status.ts';
import type { RunStatus } from '../../core/runs/status.ts';

/** What became of a run, with what it was before (undefined: it was not known). */
export interface StatusChange {
  readonly run: Run;
  readonly before: RunStatus | undefined;
  readonly after: RunStatus;
}

export interface LivenessOptions {
  readonly runs: Pick<RunWatcher, 'snapshot' | 'onChange'>;
  /** After how many of its usual intervals a silent run is stalled. */
  readonly stalledIntervals: () => number;
  readonly now?: () => number;
  /** Between two looks at the clock, milliseconds. */
  readonly everyMs?: number;
}

const EVERY_MS = 5000;

interface Known {
  readonly run: Run;
  readonly status: RunStatus;
}

/**
 * Which runs train, by what they write and by the clock: a run that stalls changes no file. Looks at runs that changed,
 * and every few seconds at those that are not at rest. No VS Code here.
 */
export class Liveness {
  readonly #options: LivenessOptions;
  readonly #now: () => number;
  readonly #arrivals = new Arrivals();
  readonly #listeners = new Set<(changes: readonly StatusChange[]) => void>();
  readonly #stopListening: () => void;
  readonly #timer: NodeJS.Timeout;
  #known = new Map<string, Known>();

  constructor(options: LivenessOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#update(options.runs.snapshot);
    this.#stopListening = options.runs.onChange((snapshot) => this.#update(snapshot));
    this.#timer = setInterval(() => this.tick(), options.everyMs ?? EVERY_MS);
    this.#timer.unref();
  }

  /** Of a run of the newest snapshot. */
  status(run: Run): RunStatus {
    return this.#known.get(run.directory)?.status ?? this.#look(run);
  }

  /** Listeners get the runs whose status is another, never none. Gives the function that stops it. */
  onChange(listener: (changes: readonly StatusChange[]) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Time went by. */
  tick(): void {
    const changes: StatusChange[] = [];
    for (const [directory, { run, status }] of this.#known) {
      if (status.state === 'finished' || status.state === 'failed') continue;
      const after = this.#look(run);
      this.#known.set(directory, { run, status: after });
      if (after.state !== status.state) changes.push({ run, before: status, after });
    }
    this.#tell(changes);
  }

  dispose(): void {
    clearInterval(this.#timer);
    this.#stopListening();
    this.#listeners.clear();
  }

  #update({ runs }: RunsSnapshot): void {
    const before = this.#known;
    const changes: StatusChange[] = [];
    this.#arrivals.keep(new Set(runs.map(({ directory }) => directory)));
    this.#known = new Map(
      runs.map((run) => {
        const old = before.get(run.directory);
        if (old?.run === run) return [run.directory, old];
        const after = this.#look(run);
        changes.push({ run, before: old?.status, after });
        return [run.directory, { run, status: after }];
      }),
    );
    this.#tell(changes);
  }

  #look(run: Run): RunStatus {
    const now = this.#now();
    const arrivals = this.#arrivals.observe(run, now);
    return statusOf(run, now, arrivals, this.#options.stalledIntervals());
  }

  #tell(changes: readonly StatusChange[]): void {
    if (changes.length === 0) return;
    for (const listener of this.#listeners) listener(changes);
  }
}
