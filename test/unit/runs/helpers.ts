import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { FoundCheckpoint } from '../../../src/core/runs/collect.ts';
import type { CheckpointEntry, Run, RunsSnapshot, RunWatcher } from '../../../src/core/runs/types.ts';
import type { Series } from '../../../src/core/metrics/types.ts';
import { watchRuns } from '../../../src/core/runs/watch.ts';
import type { WatchOptions } from '../../../src/core/runs/watch.ts';

export async function temporaryDirectory(t: TestContext): Promise<string> {
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'twa-runs-')));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** The bytes of a safetensors file with one F32 vector. */
export function safetensors(metadata: Record<string, string> = {}, elements = 4): Buffer {
  const header = Buffer.from(
    JSON.stringify({
      __metadata__: metadata,
      w: { dtype: 'F32', shape: [elements], data_offsets: [0, 4 * elements] },
    }),
  );
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, Buffer.alloc(4 * elements)]);
}

export function series(
  tag: string,
  x: { steps?: number[]; epochs?: number[] },
  values: number[],
  source = 'log',
): Series {
  const epochs = x.epochs ?? values.map(() => NaN);
  return { tag, source, steps: x.steps ?? epochs, epochs, values, wallTimes: values.map(() => NaN) };
}

export function found(path: string, position: { step?: number; epoch?: number } = {}): FoundCheckpoint {
  return { path, format: 'safetensors', state: 'complete', bytes: 1, mtimeMs: 1, ...position };
}

export function entry(
  name: string,
  metrics: Record<string, number>,
  state: CheckpointEntry['state'] = 'complete',
): CheckpointEntry {
  return { path: `/r/${name}`, name, format: 'safetensors', state, bytes: 1, mtimeMs: 1, metrics };
}

export function run(parts: Partial<Run>): Run {
  const training = { startedMs: 0, activeMs: 0 };
  return {
    directory: '/r',
    name: 'r',
    checkpoints: [],
    averages: [],
    series: [],
    averagedSeries: [],
    mtimeMs: 0,
    training,
    ...parts,
  };
}

/** A watcher that is closed when the test ends, looked at the way a view does: by its changes. */
export function watching(t: TestContext, folders: readonly string[], options: WatchOptions = {}): Watching {
  const watcher = watchRuns(folders, options);
  t.after(() => watcher.close());
  return new Watching(watcher);
}

/** Long enough for a machine that is busy with other things; no test waits for it to pass. */
const PATIENCE_MS = 20_000;

export class Watching {
  readonly watcher: RunWatcher;
  /** Every snapshot that was announced, the one at the start first. */
  readonly snapshots: RunsSnapshot[];

  constructor(watcher: RunWatcher) {
    this.watcher = watcher;
    this.snapshots = [watcher.snapshot];
    watcher.onChange((snapshot) => this.snapshots.push(snapshot));
  }

  /** The first snapshot, the present one included, that is as wanted. */
  until(what: string, wanted: (snapshot: RunsSnapshot) => boolean): Promise<RunsSnapshot> {
    return new Promise((resolve, reject) => {
      const give = (snapshot: RunsSnapshot): void => {
        if (!wanted(snapshot)) return;
        clearTimeout(timer);
        stop();
        resolve(snapshot);
      };
      const stop = this.watcher.onChange(give);
      const timer = setTimeout(() => {
        stop();
        reject(new Error(`Never seen: ${what}. Now: ${describe(this.watcher.snapshot)}`));
      }, PATIENCE_MS);
      give(this.watcher.snapshot);
    });
  }

  scanned(): Promise<RunsSnapshot> {
    return this.until('the first scan', ({ scanning }) => !scanning);
  }
}

export function runNamed(snapshot: RunsSnapshot, name: string): Run | undefined {
  return snapshot.runs.find((one) => one.name === name);
}

export function checkpointNamed(snapshot: RunsSnapshot, name: string): CheckpointEntry | undefined {
  return snapshot.runs.flatMap((one) => one.checkpoints).find((one) => one.name === name);
}

/** For comparing and for messages. */
export function describe({ runs, scanning, warnings }: RunsSnapshot): string {
  return JSON.stringify({
    scanning,
    warnings,
    runs: runs.map(({ name, checkpoints, averages, series: all }) => ({
      name,
      checkpoints: checkpoints.map((one) => [one.name, one.state, one.metrics]),
      averages: averages.map((one) => one.name),
      series: all.map((one) => [one.tag, one.values.length]),
    })),
  });
}
