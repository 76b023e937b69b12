/**
 * One pass, from checkpoints to a recommendation: baselines and the method are judged on the stop split, then the
 * report split is looked at once, for the final table.
 */
import { basename, extname } from 'node:path';
import { throwIfAborted, TwaError } from '../errors.ts';
import { judgeBaselines, labelOfEma, labelOfLastK, type Baselines } from './baselines.ts';
import { spanBasis } from './basis.ts';
import { ofBlock, overallCoefficients, repeated } from './blocks.ts';
import { formulaCoefficients, meanOf, newest, requireCoefficients, settingsFor } from './coefficients.ts';
import { DEFAULT_RULE, defaultEvaluations, optionsFor } from './defaults.ts';
import { descend } from './descend.ts';
import { describeGram, requireFinite, typicalDistance } from './gram.ts';
import { judgeMix, selectionSplit, type Judge, type JudgedMix, type PassHooks } from './judge.ts';
import { recommend } from './recommend.ts';
import { blocked } from './rules/blocked.ts';
import { iclr } from './rules/iclr.ts';
import { onSimplex } from './rules/on-simplex.ts';
import type { Rule } from './rules/rule.ts';
import { v4 } from './rules/v4.ts';
import { search } from './search.ts';
import { bestK, prune, type Tell } from './select.ts';
import { sparsified } from './sparse.ts';
import { score } from './summary.ts';
import { buildTable, type Candidate, type Plan } from './table.ts';
import { trainCoefficients, type Training, type TrainSettings } from './train.ts';
import type {
  BufferMode,
  BufferScore,
  CentredGram,
  LossPoint,
  Method,
  MethodSettings,
  Objective,
  PassResult,
  SplitEvaluation,
  Start,
  TwaOptions,
  TwaRule,
  WeightPoint,
} from './types.ts';

export interface PassRequest {
  readonly method: Method;
  /** For `manual` and the start `given`, oldest checkpoint first. */
  readonly coefficients?: readonly number[];
  readonly settings?: MethodSettings;
  /** For `twa`; `search` takes constraint, start, sparse and fitData. */
  readonly options: Partial<TwaOptions>;
  readonly buffers: BufferMode;
  readonly seed: number;
}

/** What a method came to. */
interface Found {
  readonly mix: JudgedMix;
  readonly label: string;
  readonly notes: readonly string[];
  readonly curve?: readonly LossPoint[];
  readonly options?: TwaOptions;
  readonly settings?: MethodSettings;
}

/** What the methods work with. */
interface Pass {
  readonly request: PassRequest;
  readonly judge: Judge;
  readonly names: readonly string[];
  readonly gram: CentredGram;
  readonly baselines: Baselines;
}

/**
 * Throws `usage` for a request that makes no sense, `unsupported` for what the objective cannot do, `non-finite`,
 * `cancelled`, and whatever the objective throws.
 */
export async function runPass(
  objective: Objective,
  request: PassRequest,
  hooks: PassHooks = {},
): Promise<PassResult> {
  const n = objective.checkpoints.length;
  if (n === 0) throw new TwaError('usage', 'There is no checkpoint to average: name at least one.');
  const { method, buffers, seed } = request;
  requireSensible(objective, request);
  const names = objective.checkpoints.map(shortName);
  const bufferMode = objective.hasRunningStatistics ? buffers : 'none';
  const selection = selectionSplit(request.options.fitData ?? 'validation');
  const judge: Judge = { objective, buffers, selection, hooks };

  const gram = await objective.gram(hooks.signal);
  requireFinite(gram);
  const notes = describeGram(gram, spanBasis(gram).centredRank, names);

  const baselines = await judgeBaselines(judge, names, method === 'greedy');
  notes.push(...baselines.notes);
  const found = await find({ request, judge, names, gram, baselines });
  notes.push(...found.notes);
  const { coefficients } = found.mix;
  const overall = overallCoefficients(coefficients, n, objective.blocks);

  const row: Plan = { id: method, label: found.label, coefficients: overall, stop: found.mix.stop };
  const plans = baselines.plans.some(({ id }) => id === method)
    ? baselines.plans.map((plan) => (plan.id === method ? row : plan))
    : [...baselines.plans, row];
  const candidates = await evaluateReport(judge, plans, baselines, found.mix);
  const table = buildTable(candidates, objective.metric, seed);
  const bufferScores = objective.hasRunningStatistics ? await compareBuffers(judge, found.mix) : undefined;
  if (bufferScores !== undefined) notes.push(describeBuffers(bufferScores, judge));

  throwIfAborted(hooks.signal);
  const settings = found.settings ?? {};
  return {
    method,
    coefficients: [...overall],
    ...(coefficients.length === n ? {} : { blocks: blocksOf(objective, coefficients) }),
    splits: objective.splits,
    metric: objective.metric,
    table,
    recommendation: recommend(candidates, table, objective.metric, seed, method),
    lossCurve: found.curve ?? [],
    notes,
    options: found.options,
    ...(Object.keys(settings).length === 0 ? {} : { settings }),
    seed,
    bufferMode,
    buffers: bufferMode === 'recalibrate' ? await objective.recalibrate(coefficients, hooks.signal) : [],
    ...(bufferScores === undefined ? {} : { bufferScores }),
    gram,
  };
}

