/** The document about an average: put together, written beside the merged checkpoint, and read back. */
import { randomUUID } from 'node:crypto';
import { statSync } from 'node:fs';
import { open, readFile, rm } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import manifest from '../../../package.json' with { type: 'json' };
import { hasCode } from '../checkpoints/files.ts';
import { PARTIAL_SUFFIX, publishFile } from '../checkpoints/publish.ts';
import { TwaError } from '../errors.ts';
import {
  asArray,
  asBoolean,
  asMeasured,
  asNumber,
  asObject,
  asOneOf,
  asOptional,
  asString,
  NarrowError,
  type Narrow,
} from './narrow.ts';
import { CONSTRAINTS, GRANULARITIES, METHODS, RULES, SCHEDULES, STARTS } from './methods.ts';
import type {
  AverageReport,
  BlockCoefficients,
  BufferMode,
  BufferMove,
  BufferScore,
  CentredGram,
  Interval,
  LossPoint,
  Method,
  MethodSettings,
  PassResult,
  Provenance,
  Recommendation,
  SourceRecord,
  SplitSizes,
  StoredGram,
  TableRow,
  TwaOptions,
} from './types.ts';

/** What is known once the merged checkpoint is on disk. */
export interface Made {
  readonly output: string;
  readonly outputSha256: string;
  /** Oldest first. */
  readonly sources: readonly SourceRecord[];
  /** A pass over a task, or a merge that nothing was evaluated for. */
  readonly result: PassResult | PlainMerge;
  /** Sentences on the file, beside those on the pass. */
  readonly notes?: readonly string[];
  /** How far running statistics moved. */
  readonly bufferMoves?: readonly BufferMove[];
  readonly backend?: string;
  /** Absolute path of the twa.json. */
  readonly task?: string;
  readonly timings: AverageReport['timings'];
}

export interface PlainMerge {
  readonly method: Method;
  readonly coefficients: readonly number[];
  readonly settings?: MethodSettings;
  readonly seed: number;
  readonly bufferMode: BufferMode | 'none';
  /** Where it was cheap to have. */
  readonly gram?: CentredGram;
}

export function buildReport(made: Made): AverageReport {
  const { result } = made;
  const pass = 'table' in result ? result : undefined;
  const newest = made.sources.at(-1);
  return {
    version: 1,
    output: made.output,
    method: result.method,
    coefficients: result.coefficients,
    splits: pass?.splits,
    metric: pass?.metric,
    table: pass?.table ?? [],
    recommendation: pass?.recommendation ?? notEvaluated(result.method),
    lossCurve: pass?.lossCurve ?? [],
    notes: [...(pass?.notes ?? []), ...(made.notes ?? [])],
    ...(pass?.bufferScores === undefined ? {} : { bufferScores: pass.bufferScores }),
    ...(made.bufferMoves === undefined ? {} : { bufferMoves: made.bufferMoves }),
    ...(result.gram === undefined ? {} : { gram: storeGram(result.gram) }),
    ...(newest?.step === undefined ? {} : { step: newest.step }),
    ...(newest?.epoch === undefined ? {} : { epoch: newest.epoch }),
    provenance: {
      tool: manifest.name,
      version: manifest.version,
      createdAt: new Date().toISOString(),
      coefficients: result.coefficients,
      ...(pass?.blocks === undefined ? {} : { blocks: pass.blocks }),
      method: result.method,
      options: pass?.options,
      ...(result.settings === undefined ? {} : { settings: result.settings }),
      seed: result.seed,
      splits: pass?.splits,
      buffers: result.bufferMode,
      backend: made.backend,
      task: made.task,
      sources: made.sources,
      outputSha256: made.outputSha256,
    },
    timings: made.timings,
  };
}

function storeGram({ n, centred, withMean, meanSquared }: CentredGram): StoredGram {
  return {
    centred: Array.from({ length: n }, (_, i) => [...centred.subarray(i * n, i * n + i + 1)]),
    withMean: [...withMean],
    meanSquared,
  };
}

function notEvaluated(use: Method): Recommendation {
  return {
    use,
    sentence:
      'Nothing was evaluated, because there was no task file: whether this average is better than its newest ' +
      'checkpoint is not known.',
  };
}

/**
 * Where the report of a checkpoint lies: `<name minus extension>.twa-report.json` beside a file, `twa-report.json`
 * inside a directory. Looks at the disk unless told which of the two it is; what is not there counts as a file.
 */
