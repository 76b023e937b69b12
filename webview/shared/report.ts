/** Narrows an {@link AverageReport} that arrives as a message: the same document that lies beside a merged file. */
import {
  CONSTRAINTS,
  GRANULARITIES,
  METHODS,
  RULES,
  SCHEDULES,
  STARTS,
} from '../../src/core/averaging/methods.ts';
import type {
  AverageReport,
  BlockCoefficients,
  BufferMove,
  BufferScore,
  Interval,
  LossPoint,
  MethodSettings,
  PassPhase,
  Provenance,
  ResultGeometry,
  SourceRecord,
  SplitSizes,
  TableRow,
  TwaOptions,
} from '../../src/core/averaging/types.ts';
import type { Goal } from '../../src/core/runs/types.ts';
import {
  arrayOf,
  boolean,
  Mismatch,
  number,
  object,
  oneOf,
  orUndefined,
  pairOf,
  type Reader,
  string,
} from './narrow.ts';

/** In the order they happen. */
export const PASS_PHASES = [
  'reading',
  'backend',
  'baselines',
  'training',
  'writing',
  'evaluating',
] as const satisfies readonly PassPhase[];

export const goal: Reader<Goal> = oneOf('minimize', 'maximize');
export const interval: Reader<Interval> = object({ low: number, high: number });
export const lossPoint: Reader<LossPoint> = object(
  { step: number, epoch: number, fitLoss: number },
  { stopLoss: number, stopMetric: number },
);

const method = oneOf(...METHODS);
const buffers = oneOf('recalibrate', 'average', 'newest', 'none');
const metric = object({ name: string, goal });
const splits: Reader<SplitSizes> = object({ fit: number, stop: number, report: number, origin: string });
const versus = object({ difference: number, low: number, high: number });
const options: Reader<TwaOptions> = object({
  rule: oneOf(...RULES),
  constraint: oneOf(...CONSTRAINTS),
  granularity: oneOf(...GRANULARITIES),
  fitData: oneOf('validation', 'train'),
  start: oneOf(...STARTS),
  epochs: number,
  batchSize: number,
  learningRate: number,
  schedule: oneOf(...SCHEDULES),
  weightDecay: number,
  momentum: number,
  patience: number,
  ridge: number,
  sparse: boolean,
});
const row: Reader<TableRow> = object(
  {
    id: string,
    label: string,
    metric: number,
    metricInterval: interval,
    loss: number,
    lossInterval: interval,
    stopMetric: number,
    stopLoss: number,
  },
  { coefficients: arrayOf(number), metricVersusUniform: versus, lossVersusUniform: versus },
);
const source: Reader<SourceRecord> = object(
  { path: string, size: number, sha256: string },
  { step: number, epoch: number },
);
const settings: Reader<MethodSettings> = object(
  {},
  { k: number, decay: number, evaluations: number, metric: string },
);
const block: Reader<BlockCoefficients> = object({
  name: string,
  tensors: arrayOf(string),
  coefficients: arrayOf(number),
});
const bufferScore: Reader<BufferScore> = object({
  mode: oneOf('recalibrate', 'average', 'newest'),
  metric: number,
  loss: number,
});
const bufferMove: Reader<BufferMove> = object({ name: string, fromNewest: number, fromAverage: number });
const provenance: Reader<Provenance> = object(
  {
    tool: string,
    version: string,
    createdAt: string,
    coefficients: arrayOf(number),
    method,
    options: orUndefined(options),
    seed: number,
    splits: orUndefined(splits),
    buffers,
    backend: orUndefined(string),
    task: orUndefined(string),
    sources: arrayOf(source),
    outputSha256: string,
  },
  { blocks: arrayOf(block), settings },
);
const version: Reader<1> = (value) => {
  if (value !== 1) throw new Mismatch('expected version 1');
  return value;
};
const timings = object(
  {},
  {
    reading: number,
    backend: number,
    baselines: number,
    training: number,
    writing: number,
    evaluating: number,
  },
);

export const averageReport: Reader<AverageReport> = object(
  {
    version,
    output: string,
    method,
    coefficients: arrayOf(number),
    splits: orUndefined(splits),
    metric: orUndefined(metric),
    table: arrayOf(row),
    recommendation: object({ use: string, sentence: string }, { gain: string }),
    lossCurve: arrayOf(lossPoint),
    notes: arrayOf(string),
    provenance,
    timings,
  },
  // The Gram matrix stays with the host, which makes a geometry of it.
  {
    step: number,
    epoch: number,
    bufferScores: arrayOf(bufferScore),
    bufferMoves: arrayOf(bufferMove),
  },
);

const rows = arrayOf(arrayOf(number));
export const resultGeometry: Reader<ResultGeometry> = object({
  names: arrayOf(string),
  points: arrayOf(pairOf(number)),
  explained: pairOf(number),
  mixes: arrayOf(
    object({ id: string, label: string, x: number, y: number, beside: number, fromMean: number }),
  ),
  fromMean: arrayOf(number),
  distances: rows,
  cosines: rows,
  rank: number,
  duplicates: arrayOf(pairOf(number)),
  outliers: arrayOf(object({ index: number, times: number })),
  path: object({ length: number, displacement: number, straightness: number }),
});
