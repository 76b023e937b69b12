/**
 * The covariance matrix adaptation evolution strategy, (mu/mu_w, lambda)-CMA-ES with the default parameters of Hansen,
 * "The CMA evolution strategy: a tutorial" (arXiv 1604.00772, table 1). Own code: `fmin`, the
 * gradient-free minimiser on npm with a fair licence, calls its function synchronously, and here a call is a job.
 */
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import type { Random } from './rng.ts';

export class CmaEs {
  readonly #n: number;
  readonly #random: Random;
  /** How many points a generation has. */
  readonly population: number;
  readonly #weights: Float64Array;
  readonly #muEff: number;
  readonly #sigmaRate: number;
  readonly #damping: number;
  readonly #pathRate: number;
  readonly #rankOne: number;
  readonly #rankMu: number;
  readonly #expectedLength: number;
  #mean: Float64Array;
  #sigma: number;
  #covariance: Matrix;
  #axes: { readonly vectors: Matrix; readonly lengths: readonly number[] };
  #sigmaPath: Float64Array;
  #path: Float64Array;
  #generation = 0;

  /** @param sigma how far the first generation spreads along every coordinate */
  constructor(start: Float64Array, sigma: number, random: Random) {
    const n = start.length;
    this.#n = n;
    this.#random = random;
    this.#mean = start;
    this.#sigma = sigma;
    this.population = 4 + Math.floor(3 * Math.log(n));
    const mu = Math.floor(this.population / 2);
    const raw = Float64Array.from(
      { length: mu },
      (_, i) => Math.log((this.population + 1) / 2) - Math.log(i + 1),
    );
    const total = raw.reduce((sum, weight) => sum + weight, 0);
    this.#weights = raw.map((weight) => weight / total);
    this.#muEff = 1 / this.#weights.reduce((sum, weight) => sum + weight * weight, 0);
    this.#sigmaRate = (this.#muEff + 2) / (n + this.#muEff + 5);
    this.#damping = 1 + 2 * Math.max(0, Math.sqrt((this.#muEff - 1) / (n + 1)) - 1) + this.#sigmaRate;
    this.#pathRate = (4 + this.#muEff / n) / (n + 4 + (2 * this.#muEff) / n);
    this.#rankOne = 2 / ((n + 1.3) ** 2 + this.#muEff);
    this.#rankMu = Math.min(
      1 - this.#rankOne,
      (2 * (this.#muEff - 2 + 1 / this.#muEff)) / ((n + 2) ** 2 + this.#muEff),
    );
    this.#expectedLength = Math.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n));
    this.#covariance = Matrix.eye(n);
    this.#axes = { vectors: Matrix.eye(n), lengths: new Array<number>(n).fill(1) };
    this.#sigmaPath = new Float64Array(n);
    this.#path = new Float64Array(n);
  }

  /** Where the distribution is. */
  get mean(): Float64Array {
    return this.#mean;
  }

  /** How far it still spreads, along its longest axis. */
  get spread(): number {
    return this.#sigma * Math.max(...this.#axes.lengths);
  }

  /** The points of a generation. */
  ask(): Float64Array[] {
    return Array.from({ length: this.population }, () => {
      const z = this.#axes.lengths.map((length) => length * normal(this.#random));
      const y = this.#axes.vectors.mmul(Matrix.columnVector(z)).to1DArray();
      return this.#mean.map((value, i) => value + this.#sigma * y[i]!);
    });
  }

  /** @param ranked the same points, or what they were repaired to, best first */
  tell(ranked: readonly Float64Array[]): void {
    const n = this.#n;
    this.#generation++;
    const steps = ranked
      .slice(0, this.#weights.length)
      .map((point) => point.map((value, i) => (value - this.#mean[i]!) / this.#sigma));
    const step = Float64Array.from({ length: n }, (_, i) =>
      steps.reduce((sum, one, rank) => sum + this.#weights[rank]! * one[i]!, 0),
    );
    this.#mean = this.#mean.map((value, i) => value + this.#sigma * step[i]!);

    const { vectors, lengths } = this.#axes;
    const inAxes = vectors.transpose().mmul(Matrix.columnVector(step)).to1DArray();
    const whitened = vectors.mmul(Matrix.columnVector(inAxes.map((one, i) => one / lengths[i]!))).to1DArray();
    const keep = 1 - this.#sigmaRate;
    const gain = Math.sqrt(this.#sigmaRate * (2 - this.#sigmaRate) * this.#muEff);
    this.#sigmaPath = this.#sigmaPath.map((value, i) => keep * value + gain * whitened[i]!);
    const length = Math.hypot(...this.#sigmaPath);
    const settled = Math.sqrt(1 - keep ** (2 * this.#generation));
    const moving = length / settled < (1.4 + 2 / (n + 1)) * this.#expectedLength;
    const pathGain = moving ? Math.sqrt(this.#pathRate * (2 - this.#pathRate) * this.#muEff) : 0;
    this.#path = this.#path.map((value, i) => (1 - this.#pathRate) * value + pathGain * step[i]!);
    const lost = moving ? 0 : this.#rankOne * this.#pathRate * (2 - this.#pathRate);

    for (let i = 0; i < n; i++) {
      for (let j = 0; j <= i; j++) {
        const ofSteps = steps.reduce((sum, one, rank) => sum + this.#weights[rank]! * one[i]! * one[j]!, 0);
        const value =
          (1 - this.#rankOne - this.#rankMu + lost) * this.#covariance.get(i, j) +
          this.#rankOne * this.#path[i]! * this.#path[j]! +
          this.#rankMu * ofSteps;
        this.#covariance.set(i, j, value);
        this.#covariance.set(j, i, value);
      }
    }
    this.#sigma *= Math.exp((this.#sigmaRate / this.#damping) * (length / this.#expectedLength - 1));
    const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(this.#covariance, {
      assumeSymmetric: true,
    });
    // Repaired points may flatten the distribution; an axis of no length at all could never grow again.
    const least = 1e-14 * Math.max(...realEigenvalues);
    this.#axes = {
      vectors: eigenvectorMatrix,
      lengths: realEigenvalues.map((value) => Math.sqrt(Math.max(value, least))),
    };
  }
}

/** Standard normal (Box-Muller). */
function normal(random: Random): number {
  const u = (random() + 1) / (2 ** 32 + 1);
  return Math.sqrt(-2 * Math.log(u)) * Math.cos((2 * Math.PI * random()) / 2 ** 32);
}
