/** Trains coefficients by a rule: mini-batches of the fit split, judged after each epoch on the stop split. */
import { throwIfAborted, TwaError } from '../errors.ts';
import { permutation, seededRandom } from './rng.ts';
import type { Rule } from './rules/rule.ts';
import { isBetter, score, type Score } from './summary.ts';
import type { BufferMode, LossPoint, Objective, PassProgress, SplitEvaluation, TwaOptions } from './types.ts';

/** A mix that has been looked at on the stop split. */
export interface JudgedMix {
  readonly coefficients: Float64Array;
  readonly stop: SplitEvaluation;
}

export interface Training {
  /** Of all epochs and the start, the best on the stop split. */
  readonly best: JudgedMix;
  readonly curve: readonly LossPoint[];
  readonly notes: readonly string[];
}

export interface TrainHooks {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: PassProgress) => void;
}

/** Points on the loss curve between epochs, at most, over the whole training. */
const CURVE_POINTS = 200;

/** Batches that tell what the loss and its batch-to-batch noise are at the start. */
const PROBE_BATCHES = 8;

/** A learning rate 2^12 times too high is not a matter of the learning rate any more. */
const MOST_HALVINGS = 12;

/**
 * A learning rate that is too high shows as a loss that is not finite, or that is on average over an epoch higher
 * than at the start by more than two standard deviations between batches. Then the rate is halved and training goes
 * on from the best mix so far with a fresh optimiser; the notes say so.
 */
export async function trainCoefficients<State>(
  objective: Objective,
  rule: Rule<State>,
  start: JudgedMix,
  settings: { readonly options: TwaOptions; readonly buffers: BufferMode; readonly seed: number },
  hooks: TrainHooks,
): Promise<Training> {
  const { options, buffers, seed } = settings;
  const { metric } = objective;
  const random = seededRandom(seed, 'batches');
  const fitSize = objective.splits.fit;
  const stepsPerEpoch = Math.ceil(fitSize / options.batchSize);
  const steps = options.epochs * stepsPerEpoch;
  const pointEvery = Math.ceil(steps / CURVE_POINTS);

  const atStart = await probe(objective, start, batches(fitSize, options.batchSize, random), hooks.signal);
  const startScore = score(start.stop, metric.name);
  const curve: LossPoint[] = [
    { step: 0, epoch: 0, fitLoss: atStart.mean, stopLoss: startScore.loss, stopMetric: startScore.metric },
  ];
  const report = (
    epoch: number,
    stepOfEpoch: number,
    point: LossPoint,
    coefficients?: Float64Array,
  ): void => {
    curve.push(point);
    hooks.onProgress?.({
      phase: 'training',
      fraction: (epoch * stepsPerEpoch + stepOfEpoch) / steps,
      message: describe(point, options.epochs, metric.name),
      point,
      ...(coefficients === undefined ? {} : { coefficients: [...coefficients] }),
    });
  };

  let best: JudgedMix & { score: Score; epoch: number } = { ...start, score: startScore, epoch: 0 };
  let state = rule.init(start.coefficients);
  let learningRate = options.learningRate;
  let halvings = 0;
  let stepsTaken = 0;
  let epoch = 0;

  /** One epoch; gives the mean fit loss of its steps since the last point, or 'diverged'. */
  const runEpoch = async (): Promise<number | 'diverged'> => {
    const ofEpoch = new LossMean();
    let sincePoint = new LossMean();
    for (const [index, examples] of batches(fitSize, options.batchSize, random).entries()) {
      throwIfAborted(hooks.signal);
      const { loss, gradient } = await objective.lossAndGradient(
        rule.coefficients(state),
        examples,
        hooks.signal,
      );
      if (!Number.isFinite(loss) || !gradient.every(Number.isFinite)) return 'diverged';
      const share = rule.schedule({
        step: epoch * stepsPerEpoch + index,
        steps,
        epoch,
        epochs: options.epochs,
      });
      state = rule.update(state, gradient, learningRate * share);
      stepsTaken++;
      ofEpoch.add(loss, examples.length);
      sincePoint.add(loss, examples.length);
      if (sincePoint.count >= pointEvery && index + 1 < stepsPerEpoch) {
        report(epoch, index + 1, { step: stepsTaken, epoch, fitLoss: sincePoint.value });
        sincePoint = new LossMean();
      }
    }
    return ofEpoch.value > atStart.mean + 2 * atStart.deviation ? 'diverged' : sincePoint.value;
  };

  while (epoch < options.epochs && epoch - best.epoch < options.patience) {
    const fitLoss = await runEpoch();
    const coefficients = rule.coefficients(state);
    throwIfAborted(hooks.signal);
    const stop =
      fitLoss === 'diverged'
        ? undefined
        : await objective.evaluate({ kind: 'mix', coefficients }, 'stop', buffers, hooks.signal);
    const reached = stop === undefined ? undefined : score(stop, metric.name);
    if (
      fitLoss === 'diverged' ||
      stop === undefined ||
      reached === undefined ||
      !Number.isFinite(reached.loss)
    ) {
      if (halvings === MOST_HALVINGS) break;
      halvings++;
      learningRate /= 2;
      state = rule.init(best.coefficients);
      continue;
    }
    epoch++;
    if (isBetter(reached, best.score, metric.goal)) best = { coefficients, stop, score: reached, epoch };
    report(
      epoch,
      0,
      { step: stepsTaken, epoch, fitLoss, stopLoss: reached.loss, stopMetric: reached.metric },
      coefficients,
    );
  }

  return {
    best,
    curve,
    notes: [
      ...(halvings === 0
        ? []
        : [
            `The loss rose with a learning rate of ${options.learningRate.toPrecision(2)}: it was halved ` +
              `${halvings} time(s), to ${learningRate.toPrecision(2)}.`,
          ]),
      best.epoch === 0
        ? `${epoch} epoch(s) of TWA found nothing better than its start on the stop split.`
        : `TWA stopped after ${epoch} of ${options.epochs} epochs; epoch ${best.epoch} was the best on the stop split.`,
    ],
  };
}

