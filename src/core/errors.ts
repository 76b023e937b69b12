/**
 * The one error class for everything a user can cause or mend. Its message is one plain sentence that says
 * which file, what is wrong and what to do. Anything else that is thrown is a defect of ours.
 */
export type ErrorCode =
  | 'bad-checkpoint' // the bytes break the format's rules
  | 'incomplete-checkpoint' // still being written, or cut off
  | 'unsupported' // a format, dtype or layer that we do not read
  | 'mismatch' // checkpoints that cannot be averaged with one another
  | 'non-finite' // NaN or infinity where a number is needed
  | 'bad-task' // twa.json, or the task module it names
  | 'bad-data' // a data file that a task names
  | 'bad-metrics' // a metrics log
  | 'bad-report' // the *.twa-report.json beside an average
  | 'bad-extension' // what another extension registered
  | 'not-found'
  | 'exists' // would overwrite something
  | 'no-space'
  | 'no-backend'
  | 'compute-died'
  | 'cancelled'
  | 'usage'; // a wrong command line or request

export interface ErrorPlace {
  readonly path?: string;
  /** 1-based. */
  readonly line?: number;
  /** 1-based. */
  readonly column?: number;
}

export class TwaError extends Error {
  readonly code: ErrorCode;
  readonly place: ErrorPlace;
  /** Further sentences, one per finding (every tensor that differs, say). */
  readonly details: readonly string[];

  constructor(
    code: ErrorCode,
    message: string,
    extra: { place?: ErrorPlace; details?: readonly string[]; cause?: unknown } = {},
  ) {
    super(message, extra.cause === undefined ? undefined : { cause: extra.cause });
    this.name = 'TwaError';
    this.code = code;
    this.place = extra.place ?? {};
    this.details = extra.details ?? [];
  }
}

/** What crosses a process boundary in place of an Error. */
export interface SerializedError {
  readonly code: ErrorCode | 'internal';
  readonly message: string;
  readonly place: ErrorPlace;
  readonly details: readonly string[];
  readonly stack?: string;
}

export function serializeError(error: unknown): SerializedError {
  if (error instanceof TwaError) {
    return {
      code: error.code,
      message: error.message,
      place: error.place,
      details: error.details,
      ...(error.stack === undefined ? {} : { stack: error.stack }),
    };
  }
  if (error instanceof Error) {
    if (error.name === 'AbortError') return serializeError(cancelled());
    return {
      code: 'internal',
      message: error.message,
      place: {},
      details: [],
      ...(error.stack === undefined ? {} : { stack: error.stack }),
    };
  }
  return { code: 'internal', message: String(error), place: {}, details: [] };
}

/** The inverse of {@link serializeError}: an `internal` one comes back as a plain Error with the far side's stack. */
export function deserializeError(error: SerializedError): Error {
  const back =
    error.code === 'internal'
      ? new Error(error.message)
      : new TwaError(error.code, error.message, { place: error.place, details: error.details });
  if (error.stack !== undefined) back.stack = error.stack;
  return back;
}

export function cancelled(): TwaError {
  return new TwaError('cancelled', 'Cancelled.');
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw cancelled();
}
