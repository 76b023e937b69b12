/** What is checked in the tree, as a set of checkpoint paths: plain functions, so that it can be tested alone. */
import type { CheckpointEntry, Run, RunsSnapshot } from '../../core/runs/types.ts';
import type { RunIndex } from '../watching/runIndex.ts';
import type { Node } from './nodes.ts';

export type Checked = ReadonlySet<string>;

/** Only complete checkpoints can be averaged, and an average is a result, not a checkpoint of the run. */
export function checkable(run: Run): readonly CheckpointEntry[] {
  return run.checkpoints.filter((entry) => entry.state === 'complete');
}

export function isRunChecked(run: Run, checked: Checked): boolean {
  const all = checkable(run);
  return all.length > 0 && all.every((entry) => checked.has(entry.path));
}

/**
 * After clicks on checkboxes. A run's checkbox stands for all its complete checkpoints. A click on one of several
 * highlighted rows counts for all of them: that is how a range is checked.
 */
export function toggled(
  checked: Checked,
  index: RunIndex,
  clicks: readonly (readonly [Node, boolean])[],
  highlighted: readonly Node[],
): Checked {
  const next = new Set(checked);
  for (const [clicked, on] of clicks) {
    const nodes = highlighted.includes(clicked) ? highlighted : [clicked];
    for (const path of nodes.flatMap((node) => pathsOf(node, index))) {
      if (on) next.add(path);
      else next.delete(path);
    }
  }
  return next;
}

/**
 * Forgets checkpoints that are gone. While folders are still being read nothing is known to be gone, and a
 * checkpoint that is being rewritten keeps its check (it does not count until it is complete again).
 */
export function pruned(checked: Checked, snapshot: RunsSnapshot): Checked {
  if (snapshot.scanning || checked.size === 0) return checked;
  const present = new Set(snapshot.runs.flatMap((run) => run.checkpoints.map((entry) => entry.path)));
  const kept = [...checked].filter((path) => present.has(path));
  return kept.length === checked.size ? checked : new Set(kept);
}

/** The runs in which something was checked or unchecked. */
export function changedRuns(before: Checked, after: Checked, snapshot: RunsSnapshot): readonly Run[] {
  const differs = ({ path }: CheckpointEntry): boolean => before.has(path) !== after.has(path);
  return snapshot.runs.filter((run) => run.checkpoints.some(differs));
}

export interface CheckedRun {
  readonly run: Run;
  readonly entries: readonly CheckpointEntry[];
}

/** The complete checked checkpoints by run, in the order of the tree. */
export function checkedRuns(checked: Checked, snapshot: RunsSnapshot): readonly CheckedRun[] {
  return snapshot.runs
    .map((run) => ({ run, entries: checkable(run).filter((entry) => checked.has(entry.path)) }))
    .filter(({ entries }) => entries.length > 0);
}

function pathsOf(node: Node, index: RunIndex): readonly string[] {
  if (node.kind === 'run') {
    const run = index.run(node.directory);
    return run === undefined ? [] : checkable(run).map((entry) => entry.path);
  }
  const found = index.entry(node.path);
  return found?.isAverage === false && found.entry.state === 'complete' ? [node.path] : [];
}
