/**
 * The rule `lbfgs`: coefficients by a quasi-Newton method on the loss of one large batch, the whole fit split in most
 * cases. There is no learning rate, and every value is compared on the same examples with the same dropout masks.
 *
 * Coordinates: where coefficients may have any sign, distances along the orthonormal basis that the eigendecomposition
 * of the Gram matrix gives, in units of a typical checkpoint's distance from the mean; on the simplex, the
 * coefficients themselves.
 */
import { throwIfAborted } from '../errors.ts';
import { coefficientsOf, project, spanBasis } from './basis.ts';
import { ofBlock, overallCoefficients } from './blocks.ts';
import { typicalDistance } from './gram.ts';
import type { JudgedMix, PassHooks } from './judge.ts';
import { Patience } from './patience.ts';
import { minimize } from './quasi-newton.ts';
import { ridged } from './ridge.ts';
import { permutation, seededRandom } from './rng.ts';
import { projectBlocks } from './simplex.ts';
import { bestOf, score } from './summary.ts';
import { describe, notFiniteAtStart } from './train.ts';
import type { Training, TrainSettings } from './train.ts';
import type { CentredGram, Constraint, LossPoint, Objective } from './types.ts';

/** Examples at a time, so that memory stays that of a training step; also what BatchNorm normalises over. */
const CHUNK = 256;

/** How far the first step goes: a quarter of the way from the mean to a typical checkpoint. */
const FIRST_STEP = 0.25;

/** What is minimised over, as numbers of about 1. */
interface Coordinates {
  readonly start: Float64Array;
  coefficients(point: Float64Array): Float64Array;
  /** From dL/da. */
  gradient(ofCoefficients: Float64Array): Float64Array;
  readonly project?: (point: Float64Array) => Float64Array;
}

/**
 * @param grams of the blocks, or of everything
 * @param start its coefficients have n numbers for each of `grams`
 */
export async function descend(
  objective: Objective,
  grams: readonly CentredGram[],
  start: JudgedMix,
  settings: TrainSettings,
  hooks: PassHooks,
): Promise<Training> {
  const { options } = settings;
  const { metric } = objective;
  const n = objective.checkpoints.length;
  const coordinates = coordinatesFor(grams, start.coefficients, options.constraint);
  const examples = permutation(seededRandom(settings.seed, 'batches'), objective.splits.fit).slice(
    0,
    options.batchSize,
  );
  const lossAndGradient = ridged(objective, options.ridge);

  const evaluate = async (point: Float64Array) => {
    const coefficients = coordinates.coefficients(point);
    let value = 0;
    const gradient = new Float64Array(coefficients.length);
    for (let begin = 0; begin < examples.length; begin += CHUNK) {
      throwIfAborted(hooks.signal);
      const chunk = examples.subarray(begin, begin + CHUNK);
      const found = await lossAndGradient(coefficients, chunk, hooks.signal, begin / CHUNK);
      const share = chunk.length / examples.length;
      value += share * found.loss;
      for (const [i, one] of found.gradient.entries()) gradient[i] = gradient[i]! + share * one;
    }
    return { value, gradient: coordinates.gradient(gradient) };
  };

  const judged: JudgedMix[] = [start];
  const curve: LossPoint[] = [];
  let best = 0;
  const patience = new Patience(options.patience, score(start.stop, metric.name).loss);
  const add = (step: number, fitLoss: number, at: JudgedMix): void => {
    const reached = score(at.stop, metric.name);
    const point = { step, epoch: step, fitLoss, stopLoss: reached.loss, stopMetric: reached.metric };
    curve.push(point);
    if (step === 0) return;
    hooks.onProgress?.({
      phase: 'training',
      fraction: step / options.epochs,
      message: describe(point, options.epochs, metric.name),
      point,
      coefficients: [...overallCoefficients(at.coefficients, n, objective.blocks)],
    });
  };

  const first = await evaluate(coordinates.start);
  if (!Number.isFinite(first.value) || !first.gradient.every(Number.isFinite)) throw notFiniteAtStart();
  add(0, first.value, start);
  let known: typeof first | undefined = first;
  const descent = await minimize({
    start: coordinates.start,
    firstStep: FIRST_STEP,
    iterations: options.epochs,
    signal: hooks.signal,
    ...(coordinates.project === undefined ? {} : { project: coordinates.project }),
    evaluate(point) {
      const given = known;
      known = undefined;
      return given === undefined ? evaluate(point) : Promise.resolve(given);
    },
    async onStep({ point, value, iteration }) {
      const coefficients = coordinates.coefficients(point);
      const stop = await objective.evaluate(
        { kind: 'mix', coefficients },
        'stop',
        settings.buffers,
        hooks.signal,
      );
      judged.push({ coefficients, stop });
      best = bestOf(
        judged.map((mix) => mix.stop),
        metric,
      );
      add(iteration, value, judged[iteration]!);
      return patience.isOver(iteration, best, score(stop, metric.name).loss);
    },
  });

  const cost = `${descent.evaluations} gradient evaluations over ${examples.length} examples`;
  const notes = [
    best === 0
      ? `TWA found nothing better than its start on the stop split in ${descent.iterations} steps (${cost}).`
      : `TWA took ${descent.iterations} steps (${cost}); step ${best} was the best on the stop split.`,
  ];
  return { best: judged[best]!, curve, notes, options };
}

function coordinatesFor(
  grams: readonly CentredGram[],
  start: Float64Array,
  constraint: Constraint,
): Coordinates {
  const { n } = grams[0]!;
  if (constraint === 'simplex') {
    return {
      start: projectBlocks(start, n),
      coefficients: (point) => point,
      gradient: (ofCoefficients) => ofCoefficients,
      project: (point) => projectBlocks(point, n),
    };
  }
  const parts = grams.map((gram) => {
    const span = spanBasis(gram);
    const free = constraint === 'free';
    return {
      basis: free ? span : { ...span, meanLength: 0, rank: span.centredRank },
      unit: typicalDistance(gram),
    };
  });
  const ends = parts.map((_, at) => parts.slice(0, at + 1).reduce((sum, part) => sum + part.basis.rank, 0));
  const size = ends.at(-1)!;
  return {
    start: new Float64Array(size),
    coefficients(point) {
      const all = start.slice();
      for (const [block, { basis, unit }] of parts.entries()) {
        const own = point.slice(ends[block]! - basis.rank, ends[block]).map((value) => value * unit);
        const change = coefficientsOf(basis, own);
        for (let i = 0; i < n; i++) all[block * n + i] = all[block * n + i]! + change[i]!;
      }
      return all;
    },
    gradient(ofCoefficients) {
      const all = new Float64Array(size);
      for (const [block, { basis, unit }] of parts.entries()) {
        const own = project(basis, ofBlock(ofCoefficients, n, block)).map((value) => value * unit);
        all.set(own, ends[block]! - basis.rank);
      }
      return all;
    },
  };
}
