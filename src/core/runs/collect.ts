/** From what was found in the watched folders to runs. Pure: no file is touched here. */
import { basename, dirname } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { reportPathFor } from '../averaging/report.ts';
import { trainingOrder } from '../checkpoints/order.ts';
import { AVERAGES_DIRECTORY } from '../checkpoints/registry.ts';
import { joinResumed } from '../metrics/resumed.ts';
import type { Series, SeriesPoints, TrainingFacts } from '../metrics/types.ts';
import { namesMetric } from './goals.ts';
import { groupBy } from './group.ts';
import { joinMetrics } from './join.ts';
import { homeOf, lonePairs, namesOneCheckpoint, runNames, watchedFolderOf } from './layout.ts';
import { datedRun, splitOf, twins } from './logDirectories.ts';
import { ownSeries } from './ownSeries.ts';
import type { AverageSummary, CheckpointEntry, Run, Training } from './types.ts';

/** A checkpoint before it is known whose run it belongs to. */
export interface FoundCheckpoint extends Omit<CheckpointEntry, 'name' | 'metrics' | 'average'> {
  /** Metrics that it names itself. */
  readonly ownMetrics?: Readonly<Record<string, number>>;
  /** What had been logged when it was saved, if it says so. */
  readonly history?: readonly SeriesPoints[];
}

export interface FoundLog {
  readonly path: string;
  readonly mtimeMs: number;
  readonly series: readonly Series[];
  /** See `MetricsFormat` and `MetricsUpdate`. */
  readonly anchor?: string;
  readonly inParts?: boolean;
  readonly ofAverages?: boolean;
  readonly voidFrom?: number;
  readonly facts?: TrainingFacts;
}

/** A configuration that lies with a run. */
export interface FoundConfig {
  readonly path: string;
  readonly facts: TrainingFacts;
}

export interface Found {
  readonly checkpoints: readonly FoundCheckpoint[];
  readonly logs: readonly FoundLog[];
  /** `path` stands for the file in the question whose run it is. */
  readonly configs?: readonly FoundConfig[];
  /** By the path of the report. */
  readonly reports: ReadonlyMap<string, AverageSummary>;
}

export function isReport(path: string): boolean {
  const name = basename(path);
  return name === 'twa-report.json' || name.endsWith('.twa-report.json');
}

/**
 * The runs in the watched folders, sorted by directory (numbers in names by value).
 * @param previous what this gave before: runs and entries that are the same keep their identity.
 */
export function collectRuns(
  watchedFolders: readonly string[],
  found: Found,
  previous: readonly Run[] = [],
): readonly Run[] {
  const home = (path: string): string => homeOf(path, watchedFolderOf(path, watchedFolders) ?? dirname(path));
  const checkpoints = groupBy(found.checkpoints, ({ path }) => home(path));
  const withCheckpoints = new Set(checkpoints.keys());
  // A log of averages lies with the checkpoints, and must not pass for one of the training where runs are told apart.
  const [ofAverages, ofTraining] = [true, false].map((is) =>
    found.logs.filter((log) => (log.ofAverages === true) === is),
  ) as [FoundLog[], FoundLog[]];
  const averaged = groupBy(ofAverages, ({ path }) => home(path));
  const logs = groupLogs({ ...found, logs: ofTraining }, withCheckpoints, home);
  const withLogs = new Set(logs.keys());
  const outer = new Map([...twins(withCheckpoints, withLogs), ...lonePairs(withCheckpoints, withLogs)]);
  const parts = groupBy(
    new Set([...checkpoints.keys(), ...logs.keys()]),
    (directory) => outer.get(directory) ?? directory,
  );
  const configs = groupBy(found.configs ?? [], ({ path }) => home(path));
  const directories = [...parts.keys()].sort(byPath);
  const names = runNames(directories, watchedFolders);
  const before = new Map(previous.map((run) => [run.directory, run]));
  const runs = directories.flatMap((directory) => {
    const inRun = parts.get(directory)!;
    const run = makeRun(
      directory,
      names.get(directory)!,
      inRun.flatMap((part) => checkpoints.get(part) ?? []),
      inRun.flatMap((part) => logs.get(part) ?? []),
      inRun.flatMap((part) => averaged.get(part) ?? []),
      found.reports,
      inRun.flatMap((part) => configs.get(part) ?? []),
    );
    // A file that is only named like a log makes no run.
    const isEmpty = run.checkpoints.length + run.averages.length + run.series.length === 0;
    return isEmpty ? [] : keepIdentity(before.get(directory), run);
  });
  return sameItems(previous, runs) ? previous : runs;
}

