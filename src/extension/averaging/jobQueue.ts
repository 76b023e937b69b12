import { cancelled, throwIfAborted } from '../../core/errors.ts';

/** What a job in work says of itself. */
export interface JobState {
  readonly id: number;
  readonly title: string;
  /** Of the whole job, 0..1. */
  readonly fraction: number;
  readonly message: string;
}

export interface WaitingJob {
  readonly id: number;
  readonly title: string;
}

export interface QueueState {
  readonly current: JobState | undefined;
  /** Those behind it, the next one first. */
  readonly waiting: readonly WaitingJob[];
}

export interface JobOptions {
  /** Absolute paths of the checkpoints that the job reads: nobody should take them away before it has ended. */
  readonly reads?: readonly string[];
  /** Cancelled as soon as another job is added: nobody is to wait for what nobody waits for. */
  readonly yields?: boolean;
}

interface Entry {
  readonly id: number;
  readonly title: string;
  readonly reads: readonly string[];
  readonly yields: boolean;
  hasYielded: boolean;
  readonly controller: AbortController;
}

export interface Job<T> {
  readonly id: number;
  readonly result: Promise<T>;
  /** Stops the job, or takes it out of the queue. Its result then rejects as cancelled. */
  readonly cancel: () => void;
  /** Whether it was cancelled because another job came. */
  readonly hasYielded: () => boolean;
}

export interface JobControl {
  readonly signal: AbortSignal;
  readonly report: (fraction: number, message: string) => void;
}

/** One job at a time: two passes at once would only share the same processor and memory. */
export class JobQueue {
  readonly #listeners = new Set<(state: QueueState) => void>();
  /** The one in work and those that wait, in their order. */
  readonly #entries = new Set<Entry>();
  #ids = 0;
  #last: Promise<unknown> = Promise.resolve();
  #current: { readonly entry: Entry; readonly state: JobState } | undefined;

  get state(): QueueState {
    return {
      current: this.#current?.state,
      waiting: [...this.#entries]
        .filter((entry) => entry !== this.#current?.entry)
        .map(({ id, title }) => ({ id, title })),
    };
  }

  get isIdle(): boolean {
    return this.#entries.size === 0;
  }

  /** The title of a job, in work or waiting, that reads this checkpoint. */
  readerOf(checkpoint: string): string | undefined {
    return [...this.#entries].find(({ reads }) => reads.includes(checkpoint))?.title;
  }

  /** Gives the function that stops listening. */
  onChange(listener: (state: QueueState) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  add<T>(
    title: string,
    work: (control: JobControl) => Promise<T>,
    { reads = [], yields = false }: JobOptions = {},
  ): Job<T> {
    const id = ++this.#ids;
    const controller = new AbortController();
    for (const other of this.#entries) {
      if (!other.yields) continue;
      other.hasYielded = true;
      other.controller.abort();
    }
    const entry: Entry = { id, title, reads, yields, hasYielded: false, controller };
    this.#entries.add(entry);
    const aborted = new Promise<never>((_, reject) => {
      controller.signal.addEventListener('abort', () => {
        // A job in work ends by itself, when it has cleaned up.
        if (this.#current?.entry !== entry) reject(cancelled());
      });
    });
    const turn = this.#last.then(() => this.#run(entry, work));
    this.#last = turn.catch(() => undefined);
    const result = Promise.race([turn, aborted]).finally(() => {
      this.#entries.delete(entry);
      this.#changed();
    });
    this.#changed();
    return { id, result, cancel: () => controller.abort(), hasYielded: () => entry.hasYielded };
  }

  /** Does nothing where the job has ended. */
  cancel(id: number): void {
    for (const entry of this.#entries) if (entry.id === id) entry.controller.abort();
  }

  /** Ends everything; resolves when the job in work has cleaned up. */
  async cancelAll(): Promise<void> {
    for (const { controller } of this.#entries) controller.abort();
    await this.#last;
  }

  async #run<T>(entry: Entry, work: (control: JobControl) => Promise<T>): Promise<T> {
    const { id, title } = entry;
    const { signal } = entry.controller;
    throwIfAborted(signal);
    const report = (fraction: number, message: string): void => {
      this.#current = { entry, state: { id, title, fraction, message } };
      this.#changed();
    };
    report(0, '');
    try {
      return await work({ signal, report });
    } finally {
      this.#current = undefined;
      this.#entries.delete(entry);
    }
  }

  #changed(): void {
    const { state } = this;
    for (const listener of this.#listeners) listener(state);
  }
}
