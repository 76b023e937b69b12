import { cancelled, throwIfAborted } from '../../core/errors.ts';

/** What a job in work says of itself. */
export interface JobState {
  readonly id: number;
  readonly title: string;
  /** Of the whole job, 0..1. */
  readonly fraction: number;
  readonly message: string;
}

export interface QueueState {
  readonly current: JobState | undefined;
  /** How many wait behind it. */
  readonly waiting: number;
}

export interface Job<T> {
  readonly id: number;
  readonly result: Promise<T>;
  /** Stops the job, or takes it out of the queue. Its result then rejects as cancelled. */
  readonly cancel: () => void;
}

export interface JobControl {
  readonly signal: AbortSignal;
  readonly report: (fraction: number, message: string) => void;
}

/** One job at a time: two passes at once would only share the same processor and memory. */
export class JobQueue {
  readonly #listeners = new Set<(state: QueueState) => void>();
  readonly #controllers = new Set<AbortController>();
  #ids = 0;
  #last: Promise<unknown> = Promise.resolve();
  #current: { readonly controller: AbortController; readonly state: JobState } | undefined;

  get state(): QueueState {
    return {
      current: this.#current?.state,
      waiting: this.#controllers.size - (this.#current === undefined ? 0 : 1),
    };
  }

  /** Gives the function that stops listening. */
  onChange(listener: (state: QueueState) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  add<T>(title: string, work: (control: JobControl) => Promise<T>): Job<T> {
    const id = ++this.#ids;
    const controller = new AbortController();
    this.#controllers.add(controller);
    const aborted = new Promise<never>((_, reject) => {
      controller.signal.addEventListener('abort', () => {
        // A job in work ends by itself, when it has cleaned up.
        if (this.#current?.controller !== controller) reject(cancelled());
      });
    });
    const turn = this.#last.then(() => this.#run({ id, title }, controller, work));
    this.#last = turn.catch(() => undefined);
    const result = Promise.race([turn, aborted]).finally(() => {
      this.#controllers.delete(controller);
      this.#changed();
    });
    this.#changed();
    return { id, result, cancel: () => controller.abort() };
  }

  cancelCurrent(): void {
    this.#current?.controller.abort();
  }

  /** Ends everything; resolves when the job in work has cleaned up. */
  async cancelAll(): Promise<void> {
    for (const controller of this.#controllers) controller.abort();
    await this.#last;
  }

  async #run<T>(
    job: Pick<JobState, 'id' | 'title'>,
    controller: AbortController,
    work: (control: JobControl) => Promise<T>,
  ): Promise<T> {
    const { signal } = controller;
    throwIfAborted(signal);
    const report = (fraction: number, message: string): void => {
      this.#current = { controller, state: { ...job, fraction, message } };
      this.#changed();
    };
    report(0, '');
    try {
      return await work({ signal, report });
    } finally {
      this.#current = undefined;
    }
  }

  #changed(): void {
    const { state } = this;
    for (const listener of this.#listeners) listener(state);
  }
}
