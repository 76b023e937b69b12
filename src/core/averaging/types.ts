/**
 * The vocabulary of the averaging core. Throughout, n checkpoints w_1..w_n (each a vector of D parameters) are
 * mixed as w = sum_i a_i w_i; `coefficients` is the vector a, of length n, oldest checkpoint first.
 */
import type { Goal } from '../runs/types.ts';
import type { Constraint, Granularity, Method, Schedule, Start, TwaRule } from './methods.ts';

/** Where a user's data may be used: see {@link SplitSizes}. */
export type FitData =
  /** TWA-v: a held-out part of the validation split. The default. */
  | 'validation'
  /** TWA-t: the training split. */
  | 'train';

/**
 * Three disjoint sets of examples. `fit` trains the coefficients, `stop` decides when to stop and which method to
 * recommend, `report` is touched once, for the final table.
 */
export type SplitName = 'fit' | 'stop' | 'report';
export type SplitSizes = Readonly<Record<SplitName, number>> & {
  /** How the three came about, as a sentence: "fit and stop: 60/40 of validation (seed 1); report: test". */
  readonly origin: string;
};

/** Which weights: one checkpoint as it is (its own buffers), or a mix. */
export type WeightPoint =
  | { readonly kind: 'checkpoint'; readonly index: number }
  | { readonly kind: 'mix'; readonly coefficients: Float64Array };

/** What a mix does about BatchNorm running statistics. Integer and boolean buffers are always the newest's. */
export type BufferMode = 'recalibrate' | 'average' | 'newest';

/** One number per example (or per batch where the task gives only batch means), in a fixed order per split. */
export interface SplitEvaluation {
  readonly loss: Float64Array;
  readonly metrics: Readonly<Record<string, Float64Array>>;
  /** How many examples each entry stands for: ones, or batch sizes. */
  readonly weights: Float64Array;
}

/** A named non-trainable float tensor after recalibration, float32 or wider. */
export interface BufferValue {
  readonly name: string;
  readonly values: Float32Array | Float64Array;
}

/**
 * The only thing the core asks of an engine (TensorFlow.js now; PyTorch or a user's command later). The engine holds
 * model, data and checkpoint stack; the core holds n numbers.
 */
export interface Objective {
  readonly checkpoints: readonly string[];
  /** D: trainable elements that take part. */
  readonly parameterCount: number;
  readonly splits: SplitSizes;
  /** The metric to decide by. */
  readonly metric: { readonly name: string; readonly goal: Goal };
  /** Model has running statistics that a mix needs to recompute. */
  readonly hasRunningStatistics: boolean;
  /**
   * How the trainable parameters are divided, where each block has coefficients of its own. Absent: one block of
   * everything, and every vector of coefficients has n numbers. With blocks it has n numbers, the same for every
   * block, or `blocks.length * n`, block after block, and a gradient has the length of the coefficients. What belongs
   * to no block (running statistics that are averaged, other state) follows {@link overallCoefficients}.
   */
  readonly blocks?: readonly Block[];
  /** Only `evaluate` works (a command, say): coefficients are found by search. Absent: there are gradients. */
  readonly hasGradients?: boolean;
  /**
   * Gram matrix of the stack in float64, centred: entry (i, j) is <w_i - m, w_j - m> with m the mean checkpoint;
   * `withMean[i]` is <w_i - m, m> and `meanSquared` is <m, m>. Row-major [n, n].
   */
  gram(signal?: AbortSignal): Promise<CentredGram>;
  /** The same per block, in the order of `blocks`; there whenever `blocks` is. */
  blockGrams?(signal?: AbortSignal): Promise<readonly CentredGram[]>;
  /**
   * Mean loss over `examples` (indices into the fit split) in training mode, and dL/da_i = <w_i, dL/dw>. What is
   * random in the model (dropout) is drawn anew in every call, or by `draw`: a line search must compare like with like.
   */
  lossAndGradient(
    coefficients: Float64Array,
    examples: Int32Array,
    signal?: AbortSignal,
    draw?: number,
  ): Promise<{ readonly loss: number; readonly gradient: Float64Array }>;
  /** Evaluation mode. A mix is recalibrated first where `buffers` says so. */
  evaluate(
    point: WeightPoint,
    split: SplitName,
    buffers: BufferMode,
    signal?: AbortSignal,
  ): Promise<SplitEvaluation>;
  /** Running statistics of the mix after one cumulative pass over training data; empty without BatchNorm. */
  recalibrate(coefficients: Float64Array, signal?: AbortSignal): Promise<readonly BufferValue[]>;
  dispose(): Promise<void>;
}

/** Parameter tensors that share one coefficient per checkpoint. */
export interface Block {
  readonly name: string;
  /** By their names in the checkpoint. */
  readonly tensors: readonly string[];
  /** Elements. */
  readonly size: number;
}

