/** From what the user pointed at to the checkpoints of one run that will be averaged. No VS Code here. */
import * as l10n from '@vscode/l10n';
import path from 'node:path';
import type { Inspection } from '../../core/checkpoints/types.ts';
import { TwaError } from '../../core/errors.ts';
import type { CheckpointEntry, Run } from '../../core/runs/types.ts';
import type { Target } from '../commands/targets.ts';
import { checkable } from '../tree/selection.ts';
import type { CheckedRun } from '../tree/selection.ts';
import type { RunIndex } from '../watching/runIndex.ts';

/** For an average to mean something there must be at least this many. */
export const FEWEST = 2;
/** How many of a run's newest to offer: weighting schemes tie from about ten late checkpoints on (PMA), early ones hurt. */
const OFFERED = 10;

export type Choice =
  /** Ready to go. Paths of complete checkpoints, in no particular order. */
  | { readonly kind: 'chosen'; readonly run: string; readonly paths: readonly string[] }
  /** The user must pick checkpoints of this run; `picked` are proposed. */
  | { readonly kind: 'pick'; readonly run: Run; readonly picked: readonly CheckpointEntry[] }
  | { readonly kind: 'pickRun' };

/** Reads what the watcher does not know; gives the checkpoints in a directory. */
export interface Files {
  /** Checkpoints directly in a directory, or the checkpoint itself. */
  expand(path: string): Promise<readonly string[]>;
  inspect(path: string): Promise<Inspection>;
}

interface Candidate {
  readonly path: string;
  /** Directory of the run. */
  readonly run: string;
  readonly state: CheckpointEntry['state'];
  readonly reason: string | undefined;
  readonly isAverage: boolean;
}

/**
 * `targets`: what was pointed at, from a menu. Without, what is checked counts, else what is highlighted.
 * Throws `incomplete-checkpoint` naming every checkpoint that was pointed at and cannot be used, and `usage` for
 * checkpoints of several runs and for averages.
 */
export async function choose(
  targets: readonly Target[],
  checked: readonly CheckedRun[],
  highlighted: readonly Target[],
  index: RunIndex,
  files: Files,
): Promise<Choice> {
  if (targets.length === 0 && checked.length > 0) {
    return conclude(
      checked.flatMap(({ run, entries }) => entries.map((entry) => candidate(run, entry, false))),
      index,
    );
  }
  const pointedAt = targets.length > 0 ? targets : highlighted;
  if (pointedAt.length === 0) {
    const [only, ...others] = index.snapshot.runs.filter((run) => checkable(run).length >= FEWEST);
    return only !== undefined && others.length === 0 ? proposal(only, []) : { kind: 'pickRun' };
  }
  const candidates = await Promise.all(
    withItsChecked(pointedAt, checked).map((target) => candidatesOf(target, checked, index, files)),
  );
  // A run and a checkpoint in it may both be highlighted.
  const unique = new Map(candidates.flat().map((one) => [one.path, one]));
  return conclude([...unique.values()], index);
}

/** Who points at one of several checked checkpoints means them all, as with highlighted rows. */
function withItsChecked(targets: readonly Target[], checked: readonly CheckedRun[]): readonly Target[] {
  const [only, ...others] = targets;
  if (only?.kind !== 'checkpoint' || others.length > 0) return targets;
  const marked = checked.find(({ entries }) => entries.some((entry) => entry.path === only.path));
  return marked?.entries.map((entry) => ({ kind: 'checkpoint', path: entry.path })) ?? targets;
}

/** The newest complete checkpoints of a run, with what was pointed at. */
export function proposal(run: Run, pointedAt: readonly string[]): Choice {
  const complete = checkable(run);
  if (complete.length < FEWEST) {
    throw new TwaError(
      'usage',
      l10n.t(
        '{0} has {1} complete checkpoints: averaging needs at least {2}.',
        run.directory,
        complete.length,
        FEWEST,
      ),
    );
  }
  const newest = new Set(complete.slice(-OFFERED));
  return {
    kind: 'pick',
    run,
    picked: complete.filter((entry) => newest.has(entry) || pointedAt.includes(entry.path)),
  };
}

async function candidatesOf(
  target: Target,
  checked: readonly CheckedRun[],
  index: RunIndex,
  files: Files,
): Promise<readonly Candidate[]> {
  const run = index.run(target.kind === 'run' ? target.directory : target.path);
  if (run !== undefined) {
    // The whole run was meant: of its checkpoints those that are checked, if any are; only complete ones count.
    const marked = checked.find((one) => one.run.directory === run.directory);
    return (marked?.entries ?? checkable(run)).map((entry) => candidate(run, entry, false));
  }
  if (target.kind === 'run') return [];
  const found = index.entry(target.path);
  if (found !== undefined) return [candidate(found.run, found.entry, found.isAverage)];
  const paths = await files.expand(target.path);
  return Promise.all(
    paths.map(async (file): Promise<Candidate> => {
      const known = index.entry(file);
      if (known !== undefined) return candidate(known.run, known.entry, known.isAverage);
      const inspection = await files.inspect(file);
      return {
        path: inspection.state === 'complete' ? inspection.header.path : inspection.path,
        run: path.dirname(file),
        state: inspection.state,
        reason: inspection.state === 'complete' ? undefined : inspection.reason,
        isAverage: false,
      };
    }),
  );
}

function conclude(candidates: readonly Candidate[], index: RunIndex): Choice {
  const unusable = candidates.filter(({ state }) => state !== 'complete');
  if (unusable.length > 0) {
    throw new TwaError(
      'incomplete-checkpoint',
      l10n.t(
        'Not averaged, because these checkpoints are not complete: {0}. Leave them out, or wait until they are written.',
        names(unusable),
      ),
      { details: unusable.map(({ path: file, reason }) => `${file}: ${reason ?? ''}`) },
    );
  }
  const averages = candidates.filter(({ isAverage }) => isAverage);
  if (averages.length > 0) {
    throw new TwaError(
      'usage',
      l10n.t('{0}: already an average. Choose checkpoints that training wrote.', names(averages)),
    );
  }
  const runs = [...new Set(candidates.map(({ run }) => run))];
  const [directory] = runs;
  if (runs.length > 1) {
    throw new TwaError(
      'usage',
      l10n.t('The chosen checkpoints belong to {0} runs. Choose checkpoints of one run.', runs.length),
      { details: runs },
    );
  }
  const paths = candidates.map((one) => one.path);
  if (directory !== undefined && paths.length >= FEWEST) return { kind: 'chosen', run: directory, paths };
  const run = directory === undefined ? undefined : index.run(directory);
  if (run !== undefined) return proposal(run, paths);
  throw new TwaError(
    'usage',
    l10n.t('Averaging needs at least {0} complete checkpoints: {1} found here.', FEWEST, paths.length),
  );
}

function candidate(run: Run, entry: CheckpointEntry, isAverage: boolean): Candidate {
  return { path: entry.path, run: run.directory, state: entry.state, reason: entry.reason, isAverage };
}

function names(candidates: readonly Candidate[]): string {
  return candidates.map((one) => path.basename(one.path)).join(', ');
}
