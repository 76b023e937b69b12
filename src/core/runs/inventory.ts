import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { hasCode } from '../checkpoints/files.ts';
import { positionOf } from '../checkpoints/names.ts';
import { AVERAGES_DIRECTORY, candidateFor } from '../checkpoints/registry.ts';
import type { CheckpointFormat, CheckpointHeader, Inspection } from '../checkpoints/types.ts';
import { readReport } from '../averaging/report.ts';
import type { AverageReport } from '../averaging/types.ts';
import { throwIfAborted, TwaError } from '../errors.ts';
import { parseNumber } from '../metrics/columns.ts';
import { candidateMetrics } from '../metrics/registry.ts';
import { applyUpdate } from '../metrics/series.ts';
import { trainerStateFormat } from '../metrics/trainerState.ts';
import type { MetricsFormat, MetricsTail, Series, TrainingFacts } from '../metrics/types.ts';
import type { Found, FoundCheckpoint } from './collect.ts';
import { configAnchor, isTrainingConfig, readTrainingConfig } from './configs.ts';
import { isReport } from './collect.ts';
import { namesMetric } from './goals.ts';
import { epochInHistory, pointsOf } from './history.ts';
import { homeOf, isInside, newestTrainerStates, watchedFolderOf } from './layout.ts';
import { forEachLimited } from './parallel.ts';
import type { AverageSummary } from './types.ts';

/** Headers or logs read at a time: enough to hide a network's latency, few enough for the trainer's disk. */
const CONCURRENCY = 8;

/** An incomplete checkpoint is looked at again even without a change: after this, then twice this, ... */
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 30_000;
/**
 * So is a damaged one that is this young: a file system's clock may be too coarse to tell the write that mended it
 * from the one before.
 */
const YOUNG_MS = 60_000;

/** A file or directory checkpoint as it is on disk now. */
interface Stamp {
  /** Same text, same files: path, inode, size and time of each. */
  readonly text: string;
  readonly bytes: number;
  readonly mtimeMs: number;
}

interface KnownCheckpoint {
  readonly format: CheckpointFormat;
  readonly stamp: Stamp;
  readonly entry: FoundCheckpoint;
  /** Files outside `path` that belong to it. */
  readonly elsewhere: readonly string[];
  readonly retry?: { readonly at: number; readonly delay: number };
}

interface KnownLog {
  readonly format: MetricsFormat;
  stamp: Stamp;
  /** Undefined while a newer log of the run holds the same and more. */
  tail: MetricsTail | undefined;
  series: readonly Series[];
  /** See `MetricsUpdate`; the least so far. */
  voidFrom: number;
  facts: TrainingFacts;
  warnings: readonly string[];
}

interface KnownConfig {
  readonly stamp: Stamp;
  readonly facts: TrainingFacts;
}

interface KnownReport {
  readonly stamp: Stamp;
  readonly summary: AverageSummary | undefined;
  readonly warning: string | undefined;
}

/**
 * Everything known about the checkpoints, logs and reports in the watched folders. Paths are touched when they may
 * have changed; {@link update} then looks at those, and reads only what did change. It watches nothing itself.
 */
export class Inventory {
  readonly #folders: readonly string[];
  readonly #checkpoints = new Map<string, KnownCheckpoint>();
  readonly #logs = new Map<string, KnownLog>();
  readonly #reports = new Map<string, KnownReport>();
  readonly #configs = new Map<string, KnownConfig>();
  #touchedCheckpoints = new Map<string, CheckpointFormat>();
  #touchedLogs = new Map<string, MetricsFormat>();
  #touchedReports = new Set<string>();
  #touchedConfigs = new Set<string>();

  constructor(watchedFolders: readonly string[]) {
    this.#folders = watchedFolders;
  }

  /** A file appeared, changed or vanished. By its name alone; false if it is none of ours. */
  touch(path: string): boolean {
    const candidate = candidateFor(path);
    if (candidate !== undefined) this.#touchedCheckpoints.set(candidate.path, candidate.format);
    const format = isInAverage(path) ? undefined : candidateMetrics(path);
    if (format !== undefined) this.#touchedLogs.set(path, format);
    if (isReport(path)) this.#touchedReports.add(path);
    const isConfig = isTrainingConfig(path);
    if (isConfig) this.#touchedConfigs.add(path);
    // A shard, say: its name may say nothing, but it lies in a checkpoint that is a directory.
    const around = this.#checkpoints.get(dirname(path));
    if (around !== undefined) this.#touchedCheckpoints.set(dirname(path), around.format);
    return (
      candidate !== undefined || format !== undefined || around !== undefined || isReport(path) || isConfig
    );
  }

