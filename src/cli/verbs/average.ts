import { randomUUID } from 'node:crypto';
import { stat, statfs } from 'node:fs/promises';
import path from 'node:path';
import { runJob } from '../../compute/client.ts';
import type { AverageRequest } from '../../compute/protocol.ts';
import { emaCoefficients } from '../../core/averaging/coefficients.ts';
import { DEFAULT_RULE, DEFAULTS } from '../../core/averaging/defaults.ts';
import { reportPathFor } from '../../core/averaging/report.ts';
import type { AverageReport, Method, TwaOptions } from '../../core/averaging/types.ts';
import { requireSameArchitecture } from '../../core/checkpoints/compare.ts';
import { inTrainingOrder } from '../../core/checkpoints/order.ts';
import { PARTIAL_SUFFIX, requireAbsent, requireSpace } from '../../core/checkpoints/publish.ts';
import { formatById } from '../../core/checkpoints/registry.ts';
import type { CheckpointHeader } from '../../core/checkpoints/types.ts';
import { TwaError } from '../../core/errors.ts';
import { loadTask } from '../../core/task/load.ts';
import { JSON_NUMBERS, toJson } from '../json.ts';
import { choice, decimal, numbers, text, UsageError, type ValuesOf, whole } from '../options.ts';
import { bytes, formatTable, shownPath, textTable } from '../table.ts';
import { defineVerb } from '../verb.ts';
import { backendOption, engineOptions, pytorchOptions, readHeaders, requireTask } from './shared.ts';

const DEFAULT = DEFAULTS[DEFAULT_RULE];

/** They shape the fit and mean nothing without one. */
const FIT_OPTIONS = {
  rule: choice(['iclr', 'v4'], `which published algorithm (default: ${DEFAULT_RULE})`),
  'fit-data': choice(
    ['validation', 'train'],
    `fit on a held-out part of validation, or on train (default: ${DEFAULT.fitData})`,
  ),
  start: choice(['mean', 'last', 'best'], `where the coefficients start (default: ${DEFAULT.start})`),
  epochs: whole('N', 1, `passes over the fit split (default: ${DEFAULT.epochs})`),
  'batch-size': whole(
    'N',
    1,
    `examples per step (default: ${DEFAULT.batchSize}, less for a small fit split)`,
  ),
  'learning-rate': decimal('X', 'a number above 0', (x) => x > 0, "step size (default: the rule's)"),
  'weight-decay': decimal('X', 'a number of at least 0', (x) => x >= 0, "shrinkage (default: the rule's)"),
  momentum: decimal(
    'X',
    'at least 0 and below 1',
    (x) => x >= 0 && x < 1,
    `of SGD, rule iclr (default: ${DEFAULTS.iclr.momentum})`,
  ),
  patience: whole(
    'N',
    1,
    `stop after this many epochs without a better stop split (default: ${DEFAULT.patience})`,
  ),
} as const;

const OPTIONS = {
  out: text('OUT', 'the checkpoint to make; never over anything (required)'),
  method: choice(
    ['uniform', 'twa', 'manual', 'last', 'ema'],
    'uniform: the plain average (SWA). twa: fitted coefficients (default).\nmanual: the --coefficients. last: the plain average of the newest -k.\nema: the exponential moving average, by --decay',
  ),
  k: whole('K', 2, 'how many of the newest checkpoints; method last'),
  decay: decimal(
    'X',
    'at least 0 and below 1',
    (x) => x >= 0 && x < 1,
    'how much of the average stays at every checkpoint; method ema',
  ),
  coefficients: numbers(
    'A,B,...',
    'one per checkpoint, in the order given (a directory: oldest first); method manual.\nWith --method uniform they take the place of 1/n',
  ),
  task: text(
    'FILE',
    'the task file (twa: by default the nearest twa.json above the first checkpoint;\nuniform and manual work without, and then nothing is evaluated)',
  ),
  buffers: choice(
    ['recalibrate', 'average', 'newest'],
    'running statistics of batch norm (default: recalibrate, without a task average)',
  ),
  ...FIT_OPTIONS,
  seed: whole('N', 0, 'of the splits, the order of examples and the bootstrap (default: 1)'),
  backend: backendOption,
  ...engineOptions,
  'dry-run': { help: 'compare the headers, say what would be written, and stop' },
} as const;

type Values = ValuesOf<typeof OPTIONS>;