export interface CentredGram {
  readonly n: number;
  readonly centred: Float64Array;
  readonly withMean: Float64Array;
  readonly meanSquared: number;
}

export type { Constraint, Granularity, Method, Schedule, Start, TwaRule } from './methods.ts';

/** Everything has a default; see `defaults.ts`, which also says where each number comes from. */
export interface TwaOptions {
  readonly rule: TwaRule;
  readonly constraint: Constraint;
  readonly granularity: Granularity;
  readonly fitData: FitData;
  readonly start: Start;
  /** Passes over the fit split; `lbfgs`: steps, each of about one pass. */
  readonly epochs: number;
  /** Examples per step; `lbfgs`: at most so many in all, the same ones in every step. */
  readonly batchSize: number;
  /** Not used by `lbfgs`. */
  readonly learningRate: number;
  /** Not used by `lbfgs`. */
  readonly schedule: Schedule;
  /** L2 (iclr: on w, which is ridge on beta) or decoupled (v4: on x). */
  readonly weightDecay: number;
  readonly momentum: number;
  /** Stop after so many epochs without anything better on the stop split, see `patience.ts`. */
  readonly patience: number;
  /** Adds ridge / 2 * n * sum_i (a_i - 1/n)^2 to the loss: pulls toward the plain average. */
  readonly ridge: number;
  /** Leave checkpoints out, the smallest coefficients first, while the stop split does not notice. */
  readonly sparse: boolean;
}

/** What the methods without training need; each has a default where it can be chosen from data. */
export interface MethodSettings {
  /** `last-k`, `best-k`: how many. */
  readonly k?: number;
  /** `ema`: how much of the average stays at every checkpoint, at least 0 and below 1. */
  readonly decay?: number;
  /** `search`: how many mixes to evaluate. */
  readonly evaluations?: number;
  /** `best-k` without a task: the logged metric that chose. */
  readonly metric?: string;
}

export type PassPhase =
  | 'reading' // headers compared, checkpoints loaded
  | 'backend' // backend found and self-tested
  | 'baselines' // every checkpoint and the plain average on the stop split
  | 'training' // the coefficients
  | 'writing'
  | 'evaluating'; // the report split, once

export interface PassProgress {
  readonly phase: PassPhase;
  /** Of this phase, 0..1. */
  readonly fraction: number;
  /** For people, short: "epoch 3 of 10, loss 0.0412". */
  readonly message: string;
  /** During training, whenever there is a new point. */
  readonly point?: LossPoint;
  /** During training, once per epoch. */
  readonly coefficients?: readonly number[];
}

export interface LossPoint {
  /** TWA step, from 0. */
  readonly step: number;
  readonly epoch: number;
  /** Mean over the steps since the point before. */
  readonly fitLoss: number;
  /** At the end of an epoch. */
  readonly stopLoss?: number;
  readonly stopMetric?: number;
}

export interface Interval {
  /** 95 %, by bootstrap over examples. */
  readonly low: number;
  readonly high: number;
}

/** One line of the final table. All numbers on the report split. */
export interface TableRow {
  /** 'best' and 'last' are single checkpoints; the others are the names of methods. */
  readonly id: string;
  /** "Best single (epoch 27)". */
  readonly label: string;
  /** With blocks, their average weighted by size. */
  readonly coefficients?: readonly number[];
  readonly metric: number;
  readonly metricInterval: Interval;
  readonly loss: number;
  readonly lossInterval: Interval;
  /** This row minus uniform, paired bootstrap over the same examples. Absent on the uniform row. */
  readonly metricVersusUniform?: { readonly difference: number } & Interval;
  readonly lossVersusUniform?: { readonly difference: number } & Interval;
  /** On the stop split: what choices were made by. */
  readonly stopMetric: number;
  readonly stopLoss: number;
}

export interface Recommendation {
  /** Id of the row to use. The stop split chooses, and the report split must confirm: see `recommend.ts`. */
  readonly use: string;
  /** One honest sentence, with the numbers. */
  readonly sentence: string;
  /** What that row gains over the best single checkpoint, or that nothing was gained. Absent where nothing was evaluated. */
  readonly gain?: string;
}

/** The coefficients of one block, oldest checkpoint first. */
export interface BlockCoefficients {
  readonly name: string;
  readonly tensors: readonly string[];
  readonly coefficients: readonly number[];
}

/** What each way to get running statistics comes to on the stop split, for the mix that is written. */
export interface BufferScore {
  readonly mode: BufferMode;
  readonly metric: number;
  readonly loss: number;
}

/** How far the running statistics that were written are from the other ways to get them, for one tensor. */
export interface BufferMove {
  readonly name: string;
  /** |written - newest| / |newest|; NaN beside zeros that were left. */
  readonly fromNewest: number;
  /** The same from the checkpoints' own, mixed by the coefficients. */
  readonly fromAverage: number;
}