/** What the method comes to on the stop split. */
export interface StopResult {
  /** `uniform` where the objective has no gradients. */
  readonly method: 'twa' | 'uniform';
  readonly coefficients: readonly number[];
  readonly stop: SplitEvaluation;
  readonly options: TwaOptions | undefined;
}

/**
 * TWA from the plain mean, for whoever looks again and again while training goes on: no comparison with other methods,
 * and the report split stays unseen, so that a table made of it later is still honest. Throws like {@link runPass}.
 */
export async function passOnStop(
  objective: Objective,
  { rule = DEFAULT_RULE, buffers, seed }: { rule?: TwaRule; buffers: BufferMode; seed: number },
  hooks: PassHooks = {},
): Promise<StopResult> {
  const method = objective.hasGradients === false ? 'uniform' : 'twa';
  const options = { rule, start: 'mean' } as const;
  const request: PassRequest = { method, options, buffers, seed };
  requireSensible(objective, request);
  const names = objective.checkpoints.map(shortName);
  const judge: Judge = { objective, buffers, selection: selectionSplit('validation'), hooks };
  const gram = await objective.gram(hooks.signal);
  requireFinite(gram);
  hooks.onProgress?.({ phase: 'baselines', fraction: 0, message: 'plain average' });
  const uniform = await judgeMix(judge, meanOf(names.length, newest(names.length, names.length)));
  const baselines: Baselines = { singles: [], ranked: [], uniform, plans: [], notes: [] };
  const found = await find({ request, judge, names, gram, baselines });
  return {
    method,
    coefficients: [...found.mix.coefficients],
    stop: found.mix.stop,
    options: found.options,
  };
}

/** Says what is wrong before any work starts. */
function requireSensible(
  objective: Objective,
  { method, settings, options, coefficients }: PassRequest,
): void {
  const n = objective.checkpoints.length;
  settingsFor(method, n, settings);
  const fitted = method === 'twa' || method === 'search';
  if (method === 'manual' || (fitted && options.start === 'given')) requireCoefficients(coefficients, n);
  if (method !== 'twa') return;
  const { granularity } = optionsFor(options.rule ?? DEFAULT_RULE, options, objective.splits.fit);
  if (objective.hasGradients === false) {
    throw new TwaError(
      'unsupported',
      'TWA needs gradients, which this task does not give: use the method "search", which only evaluates.',
    );
  }
  if (granularity !== 'one' && objective.blocks === undefined) {
    throw new TwaError(
      'unsupported',
      'What runs this task mixes whole models only: use one coefficient per checkpoint (granularity "one").',
    );
  }
}

function find(pass: Pass): Promise<Found> {
  const { method } = pass.request;
  switch (method) {
    case 'uniform':
    case 'last-k':
    case 'ema':
    case 'manual':
      return byFormula(pass, method);
    case 'best-k':
    case 'prune':
    case 'greedy':
      return bySelection(pass, method);
    case 'search':
      return bySearch(pass);
    case 'twa':
      return byTraining(pass);
  }
}

