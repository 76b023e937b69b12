/**
 * One pass, from checkpoints to a recommendation: baselines and training are judged on the stop split, then the
 * report split is looked at once, for the final table.
 */
import { basename, extname } from 'node:path';
import { throwIfAborted, TwaError } from '../errors.ts';
import { spanBasis } from './basis.ts';
import { DEFAULT_RULE, optionsFor } from './defaults.ts';
import { describeGram, requireFinite, typicalDistance } from './gram.ts';
import { recommend } from './recommend.ts';
import { iclr } from './rules/iclr.ts';
import { v4 } from './rules/v4.ts';
import { isBetter, score } from './summary.ts';
import { buildTable, type Candidate, type RowId } from './table.ts';
import { trainCoefficients, type JudgedMix, type Training, type TrainHooks } from './train.ts';
import type {
  BufferMode,
  CentredGram,
  Method,
  Objective,
  PassResult,
  SplitEvaluation,
  TwaOptions,
  WeightPoint,
} from './types.ts';

export interface PassRequest {
  readonly method: Method;
  /** For `manual`, oldest checkpoint first. */
  readonly coefficients?: readonly number[];
  readonly options: Partial<TwaOptions>;
  readonly buffers: BufferMode;
  readonly seed: number;
}

/**
 * Throws `usage` for a request that makes no sense, `non-finite`, `cancelled`, and whatever the objective throws.
 */
export async function runPass(
  objective: Objective,
  request: PassRequest,
  hooks: TrainHooks = {},
): Promise<PassResult> {
  const n = objective.checkpoints.length;
  if (n === 0) throw new TwaError('usage', 'There is no checkpoint to average: name at least one.');
  const manual = request.method === 'manual' ? requireCoefficients(request.coefficients, n) : undefined;
  const options =
    request.method === 'twa'
      ? optionsFor(request.options.rule ?? DEFAULT_RULE, request.options, objective.splits.fit)
      : undefined;
  const names = objective.checkpoints.map(shortName);
  const bufferMode = objective.hasRunningStatistics ? request.buffers : 'none';

  const gram = await objective.gram(hooks.signal);
  requireFinite(gram);
  const notes = describeGram(gram, spanBasis(gram).centredRank, names);

  const baselines = await judgeBaselines(objective, request.buffers, names, hooks);
  notes.push(...baselines.notes);

  let training: Training | undefined;
  let mix: JudgedMix = baselines.uniform;
  if (options !== undefined) {
    training = await train(objective, gram, baselines, options, request, hooks);
    notes.push(...training.notes);
    mix = training.best;
  } else if (manual !== undefined) {
    mix = await judge(objective, manual, request.buffers, hooks.signal);
    const sum = manual.reduce((total, value) => total + value, 0);
    if (Math.abs(sum - 1) > 1e-6) notes.push(`The coefficients sum to ${sum.toPrecision(6)}, not to 1.`);
  }

  const plans: Omit<Candidate, 'report'>[] = [
    single('best', `Best single (${names[baselines.best]!})`, baselines, baselines.best),
    single('last', `Last (${names[n - 1]!})`, baselines, n - 1),
    { id: 'uniform', label: `Plain average of ${n}`, ...baselines.uniform },
    ...(training === undefined
      ? []
      : [{ id: 'twa', label: `TWA (${training.options.rule})`, ...mix } as const]),
    ...(manual === undefined ? [] : [{ id: 'manual', label: 'Manual coefficients', ...mix } as const]),
  ];
  const candidates = await evaluateReport(objective, plans, baselines, request.buffers, hooks);
  const table = buildTable(candidates, objective.metric, request.seed);

  throwIfAborted(hooks.signal);
  return {
    method: request.method,
    coefficients: [...mix.coefficients],
    splits: objective.splits,
    metric: objective.metric,
    table,
    recommendation: recommend(candidates, table, objective.metric, request.seed),
    lossCurve: training?.curve ?? [],
    notes,
    options: training?.options,
    seed: request.seed,
    bufferMode,
    buffers: bufferMode === 'recalibrate' ? await objective.recalibrate(mix.coefficients, hooks.signal) : [],
  };
}

interface Baselines {
  /** Per checkpoint, on the stop split. */
  readonly singles: readonly SplitEvaluation[];
  /** Index of the best of them. */
  readonly best: number;
  readonly uniform: JudgedMix;
  readonly notes: readonly string[];
}