/** A {@link CentredGram} as a report keeps it, so that where the checkpoints lie can be drawn without them. */
export interface StoredGram {
  /** The lower triangle: row i has i + 1 numbers. */
  readonly centred: readonly (readonly number[])[];
  readonly withMean: readonly number[];
  readonly meanSquared: number;
}

/** A model of the table as a point. */
export interface MixPoint {
  /** Of its row. */
  readonly id: string;
  readonly label: string;
  readonly x: number;
  readonly y: number;
  /** How far it lies from the map's plane. */
  readonly beside: number;
  /** |w - m|, in all directions. */
  readonly fromMean: number;
}

/** Where the checkpoints of a result lie, and its averages. All lengths in the unit of the weights. */
export interface ResultGeometry {
  /** Oldest first; the order of all rows. */
  readonly names: readonly string[];
  readonly points: readonly (readonly [number, number])[];
  /** How much of the squared distances from the mean each axis shows, 0..1. */
  readonly explained: readonly [number, number];
  /** Of the averages whose coefficients are known. */
  readonly mixes: readonly MixPoint[];
  readonly fromMean: readonly number[];
  /** Between checkpoints, [n, n]. */
  readonly distances: readonly (readonly number[])[];
  /** Cosines between their differences from the mean, [n, n]. */
  readonly cosines: readonly (readonly number[])[];
  readonly rank: number;
  /** Pairs with the same weights. */
  readonly duplicates: readonly (readonly [number, number])[];
  /** Far from all others, by so many times the usual distance. */
  readonly outliers: readonly { readonly index: number; readonly times: number }[];
  readonly path: {
    readonly length: number;
    readonly displacement: number;
    readonly straightness: number;
  };
}

/** Everything a finished pass found out; the core's result before a file is written. */
export interface PassResult {
  readonly method: Method;
  /** With `blocks`, their average weighted by size, which is what tensors outside of all blocks are mixed by. */
  readonly coefficients: readonly number[];
  /** Where blocks have coefficients of their own. */
  readonly blocks?: readonly BlockCoefficients[];
  readonly splits: SplitSizes;
  readonly metric: { readonly name: string; readonly goal: Goal };
  readonly table: readonly TableRow[];
  readonly recommendation: Recommendation;
  readonly lossCurve: readonly LossPoint[];
  /** What the Gram matrix tells: numerical rank, duplicates, in words. */
  readonly notes: readonly string[];
  readonly options: TwaOptions | undefined;
  readonly settings?: MethodSettings;
  readonly seed: number;
  readonly bufferMode: BufferMode | 'none';
  /** Recalibrated running statistics for the chosen coefficients. */
  readonly buffers: readonly BufferValue[];
  /** Of models with running statistics. */
  readonly bufferScores?: readonly BufferScore[];
  readonly gram: CentredGram;
}

export interface SourceRecord {
  readonly path: string;
  /** Bytes of all its files. */
  readonly size: number;
  /** Hex; of the file, or of the concatenation of its files in header order. */
  readonly sha256: string;
  /** When, where it was not for this average: the files have not changed since (ISO 8601). */
  readonly sha256ComputedAt?: string;
  readonly step?: number;
  readonly epoch?: number;
}

/** Enough to make the merged file again, and to know what went into it. */
export interface Provenance {
  readonly tool: string;
  readonly version: string;
  readonly createdAt: string;
  readonly coefficients: readonly number[];
  readonly blocks?: readonly BlockCoefficients[];
  readonly method: Method;
  readonly options: TwaOptions | undefined;
  readonly settings?: MethodSettings;
  readonly seed: number;
  readonly splits: SplitSizes | undefined;
  readonly buffers: BufferMode | 'none';
  readonly backend: string | undefined;
  readonly task: string | undefined;
  readonly sources: readonly SourceRecord[];
  /** Of the merged checkpoint. */
  readonly outputSha256: string;
}

/**
 * The one document about an average: what `twa average --json` prints, what lies beside the merged file as
 * `*.twa-report.json`, and what the result panel draws. Without a task there are no splits, table or metric.
 */
export interface AverageReport {
  readonly version: 1;
  readonly output: string;
  readonly method: Method;
  readonly coefficients: readonly number[];
  readonly splits: SplitSizes | undefined;
  readonly metric: { readonly name: string; readonly goal: Goal } | undefined;
  readonly table: readonly TableRow[];
  readonly recommendation: Recommendation;
  readonly lossCurve: readonly LossPoint[];
  readonly notes: readonly string[];
  /** Of models with running statistics. */
  readonly bufferScores?: readonly BufferScore[];
  readonly bufferMoves?: readonly BufferMove[];
  /** Of the checkpoints; absent in old reports, and where it was not worth its time. */
  readonly gram?: StoredGram;
  readonly step?: number;
  readonly epoch?: number;
  readonly provenance: Provenance;
  /** Wall milliseconds per phase. */
  readonly timings: Readonly<Partial<Record<PassPhase, number>>>;
}
