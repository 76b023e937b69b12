import { randomUUID } from 'node:crypto';
import { stat, statfs } from 'node:fs/promises';
import path from 'node:path';
import { runJob } from '../../compute/client.ts';
import type { AverageRequest } from '../../compute/protocol.ts';
import type { Groups } from '../../core/averaging/blocks.ts';
import {
  EMA_DECAY,
  formulaCoefficients,
  isFormula,
  LAST_K,
  settingsFor,
} from '../../core/averaging/coefficients.ts';
import { DEFAULT_RULE, DEFAULTS } from '../../core/averaging/defaults.ts';
import {
  CONSTRAINTS,
  GRANULARITIES,
  METHODS,
  RULES,
  SCHEDULES,
  STARTS,
} from '../../core/averaging/methods.ts';
import { reportPathFor } from '../../core/averaging/report.ts';
import type { AverageReport, Method, MethodSettings, TwaOptions } from '../../core/averaging/types.ts';
import { requireSameArchitecture } from '../../core/checkpoints/compare.ts';
import { optimizerNote } from '../../core/checkpoints/optimizer.ts';
import { inTrainingOrder } from '../../core/checkpoints/order.ts';
import { PARTIAL_SUFFIX, requireAbsent, requireSpace } from '../../core/checkpoints/publish.ts';
import { formatById } from '../../core/checkpoints/registry.ts';
import type { CheckpointHeader } from '../../core/checkpoints/types.ts';
import { TwaError } from '../../core/errors.ts';
import { bestByLog } from '../../core/runs/logged.ts';
import { loadTask } from '../../core/task/load.ts';
import { JSON_NUMBERS, toJson } from '../json.ts';
import { choice, decimal, numbers, text, UsageError, type ValuesOf, whole } from '../options.ts';
import { bytes, formatTable, shownPath, textTable } from '../table.ts';
import { defineVerb } from '../verb.ts';
import { backendOption, engineOptions, pytorchOptions, readHeaders, requireTask } from './shared.ts';

const DEFAULT = DEFAULTS[DEFAULT_RULE];

/** They shape the fit and mean nothing without one. */
const FIT_OPTIONS = {
  rule: choice(
    RULES,
    `how coefficients are trained: v4 and iclr as published, lbfgs in full batches\nwithout a learning rate (default: ${DEFAULT_RULE})`,
  ),
  constraint: choice(
    CONSTRAINTS,
    'simplex: shares. affine: sum 1. free. (default: v4 affine, iclr free, lbfgs and\nsearch simplex)',
  ),
  granularity: choice(
    GRANULARITIES,
    `one coefficient per checkpoint, or one for each tensor or group (default: ${DEFAULT.granularity})`,
  ),
  groups: text(
    'REGEX=NAME;...',
    'groups of tensors by expressions for their names; granularity groups\n(default: those of the task file)',
  ),
  'fit-data': choice(
    ['validation', 'train'],
    `fit on a held-out part of validation, or on train (default: ${DEFAULT.fitData})`,
  ),
  start: choice(
    STARTS,
    `where the coefficients start; given: at the --coefficients (default: ${DEFAULT.start})`,
  ),
  epochs: whole(
    'N',
    1,
    `passes over the fit split; lbfgs: steps (default: ${DEFAULT.epochs}, lbfgs ${DEFAULTS.lbfgs.epochs})`,
  ),
  'batch-size': whole(
    'N',
    1,
    `examples per step (default: ${DEFAULT.batchSize}, less for a small fit split; lbfgs ${DEFAULTS.lbfgs.batchSize})`,
  ),
  'learning-rate': decimal('X', 'a number above 0', (x) => x > 0, "step size (default: the rule's)"),
  schedule: choice(SCHEDULES, 'of the learning rate (default: v4 cosine, iclr step)'),
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
    `stop after this many epochs without anything better on the stop split\n(default: ${DEFAULT.patience}, lbfgs ${DEFAULTS.lbfgs.patience})`,
  ),
  ridge: decimal('X', 'a number of at least 0', (x) => x >= 0, 'pull toward the plain average (default: 0)'),
  sparse: { help: 'leave out all checkpoints that the stop split would not miss' },
} as const;

/** Of these, what a search uses as well. */
const SEARCH_OPTIONS: readonly string[] = ['constraint', 'fit-data', 'start', 'sparse'];

/** Not used by lbfgs. */
const STEP_OPTIONS = ['learning-rate', 'schedule', 'weight-decay', 'momentum'] as const;

