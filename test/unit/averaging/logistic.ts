/**
 * A real optimisation problem small enough to do in float64 by hand: multinomial logistic regression on a mixture of
 * Gaussians, with checkpoints from its own SGD run. It is the Objective that the averaging tests run on.
 */
import { TwaError } from '../../../src/core/errors.ts';
import { permutation, seededRandom, type Random } from '../../../src/core/averaging/rng.ts';
import { carveSplits, type CarvedSplits, type Part } from '../../../src/core/averaging/splits.ts';
import type {
  BufferMode,
  CentredGram,
  FitData,
  Objective,
  SplitEvaluation,
  SplitName,
  WeightPoint,
} from '../../../src/core/averaging/types.ts';
import type { UserSplit } from '../../../src/core/task/types.ts';

const FEATURES = 20;
const CLASSES = 5;
/** Weights and biases. */
export const D = (FEATURES + 1) * CLASSES;

export interface Data {
  readonly size: number;
  /** [size, FEATURES] */
  readonly inputs: Float64Array;
  /** [size] */
  readonly labels: Int32Array;
}

/** Standard normal numbers (Box-Muller). */
export function normal(random: Random): number {
  const u = (random() + 1) / 2 ** 32;
  return Math.sqrt(-2 * Math.log(u)) * Math.cos((2 * Math.PI * random()) / 2 ** 32);
}

export function randomVector(random: Random, length: number, scale = 1): Float64Array {
  return Float64Array.from({ length }, () => scale * normal(random));
}

function mixture(size: number, seed: number, spread: number): Data {
  const centres = randomVector(seededRandom(1, 'centres'), CLASSES * FEATURES);
  const random = seededRandom(seed, 'examples');
  const labels = Int32Array.from({ length: size }, () => random() % CLASSES);
  const inputs = Float64Array.from(
    { length: size * FEATURES },
    (_, at) =>
      centres[labels[Math.floor(at / FEATURES)]! * FEATURES + (at % FEATURES)]! + spread * normal(random),
  );
  return { size, inputs, labels };
}

/** Loss and whether it is right, of one example; adds its gradient to `gradient` where given. */
function example(
  w: Float64Array,
  data: Data,
  index: number,
  gradient?: Float64Array,
): { loss: number; right: number } {
  const x = data.inputs.subarray(index * FEATURES, (index + 1) * FEATURES);
  const label = data.labels[index]!;
  const logits = Float64Array.from({ length: CLASSES }, (_, c) => {
    const row = c * (FEATURES + 1);
    let sum = w[row + FEATURES]!;
    for (let f = 0; f < FEATURES; f++) sum += w[row + f]! * x[f]!;
    return sum;
  });
  const top = Math.max(...logits);
  const exponentials = logits.map((logit) => Math.exp(logit - top));
  const total = exponentials.reduce((sum, value) => sum + value, 0);
  if (gradient !== undefined) {
    for (let c = 0; c < CLASSES; c++) {
      const residual = exponentials[c]! / total - (c === label ? 1 : 0);
      const row = c * (FEATURES + 1);
      for (let f = 0; f < FEATURES; f++) gradient[row + f]! += residual * x[f]!;
      gradient[row + FEATURES]! += residual;
    }
  }
  return { loss: Math.log(total) + top - logits[label]!, right: logits.indexOf(top) === label ? 1 : 0 };
}

/** Mean loss and its gradient with respect to w. */
export function lossAndGradient(
  w: Float64Array,
  data: Data,
  examples: Int32Array,
): { loss: number; gradient: Float64Array } {
  const gradient = new Float64Array(D);
  let loss = 0;
  for (const index of examples) loss += example(w, data, index, gradient).loss;
  return { loss: loss / examples.length, gradient: gradient.map((value) => value / examples.length) };
}

/** Plain SGD from zero; gives the weights after every `every` steps, `count` of them. */
export function sgdRun(
  data: Data,
  settings: { learningRate: number; batchSize: number; every: number; count: number; seed: number },
): Float64Array[] {
  const random = seededRandom(settings.seed, 'sgd');
  const w = new Float64Array(D);
  const checkpoints: Float64Array[] = [];
  for (let step = 1; checkpoints.length < settings.count; step++) {
    const batch = permutation(random, data.size).slice(0, settings.batchSize);
    const { gradient } = lossAndGradient(w, data, batch);
    for (let d = 0; d < D; d++) w[d]! -= settings.learningRate * gradient[d]!;
    if (step % settings.every === 0) checkpoints.push(w.slice());
  }
  return checkpoints;
}