/** Mean and standard deviation between batches of the training-mode loss of one mix. Throws `non-finite`. */
async function probe(
  objective: Objective,
  start: JudgedMix,
  all: readonly Int32Array[],
  signal: AbortSignal | undefined,
): Promise<{ readonly mean: number; readonly deviation: number }> {
  const losses: number[] = [];
  for (const examples of all.slice(0, PROBE_BATCHES)) {
    throwIfAborted(signal);
    losses.push((await objective.lossAndGradient(start.coefficients, examples, signal)).loss);
  }
  if (!losses.every(Number.isFinite)) {
    throw new TwaError(
      'non-finite',
      'The loss is not a finite number where TWA starts: start from the best checkpoint instead (start "best"), ' +
        'or leave out the checkpoints whose own loss is not finite.',
    );
  }
  const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
  const variance = losses.reduce((sum, loss) => sum + (loss - mean) ** 2, 0) / Math.max(1, losses.length - 1);
  return { mean, deviation: Math.sqrt(variance) };
}

/** A random order of the fit split, cut into batches; the last one may be smaller. */
function batches(size: number, batchSize: number, random: () => number): Int32Array[] {
  const order = permutation(random, size);
  return Array.from({ length: Math.ceil(size / batchSize) }, (_, index) =>
    order.slice(index * batchSize, (index + 1) * batchSize),
  );
}

/** Mean loss over examples, for batches of different sizes. */
class LossMean {
  count = 0;
  private sum = 0;
  private examples = 0;

  add(loss: number, examples: number): void {
    this.count++;
    this.sum += loss * examples;
    this.examples += examples;
  }

  get value(): number {
    return this.sum / this.examples;
  }
}

function describe(point: LossPoint, epochs: number, metricName: string): string {
  return point.stopMetric === undefined
    ? `epoch ${point.epoch + 1} of ${epochs}, loss ${point.fitLoss.toPrecision(3)}`
    : `epoch ${point.epoch} of ${epochs}: loss ${point.stopLoss!.toPrecision(3)}, ` +
        `${metricName} ${point.stopMetric.toPrecision(4)} on the stop split`;
}
