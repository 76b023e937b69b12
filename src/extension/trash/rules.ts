/** Which checkpoints must not be taken away, and why. No VS Code here. */
import * as l10n from '@vscode/l10n';
import path from 'node:path';
import type { CheckpointEntry, Run, RunsSnapshot } from '../../core/runs/types.ts';
import type { RunState } from '../../core/runs/status.ts';
import type { OnDisk } from './files.ts';

/** What was written so lately may still be written: a directory gets its files one after another. */
const JUST_NOW_MS = 60_000;
/** A run at rest has left an incomplete checkpoint behind when nobody has written to it for so long. */
const ABANDONED_MS = 600_000;

/** Names of other things in a directory that holds a checkpoint too: a whole run that saves its last weights at its top. */
const NOT_PART = /^(?:checkpoint-.*|averages|runs|logs|wandb|lightning_logs|mlruns|\.git|twa\.json)$/i;

export interface Question {
  readonly run: Run;
  readonly entry: CheckpointEntry;
  readonly disk: OnDisk;
  /** What lies directly in it; empty for a file. */
  readonly names: readonly string[];
}

export interface Surroundings {
  readonly snapshot: RunsSnapshot;
  readonly stateOf: (run: Run) => RunState;
  /** The title of a pass, at work or waiting, that reads the checkpoint. */
  readonly readerOf: (checkpoint: string) => string | undefined;
  /** Watched folders and workspace folders. */
  readonly folders: readonly string[];
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Why it has to stay, as a sentence; undefined where it may go. */
export function reasonToStay(
  { run, entry, disk, names }: Question,
  { snapshot, stateOf, readerOf, folders, now }: Surroundings,
): string | undefined {
  const explained = snapshot.runs
    .flatMap((one) => one.averages)
    .find(({ average }) => average?.sources.some((source) => path.normalize(source) === entry.path) === true);
  if (explained !== undefined) {
    return l10n.t(
      '{0} was made from it and could not be explained or made again without it.',
      explained.name,
    );
  }
  const reader = readerOf(entry.path);
  if (reader !== undefined) return l10n.t('A pass reads it: {0}.', reader);
  const silentMs = now - disk.changedMs;
  if (silentMs < JUST_NOW_MS)
    return l10n.t('It was written less than a minute ago, and may not be finished.');
  if (
    entry.state === 'incomplete' &&
    (stateOf(run) === 'training' || stateOf(run) === 'stalled' || silentMs < ABANDONED_MS)
  ) {
    return l10n.t('It is not complete, and may still be written.');
  }
  const inside = disk.paths.flatMap((at) => whatLiesIn(at, entry, names, snapshot, folders));
  if (inside.length > 0) {
    return l10n.t(
      'Its directory holds other things as well: {0}.',
      [...new Set(inside)].slice(0, 3).join(', '),
    );
  }
  return undefined;
}

function whatLiesIn(
  at: string,
  entry: CheckpointEntry,
  names: readonly string[],
  { runs }: RunsSnapshot,
  folders: readonly string[],
): readonly string[] {
  const others = runs
    .flatMap((run) => [run.directory, ...[...run.checkpoints, ...run.averages].map((one) => one.path)])
    .filter((other) => other !== entry.path);
  return [
    ...names.filter((name) => NOT_PART.test(name)),
    ...[...others, ...folders]
      .filter((other) => other === at || other.startsWith(at + path.sep))
      .map((other) => path.basename(other)),
  ];
}