  /** Everything known in a directory may have changed or vanished. */
  touchInside(directory: string): void {
    for (const [path, { format }] of this.#checkpoints) {
      if (isInside(path, directory)) this.#touchedCheckpoints.set(path, format);
    }
    for (const [path, { format }] of this.#logs) {
      if (isInside(path, directory)) this.#touchedLogs.set(path, format);
    }
    for (const path of this.#reports.keys()) {
      if (isInside(path, directory)) this.#touchedReports.add(path);
    }
    for (const path of this.#configs.keys()) {
      if (isInside(path, directory)) this.#touchedConfigs.add(path);
    }
  }

  /** Touches the checkpoints whose next look is due. */
  touchDue(now: number): void {
    for (const [path, { format, retry }] of this.#checkpoints) {
      if (retry !== undefined && retry.at <= now) this.#touchedCheckpoints.set(path, format);
    }
  }

  /** When {@link touchDue} has something to do next, milliseconds since 1970. */
  get nextRetry(): number | undefined {
    let next: number | undefined;
    for (const { retry } of this.#checkpoints.values()) {
      if (retry !== undefined && (next === undefined || retry.at < next)) next = retry.at;
    }
    return next;
  }

  get found(): Found {
    return {
      checkpoints: [...this.#checkpoints.values()].map(({ entry }) => entry),
      logs: [...this.#logs]
        .filter(([, log]) => log.tail !== undefined)
        .map(([path, log]) => ({
          path,
          anchor: log.format.anchor?.(path) ?? path,
          inParts: log.format.inParts === true,
          ofAverages: log.format.ofAverages === true,
          mtimeMs: log.stamp.mtimeMs,
          series: log.series,
          voidFrom: log.voidFrom,
          facts: log.facts,
        })),
      configs: [...this.#configs].map(([path, { facts }]) => ({ path: configAnchor(path), facts })),
      reports: new Map(
        [...this.#reports].flatMap(([path, { summary }]) => (summary === undefined ? [] : [[path, summary]])),
      ),
    };
  }

  /** Sentences about logs and reports that could not be read. */
  get warnings(): string[] {
    return [
      ...[...this.#logs.values()].flatMap(({ warnings }) => warnings),
      ...[...this.#reports.values()].flatMap(({ warning }) => warning ?? []),
    ];
  }

  /** Looks at what was touched since the last time. @throws TwaError `cancelled`; not for any single file. */
  async update(signal?: AbortSignal): Promise<void> {
    const checkpoints = this.#touchedCheckpoints;
    const logs = this.#touchedLogs;
    const reports = this.#touchedReports;
    this.#touchedCheckpoints = new Map();
    this.#touchedLogs = new Map();
    this.#touchedReports = new Set();
    const configs = this.#touchedConfigs;
    this.#touchedConfigs = new Set();
    await forEachLimited(checkpoints, CONCURRENCY, async ([path, format]) => {
      throwIfAborted(signal);
      await this.#lookAtCheckpoint(path, format, signal);
    });
    await this.#lookAtLogs(logs, signal);
    await forEachLimited(reports, CONCURRENCY, async (path) => {
      throwIfAborted(signal);
      await this.#lookAtReport(path);
    });
    await forEachLimited(configs, CONCURRENCY, async (path) => {
      throwIfAborted(signal);
      await this.#lookAtConfig(path);
    });
  }

  async #lookAtCheckpoint(
    path: string,
    format: CheckpointFormat,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const before = this.#checkpoints.get(path);
    const stamp = await this.#stampOf(path, before === undefined, before?.elsewhere);
    if (stamp === undefined) {
      this.#checkpoints.delete(path);
      return;
    }
    const due = before?.retry !== undefined && before.retry.at <= Date.now();
    if (before?.stamp.text === stamp.text && !due) return;
    // A change, other than time going by, starts the delays from the beginning.
    const delay =
      before?.retry !== undefined && before.stamp.text === stamp.text
        ? Math.min(before.retry.delay * 2, LAST_RETRY_MS)
        : FIRST_RETRY_MS;
    let inspection: Inspection;
    try {
      inspection = await format.inspect(path, signal);
    } catch (error) {
      throwIfAborted(signal);
      inspection = { state: 'unreadable', path, format: format.id, reason: sentenceOf(error, path) };
    }
    this.#checkpoints.set(path, {
      format,
      stamp,
      entry: entryOf(path, inspection, stamp),
      elsewhere:
        inspection.state === 'complete'
          ? inspection.header.files.map((file) => file.path).filter((file) => !isInside(file, path))
          : [],
      ...(isWorthAnotherLook(inspection, stamp) ? { retry: { at: Date.now() + delay, delay } } : {}),
    });
  }

  async #lookAtLogs(
    touched: ReadonlyMap<string, MetricsFormat>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const unread = new Set<string>();
    await forEachLimited(touched, CONCURRENCY, async ([path, format]) => {
      throwIfAborted(signal);
      const before = this.#logs.get(path);
      const stamp = await this.#stampOf(path, before === undefined);
      if (stamp === undefined) {
        this.#logs.delete(path);
      } else if (before === undefined) {
        this.#logs.set(path, {
          format,
          stamp,
          tail: undefined,
          series: [],
          voidFrom: Infinity,
          facts: {},
          warnings: [],
        });
      } else if (before.stamp.text !== stamp.text) {
        before.stamp = stamp;
        unread.add(path);
      }
    });
    const current = new Set(
      newestTrainerStates(
        [...this.#logs.keys()],
        (path) => trainerStateFormat.candidate(path),
        (path) => homeOf(path, watchedFolderOf(path, this.#folders) ?? dirname(path)),
      ),
    );
    for (const [path, log] of this.#logs) {
      if (!current.has(path)) {
        log.tail = undefined;
        log.series = [];
        log.facts = {};
        log.warnings = [];
      } else if (log.tail === undefined) {
        log.tail = log.format.open(path);
        unread.add(path);
      }
    }
    await forEachLimited(unread, CONCURRENCY, async (path) => {
      throwIfAborted(signal);
      const log = this.#logs.get(path);
      if (log?.tail === undefined) return;
      try {
        const update = await log.tail.poll(signal);
        log.series = applyUpdate(log.series, update, path);
        log.voidFrom = Math.min(update.reset ? Infinity : log.voidFrom, update.voidFrom ?? Infinity);
        log.facts = update.reset ? (update.facts ?? {}) : mergedFacts(log.facts, update.facts);
        log.warnings = update.reset ? update.warnings : [...log.warnings, ...update.warnings];
      } catch (error) {
        throwIfAborted(signal);
        log.warnings = [sentenceOf(error, path)];
        // Whatever it was may have passed when somebody asks again.
        log.stamp = { ...log.stamp, text: '' };
      }
    });
  }

  async #lookAtReport(path: string): Promise<void> {
    const before = this.#reports.get(path);
    const stamp = await this.#stampOf(path, before === undefined);
    if (stamp === undefined) {
      this.#reports.delete(path);
      return;
    }
    if (before?.stamp.text === stamp.text) return;
    try {
      const report = await readReport(path);
      this.#reports.set(path, { stamp, summary: summaryOf(path, report), warning: undefined });
    } catch (error) {
      this.#reports.set(path, { stamp, summary: undefined, warning: sentenceOf(error, path) });
    }
  }

  async #lookAtConfig(path: string): Promise<void> {
    const before = this.#configs.get(path);
    const stamp = await this.#stampOf(path, before === undefined);
    if (stamp === undefined) this.#configs.delete(path);
    else if (before?.stamp.text !== stamp.text) {
      this.#configs.set(path, { stamp, facts: await readTrainingConfig(path) });
    }
  }

  /**
   * Undefined when there is no such checkpoint or file (any more), or when it is another name of one that is watched.
   * @param isNew asks for links on the way.
   */
  async #stampOf(
    path: string,
    isNew: boolean,
    elsewhere: readonly string[] = [],
  ): Promise<Stamp | undefined> {
    if (isNew && (await this.#isOtherName(path))) return undefined;
    try {
      const itself = await stat(path);
      if (!itself.isDirectory()) return await stampFrom([path, ...elsewhere]);
      const inside = (await readdir(path)).map((name) => join(path, name)).sort();
      // A directory is a checkpoint by the name of a file in it.
      if (!inside.some((file) => candidateFor(file)?.path === path)) return undefined;
      return await stampFrom([...inside, ...elsewhere]);
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined;
      // Whoever reads it next will say what is wrong.
      return { text: sentenceOf(error, path), bytes: 0, mtimeMs: 0 };
    }
  }

  /** `latest/epoch-1.safetensors` or `best.safetensors` that a link leads from to a file in a watched folder. */
  async #isOtherName(path: string): Promise<boolean> {
    const folder = watchedFolderOf(path, this.#folders);
    if (folder === undefined) return false;
    const realOf = (one: string): Promise<string> => realpath(one).catch(() => one);
    const real = await realOf(path);
    const expected = join(await realOf(folder), path.slice(folder.length));
    if (real === expected) return false;
    const watched = await Promise.all(this.#folders.map(realOf));
    return watched.some((other) => isInside(real, other));
  }
}

function mergedFacts(before: TrainingFacts, now: TrainingFacts | undefined): TrainingFacts {
  return now === undefined ? before : { ...before, ...now, plan: { ...before.plan, ...now.plan } };
}

async function stampFrom(paths: readonly string[]): Promise<Stamp> {
  const stats = await Promise.all(paths.map((path) => stat(path).catch(() => undefined)));
  let text = '';
  let bytes = 0;
  let mtimeMs = 0;
  for (const [i, path] of paths.entries()) {
    const file = stats[i];
    if (file?.isFile() !== true) continue;
    text += `${path}\0${file.ino}\0${file.size}\0${file.mtimeMs}\n`;
    bytes += file.size;
    mtimeMs = Math.max(mtimeMs, file.mtimeMs);
  }
  return { text, bytes, mtimeMs };
}

function isWorthAnotherLook(inspection: Inspection, stamp: Stamp): boolean {
  switch (inspection.state) {
    case 'complete':
      return false;
    case 'incomplete':
      return true;
    case 'unreadable':
      return Math.abs(Date.now() - stamp.mtimeMs) < YOUNG_MS;
  }
}

function entryOf(path: string, inspection: Inspection, stamp: Stamp): FoundCheckpoint {
  const position = inspection.state === 'complete' ? inspection.header : positionOf(path);
  const bytes =
    inspection.state === 'complete'
      ? inspection.header.files.reduce((sum, file) => sum + file.size, 0)
      : stamp.bytes;
  return {
    path,
    format: inspection.state === 'complete' ? inspection.header.format : inspection.format,
    state: inspection.state,
    ...(inspection.state === 'complete' ? {} : { reason: inspection.reason }),
    ...(position.step === undefined ? {} : { step: position.step }),
    ...(position.epoch === undefined ? {} : { epoch: position.epoch }),
    ...(inspection.state === 'complete' ? toldBy(inspection.header) : {}),
    bytes,
    mtimeMs: stamp.mtimeMs,
  };
}

/** Its metrics: those that it calls so, and numbers among its metadata that are called a loss or a score. */
function toldBy(header: CheckpointHeader): Partial<FoundCheckpoint> {
  const { metadata, metrics, history } = header;
  const epoch = epochInHistory(header);
  const found = Object.entries(metadata).flatMap(([name, text]): [string, number][] => {
    const value = namesMetric(name) ? parseNumber(text) : undefined;
    return value === undefined ? [] : [[name, value]];
  });
  const ownMetrics = { ...Object.fromEntries(found), ...metrics };
  return {
    ...(Object.keys(ownMetrics).length === 0 ? {} : { ownMetrics }),
    ...(history === undefined ? {} : { history: pointsOf(history) }),
    ...(epoch === undefined ? {} : { epoch }),
  };
}

function summaryOf(reportPath: string, report: AverageReport): AverageSummary {
  const row = report.table.find(({ id }) => id === report.method);
  const best = report.table.find(({ id }) => id === 'best');
  const { coefficients, options, task } = report.provenance;
  return {
    reportPath,
    method: report.method,
    sources: report.provenance.sources.map((source) => source.path),
    metric:
      report.metric === undefined || row === undefined ? undefined : { ...report.metric, value: row.metric },
    recommendation: report.recommendation.sentence,
    ...(report.metric === undefined || row === undefined || best === undefined
      ? {}
      : { gain: (report.metric.goal === 'maximize' ? 1 : -1) * (row.metric - best.metric) }),
    coefficients,
    ...(options === undefined ? {} : { rule: options.rule }),
    ...(task === undefined ? {} : { task }),
    ...(report.step === undefined ? {} : { step: report.step }),
    ...(report.epoch === undefined ? {} : { epoch: report.epoch }),
  };
}

function sentenceOf(error: unknown, path: string): string {
  if (error instanceof TwaError) return error.message;
  return `${basename(path)} could not be read: ${error instanceof Error ? error.message : String(error)}.`;
}

/** An average that is a directory is a copy of a checkpoint, with its trainer_state.json: no log of a training. */
function isInAverage(path: string): boolean {
  return basename(dirname(dirname(path))) === AVERAGES_DIRECTORY;
}
