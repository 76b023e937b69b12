/**
 * Which directory is a run's, by names alone.
 *
 * 1. A checkpoint or log belongs to the directory it lies in, less the sub-folders that trainers use: those named in
 *    {@link PART_OF_RUN} and one per checkpoint (`checkpoint-500`, `epoch-001`). So `runs/a/checkpoints/e1.safetensors`,
 *    `runs/a/logs/metrics.csv` and `runs/a/averages/twa-1.safetensors` all belong to `runs/a`. A watched folder is
 *    never left upwards.
 * 2. What is left alone by that is paired: a directory with only logs and one with only checkpoints, one directly
 *    inside the other and no third one to choose from, are one run, the outer one. So `runs/a/my-weights/e1.safetensors`
 *    and `runs/a/metrics.csv` belong to `runs/a`, but a `runs/metrics.csv` above several runs stays by itself.
 */
import { basename, dirname, relative, sep } from 'node:path';
import { groupBy } from './group.ts';

const PART_OF_RUN = new Set(
  'checkpoint checkpoints ckpt ckpts weights snapshots averages artifacts log logs csv_logs metrics tensorboard tensorboard_logs tb tb_logs summaries'.split(
    ' ',
  ),
);

const ONE_CHECKPOINT = /^(?:checkpoint|ckpt|epoch|step|global_?step|iter|iteration)[-_=.]?\d/i;

/** Directories that hold no runs but may hold very many files. Those whose name starts with a dot are left out too. */
const NOT_RUNS = new Set('node_modules bower_components __pycache__ site-packages venv __macosx'.split(' '));

/** Files that are never a checkpoint or log, of which datasets and source trees have very many. */
const BULK =
  /\.(?:png|jpe?g|gif|webp|bmp|tiff?|svg|ico|wav|mp3|flac|ogg|mp4|avi|mkv|webm|txt|md|rst|html?|css|xml|pdf|py|pyc|pyi|ipynb|[cm]?[jt]sx?|map|c|h|cc|cpp|hpp|rs|go|java|sh)$/i;

export function isIgnoredDirectory(name: string): boolean {
  return name.startsWith('.') || NOT_RUNS.has(name.toLowerCase());
}

export function isBulkFile(name: string): boolean {
  // The name of an event file may end with that of the machine.
  return BULK.test(name) && !name.includes('tfevents');
}

/** Whether a directory is named for the one checkpoint in it. */
export function namesOneCheckpoint(directoryName: string): boolean {
  return ONE_CHECKPOINT.test(directoryName);
}

export function isInside(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory.endsWith(sep) ? directory : directory + sep);
}

/** The directory that a checkpoint or log belongs to by rule 1. */
export function homeOf(path: string, watchedFolder: string): string {
  let directory = dirname(path);
  while (directory !== watchedFolder && isInside(directory, watchedFolder)) {
    const name = basename(directory);
    if (!PART_OF_RUN.has(name.toLowerCase()) && !namesOneCheckpoint(name)) break;
    directory = dirname(directory);
  }
  return directory;
}

/**
 * Rule 2.
 * @param withCheckpoints directories with checkpoints of their own, by rule 1
 * @param withLogs directories with logs of their own, by rule 1
 * @returns for each directory that is part of another one's run, that other one.
 */
export function lonePairs(
  withCheckpoints: ReadonlySet<string>,
  withLogs: ReadonlySet<string>,
): Map<string, string> {
  const pairs = new Map<string, string>();
  for (const [inner, outer] of [
    [withCheckpoints, withLogs],
    [withLogs, withCheckpoints],
  ] as const) {
    const children = new Map<string, string[]>();
    for (const directory of inner) {
      const parent = dirname(directory);
      if (outer.has(directory) || !outer.has(parent) || inner.has(parent)) continue;
      children.set(parent, [...(children.get(parent) ?? []), directory]);
    }
    for (const [parent, [only, ...others]] of children) {
      if (only !== undefined && others.length === 0) pairs.set(only, parent);
    }
  }
  return pairs;
}

/** The watched folder that a path lies in; the innermost where one is inside another. */
export function watchedFolderOf(path: string, watchedFolders: readonly string[]): string | undefined {
  return watchedFolders
    .filter((folder) => isInside(path, folder))
    .reduce<string | undefined>(
      (best, next) => (best === undefined || next.length > best.length ? next : best),
      undefined,
    );
}

/**
 * Leaves out all but the newest of each run's `trainer_state.json`, for each holds the whole history before it: the
 * one of the run's own directory, else the one with the highest number in its directory's name (`checkpoint-500`).
 */
export function newestTrainerStates(
  logs: readonly string[],
  isTrainerState: (path: string) => boolean,
  home: (path: string) => string,
): string[] {
  const age = (log: string): number =>
    namesOneCheckpoint(basename(dirname(log))) ? Number(/\d+/.exec(basename(dirname(log)))?.[0]) : Infinity;
  const newest = new Map<string, string>();
  for (const log of logs.filter(isTrainerState)) {
    const best = newest.get(home(log));
    if (best === undefined || age(log) > age(best)) newest.set(home(log), log);
  }
  return logs.filter((log) => !isTrainerState(log) || newest.get(home(log)) === log);
}

/** Short names of runs: relative to their watched folder; with its name, or whole, where that would not be unique. */
export function runNames(
  directories: readonly string[],
  watchedFolders: readonly string[],
): Map<string, string> {
  const forms = directories.map((directory) => {
    const folder = watchedFolderOf(directory, watchedFolders) ?? dirname(directory);
    const inner = relative(folder, directory).replaceAll(sep, '/');
    const outer = basename(folder);
    return {
      directory,
      candidates: [inner === '' ? outer : inner, inner === '' ? outer : `${outer}/${inner}`],
    };
  });
  const names = new Map(forms.map(({ directory, candidates }) => [directory, candidates[0]!]));
  for (const form of [1, undefined]) {
    const uses = groupBy(names, ([, name]) => name);
    for (const { directory, candidates } of forms) {
      if (uses.get(names.get(directory)!)!.length > 1) {
        names.set(directory, form === undefined ? directory : candidates[form]!);
      }
    }
  }
  return names;
}
