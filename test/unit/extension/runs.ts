/** Runs and checkpoints for the tests of this folder. */
import type { CheckpointEntry, Run, RunsSnapshot } from '../../../src/core/runs/types.ts';

export function checkpoint(path: string, more: Partial<CheckpointEntry> = {}): CheckpointEntry {
  return {
    path,
    name: path.split('/').at(-1) ?? path,
    format: 'safetensors',
    state: 'complete',
    bytes: 1024,
    mtimeMs: Date.UTC(2025, 0, 2, 12),
    metrics: {},
    ...more,
  };
}

/** `/w/<name>/e1` ... `/w/<name>/e<count>`, with epoch and val_loss 1/epoch. */
export function run(name: string, count: number, more: Partial<Run> = {}): Run {
  return {
    directory: `/w/${name}`,
    name,
    checkpoints: Array.from({ length: count }, (_, i) =>
      checkpoint(`/w/${name}/e${i + 1}`, { epoch: i + 1, metrics: { val_loss: 1 / (i + 1) } }),
    ),
    averages: [],
    series: [],
    averagedSeries: [],
    mtimeMs: Date.UTC(2025, 0, 2, 12),
    training: { startedMs: Date.UTC(2025, 0, 2, 11), activeMs: Date.UTC(2025, 0, 2, 12) },
    ...more,
  };
}

export function snapshot(runs: readonly Run[], scanning = false): RunsSnapshot {
  return { runs, scanning, warnings: [] };
}
