import path from 'node:path';
import type { CheckpointEntry, Run, RunsSnapshot } from '../../core/runs/types.ts';

/** A checkpoint or average in its run. */
export interface Found {
  readonly run: Run;
  readonly entry: CheckpointEntry;
  readonly isAverage: boolean;
}

/** A snapshot by path: views, selection and commands look things up many times per change. */
export class RunIndex {
  readonly snapshot: RunsSnapshot;
  readonly #runs = new Map<string, Run>();
  readonly #entries = new Map<string, Found>();

  constructor(snapshot: RunsSnapshot) {
    this.snapshot = snapshot;
    for (const run of snapshot.runs) {
      this.#runs.set(run.directory, run);
      for (const entry of run.checkpoints) this.#entries.set(entry.path, { run, entry, isAverage: false });
      for (const entry of run.averages) this.#entries.set(entry.path, { run, entry, isAverage: true });
    }
  }

  run(directory: string): Run | undefined {
    return this.#runs.get(path.normalize(directory));
  }

  /** By the path that names the checkpoint, or (for a checkpoint that is a directory) a file in it. */
  entry(file: string): Found | undefined {
    const at = path.normalize(file);
    return this.#entries.get(at) ?? this.#entries.get(path.dirname(at));
  }
}
