/** Trains coefficients by a rule: mini-batches of the fit split, judged after each epoch on the stop split. */
import { throwIfAborted, TwaError } from '../errors.ts';
import { overallCoefficients } from './blocks.ts';
import type { JudgedMix, PassHooks } from './judge.ts';
import { Patience } from './patience.ts';
import { permutation, seededRandom, type Random } from './rng.ts';
import { ridged } from './ridge.ts';
import type { Rule } from './rules/rule.ts';
import { bestOf, score } from './summary.ts';
import type { BufferMode, LossPoint, Objective, TwaOptions } from './types.ts';

export interface TrainSettings {
  readonly options: TwaOptions;
  /** Take the rule's own choice of learning rate instead of the one in `options`. */
  readonly chooseRate: boolean;
  readonly buffers: BufferMode;
  readonly seed: number;
}

export interface Training {
  /** The best on the stop split of the start and all epochs, see {@link bestOf}. */
  readonly best: JudgedMix;
  readonly curve: readonly LossPoint[];
  readonly notes: readonly string[];
  /** With the learning rate that training began with. */
  readonly options: TwaOptions;
}

/** Points of the loss curve between the ends of epochs, at most, over the whole training. */
const CURVE_POINTS = 200;

/** After these many halvings, 2^12, it is not the learning rate that is wrong. */
const MOST_HALVINGS = 12;

/**
 * A learning rate that is too high shows in a loss that is not finite, or that is higher over an epoch than at the
 * start by more than two standard errors (from how much batches differ). Then the rate is halved and training goes on
 * from the best mix so far with a fresh optimiser; the notes say so.
 */
export async function trainCoefficients<State>(
  objective: Objective,
  rule: Rule<State>,
  start: JudgedMix,
  settings: TrainSettings,
  hooks: PassHooks,
): Promise<Training> {
  const { metric } = objective;
  const { epochs, batchSize } = settings.options;
  const fitSize = objective.splits.fit;
  const stepsPerEpoch = Math.ceil(fitSize / batchSize);
  const steps = epochs * stepsPerEpoch;
  const pointEvery = Math.ceil(steps / CURVE_POINTS);
  const random = seededRandom(settings.seed, 'batches');

  const lossAndGradient = ridged(objective, settings.options.ridge);

  const atStart = await probe(lossAndGradient, start, batches(fitSize, batchSize, random), hooks.signal);
  const options = settings.chooseRate
    ? { ...settings.options, learningRate: rule.learningRate({ gradients: atStart.gradients, steps }) }
    : settings.options;
  const noise = atStart.deviation * Math.sqrt(1 / atStart.gradients.length + 1 / stepsPerEpoch);
  let learningRate = options.learningRate;
  let halvings = 0;

  const n = objective.checkpoints.length;
  const overall = (coefficients: Float64Array) => [...overallCoefficients(coefficients, n, objective.blocks)];
  const startScore = score(start.stop, metric.name);
  const curve: LossPoint[] = [
    { step: 0, epoch: 0, fitLoss: atStart.loss, stopLoss: startScore.loss, stopMetric: startScore.metric },
  ];
  const addPoint = (point: LossPoint, stepsDone: number, coefficients?: Float64Array): void => {
    curve.push(point);
    hooks.onProgress?.({
      phase: 'training',
      fraction: stepsDone / steps,
      message: describe(point, epochs, metric.name),
      point,
      ...(coefficients === undefined ? {} : { coefficients: overall(coefficients) }),
    });
  };

  /** The start, and the mix after every epoch. */
  const judged: JudgedMix[] = [start];
  let best = 0;
  const patience = new Patience(settings.options.patience, startScore.loss);
  let isOver = false;
  let state = rule.init(start.coefficients);
  let stepsTaken = 0;
  let epoch = 0;

  /** Gives the mean fit loss since the last point of the curve, or undefined when the loss diverged. */
  const trainEpoch = async (): Promise<number | undefined> => {
    const ofEpoch = new LossMean();
    let sincePoint = new LossMean();
    for (const [index, examples] of batches(fitSize, batchSize, random).entries()) {
      throwIfAborted(hooks.signal);
      const coefficients = rule.coefficients(state);
      const { loss, gradient } = await lossAndGradient(coefficients, examples, hooks.signal);
      if (!Number.isFinite(loss) || !gradient.every(Number.isFinite)) return undefined;
      const step = epoch * stepsPerEpoch + index;
      state = rule.update(state, gradient, learningRate * rule.schedule({ step, steps, epoch, epochs }));
      stepsTaken++;
      ofEpoch.add(loss, examples.length);
      sincePoint.add(loss, examples.length);
      if (sincePoint.batches === pointEvery && index + 1 < stepsPerEpoch) {
        addPoint({ step: stepsTaken, epoch, fitLoss: sincePoint.value }, step + 1);
        sincePoint = new LossMean();
      }
    }
    return ofEpoch.value > atStart.loss + 2 * noise ? undefined : sincePoint.value;
  };

  while (epoch < epochs && !isOver) {
    const fitLoss = await trainEpoch();
    if (fitLoss === undefined) {
      if (halvings === MOST_HALVINGS) break;
      halvings++;
      learningRate /= 2;
      state = rule.init(judged[best]!.coefficients);
      continue;
    }
    epoch++;
    throwIfAborted(hooks.signal);
    const coefficients = rule.coefficients(state);
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
    const reached = score(stop, metric.name);
    const point = { step: stepsTaken, epoch, fitLoss, stopLoss: reached.loss, stopMetric: reached.metric };
    addPoint(point, epoch * stepsPerEpoch, coefficients);
    isOver = patience.isOver(epoch, best, reached.loss);
  }

  const notes: string[] = [];
  if (halvings > 0) {
    const rates = `${options.learningRate.toPrecision(2)}: it was halved ${halvings} time(s), to ${learningRate.toPrecision(2)}`;
    notes.push(`The loss rose with a learning rate of ${rates}.`);
  }
  notes.push(
    best === 0
      ? `TWA found nothing better than its start on the stop split in ${epoch} epoch(s).`
      : `TWA took ${epoch} of ${epochs} epochs; epoch ${best} was the best on the stop split.`,
  );
  return { best: judged[best]!, curve, notes, options };
}