const OPTIONS = {
  out: text('OUT', 'the checkpoint to make; never over anything (required)'),
  method: choice(
    METHODS,
    `uniform: the plain average (SWA). last-k: of the newest -k (LAWA).
ema: the exponential moving average, by --decay. best-k: the plain average of the -k
best. prune: what leave-one-out pruning keeps. greedy: greedy soup.
manual: the --coefficients. search: gradient-free, on the metric. twa: trained (default)`,
  ),
  k: whole(
    'K',
    1,
    `how many checkpoints; last-k (default: ${LAST_K}) and best-k (default: by the stop split)`,
  ),
  decay: decimal(
    'X',
    'at least 0 and below 1',
    (x) => x >= 0 && x < 1,
    `how much of the average stays at every checkpoint; method ema (default: ${EMA_DECAY})`,
  ),
  evaluations: whole('N', 1, 'how many mixes to evaluate; method search (default: 60 + 20 per checkpoint)'),
  metric: text('TAG', 'the logged metric that chooses; method best-k without a task'),
  coefficients: numbers(
    'A,B,...',
    'one per checkpoint, in the order given (a directory: oldest first); method manual,\nand --start given',
  ),
  task: text(
    'FILE',
    'the task file (by default the nearest twa.json above the first checkpoint; uniform,\nlast-k, ema, manual and best-k by --metric use one only if it is named)',
  ),
  buffers: choice(
    ['recalibrate', 'average', 'newest'],
    'running statistics of batch norm (default: recalibrate, without a task average)',
  ),
  ...FIT_OPTIONS,
  seed: whole('N', 0, 'of the splits, the order of examples and the bootstrap (default: 1)'),
  backend: backendOption,
  ...engineOptions,
  'drop-optimizer': { help: "leave out the optimizer's state (default: that of the newest checkpoint)" },
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
"format", "step", "epoch", "bytes"}], "outputBytes", "freeBytes", "notes"}.
${JSON_NUMBERS}`,
  paths: { least: 1, most: Infinity },
  options: OPTIONS,
  async run({ paths, values, json }, terminal) {
    const method = methodOf(values);
    const out = values.out;
    if (out === undefined) throw new UsageError('average needs --out OUT.');

    const named = await readHeaders(paths, terminal);
    const all = atLeastTwo(named);
    requireSameArchitecture(all);
    const headers =
      values.metric === undefined ? all : await bestByLog(all, values.metric, values.k!, terminal.signal);
    const settings = settingsFor(method, headers.length, given(values));
    const coefficients = matchCoefficients(values.coefficients, named, headers);
    const place = await checkOutput(out, headers.at(-1)!);
    if (values['drop-optimizer'] === true) {
      await formatById(headers.at(-1)!.format).requireDroppable?.(headers.at(-1)!);
    }
    const alone = isFormula(method) || values.metric !== undefined;
    const task = alone && values.task === undefined ? undefined : await requireTask(values.task, headers);
    // A mistake in the task file is told here, before a compute process starts.
    const engine = pytorchOptions(values, task === undefined ? undefined : await loadTask(task));

    if (values['dry-run'] === true) {
      const known = isFormula(method)
        ? [...formulaCoefficients(method, headers.length, settings, coefficients)]
        : undefined;
      const plan = await makePlan(headers, place, method, known, task, values['drop-optimizer'] === true);
      terminal.print(json ? toJson(plan) : describePlan(plan));
      return;
    }
    const request: AverageRequest = {
      checkpoints: headers.map((header) => header.path),
      method,
      ...(coefficients === undefined ? {} : { coefficients }),
      ...(task === undefined ? {} : { task }),
      options: fitOptions(values),
      ...(Object.keys(settings).length === 0 ? {} : { settings }),
      ...(values.groups === undefined ? {} : { groups: groupsIn(values.groups) }),
      buffers: values.buffers ?? (task === undefined ? 'average' : 'recalibrate'),
      seed: values.seed ?? 1,
      backend: values.backend ?? 'auto',
      ...engine,
      ...(values['drop-optimizer'] === true ? { dropOptimizer: true } : {}),
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

/** Throws UsageError for options that the method has no use for, and for those it cannot do without. */
function methodOf(values: Values): Method {
  const method = values.method ?? (values.coefficients === undefined ? 'twa' : 'manual');
  const fitted = method === 'twa' || method === 'search';
  const only = (name: keyof Values, ...methods: readonly Method[]): void => {
    if (values[name] !== undefined && !methods.includes(method)) {
      const dashes = name.length === 1 ? '-' : '--';
      throw new UsageError(`${dashes}${name} is for --method ${methods.join(' and ')} only.`);
    }
  };
  for (const name of Object.keys(FIT_OPTIONS) as (keyof typeof FIT_OPTIONS)[]) {
    only(name, 'twa', ...(SEARCH_OPTIONS.includes(name) ? (['search'] as const) : []));
  }
  only('k', 'last-k', 'best-k');
  only('decay', 'ema');
  only('evaluations', 'search');
  only('metric', 'best-k');
  if (method === 'manual' && values.coefficients === undefined) {
    throw new UsageError('--method manual needs --coefficients.');
  }
  const started = fitted && values.start === 'given';
  if (started && values.coefficients === undefined)
    throw new UsageError('--start given needs --coefficients.');
  if (values.coefficients !== undefined && method !== 'manual' && !started) {
    throw new UsageError(
      fitted
        ? `--method ${method} fits its coefficients: leave out --coefficients, or add --start given.`
        : `--method ${method} has coefficients of its own: leave out --coefficients.`,
    );
  }
  if (values.metric !== undefined && values.k === undefined) {
    throw new UsageError('--metric needs -k: a log cannot say how many checkpoints are best together.');
  }
  if (values.metric !== undefined && values.task !== undefined) {
    throw new UsageError('--metric is for an average without a task: a task has a metric of its own.');
  }
  if (values.groups !== undefined && values.granularity !== 'groups') {
    throw new UsageError('--groups is for --granularity groups only.');
  }
  if (values.buffers === 'recalibrate' && isFormula(method) && values.task === undefined) {
    throw new UsageError('--buffers recalibrate needs data: name a task file with --task.');
  }
  const rule = values.rule ?? DEFAULT_RULE;
  const idle = STEP_OPTIONS.find((name) => values[name] !== undefined);
  if (rule === 'lbfgs' && idle !== undefined) {
    throw new UsageError(`--${idle} is for --rule v4 and iclr only: lbfgs takes no steps of a given size.`);
  }
  if (rule === 'v4' && values.momentum !== undefined) {
    throw new UsageError('--momentum is for --rule iclr only: v4 has an optimiser without.');
  }
  return method;
}

/** What the methods without training need. */
function given({ k, decay, evaluations, metric }: Values): MethodSettings {
  return {
    ...(k === undefined ? {} : { k }),
    ...(decay === undefined ? {} : { decay }),
    ...(evaluations === undefined ? {} : { evaluations }),
    ...(metric === undefined ? {} : { metric }),
  };
}

/** `^conv=body;^fc=head`. An expression may hold a "=": the last one counts. */
function groupsIn(text: string): Groups {
  const entries = text.split(';').map((part) => {
    const at = part.lastIndexOf('=');
    const [expression, name] = [part.slice(0, at).trim(), part.slice(at + 1).trim()];
    if (at < 0 || expression === '' || name === '') {
      throw new UsageError(
        `--groups must be expressions with names, such as "^conv=body;^fc=head", not "${text}".`,
      );
    }
    return [expression, name] as const;
  });
  return Object.fromEntries(entries);
}

function fitOptions(values: Values): Partial<TwaOptions> {
  const given = {
    rule: values.rule,
    constraint: values.constraint,
    granularity: values.granularity,
    fitData: values['fit-data'],
    start: values.start,
    epochs: values.epochs,
    batchSize: values['batch-size'],
    learningRate: values['learning-rate'],
    schedule: values.schedule,
    ridge: values.ridge,
    sparse: values.sparse,
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
  /** At most: without the optimizer's state it is less. */
  readonly outputBytes: number;
  readonly freeBytes: number;
  /** What becomes of the optimizer's state. */
  readonly notes: readonly string[];
}

/** Throws `no-space` where the real run would. */
async function makePlan(
  headers: readonly CheckpointHeader[],
  place: Place,
  method: Method,
  coefficients: readonly number[] | undefined,
  task: string | undefined,
  dropOptimizer: boolean,
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
    coefficients: coefficients ?? null,
    task,
    checkpoints,
    outputBytes,
    freeBytes: bavail * bsize,
    notes: [optimizerNote(headers.at(-1)!, dropOptimizer) ?? []].flat(),
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
    ...plan.notes,
  ].join('\n');
}

function describe(report: AverageReport): string {
  const table = formatTable(report);
  return [
    ...(table === '' ? [] : [table, '']),
    report.recommendation.sentence,
    ...(report.recommendation.gain === undefined ? [] : [report.recommendation.gain]),
    ...report.notes,
    ...(report.splits === undefined ? [] : [`Splits: ${report.splits.origin}.`]),
    ...(report.provenance.blocks ?? []).map(
      ({ name, coefficients }) => `Coefficients of ${name}: ${coefficients.map(shortNumber).join(', ')}.`,
    ),
    `Coefficients, oldest first: ${report.coefficients.map(shortNumber).join(', ')}.`,
    `Wrote ${shownPath(report.output)} and ${shownPath(reportPathFor(report.output))}.`,
  ].join('\n');
}

function shortNumber(value: number): string {
  return String(Number(value.toPrecision(4)));
}