function makeRun(
  directory: string,
  name: string,
  checkpoints: readonly FoundCheckpoint[],
  logs: readonly FoundLog[],
  averaged: readonly FoundLog[],
  reports: ReadonlyMap<string, AverageSummary>,
  configs: readonly FoundConfig[],
): Run {
  const logged = seriesOf(logs, directory);
  const trained: FoundCheckpoint[] = [];
  const averages: CheckpointEntry[] = [];
  const ownMetrics = new Map<string, Readonly<Record<string, number>>>();
  let history: readonly SeriesPoints[] = [];
  for (const { ownMetrics: own, history: told = [], ...checkpoint } of trainingOrder(checkpoints)) {
    if (own !== undefined) ownMetrics.set(checkpoint.path, own);
    if (longest(told) >= longest(history)) history = told;
    const average = [true, false]
      .map((isDirectory) => reports.get(reportPathFor(checkpoint.path, isDirectory)))
      .find((summary) => summary !== undefined);
    if (average === undefined && basename(dirname(checkpoint.path)) !== AVERAGES_DIRECTORY) {
      trained.push(checkpoint);
      continue;
    }
    // Not joined with the log: training never logged a metric of this model.
    averages.push({
      ...checkpoint,
      name: nameOf(checkpoint.path),
      metrics: {},
      ...(average === undefined ? {} : { average }),
    });
  }
  const hasLog = logged.some(({ tag }) => namesMetric(tag));
  // Where there is no log, the one that checkpoints carry, and what they say of themselves.
  const told = hasLog ? [] : history.map((points): Series => ({ ...points, source: directory }));
  const tags = new Set(told.map(({ tag }) => tag));
  const own = hasLog ? [] : ownSeries(trained, ownMetrics, directory).filter(({ tag }) => !tags.has(tag));
  const metrics = joinMetrics(trained, [...logged, ...told]);
  return {
    directory,
    name,
    checkpoints: trained.map((checkpoint, i) => ({
      ...checkpoint,
      name: nameOf(checkpoint.path),
      // What the log says is as it was logged; metadata may be rounded.
      metrics: { ...ownMetrics.get(checkpoint.path), ...metrics[i]! },
    })),
    averages: averages.sort((a, b) => a.mtimeMs - b.mtimeMs || byPath(a.path, b.path)),
    series: hasLog ? logged : [...logged, ...told, ...own],
    averagedSeries: averaged.flatMap((log) => log.series),
    mtimeMs: newestOf([...checkpoints, ...logs, ...averaged]),
    training: trainingOf(trained, logs, logged, configs),
  };
}

const longest = (points: readonly SeriesPoints[]): number =>
  points.reduce((most, { steps }) => Math.max(most, steps.length), 0);

/** Logs know better than configurations, which may be of an earlier attempt. */
function trainingOf(
  trained: readonly FoundCheckpoint[],
  logs: readonly FoundLog[],
  series: readonly Series[],
  configs: readonly FoundConfig[],
): Training {
  const activeMs = newestOf([...trained, ...logs]);
  const begun = [
    ...trained.map(({ mtimeMs }) => mtimeMs),
    ...series.flatMap(({ wallTimes }) => wallTimes.find(Number.isFinite) ?? []),
  ];
  const known = [...configs, ...logs].flatMap(({ facts }) => facts ?? []);
  const plan = Object.assign({}, ...known.map((one) => one.plan)) as TrainingFacts['plan'] & object;
  const outcome = known.findLast((one) => one.outcome !== undefined)?.outcome;
  return {
    startedMs: begun.reduce((least, at) => Math.min(least, at), activeMs),
    activeMs,
    ...(Object.keys(plan).length === 0 ? {} : { plan }),
    ...(outcome === undefined ? {} : { outcome }),
  };
}

function newestOf(files: readonly { readonly mtimeMs: number }[]): number {
  return files.reduce((newest, { mtimeMs }) => Math.max(newest, mtimeMs), 0);
}

/**
 * Logs by the directory of their run. Some programs put them deeper than others, in directories with names that a run
 * may have, too: those are only passed over when no checkpoint lies there.
 */