async function byFormula(
  { request, judge, names, baselines }: Pass,
  method: Extract<Method, 'uniform' | 'last-k' | 'ema' | 'manual'>,
): Promise<Found> {
  const n = names.length;
  const settings = settingsFor(method, n, request.settings);
  if (method === 'uniform') {
    return { mix: baselines.uniform, label: `Plain average of ${n}`, notes: [], settings };
  }
  const coefficients = formulaCoefficients(method, n, settings, request.coefficients);
  const mix = await judgeMix(judge, coefficients);
  const labels = {
    'last-k': () => labelOfLastK(settings.k!),
    ema: () => labelOfEma(settings.decay!),
    manual: () => 'Manual coefficients',
  };
  const sum = coefficients.reduce((total, value) => total + value, 0);
  const notes = Math.abs(sum - 1) > 1e-6 ? [`The coefficients sum to ${sum.toPrecision(6)}, not to 1.`] : [];
  return { mix, label: labels[method](), notes, settings };
}

async function bySelection(
  { request, judge, names, baselines }: Pass,
  method: Extract<Method, 'best-k' | 'prune' | 'greedy'>,
): Promise<Found> {
  const { metric } = judge.objective;
  const tell: Tell = (fraction, what, evaluation) =>
    judge.hooks.onProgress?.({
      phase: 'training',
      fraction,
      message: `${what}: ${metric.name} ${score(evaluation, metric.name).metric.toPrecision(4)}`,
    });
  switch (method) {
    case 'best-k': {
      const { mix, k } = await bestK(judge, baselines.ranked, request.settings?.k, tell);
      return {
        mix,
        label: `Average of the best ${k} (by ${metric.name})`,
        notes: [],
        settings: { ...request.settings, k },
      };
    }
    case 'prune': {
      const { mix, kept, notes } = await prune(judge, names.length, names, tell);
      return { mix, label: `Pruned average of ${kept.length}`, notes };
    }
    case 'greedy': {
      const { label, stop, coefficients } = baselines.plans.find(({ id }) => id === 'greedy')!;
      return { mix: { coefficients: coefficients!, stop }, label, notes: [] };
    }
  }
}

async function bySearch(pass: Pass): Promise<Found> {
  const { request, judge, names } = pass;
  const { constraint = 'simplex', start = 'mean', sparse = false } = request.options;
  const evaluations = request.settings?.evaluations ?? defaultEvaluations(names.length);
  const from = await startFrom(pass, start);
  const { best, curve, notes } = await search(judge, from, { constraint, evaluations, seed: request.seed });
  const label = `Searched coefficients (CMA-ES, ${constraint})`;
  return thinned(pass, sparse, { mix: best, label, notes, curve, settings: { evaluations } });
}

async function byTraining(pass: Pass): Promise<Found> {
  const { request, judge, gram, baselines } = pass;
  const { objective } = judge;
  const options = optionsFor(request.options.rule ?? DEFAULT_RULE, request.options, objective.splits.fit);
  const each = { one: '', tensor: ', per tensor', groups: ', per group' }[options.granularity];
  const label = `TWA (${options.rule}${each})`;
  if (typicalDistance(gram) === 0) {
    // All averages are the same: describeGram says so.
    return { mix: baselines.uniform, label, notes: [], curve: [], options };
  }
  const grams = objective.blocks === undefined ? [gram] : await objective.blockGrams!(judge.hooks.signal);
  const from = await startFrom(pass, options.start);
  const start =
    grams.length === 1 ? from : { ...from, coefficients: repeated(from.coefficients, grams.length) };
  const settings: TrainSettings = {
    options,
    chooseRate: request.options.learningRate === undefined,
    buffers: request.buffers,
    seed: request.seed,
  };
  const training = await train(objective, grams, start, settings, judge.hooks);
  const { best, notes, curve, options: used } = training;
  return thinned(pass, options.sparse, { mix: best, label, notes, curve, options: used });
}