/** Batches that tell what loss, noise and gradients are like at the start. */
const PROBE_BATCHES = 8;

interface Probe {
  /** Mean over the batches, in training mode. */
  readonly loss: number;
  /** Standard deviation between batches. */
  readonly deviation: number;
  /** dL/da per batch. */
  readonly gradients: readonly Float64Array[];
}

/** Throws `non-finite` where there is nothing to start from. */
async function probe(
  lossAndGradient: Objective['lossAndGradient'],
  start: JudgedMix,
  all: readonly Int32Array[],
  signal: AbortSignal | undefined,
): Promise<Probe> {
  const losses: number[] = [];
  const gradients: Float64Array[] = [];
  for (const examples of all.slice(0, PROBE_BATCHES)) {
    throwIfAborted(signal);
    const { loss, gradient } = await lossAndGradient(start.coefficients, examples, signal);
    losses.push(loss);
    gradients.push(gradient);
  }
  if (![...losses, ...gradients.flatMap((gradient) => [...gradient])].every(Number.isFinite)) {
    throw notFiniteAtStart();
  }
  const loss = losses.reduce((sum, one) => sum + one, 0) / losses.length;
  const squares = losses.reduce((sum, one) => sum + (one - loss) ** 2, 0);
  return { loss, deviation: Math.sqrt(squares / Math.max(1, losses.length - 1)), gradients };
}

export function notFiniteAtStart(): TwaError {
  return new TwaError(
    'non-finite',
    'The loss is not a finite number where TWA starts: start from the best checkpoint instead (start "best"), ' +
      'or leave out the checkpoints whose own loss is not finite.',
  );
}

/** A random order of the fit split, cut into batches; the last one may be smaller. */
function batches(size: number, batchSize: number, random: Random): Int32Array[] {
  const order = permutation(random, size);
  return Array.from({ length: Math.ceil(size / batchSize) }, (_, index) =>
    order.slice(index * batchSize, (index + 1) * batchSize),
  );
}

/** Mean loss over the examples of batches of different sizes. */
class LossMean {
  batches = 0;
  #sum = 0;
  #examples = 0;

  add(loss: number, examples: number): void {
    this.batches++;
    this.#sum += loss * examples;
    this.#examples += examples;
  }

  get value(): number {
    return this.#sum / this.#examples;
  }
}

export function describe(point: LossPoint, epochs: number, metricName: string): string {
  return point.stopMetric === undefined || point.stopLoss === undefined
    ? `epoch ${point.epoch + 1} of ${epochs}: loss ${point.fitLoss.toPrecision(3)}`
    : `epoch ${point.epoch} of ${epochs} done: loss ${point.stopLoss.toPrecision(3)}, ` +
        `${metricName} ${point.stopMetric.toPrecision(4)} on the stop split`;
}
