import { stat } from 'node:fs/promises';
import { dirname, extname, resolve } from 'node:path';
import { hasCode } from '../checkpoints/files.ts';
import { TwaError } from '../errors.ts';
import { groupBy } from '../runs/group.ts';
import { homeOf, newestTrainerStates } from '../runs/layout.ts';
import { scanFolder } from '../runs/scan.ts';
import { averagedFormat } from './averaged.ts';
import { csvFormat } from './csv.ts';
import { dvcLiveFormat } from './dvclive.ts';
import { jsonlFormat } from './jsonl.ts';
import { mlflowDatabaseFormat } from './mlflow/database.ts';
import { mlflowFilesFormat } from './mlflow/files.ts';
import { joinResumed } from './resumed.ts';
import type { PartOfLog } from './resumed.ts';
import { applyUpdate } from './series.ts';
import { tensorBoardFormat } from './tensorboard/format.ts';
import { trainerStateFormat } from './trainerState.ts';
import type { MetricsFormat, Series } from './types.ts';
import { wandbFormat } from './wandb/format.ts';

export const metricsFormats: readonly MetricsFormat[] = [
  dvcLiveFormat,
  mlflowFilesFormat,
  mlflowDatabaseFormat,
  csvFormat,
  jsonlFormat,
  trainerStateFormat,
  tensorBoardFormat,
  wandbFormat,
  averagedFormat,
];

/** Of other extensions: see `contributions/`. */
const added = new Set<MetricsFormat>();

/** A name that two formats claim belongs to the first, so ours cannot be taken away. Gives what ends it. */
export function addMetricsFormat(format: MetricsFormat): () => void {
  added.add(format);
  return () => void added.delete(format);
}

/** The format of a log by its whole name: `metrics.csv` is one, `digits.csv` is not. No reading. */
export function candidateMetrics(path: string): MetricsFormat | undefined {
  const isOne = (format: MetricsFormat): boolean => format.candidate(path);
  return metricsFormats.find(isOne) ?? [...added].find(isOne);
}

/** Deep enough for `run/dvclive/plots/metrics/train/loss.tsv`. */
const RUN_DEPTH = 5;

/**
 * All series of a log file, or of the logs in a run's directory, sorted by file, then by first appearance, those of
 * logs in parts last. The files
 * are taken as finished: a last line without a newline counts if it is whole. A file that is named counts as a log
 * by its extension alone.
 *
 * @param onWarning gets sentences about lines that could not be read.
 * @throws TwaError `not-found`, `unsupported`, `cancelled`; `bad-metrics` when a named file gives no series.
 */
export async function readSeries(
  path: string,
  signal?: AbortSignal,
  onWarning?: (sentence: string) => void,
): Promise<Series[]> {
  const absolute = resolve(path);
  let isDirectory: boolean;
  try {
    isDirectory = (await stat(absolute)).isDirectory();
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'ENOTDIR')) throw error;
    throw new TwaError('not-found', `${path} does not exist: name a metrics log or the directory of a run.`, {
      place: { path: absolute },
      cause: error,
    });
  }
  return isDirectory
    ? readDirectory(absolute, signal, onWarning)
    : (await readLog(absolute, signal, onWarning)).slice();
}

async function readDirectory(
  directory: string,
  signal: AbortSignal | undefined,
  onWarning: ((sentence: string) => void) | undefined,
): Promise<Series[]> {
  const logs: string[] = [];
  await scanFolder(directory, {
    depth: RUN_DEPTH,
    signal,
    onFile: (file) => {
      if (candidateMetrics(file) !== undefined) logs.push(file);
    },
  });
  if (logs.length === 0) {
    throw new TwaError(
      'not-found',
      `${directory} holds no metrics log: name the log file itself (CSV, JSONL, an event file, trainer_state.json).`,
      { place: { path: directory } },
    );
  }
  const series: Series[] = [];
  const parts: PartOfLog[] = [];
  const current = newestTrainerStates(
    logs,
    (log) => trainerStateFormat.candidate(log),
    (log) => homeOf(log, directory),
  );
  for (const log of current.sort()) {
    const format = candidateMetrics(log)!;
    const update = await format.open(log).poll(signal, true);
    const { voidFrom } = update;
    for (const warning of update.warnings) onWarning?.(warning);
    const read = applyUpdate([], update, log);
    if (format.inParts === true)
      parts.push({ path: log, series: read, ...(voidFrom === undefined ? {} : { voidFrom }) });
    else series.push(...read);
  }
  return [...series, ...[...groupBy(parts, ({ path }) => dirname(path)).values()].flatMap(joinResumed)];
}

async function readLog(
  path: string,
  signal: AbortSignal | undefined,
  onWarning: ((sentence: string) => void) | undefined,
): Promise<readonly Series[]> {
  const extension = extname(path).toLowerCase();
  const format = candidateMetrics(path) ?? metricsFormats.find((one) => one.extensions.includes(extension));
  if (format === undefined) {
    throw new TwaError(
      'unsupported',
      `${path} is no metrics log that can be read: use CSV, JSONL, an event file of TensorBoard or a Trainer's trainer_state.json.`,
      { place: { path } },
    );
  }
  const update = await format.open(path).poll(signal, true);
  const series = applyUpdate([], update, path);
  if (series.length === 0 && update.warnings.length > 0) {
    throw new TwaError('bad-metrics', `${path} holds no series that can be read.`, {
      place: { path },
      details: update.warnings,
    });
  }
  for (const warning of update.warnings) onWarning?.(warning);
  return series;
}
