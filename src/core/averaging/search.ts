/** The method `search`: coefficients by gradient-free search (CMA-ES) on the metric. It only ever evaluates. */
import { CmaEs } from './cma-es.ts';
import { judgeMix, look, type Judge, type JudgedMix } from './judge.ts';
import { seededRandom } from './rng.ts';
import { projectToSimplex } from './simplex.ts';
import { bestOf, isBetter, score } from './summary.ts';
import type { Training } from './train.ts';
import type { Constraint, LossPoint, SplitEvaluation } from './types.ts';

export interface SearchSettings {
  readonly constraint: Constraint;
  /** Mixes to look at, on the selection split. */
  readonly evaluations: number;
  readonly seed: number;
}

/**
 * Points off the constraint are repaired (to the nearest point of the simplex, or by a shift of all coefficients to
 * the sum of 1) before they are looked at, and the strategy learns from the repaired ones. Of every generation the best
 * is looked at on the stop split, and the best there is the result, the start among them.
 */
export async function search(
  judge: Judge,
  start: JudgedMix,
  settings: SearchSettings,
): Promise<Omit<Training, 'options'>> {
  const { objective, hooks, selection } = judge;
  const { metric } = objective;
  const n = start.coefficients.length;
  const repair = repairFor(settings.constraint);
  const cma = new CmaEs(start.coefficients, 1 / n, seededRandom(settings.seed, 'search'));
  const scoreOf = (evaluation: SplitEvaluation) => score(evaluation, metric.name);

  let incumbent = {
    coefficients: start.coefficients,
    evaluation: await look(judge, start.coefficients, selection),
  };
  const judged: JudgedMix[] = [start];
  const curve: LossPoint[] = [];
  const addPoint = (evaluations: number, fit: SplitEvaluation, stop: SplitEvaluation): LossPoint => {
    const reached = scoreOf(stop);
    const point: LossPoint = {
      step: evaluations,
      epoch: judged.length - 1,
      fitLoss: scoreOf(fit).loss,
      stopLoss: reached.loss,
      stopMetric: reached.metric,
    };
    curve.push(point);
    return point;
  };
  addPoint(0, incumbent.evaluation, start.stop);

  let evaluations = 1;
  // One coefficient has nowhere to go; a distribution that has shrunk to a point is done.
  while (n > 1 && evaluations + cma.population <= settings.evaluations && cma.spread > 1e-4 / n) {
    const generation: { coefficients: Float64Array; evaluation: SplitEvaluation }[] = [];
    for (const asked of cma.ask()) {
      const coefficients = repair(asked);
      generation.push({ coefficients, evaluation: await look(judge, coefficients, selection) });
      evaluations++;
    }
    generation.sort((a, b) => {
      const [first, second] = [scoreOf(a.evaluation), scoreOf(b.evaluation)];
      if (isBetter(first, second, metric.goal)) return -1;
      return isBetter(second, first, metric.goal) ? 1 : 0;
    });
    cma.tell(generation.map(({ coefficients }) => coefficients));
    const best = generation[0]!;
    if (!isBetter(scoreOf(best.evaluation), scoreOf(incumbent.evaluation), metric.goal)) continue;
    incumbent = best;
    judged.push(await judgeMix(judge, best.coefficients, best.evaluation));
    const point = addPoint(evaluations, best.evaluation, judged.at(-1)!.stop);
    hooks.onProgress?.({
      phase: 'training',
      fraction: evaluations / settings.evaluations,
      message:
        `${evaluations} of ${settings.evaluations} mixes: ${metric.name} ` +
        `${scoreOf(best.evaluation).metric.toPrecision(4)} on the ${selection} split`,
      point,
      coefficients: [...best.coefficients],
    });
  }

  const best = bestOf(
    judged.map(({ stop }) => stop),
    metric,
  );
  const notes = [
    best === 0
      ? `Search found nothing better than its start on the stop split in ${evaluations} evaluations.`
      : `Search looked at ${evaluations} mixes on the ${selection} split; the one kept is the best on the stop split.`,
  ];
  return { best: judged[best]!, curve, notes };
}

function repairFor(constraint: Constraint): (point: Float64Array) => Float64Array {
  switch (constraint) {
    case 'simplex':
      return projectToSimplex;
    case 'affine':
      return (point) => {
        const shift = (1 - point.reduce((sum, value) => sum + value, 0)) / point.length;
        return point.map((value) => value + shift);
      };
    case 'free':
      return (point) => point;
  }
}