export const average = defineVerb({
  name: 'average',
  summary: 'average checkpoints into one: plainly, with coefficients fitted by TWA, or by hand',
  usage: 'PATH... --out OUT [--method METHOD] [options]',
  description: `Averages two or more checkpoints of one architecture and writes the result in their format, with a report
beside it (NAME.twa-report.json; in a directory, twa-report.json). PATH is a checkpoint or a directory of
checkpoints. With a task, everything is compared on examples that nothing was fitted to.

JSON: {"output", "method", "coefficients" (oldest checkpoint first, as in "provenance"), "splits",
"metric", "table", "recommendation", "lossCurve", "notes", "provenance", ...}, the same as the report.
With --dry-run: {"dryRun", "output", "report", "method", "coefficients", "task", "checkpoints": [{"path",
"format", "step", "epoch", "bytes"}], "outputBytes", "freeBytes"}.
${JSON_NUMBERS}`,
  paths: { least: 1, most: Infinity },
  options: OPTIONS,
  async run({ paths, values, json }, terminal) {
    const method = methodOf(values);
    const out = values.out;
    if (out === undefined) throw new UsageError('average needs --out OUT.');

    const named = await readHeaders(paths, terminal);
    const headers = newest(atLeastTwo(named), values.k);
    requireSameArchitecture(headers);
    const coefficients =
      values.decay === undefined
        ? matchCoefficients(values.coefficients, named, headers)
        : emaCoefficients(headers.length, values.decay);
    const place = await checkOutput(out, headers.at(-1)!);
    const task =
      method === 'twa' || values.task !== undefined ? await requireTask(values.task, headers) : undefined;
    // A mistake in the task file is told here, before a compute process starts.
    const engine = pytorchOptions(values, task === undefined ? undefined : await loadTask(task));

    if (values['dry-run'] === true) {
      const plan = await makePlan(headers, place, method, coefficients, task);
      terminal.print(json ? toJson(plan) : describePlan(plan));
      return;
    }
    const request: AverageRequest = {
      checkpoints: headers.map((header) => header.path),
      method,
      ...(coefficients === undefined ? {} : { coefficients }),
      ...(task === undefined ? {} : { task }),
      options: fitOptions(values),
      buffers: values.buffers ?? (task === undefined ? 'average' : 'recalibrate'),
      seed: values.seed ?? 1,
      backend: values.backend ?? 'auto',
      ...engine,
      output: place.output,
      partial: partialFor(place.output),
    };
    const report = await runJob('average', request, {
      signal: terminal.signal,
      onProgress: terminal.progress,
      onLog: terminal.log,
    });
    terminal.print(json ? toJson(report) : describe(report));
  },
});

/** `last` is uniform over fewer checkpoints, `ema` is manual with coefficients from a formula. */
function methodOf(values: Values): Method {
  const named = values.method ?? (values.coefficients === undefined ? 'twa' : 'manual');
  if ((named === 'last') !== (values.k !== undefined)) {
    throw new UsageError(named === 'last' ? '--method last needs -k.' : '-k is for --method last only.');
  }
  if ((named === 'ema') !== (values.decay !== undefined)) {
    throw new UsageError(
      named === 'ema' ? '--method ema needs --decay.' : '--decay is for --method ema only.',
    );
  }
  if (named === 'last' || named === 'ema') {
    if (values.coefficients !== undefined) {
      throw new UsageError(`--method ${named} has coefficients of its own: leave out --coefficients.`);
    }
    requireNoFit(values);
    return named === 'last' ? 'uniform' : 'manual';
  }
  const method = named;
  if (method === 'manual' && values.coefficients === undefined) {
    throw new UsageError('--method manual needs --coefficients.');
  }
  if (method === 'twa') {
    if (values.coefficients !== undefined) {
      throw new UsageError(
        '--method twa fits its coefficients: leave out --coefficients, or use --method manual.',
      );
    }
    if (values.momentum !== undefined && (values.rule ?? DEFAULT_RULE) !== 'iclr') {
      throw new UsageError('--momentum is for --rule iclr only: v4 has an optimiser without.');
    }
    return method;
  }
  requireNoFit(values);
  return values.coefficients === undefined ? method : 'manual';
}

/** Options that mean nothing where no coefficients are fitted. */
function requireNoFit(values: Values): void {
  const unused = Object.keys(FIT_OPTIONS).find((name) => values[name as keyof Values] !== undefined);
  if (unused !== undefined) throw new UsageError(`--${unused} is for --method twa only.`);
  if (values.buffers === 'recalibrate' && values.task === undefined) {
    throw new UsageError('--buffers recalibrate needs data: name a task file with --task.');
  }
}