/** Every checkpoint and the plain average, on the stop split. */
async function judgeBaselines(
  objective: Objective,
  buffers: BufferMode,
  names: readonly string[],
  hooks: TrainHooks,
): Promise<Baselines> {
  const n = objective.checkpoints.length;
  const { metric } = objective;
  const scoreOf = (evaluation: SplitEvaluation) => score(evaluation, metric.name);
  const report = (done: number, label: string, evaluation: SplitEvaluation): void =>
    hooks.onProgress?.({
      phase: 'baselines',
      fraction: done / (n + 1),
      message: `${label}: ${metric.name} ${scoreOf(evaluation).metric.toPrecision(4)}`,
    });

  const singles: SplitEvaluation[] = [];
  for (let index = 0; index < n; index++) {
    throwIfAborted(hooks.signal);
    singles.push(await objective.evaluate({ kind: 'checkpoint', index }, 'stop', buffers, hooks.signal));
    report(index + 1, `checkpoint ${index + 1} of ${n}`, singles[index]!);
  }
  const uniform = await judge(objective, new Float64Array(n).fill(1 / n), buffers, hooks.signal);
  report(n + 1, 'plain average', uniform.stop);

  const scores = singles.map(scoreOf);
  const best = scores.reduce((a, one, index) => (isBetter(one, scores[a]!, metric.goal) ? index : a), 0);
  const broken = names.filter((_, index) => !Number.isFinite(scores[index]!.loss));
  const notes = broken.length === 0 ? [] : [`The loss is not a finite number for: ${broken.join(', ')}.`];
  return { singles, best, uniform, notes };
}

async function train(
  objective: Objective,
  gram: CentredGram,
  baselines: Baselines,
  options: TwaOptions,
  request: PassRequest,
  hooks: TrainHooks,
): Promise<Training> {
  const { buffers, seed } = request;
  if (typicalDistance(gram) === 0) {
    // All averages are the same: describeGram says so.
    return { best: baselines.uniform, curve: [], notes: [], options };
  }
  const start =
    options.start === 'mean'
      ? baselines.uniform
      : await judge(
          objective,
          oneHot(gram.n, options.start === 'last' ? gram.n - 1 : baselines.best),
          buffers,
          hooks.signal,
        );
  const settings = { options, chooseRate: request.options.learningRate === undefined, buffers, seed };
  // The states of the rules have different types, which only the rules look into.
  switch (options.rule) {
    case 'iclr':
      return trainCoefficients(objective, iclr(gram, options), start, settings, hooks);
    case 'v4':
      return trainCoefficients(objective, v4(gram, options), start, settings, hooks);
    case 'lbfgs':
      throw new TwaError('usage', 'The rule lbfgs is not there yet.');
  }
}

/** Looks at the report split: once for each different model among the candidates, and never before this. */
async function evaluateReport(
  objective: Objective,
  plans: readonly Omit<Candidate, 'report'>[],
  baselines: Baselines,
  buffers: BufferMode,
  hooks: TrainHooks,
): Promise<Candidate[]> {
  const seen = new Map<SplitEvaluation, SplitEvaluation>();
  const candidates: Candidate[] = [];
  for (const [done, plan] of plans.entries()) {
    throwIfAborted(hooks.signal);
    hooks.onProgress?.({
      phase: 'evaluating',
      fraction: done / plans.length,
      message: `${plan.label} on the report split`,
    });
    const point: WeightPoint =
      plan.coefficients === undefined
        ? { kind: 'checkpoint', index: baselines.singles.indexOf(plan.stop) }
        : { kind: 'mix', coefficients: plan.coefficients };
    const report = seen.get(plan.stop) ?? (await objective.evaluate(point, 'report', buffers, hooks.signal));
    seen.set(plan.stop, report);
    candidates.push({ ...plan, report });
  }
  return candidates;
}

async function judge(
  objective: Objective,
  coefficients: Float64Array,
  buffers: BufferMode,
  signal: AbortSignal | undefined,
): Promise<JudgedMix> {
  throwIfAborted(signal);
  const stop = await objective.evaluate({ kind: 'mix', coefficients }, 'stop', buffers, signal);
  return { coefficients, stop };
}

function single(id: RowId, label: string, baselines: Baselines, index: number): Omit<Candidate, 'report'> {
  return { id, label, stop: baselines.singles[index]! };
}

function oneHot(n: number, index: number): Float64Array {
  const coefficients = new Float64Array(n);
  coefficients[index] = 1;
  return coefficients;
}

function requireCoefficients(given: readonly number[] | undefined, n: number): Float64Array {
  if (given?.length !== n) {
    throw new TwaError(
      'usage',
      `${given?.length ?? 0} coefficients were given for ${n} checkpoints: give one for each, oldest first.`,
    );
  }
  if (!given.every(Number.isFinite)) {
    throw new TwaError('usage', `The coefficients ${given.join(', ')} must all be finite numbers.`);
  }
  return Float64Array.from(given);
}

/** `runs/a/epoch-27.safetensors` is "epoch-27" to a reader. */
function shortName(path: string): string {
  return basename(path, extname(path));
}
