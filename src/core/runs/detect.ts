import { dirname } from 'node:path';
import { candidateFor } from '../checkpoints/registry.ts';
import { candidateMetrics } from '../metrics/registry.ts';
import { homeOf, isInside } from './layout.ts';
import { scanFolder } from './scan.ts';

/** Deep enough for `experiments/project/runs/a/checkpoints`, and quick in the largest workspace. */
const DEPTH = 5;
const MAX_ENTRIES = 50_000;

/**
 * Folders inside `root` that are worth watching, by the names of files alone: those that hold the directories of runs,
 * so that a run that starts later is seen as well. A run directly in `root` gives its own directory. No folder of the
 * result lies in another one.
 */
export async function detectRunFolders(root: string, signal?: AbortSignal): Promise<string[]> {
  const homes = new Set<string>();
  const logHomes = new Set<string>();
  await scanFolder(root, {
    depth: DEPTH,
    maxEntries: MAX_ENTRIES,
    signal,
    onFile: (path) => {
      const checkpoint = candidateFor(path);
      if (checkpoint !== undefined) homes.add(homeOf(checkpoint.path, root));
      else if (candidateMetrics(path) !== undefined) logHomes.add(homeOf(path, root));
    },
  });
  // A log alone says too little to watch a folder for it: only checkpoints do. A log above them tells where the run is.
  const runs = [...homes].map((home) =>
    logHomes.has(dirname(home)) && home !== root ? dirname(home) : home,
  );
  const folders = new Set(runs.map((run) => (run === root || dirname(run) === root ? run : dirname(run))));
  return [...folders]
    .filter((folder) => ![...folders].some((other) => other !== folder && isInside(folder, other)))
    .sort();
}