function fitOptions(values: Values): Partial<TwaOptions> {
  const given = {
    rule: values.rule,
    fitData: values['fit-data'],
    start: values.start,
    epochs: values.epochs,
    batchSize: values['batch-size'],
    learningRate: values['learning-rate'],
    weightDecay: values['weight-decay'],
    momentum: values.momentum,
    patience: values.patience,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/** In training order. */
function atLeastTwo(named: readonly CheckpointHeader[]): CheckpointHeader[] {
  if (named.length < 2) throw new UsageError('An average needs at least two different checkpoints.');
  return inTrainingOrder(named);
}

/** The `k` newest, all of them without a `k`. */
function newest(headers: readonly CheckpointHeader[], k = headers.length): readonly CheckpointHeader[] {
  if (k > headers.length) {
    throw new UsageError(`-k ${k} asks for more checkpoints than the ${headers.length} there are.`);
  }
  return headers.slice(headers.length - k);
}

/** Given in the order of the command line, wanted oldest first. */
function matchCoefficients(
  given: readonly number[] | undefined,
  named: readonly CheckpointHeader[],
  ordered: readonly CheckpointHeader[],
): number[] | undefined {
  if (given === undefined) return undefined;
  if (given.length !== named.length) {
    throw new UsageError(`--coefficients has ${given.length} numbers for ${named.length} checkpoints.`);
  }
  const byPath = new Map(named.map((header, at) => [header.path, given[at]!]));
  return ordered.map((header) => byPath.get(header.path)!);
}

/** Hidden, and of this run alone: two may be asked for the same output, and one may have left its own behind. */
function partialFor(output: string): string {
  const name = `.${path.basename(output)}.${randomUUID().slice(0, 8)}${PARTIAL_SUFFIX}`;
  return path.join(path.dirname(output), name);
}

interface Place {
  readonly output: string;
  readonly report: string;
}

/** The absolute paths of what will be made, when it can be made under this name. */
async function checkOutput(out: string, newest: CheckpointHeader): Promise<Place> {
  const output = path.resolve(out);
  const extension = path.extname(formatById(newest.format).outputName('average', newest));
  if (extension !== '' && !output.endsWith(extension)) {
    throw new UsageError(
      `--out must end in ${extension}, as the checkpoints do: nothing would find it again.`,
    );
  }
  const report = reportPathFor(output, extension === '');
  await requireAbsent(output);
  await requireAbsent(report);
  const directory = await stat(path.dirname(output)).catch(() => undefined);
  if (directory?.isDirectory() !== true) {
    throw new TwaError(
      'not-found',
      `There is no directory ${path.dirname(output)} for --out: make it first.`,
    );
  }
  return { output, report };
}

interface Plan {
  readonly dryRun: true;
  readonly output: string;
  readonly report: string;
  readonly method: Method;
  /** Null where they are fitted. */
  readonly coefficients: readonly number[] | null;
  readonly task: string | undefined;
  readonly checkpoints: readonly {
    readonly path: string;
    readonly format: string;
    readonly step: number | undefined;
    readonly epoch: number | undefined;
    readonly bytes: number;
  }[];
  readonly outputBytes: number;
  readonly freeBytes: number;
}

/** Throws `no-space` where the real run would. */
async function makePlan(
  headers: readonly CheckpointHeader[],
  place: Place,
  method: Method,
  coefficients: readonly number[] | undefined,
  task: string | undefined,
): Promise<Plan> {
  const checkpoints = headers.map((header) => ({
    path: header.path,
    format: header.format,
    step: header.step,
    epoch: header.epoch,
    bytes: header.files.reduce((sum, file) => sum + file.size, 0),
  }));
  // The result is a copy of the newest checkpoint with other numbers in it.
  const outputBytes = checkpoints.at(-1)!.bytes;
  const directory = path.dirname(place.output);
  await requireSpace(directory, outputBytes);
  const { bavail, bsize } = await statfs(directory);
  return {
    dryRun: true,
    ...place,
    method,
    coefficients: coefficients ?? (method === 'uniform' ? headers.map(() => 1 / headers.length) : null),
    task,
    checkpoints,
    outputBytes,
    freeBytes: bavail * bsize,
  };
}

function describePlan(plan: Plan): string {
  const table = textTable(
    [
      { title: 'checkpoint' },
      { title: 'step', align: 'right' },
      { title: 'epoch', align: 'right' },
      { title: 'size', align: 'right' },
      { title: 'coefficient', align: 'right' },
    ],
    plan.checkpoints.map((checkpoint, at) => [
      shownPath(checkpoint.path),
      String(checkpoint.step ?? ''),
      String(checkpoint.epoch ?? ''),
      bytes(checkpoint.bytes),
      plan.coefficients === null ? 'fitted' : shortNumber(plan.coefficients[at]!),
    ]),
  );
  return [
    table,
    '',
    'Their tensors agree. Nothing was written; a real run would write',
    `  ${shownPath(plan.output)} (about ${bytes(plan.outputBytes)}, ${bytes(plan.freeBytes)} free)`,
    `  ${shownPath(plan.report)}`,
    ...(plan.task === undefined ? [] : [`evaluated by ${shownPath(plan.task)}.`]),
  ].join('\n');
}

function describe(report: AverageReport): string {
  const table = formatTable(report);
  return [
    ...(table === '' ? [] : [table, '']),
    report.recommendation.sentence,
    ...report.notes,
    ...(report.splits === undefined ? [] : [`Splits: ${report.splits.origin}.`]),
    `Coefficients, oldest first: ${report.coefficients.map(shortNumber).join(', ')}.`,
    `Wrote ${shownPath(report.output)} and ${shownPath(reportPathFor(report.output))}.`,
  ].join('\n');
}

function shortNumber(value: number): string {
  return String(Number(value.toPrecision(4)));
}