export function reportPathFor(
  checkpointPath: string,
  isDirectory = statSync(checkpointPath, { throwIfNoEntry: false })?.isDirectory() ?? false,
): string {
  if (isDirectory) return join(checkpointPath, 'twa-report.json');
  const stem = basename(checkpointPath, extname(checkpointPath));
  return join(dirname(checkpointPath), `${stem}.twa-report.json`);
}

/**
 * Writes the report beside `report.output` and gives its path. Appears whole or not at all; throws `exists` when
 * there is one already. Numbers that are not finite are written as null.
 */
export async function writeReport(report: AverageReport): Promise<string> {
  const path = reportPathFor(report.output);
  const partial = `${path}.${randomUUID().slice(0, 8)}${PARTIAL_SUFFIX}`;
  try {
    const file = await open(partial, 'wx');
    try {
      await file.writeFile(documentOf(report));
      await file.sync();
    } finally {
      await file.close();
    }
    await publishFile(partial, path);
  } finally {
    await rm(partial, { force: true });
  }
  return path;
}

/** Indented, but for lists of numbers: a Gram matrix would be thousands of lines. A line feed is in no JSON string. */
function documentOf(report: AverageReport): string {
  const text = JSON.stringify(report, null, 2);
  return `${text.replace(/\[\n[-+\d.eE,\s]+\]/g, (list) => list.replace(/\n\s*/g, ' ').replace('[ ', '[').replace(' ]', ']'))}\n`;
}

/** Throws `not-found`, or `bad-report` with the first thing that is not as it should be. */
export async function readReport(path: string): Promise<AverageReport> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) {
      throw new TwaError('not-found', `There is no report ${path}: it was moved or deleted.`, {
        place: { path },
        cause: error,
      });
    }
    throw error;
  }
  try {
    return asReport(JSON.parse(text), '');
  } catch (error) {
    if (!(error instanceof NarrowError || error instanceof SyntaxError)) throw error;
    throw new TwaError(
      'bad-report',
      `${path} is not a report of an average: ${error.message}. Make the average again, or delete the file.`,
      { place: { path }, cause: error },
    );
  }
}

const asMethod = asOneOf<Method>(...METHODS);
const asNumbers = asArray(asNumber);

const asInterval: Narrow<Interval> = asObject((members) => ({
  low: members.get('low', asMeasured),
  high: members.get('high', asMeasured),
}));

const asDifference: Narrow<{ readonly difference: number } & Interval> = asObject((members) => ({
  difference: members.get('difference', asMeasured),
  low: members.get('low', asMeasured),
  high: members.get('high', asMeasured),
}));

const asMetric: Narrow<NonNullable<AverageReport['metric']>> = asObject((members) => ({
  name: members.get('name', asString),
  goal: members.get('goal', asOneOf('minimize', 'maximize')),
}));

const asSplits: Narrow<SplitSizes> = asObject((members) => ({
  fit: members.get('fit', asNumber),
  stop: members.get('stop', asNumber),
  report: members.get('report', asNumber),
  origin: members.get('origin', asString),
}));

const asRow: Narrow<TableRow> = asObject((members) => ({
  id: members.get('id', asString),
  label: members.get('label', asString),
  ...members.maybe('coefficients', asNumbers),
  metric: members.get('metric', asMeasured),
  metricInterval: members.get('metricInterval', asInterval),
  loss: members.get('loss', asMeasured),
  lossInterval: members.get('lossInterval', asInterval),
  ...members.maybe('metricVersusUniform', asDifference),
  ...members.maybe('lossVersusUniform', asDifference),
  stopMetric: members.get('stopMetric', asMeasured),
  stopLoss: members.get('stopLoss', asMeasured),
}));

const asPoint: Narrow<LossPoint> = asObject((members) => ({
  step: members.get('step', asNumber),
  epoch: members.get('epoch', asNumber),
  fitLoss: members.get('fitLoss', asMeasured),
  ...members.maybe('stopLoss', asMeasured),
  ...members.maybe('stopMetric', asMeasured),
}));

const asOptions: Narrow<TwaOptions> = asObject((members) => ({
  rule: members.get('rule', asOneOf(...RULES)),
  constraint: members.get('constraint', asOneOf(...CONSTRAINTS)),
  granularity: members.get('granularity', asOneOf(...GRANULARITIES)),
  fitData: members.get('fitData', asOneOf('validation', 'train')),
  start: members.get('start', asOneOf(...STARTS)),
  epochs: members.get('epochs', asNumber),
  batchSize: members.get('batchSize', asNumber),
  learningRate: members.get('learningRate', asNumber),
  schedule: members.get('schedule', asOneOf(...SCHEDULES)),
  weightDecay: members.get('weightDecay', asNumber),
  momentum: members.get('momentum', asNumber),
  patience: members.get('patience', asNumber),
  ridge: members.get('ridge', asNumber),
  sparse: members.get('sparse', asBoolean),
}));

