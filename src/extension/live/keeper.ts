/** "Keep Averaged": which runs, when a pass is due, and what became of it. No VS Code here. */
import type { LiveLine } from '../../core/live/line.ts';
import type { LivePlan } from '../../core/live/schedule.ts';
import type { LiveOutcome, Verdict } from '../../core/live/verdict.ts';
import { TwaError } from '../../core/errors.ts';
import type { RunState } from '../../core/runs/status.ts';
import type { CheckpointEntry, Run, RunWatcher } from '../../core/runs/types.ts';
import type { Job, JobQueue } from '../averaging/jobQueue.ts';

const KEPT_KEY = 'keptAveraged';
const TOLD_KEY = 'toldToStop';

export interface KeeperOptions {
  readonly runs: Pick<RunWatcher, 'snapshot' | 'onChange'>;
  readonly jobs: JobQueue;
  /** Of the workspace: what is kept goes on after a reload. */
  readonly memory: { get(key: string): unknown; update(key: string, value: unknown): PromiseLike<void> };
  /** Whether code of the project may run. */
  readonly isTrusted: () => boolean;
  readonly stateOf: (run: Run) => RunState;
  readonly planOf: (run: Run) => LivePlan;
  /** Puts a pass into the queue, as a job that yields. */
  readonly pass: (run: Run, averaged: readonly CheckpointEntry[]) => Promise<Job<LiveLine>>;
  /** A pass could not be made, and the run is no longer kept averaged. */
  readonly onFailure: (run: Run, error: unknown) => void;
  /** Once per run, while it trains. */
  readonly onVerdict: (run: Run, verdict: Verdict) => void;
}

/** Not before a run is kept averaged: most windows keep none. */
const passes = () => import('../../compute/livePass.ts');

export class Keeper {
  readonly #options: KeeperOptions;
  readonly #listeners = new Set<(directory: string) => void>();
  readonly #stops: readonly (() => void)[];
  readonly #outcomes = new Map<string, LiveOutcome>();
  /** By run, the newest checkpoint of a pass that was cancelled or could not be made: the next one waits for another. */
  readonly #passedOver = new Map<string, string>();
  #kept: ReadonlySet<string>;
  #told: ReadonlySet<string>;
  #looking = false;
  #again = false;
  /** Resolves when the looking has ended. */
  #round: Promise<void> = Promise.resolve();

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#kept = this.#read(KEPT_KEY);
    this.#told = this.#read(TOLD_KEY);
    this.#stops = [
      options.runs.onChange(() => void this.look()),
      options.jobs.onChange(() => {
        if (options.jobs.isIdle) void this.look();
      }),
    ];
    void this.look();
  }

  /** Directories of the runs. */
  get kept(): ReadonlySet<string> {
    return this.#kept;
  }

  /** Of a run that is kept averaged, once a pass has been made. */
  outcome(directory: string): LiveOutcome | undefined {
    return this.#outcomes.get(directory);
  }

  /** Listeners get the directory of a run of which something is to be shown anew. Gives the function that stops it. */
  onChange(listener: (directory: string) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async start(directory: string): Promise<void> {
    this.#passedOver.delete(directory);
    await this.#keep(new Set([...this.#kept, directory]));
    this.#tell(directory);
    void this.look();
  }

  /** A pass in work is the caller's to cancel. */
  async stop(directory: string): Promise<void> {
    this.#outcomes.delete(directory);
    await this.#keep(new Set([...this.#kept].filter((one) => one !== directory)));
    this.#tell(directory);
  }

  /** Something may be due: a run wrote, the queue is empty, time went by. Resolves when all that is due has been made. */
  look(): Promise<void> {
    this.#again = true;
    if (!this.#looking) this.#round = this.#look();
    return this.#round;
  }

  dispose(): void {
    for (const stop of this.#stops) stop();
    this.#listeners.clear();
  }

  async #look(): Promise<void> {
    this.#looking = true;
    try {
      while (this.#again) {
        this.#again = false;
        for (const directory of this.#kept) await this.#lookAt(directory);
      }
    } finally {
      this.#looking = false;
    }
  }

  async #lookAt(directory: string): Promise<void> {
    const { runs, isTrusted, stateOf, planOf, jobs } = this.#options;
    const run = runs.snapshot.runs.find((one) => one.directory === directory);
    if (run === undefined || !isTrusted()) return;
    try {
      const { dueNow } = await passes();
      await this.#judge(run);
      const isOver = ['finished', 'failed'].includes(stateOf(run));
      const plan = planOf(run);
      const due = await dueNow(run, isOver ? { ...plan, every: 1 } : plan);
      const newest = due?.at(-1)?.path;
      if (due === undefined || newest === undefined || newest === this.#passedOver.get(directory)) return;
      // Whatever the user asked for goes before it.
      if (jobs.isIdle && this.#kept.has(directory)) await this.#pass(run, due, newest);
    } catch (error) {
      await this.stop(directory);
      this.#options.onFailure(run, error);
    }
  }

  async #pass(run: Run, due: readonly CheckpointEntry[], newest: string): Promise<void> {
    const job = await this.#options.pass(run, due);
    try {
      await job.result;
      await this.#judge(run);
    } catch (error) {
      const isCancelled = error instanceof TwaError && error.code === 'cancelled';
      // It comes again when the queue is empty.
      if (isCancelled && job.hasYielded()) return;
      if (!isCancelled && !(await passes()).isRotatedAway(error)) throw error;
      this.#passedOver.set(run.directory, newest);
    }
  }

  async #judge(run: Run): Promise<void> {
    const { directory } = run;
    const outcome = await (await passes()).readOutcome(run);
    if (outcome === undefined || !this.#kept.has(directory)) return;
    const isNews = outcome.line.time !== this.#outcomes.get(directory)?.line.time;
    this.#outcomes.set(directory, outcome);
    if (isNews) this.#tell(directory);
    const { verdict } = outcome;
    if (verdict === undefined || this.#told.has(directory) || !this.#isTraining(run)) return;
    this.#told = new Set([...this.#told, directory]);
    await this.#options.memory.update(TOLD_KEY, [...this.#told]);
    this.#options.onVerdict(run, verdict);
  }

  #isTraining(run: Run): boolean {
    const state = this.#options.stateOf(run);
    return state === 'training' || state === 'stalled';
  }

  async #keep(kept: ReadonlySet<string>): Promise<void> {
    this.#kept = kept;
    await this.#options.memory.update(KEPT_KEY, [...kept]);
  }

  #tell(directory: string): void {
    for (const listener of this.#listeners) listener(directory);
  }

  #read(key: string): ReadonlySet<string> {
    const known = this.#options.memory.get(key);
    return new Set(Array.isArray(known) ? known.filter((one) => typeof one === 'string') : []);
  }
}
