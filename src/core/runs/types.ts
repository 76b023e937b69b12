import type { Series, TrainingFacts } from '../metrics/types.ts';

/** Which way a metric is better. */
export type Goal = 'minimize' | 'maximize';

export interface CheckpointEntry {
  /** Absolute; also its identity. */
  readonly path: string;
  readonly name: string;
  readonly format: string;
  readonly state: 'complete' | 'incomplete' | 'unreadable';
  /** Why it is not complete, as a sentence. */
  readonly reason?: string;
  readonly step?: number;
  readonly epoch?: number;
  readonly bytes: number;
  readonly mtimeMs: number;
  /** The run's metrics at this checkpoint, by tag: the point with its epoch or step, see `join.ts`. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Set when a report of ours lies beside it: this checkpoint is an average. */
  readonly average?: AverageSummary;
}

/** The part of an average's report that trees and charts show. The whole report is read on demand. */
export interface AverageSummary {
  readonly reportPath: string;
  readonly method: string;
  /** Checkpoints that went in, oldest first. */
  readonly sources: readonly string[];
  readonly metric: { readonly name: string; readonly goal: Goal; readonly value: number } | undefined;
  readonly recommendation: string;
  /** Better than the best single checkpoint by so much, on the report split; negative is worse. */
  readonly gain?: number;
  /** One for each source, oldest first. */
  readonly coefficients?: readonly number[];
  /** Of TWA: the rule that trained them. */
  readonly rule?: string;
  /** Absolute path of the twa.json. */
  readonly task?: string;
  /** Where the average stands on the curve: step and epoch of the newest checkpoint in it. */
  readonly step?: number;
  readonly epoch?: number;
}

export interface Run {
  /** Absolute path of the run's directory; also its identity. */
  readonly directory: string;
  /** Path relative to the watched folder: short and unique. */
  readonly name: string;
  /** Training order: by step or epoch, else by time. Averages apart. */
  readonly checkpoints: readonly CheckpointEntry[];
  readonly averages: readonly CheckpointEntry[];
  readonly series: readonly Series[];
  /** Of averages that were made while it trained ("Keep Averaged"): `averaged/accuracy`. */
  readonly averagedSeries: readonly Series[];
  /** Newest change of any file of the run, milliseconds since 1970. */
  readonly mtimeMs: number;
  /** What training itself left behind; averages made later do not count. */
  readonly training: Training;
}

export interface Training extends TrainingFacts {
  /** When the run was begun, as far as its files tell, milliseconds since 1970. */
  readonly startedMs: number;
  /** Newest change of a log or of a checkpoint that training wrote. */
  readonly activeMs: number;
}

/** The whole of what is known. A new object whenever something changed; unchanged runs keep their identity. */
export interface RunsSnapshot {
  readonly runs: readonly Run[];
  /** True until the first scan of every watched folder is done. */
  readonly scanning: boolean;
  /** Sentences for the user, e.g. a log line that could not be read. */
  readonly warnings: readonly string[];
}

/** Follows watched folders. The only stateful thing between files and views; views read `snapshot` and re-render. */
export interface RunWatcher {
  readonly snapshot: RunsSnapshot;
  /** Called after every change, at most a few times a second. Gives the function that stops it. */
  onChange(listener: (snapshot: RunsSnapshot) => void): () => void;
  /** Looks at everything again, for file systems that report no changes. */
  refresh(): Promise<void>;
  close(): Promise<void>;
}
