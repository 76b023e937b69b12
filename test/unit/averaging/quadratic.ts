/**
 * An objective whose optimum is known under every constraint: the loss of example e is (w - t_e) H (w - t_e) / 2 with
 * the same H for all, so the mean loss over the fit split is a parabola in the coefficients. Everything in float64.
 */
import type {
  Block,
  CentredGram,
  Objective,
  SplitEvaluation,
  SplitName,
  WeightPoint,
} from '../../../src/core/averaging/types.ts';
import { seededRandom } from '../../../src/core/averaging/rng.ts';
import { dot, gramOf, mix, randomVector } from './logistic.ts';

export interface QuadraticSettings {
  /** w_i, oldest first. */
  readonly rows: readonly Float64Array[];
  /** Diagonal of H, [D]. */
  readonly curvature: Float64Array;
  /** Where the mean loss is lowest, [D]. */
  readonly target: Float64Array;
  /** Spread of the examples around the target. */
  readonly spread?: number;
  /** Lengths of the blocks that the parameters are divided into. */
  readonly blocks?: readonly number[];
  readonly gradients?: boolean;
}

const SIZE = 40;

export class QuadraticProblem implements Objective {
  readonly splits = { fit: SIZE, stop: SIZE, report: SIZE, origin: 'made up' };
  readonly metric = { name: 'loss', goal: 'minimize' } as const;
  readonly hasRunningStatistics: boolean = false;
  readonly hasGradients: boolean;
  readonly blocks?: readonly Block[];
  readonly settings: QuadraticSettings;
  gradients = 0;
  evaluations = 0;
  /** Per split, deviations of the examples' targets: they come in pairs that cancel. */
  readonly #deviations: Readonly<Record<SplitName, readonly Float64Array[]>>;

  constructor(settings: QuadraticSettings) {
    this.settings = settings;
    this.hasGradients = settings.gradients ?? true;
    const { spread = 0.1, curvature, blocks } = settings;
    const pairs = (split: string): Float64Array[] => {
      const random = seededRandom(1, split);
      return Array.from({ length: SIZE / 2 }, () => randomVector(random, curvature.length, spread)).flatMap(
        (one) => [one, one.map((value) => -value)],
      );
    };
    this.#deviations = { fit: pairs('fit'), stop: pairs('stop'), report: pairs('report') };
    if (blocks !== undefined) {
      this.blocks = blocks.map((size, index) => ({ name: `b${index}`, tensors: [`t${index}`], size }));
    }
  }

  get checkpoints(): string[] {
    return this.settings.rows.map((_, index) => `/run/epoch-${index + 1}.pt`);
  }

  get parameterCount(): number {
    return this.settings.curvature.length;
  }

  get n(): number {
    return this.settings.rows.length;
  }

  /** Of each block, its part of every row. */
  get parts(): readonly (readonly Float64Array[])[] {
    let begin = 0;
    return (this.settings.blocks ?? [this.parameterCount]).map((size) => {
      begin += size;
      return this.settings.rows.map((row) => row.slice(begin - size, begin));
    });
  }

  weights(coefficients: ArrayLike<number>): Float64Array {
    const { n } = this;
    if (coefficients.length === n) return mix(this.settings.rows, coefficients);
    const all = Float64Array.from(coefficients);
    return Float64Array.from(
      this.parts.flatMap((rows, block) => [...mix(rows, all.subarray(block * n, (block + 1) * n))]),
    );
  }

  /** Mean loss but for the constant that the spread of the examples adds. */
  excess(coefficients: ArrayLike<number>): number {
    const { target, curvature } = this.settings;
    const off = this.weights(coefficients).map((value, d) => value - target[d]!);
    return off.reduce((sum, value, d) => sum + (curvature[d]! * value * value) / 2, 0);
  }

  gram(): Promise<CentredGram> {
    return Promise.resolve(gramOf(this.settings.rows));
  }

  blockGrams(): Promise<readonly CentredGram[]> {
    return Promise.resolve(this.parts.map(gramOf));
  }

  /** dL/da at these coefficients, of their length, over the whole split. */
  gradientAt(coefficients: Float64Array, examples?: Int32Array): Float64Array {
    const { target, curvature } = this.settings;
    const w = this.weights(coefficients);
    const used = examples ?? Int32Array.from({ length: SIZE }, (_, i) => i);
    const ofWeights = w.map((value, d) => {
      let sum = 0;
      for (const e of used) sum += curvature[d]! * (value - target[d]! - this.#deviations.fit[e]![d]!);
      return sum / used.length;
    });
    if (coefficients.length === this.n) {
      return Float64Array.from(this.settings.rows, (row) => dot(row, ofWeights));
    }
    let begin = 0;
    return Float64Array.from(
      this.parts.flatMap((rows) => {
        const part = ofWeights.slice(begin, (begin += rows[0]!.length));
        return rows.map((row) => dot(row, part));
      }),
    );
  }

  lossAndGradient(coefficients: Float64Array, examples: Int32Array) {
    this.gradients++;
    if (!this.hasGradients) throw new Error('There are none.');
    const losses = this.#losses(this.weights(coefficients), 'fit');
    const loss = examples.reduce((sum, e) => sum + losses[e]!, 0) / examples.length;
    return Promise.resolve({ loss, gradient: this.gradientAt(coefficients, examples) });
  }

  evaluate(point: WeightPoint, split: SplitName): Promise<SplitEvaluation> {
    this.evaluations++;
    const w =
      point.kind === 'checkpoint' ? this.settings.rows[point.index]! : this.weights(point.coefficients);
    const loss = this.#losses(w, split);
    return Promise.resolve({ loss, metrics: { loss }, weights: new Float64Array(SIZE).fill(1) });
  }

  recalibrate(): Promise<never> {
    return Promise.reject(new Error('There are no running statistics.'));
  }

  dispose(): Promise<void> {
    return Promise.resolve();
  }

  #losses(w: Float64Array, split: SplitName): Float64Array {
    const { target, curvature } = this.settings;
    return Float64Array.from(this.#deviations[split], (deviation) =>
      w.reduce((sum, value, d) => {
        const off = value - target[d]! - deviation[d]!;
        return sum + (curvature[d]! * off * off) / 2;
      }, 0),
    );
  }
}
