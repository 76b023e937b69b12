/** The seam between metrics logs and everything else: one file per log format, listed in `registry.ts`. */

/** New points of one series, in file order. The arrays have one length; NaN and infinities are kept as logged. */
export interface SeriesPoints {
  /** As logged, e.g. `train/loss`, `val_loss`. */
  readonly tag: string;
  readonly steps: readonly number[];
  readonly values: readonly number[];
  /** NaN where the log does not say. */
  readonly epochs: readonly number[];
  /** Milliseconds since 1970; NaN where the log does not say. */
  readonly wallTimes: readonly number[];
}

/** How long a training shall be. */
export interface TrainingPlan {
  readonly steps?: number;
  readonly epochs?: number;
}

/** What a log or configuration says of the training as a whole. */
export interface TrainingFacts {
  readonly plan?: TrainingPlan;
  /** Only from a tracker that was told the end. */
  readonly outcome?: 'finished' | 'failed';
}

export interface MetricsUpdate {
  /** The file was truncated, replaced or rotated: forget everything read from it before, then add `points`. */
  readonly reset: boolean;
  /**
   * A training that was resumed said: what was logged before at this step or later, here and in earlier logs of the
   * same directory, is void. To be done before `points` are added.
   */
  readonly voidFrom?: number;
  readonly points: readonly SeriesPoints[];
  /** What came to be known; it adds to, or replaces, what was known before. */
  readonly facts?: TrainingFacts;
  /** Sentences for the user about what could not be read, each with file and line. */
  readonly warnings: readonly string[];
}

/** One log file being followed. Each `poll` reads only the bytes that are new; a half-written tail waits. */
export interface MetricsTail {
  readonly path: string;
  /** `atEnd`: the file is finished, so a whole last line counts without its newline. Do not poll again afterwards. */
  poll(signal?: AbortSignal, atEnd?: boolean): Promise<MetricsUpdate>;
}

export interface MetricsFormat {
  readonly id: string;
  /** Of files that a user names; lower case, with the dot. What is found unasked needs a log's whole name. */
  readonly extensions: readonly string[];
  /** A run that was resumed has several of these in one directory: together they are one log. See `resumed.ts`. */
  readonly inParts?: boolean;
  /** It is about averages that were made while training went on, not about the training itself. */
  readonly ofAverages?: boolean;
  /**
   * The path that stands for the whole log in the question whose run it is, where a log is many files in directories
   * of its own.
   */
  anchor?(path: string): string;
  /** By name alone. */
  candidate(path: string): boolean;
  open(path: string): MetricsTail;
}

/** A whole series, as the CLI prints it and the charts draw it. */
export interface Series {
  readonly tag: string;
  /** Absolute path of the log. */
  readonly source: string;
  readonly steps: readonly number[];
  readonly values: readonly number[];
  readonly epochs: readonly number[];
  readonly wallTimes: readonly number[];
}