/** <w_i - m, w_j - m> and the rest, straight from the definition. */
export function gramOf(rows: readonly Float64Array[]): CentredGram {
  const n = rows.length;
  const mean = meanOf(rows);
  const centred = rows.map((row) => row.map((value, d) => value - mean[d]!));
  return {
    n,
    centred: Float64Array.from({ length: n * n }, (_, at) =>
      dot(centred[Math.floor(at / n)]!, centred[at % n]!),
    ),
    withMean: Float64Array.from(centred, (row) => dot(row, mean)),
    meanSquared: dot(mean, mean),
  };
}

export function meanOf(rows: readonly Float64Array[]): Float64Array {
  return mix(rows, new Float64Array(rows.length).fill(1 / rows.length));
}

export function mix(rows: readonly Float64Array[], coefficients: ArrayLike<number>): Float64Array {
  const w = new Float64Array(rows[0]!.length);
  for (const [i, row] of rows.entries()) {
    for (let d = 0; d < w.length; d++) w[d]! += coefficients[i]! * row[d]!;
  }
  return w;
}

export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let d = 0; d < a.length; d++) sum += a[d]! * b[d]!;
  return sum;
}

export interface ProblemSettings {
  readonly checkpoints?: readonly Float64Array[];
  readonly sizes?: { readonly train: number; readonly validation: number; readonly test?: number };
  readonly fitData?: FitData;
  readonly seed?: number;
  readonly metric?: { readonly name: string; readonly goal: 'minimize' | 'maximize' };
  /** Standard deviation of a class around its centre. */
  readonly spread?: number;
}

export interface Call {
  readonly what: 'gram' | 'gradient' | 'evaluate' | 'recalibrate';
  readonly split?: SplitName;
  readonly point?: WeightPoint;
  readonly buffers?: BufferMode;
}

export class LogisticProblem implements Objective {
  readonly data: Readonly<Record<UserSplit, Data>>;
  readonly rows: readonly Float64Array[];
  readonly carved: CarvedSplits;
  readonly metric: { readonly name: string; readonly goal: 'minimize' | 'maximize' };
  readonly hasRunningStatistics = false;
  readonly parameterCount = D;
  /** Every call, in order: what was looked at, and when. */
  readonly calls: Call[] = [];

  constructor(settings: ProblemSettings = {}) {
    const sizes = settings.sizes ?? { train: 400, validation: 500, test: 600 };
    const spread = settings.spread ?? 2;
    this.data = {
      train: mixture(sizes.train, 11, spread),
      validation: mixture(sizes.validation, 12, spread),
      test: mixture(sizes.test ?? 0, 13, spread),
    };
    this.carved = carveSplits(sizes, settings.fitData ?? 'validation', settings.seed ?? 1);
    this.metric = settings.metric ?? { name: 'accuracy', goal: 'maximize' };
    this.rows =
      settings.checkpoints ??
      sgdRun(this.data.train, { learningRate: 0.3, batchSize: 8, every: 20, count: 10, seed: 3 });
  }

  get checkpoints(): string[] {
    return this.rows.map((_, index) => `/run/epoch-${index + 1}.safetensors`);
  }

  get splits() {
    return this.carved.sizes;
  }

  gram(): Promise<CentredGram> {
    this.calls.push({ what: 'gram' });
    return Promise.resolve(gramOf(this.rows));
  }

  lossAndGradient(coefficients: Float64Array, examples: Int32Array) {
    this.calls.push({ what: 'gradient', split: 'fit' });
    const { loss, gradient } = lossAndGradient(
      mix(this.rows, coefficients),
      this.data[this.carved.fit.from],
      examples.map((example) => this.carved.fit.indices[example]!),
    );
    return Promise.resolve({ loss, gradient: Float64Array.from(this.rows, (row) => dot(row, gradient)) });
  }

  evaluate(point: WeightPoint, split: SplitName, buffers: BufferMode): Promise<SplitEvaluation> {
    this.calls.push({ what: 'evaluate', split, point, buffers });
    const w = point.kind === 'checkpoint' ? this.rows[point.index]! : mix(this.rows, point.coefficients);
    return Promise.resolve(this.evaluateWeights(w, this.carved[split]));
  }

  evaluateWeights(w: Float64Array, part: Part): SplitEvaluation {
    const loss = new Float64Array(part.indices.length);
    const accuracy = new Float64Array(part.indices.length);
    for (const [at, index] of part.indices.entries()) {
      const result = example(w, this.data[part.from], index);
      loss[at] = result.loss;
      accuracy[at] = result.right;
    }
    return { loss, metrics: { accuracy }, weights: new Float64Array(loss.length).fill(1) };
  }

  recalibrate(): Promise<never> {
    return Promise.reject(new TwaError('usage', 'This model has no running statistics.'));
  }

  dispose(): Promise<void> {
    return Promise.resolve();
  }
}