function groupLogs(
  { checkpoints, logs }: Found,
  withCheckpoints: ReadonlySet<string>,
  home: (path: string) => string,
): Map<string, FoundLog[]> {
  const homes = groupBy(logs, ({ path, anchor }) => home(anchor ?? path));
  const outputs = new Set(
    checkpoints.flatMap(({ path }) =>
      namesOneCheckpoint(basename(dirname(path))) ? [dirname(dirname(path))] : [],
    ),
  );
  const dated = groupBy(homes.keys(), datedRun);
  return groupBy(logs, ({ path, anchor, inParts }) => {
    const directory = home(anchor ?? path);
    if (withCheckpoints.has(directory)) return directory;
    if (inParts === true && splitOf(directory) !== undefined) return home(directory);
    const above = datedRun(directory);
    if (above === undefined || !withCheckpoints.has(above)) return directory;
    // Of several runs, who knows whose the checkpoints are? But a Trainer that resumes only goes on with its own.
    return dated.get(above)!.length === 1 || outputs.has(above) ? above : directory;
  });
}

/** All series of a run: file by file, and those of logs in parts joined. */
function seriesOf(logs: readonly FoundLog[], runDirectory: string): readonly Series[] {
  const [parts, whole] = [true, false].map((inParts) =>
    logs.filter((log) => (log.inParts === true) === inParts).toSorted((a, b) => byPath(a.path, b.path)),
  ) as [FoundLog[], FoundLog[]];
  // A Trainer that resumes begins a new dated directory.
  const joined = groupBy(parts, ({ path }) => datedRun(dirname(path)) ?? dirname(path));
  return [
    ...whole.flatMap((log) => log.series),
    ...[...joined].flatMap(([directory, files]) => {
      const split = directory === runDirectory ? undefined : splitOf(directory);
      const series = joinResumed(files);
      return split === undefined ? series : series.map((one) => underSplit(one, split));
    }),
  ];
}

const renamed = new WeakMap<Series, Series>();

function underSplit(series: Series, split: string): Series {
  const known = renamed.get(series);
  if (known !== undefined) return known;
  const result = { ...series, tag: `${split}/${series.tag}` };
  renamed.set(series, result);
  return result;
}

/** `checkpoint-500/model.safetensors`: the file's own name would not tell it from the next. */
function nameOf(path: string): string {
  const parent = basename(dirname(path));
  return namesOneCheckpoint(parent) ? `${parent}/${basename(path)}` : basename(path);
}

function keepIdentity(before: Run | undefined, now: Run): Run {
  if (before === undefined) return now;
  const checkpoints = keepEntries(before.checkpoints, now.checkpoints);
  const averages = keepEntries(before.averages, now.averages);
  const series = keepSeries(before.series, now.series, now.directory);
  const averagedSeries = sameItems(before.averagedSeries, now.averagedSeries)
    ? before.averagedSeries
    : now.averagedSeries;
  const same =
    averagedSeries === before.averagedSeries &&
    checkpoints === before.checkpoints &&
    averages === before.averages &&
    series === before.series &&
    now.name === before.name &&
    now.mtimeMs === before.mtimeMs &&
    isDeepStrictEqual(now.training, before.training);
  return same ? before : { ...now, checkpoints, averages, series, averagedSeries };
}

function keepEntries(
  before: readonly CheckpointEntry[],
  now: readonly CheckpointEntry[],
): readonly CheckpointEntry[] {
  const known = new Map(before.map((entry) => [entry.path, entry]));
  const kept = now.map((entry) => {
    const old = known.get(entry.path);
    return old !== undefined && isDeepStrictEqual(old, entry) ? old : entry;
  });
  return sameItems(before, kept) ? before : kept;
}

/** Those of logs keep their identity themselves. */
function keepSeries(before: readonly Series[], now: readonly Series[], directory: string): readonly Series[] {
  const kept = now.map((one) =>
    one.source === directory ? (before.find((old) => isDeepStrictEqual(old, one)) ?? one) : one,
  );
  return sameItems(before, kept) ? before : kept;
}

function sameItems<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i]);
}

const collator = new Intl.Collator('en', { numeric: true });

function byPath(a: string, b: string): number {
  return collator.compare(a, b) || (a < b ? -1 : a > b ? 1 : 0);
}