const asSettings: Narrow<MethodSettings> = asObject((members) => ({
  ...members.maybe('k', asNumber),
  ...members.maybe('decay', asNumber),
  ...members.maybe('evaluations', asNumber),
  ...members.maybe('metric', asString),
}));

const asBlock: Narrow<BlockCoefficients> = asObject((members) => ({
  name: members.get('name', asString),
  tensors: members.get('tensors', asArray(asString)),
  coefficients: members.get('coefficients', asNumbers),
}));

const asBufferScore: Narrow<BufferScore> = asObject((members) => ({
  mode: members.get('mode', asOneOf('recalibrate', 'average', 'newest')),
  metric: members.get('metric', asMeasured),
  loss: members.get('loss', asMeasured),
}));

const asBufferMove: Narrow<BufferMove> = asObject((members) => ({
  name: members.get('name', asString),
  fromNewest: members.get('fromNewest', asMeasured),
  fromAverage: members.get('fromAverage', asMeasured),
}));

const asGram: Narrow<StoredGram> = asObject((members) => {
  const withMean = members.get('withMean', asNumbers);
  return {
    centred: members.get('centred', (value, at) => {
      const rows = asArray(asNumbers)(value, at);
      const isTriangle = rows.length === withMean.length && rows.every((row, i) => row.length === i + 1);
      if (!isTriangle) throw new NarrowError(at, `a triangle of ${withMean.length} rows`, value);
      return rows;
    }),
    withMean,
    meanSquared: members.get('meanSquared', asNumber),
  };
});

const asSource: Narrow<SourceRecord> = asObject((members) => ({
  path: members.get('path', asString),
  size: members.get('size', asNumber),
  sha256: members.get('sha256', asString),
  ...members.maybe('sha256ComputedAt', asString),
  ...members.maybe('step', asNumber),
  ...members.maybe('epoch', asNumber),
}));

const asProvenance: Narrow<Provenance> = asObject((members) => ({
  tool: members.get('tool', asString),
  version: members.get('version', asString),
  createdAt: members.get('createdAt', asString),
  coefficients: members.get('coefficients', asNumbers),
  ...members.maybe('blocks', asArray(asBlock)),
  method: members.get('method', asMethod),
  options: members.get('options', asOptional(asOptions)),
  ...members.maybe('settings', asSettings),
  seed: members.get('seed', asNumber),
  splits: members.get('splits', asOptional(asSplits)),
  buffers: members.get('buffers', asOneOf('recalibrate', 'average', 'newest', 'none')),
  backend: members.get('backend', asOptional(asString)),
  task: members.get('task', asOptional(asString)),
  sources: members.get('sources', asArray(asSource)),
  outputSha256: members.get('outputSha256', asString),
}));

const asTimings: Narrow<AverageReport['timings']> = asObject((members) => ({
  ...members.maybe('reading', asNumber),
  ...members.maybe('backend', asNumber),
  ...members.maybe('baselines', asNumber),
  ...members.maybe('training', asNumber),
  ...members.maybe('writing', asNumber),
  ...members.maybe('evaluating', asNumber),
}));

const asRecommendation: Narrow<Recommendation> = asObject((members) => ({
  use: members.get('use', asString),
  sentence: members.get('sentence', asString),
  ...members.maybe('gain', asString),
}));

const asReport: Narrow<AverageReport> = asObject((members) => ({
  version: members.get('version', (value, at) => {
    if (value !== 1) throw new NarrowError(at, '1', value);
    return value;
  }),
  output: members.get('output', asString),
  method: members.get('method', asMethod),
  coefficients: members.get('coefficients', asNumbers),
  splits: members.get('splits', asOptional(asSplits)),
  metric: members.get('metric', asOptional(asMetric)),
  table: members.get('table', asArray(asRow)),
  recommendation: members.get('recommendation', asRecommendation),
  lossCurve: members.get('lossCurve', asArray(asPoint)),
  notes: members.get('notes', asArray(asString)),
  ...members.maybe('bufferScores', asArray(asBufferScore)),
  ...members.maybe('bufferMoves', asArray(asBufferMove)),
  ...members.maybe('gram', asGram),
  ...members.maybe('step', asNumber),
  ...members.maybe('epoch', asNumber),
  provenance: members.get('provenance', asProvenance),
  timings: members.get('timings', asTimings),
}));