function train(
  objective: Objective,
  grams: readonly CentredGram[],
  start: JudgedMix,
  settings: TrainSettings,
  hooks: PassHooks,
): Promise<Training> {
  const { options, chooseRate } = settings;
  const n = objective.checkpoints.length;
  // The states of the rules have different types, which only the rules look into.
  const run = <State>(rules: readonly Rule<State>[], scales: readonly number[]): Promise<Training> => {
    const bounded = options.constraint === 'simplex' ? rules.map(onSimplex) : rules;
    return bounded.length === 1
      ? trainCoefficients(objective, bounded[0]!, start, settings, hooks)
      : trainCoefficients(objective, blocked(bounded, n, scales), start, settings, hooks);
  };
  const same = grams.map(() => 1);
  switch (options.rule) {
    case 'iclr':
      return run(
        grams.map((gram) => iclr(gram, options)),
        same,
      );
    case 'v4': {
      const distances = grams.map(typicalDistance);
      const largest = Math.max(...distances);
      // A rate is a distance in weight space: what suits a large block would tear a small one apart.
      const scales = chooseRate ? distances.map((one) => (one === 0 ? 1 : one / largest)) : same;
      return run(
        grams.map((gram) => v4(gram, options)),
        scales,
      );
    }
    case 'lbfgs':
      return descend(objective, grams, start, settings, hooks);
  }
}

async function startFrom({ request, judge, names, baselines }: Pass, start: Start): Promise<JudgedMix> {
  const n = names.length;
  switch (start) {
    case 'mean':
      return baselines.uniform;
    case 'last':
      return judgeMix(judge, oneHot(n, n - 1));
    case 'best':
      return judgeMix(judge, oneHot(n, baselines.ranked[0]!));
    case 'given':
      return judgeMix(judge, requireCoefficients(request.coefficients, n));
  }
}

async function thinned({ judge, names }: Pass, sparse: boolean, found: Found): Promise<Found> {
  if (!sparse) return found;
  const { mix, note } = await sparsified(judge, found.mix, names);
  return { ...found, mix, notes: [...found.notes, note] };
}

/**
 * Looks at the report split: once for each different model among the candidates, and never before this. `mix` is the
 * method's own, whose row in the table shows less than all of its coefficients where there are blocks.
 */
async function evaluateReport(
  { objective, buffers, hooks }: Judge,
  plans: readonly Plan[],
  baselines: Baselines,
  mix: JudgedMix,
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
    const coefficients = plan.stop === mix.stop ? mix.coefficients : plan.coefficients;
    const point: WeightPoint =
      coefficients === undefined || plan.coefficients === undefined
        ? { kind: 'checkpoint', index: baselines.singles.indexOf(plan.stop) }
        : { kind: 'mix', coefficients };
    const report = seen.get(plan.stop) ?? (await objective.evaluate(point, 'report', buffers, hooks.signal));
    seen.set(plan.stop, report);
    candidates.push({ ...plan, report });
  }
  return candidates;
}

/** Every way to get running statistics, as far as the task can, on the stop split. */
async function compareBuffers(
  { objective, buffers, hooks }: Judge,
  { coefficients, stop }: JudgedMix,
): Promise<BufferScore[]> {
  const scores: BufferScore[] = [];
  for (const mode of ['recalibrate', 'average', 'newest'] as const) {
    throwIfAborted(hooks.signal);
    try {
      const evaluation =
        mode === buffers
          ? stop
          : await objective.evaluate({ kind: 'mix', coefficients }, 'stop', mode, hooks.signal);
      scores.push({ mode, ...score(evaluation, objective.metric.name) });
    } catch (error) {
      // Without training data, say; what was asked for has been possible so far.
      if (!(error instanceof TwaError) || error.code === 'cancelled') throw error;
    }
  }
  return scores;
}

function describeBuffers(scores: readonly BufferScore[], { objective, buffers }: Judge): string {
  const { name } = objective.metric;
  const listed = scores.map(
    ({ mode, metric, loss }) => `${mode} ${name} ${metric.toPrecision(4)}, loss ${loss.toPrecision(4)}`,
  );
  return `BatchNorm's running statistics on the stop split: ${listed.join('; ')}. Used: ${buffers}.`;
}

function blocksOf({ blocks = [], checkpoints }: Objective, coefficients: Float64Array) {
  return blocks.map(({ name, tensors }, block) => ({
    name,
    tensors,
    coefficients: [...ofBlock(coefficients, checkpoints.length, block)],
  }));
}

function oneHot(n: number, index: number): Float64Array {
  const coefficients = new Float64Array(n);
  coefficients[index] = 1;
  return coefficients;
}

/** `runs/a/epoch-27.safetensors` is "epoch-27" to a reader. */
function shortName(path: string): string {
  return basename(path, extname(path));
}
