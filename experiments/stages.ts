/** What is measured. Each function is a unit, or a few, of {@link Results}. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { runPass } from '../src/core/averaging/pass.ts';
import { seededRandom } from '../src/core/averaging/rng.ts';
import { score } from '../src/core/averaging/summary.ts';
import type {
  Constraint,
  FitData,
  PassPhase,
  PassResult,
  TableRow,
  TwaOptions,
} from '../src/core/averaging/types.ts';
import type { Problem } from './problems.ts';
import {
  objectiveOver,
  openEngine,
  readSnapshots,
  saveSnapshots,
  train,
  type ScheduleName,
  type Snapshot,
  type Trained,
  type TrainingPlan,
} from './training.ts';
import { add, NO_TIME, stopwatch, type Results, type Seconds } from './units.ts';

export interface Settings {
  readonly results: Results;
  /** Where weights are kept. */
  readonly cache: string;
  /** Of a full schedule, instead of the problem's own; for a smoke test. */
  readonly epochs?: number;
}

export interface Score {
  readonly accuracy: number;
  readonly loss: number;
}

export interface Tuned {
  readonly rate: number;
  readonly schedule: ScheduleName;
  /** At the end, on the whole validation split. */
  readonly validation: Score;
  readonly seconds: Seconds;
}

export interface Full {
  readonly plan: TrainingPlan;
  /** Of the last epoch, on the test split. */
  readonly last: Score;
  /** Of the epoch that the validation split says is best: early stopping, the user's usual way. */
  readonly early: Score & { readonly epoch: number };
  readonly seconds: Seconds;
}

export interface Constant {
  readonly plan: TrainingPlan;
  readonly losses: readonly number[];
  readonly seconds: Seconds;
}

/** One pass; `rows` are on the test split. */
export interface Pass {
  readonly rule: TwaOptions['rule'];
  /** Absent: the rule's own. */
  readonly constraint?: Constraint;
  readonly fitData: FitData;
  readonly rows: readonly Pick<
    TableRow,
    'id' | 'label' | 'metric' | 'metricInterval' | 'loss' | 'lossInterval'
  >[];
  readonly coefficients: readonly number[];
  /** Gradients were taken over so many examples in all; an epoch of training takes them over `trainExamples`. */
  readonly gradientExamples: number;
  readonly trainExamples: number;
  readonly use: string;
  readonly sentence: string;
  readonly notes: readonly string[];
  readonly splits: PassResult['splits'];
  readonly seconds: Readonly<Partial<Record<PassPhase, Seconds>>>;
}

export interface Passes {
  readonly epochs: readonly [first: number, last: number];
  /** Of an epoch of plain training just before the passes: times of other days are no measure for theirs. */
  readonly plainEpoch?: Seconds;
  readonly passes: readonly Pass[];
}

const epochsOf = (problem: Problem, settings: Settings): number => settings.epochs ?? problem.epochs;

/** Learning rate and schedule of the full training, by the validation loss of its last epoch. */
export async function tune(problem: Problem, settings: Settings): Promise<Tuned> {
  const tried: Tuned[] = [];
  for (const schedule of ['step', 'cosine'] as const) {
    for (const rate of problem.rates) {
      const unit = await settings.results.unit(`tune-${problem.name}-${schedule}-${rate}`, async () => {
        const plan = { seed: 1000, rate, schedule, epochs: epochsOf(problem, settings) };
        const { snapshots, seconds } = await train(problem, plan);
        const [validation] = await evaluate(problem, 1000, [snapshots.at(-1)!], 'stop');
        return { rate, schedule, validation: validation!, seconds };
      });
      tried.push(unit);
    }
  }
  const finite = tried.filter(({ validation }) => Number.isFinite(validation.loss));
  return finite.reduce((best, one) => (one.validation.loss < best.validation.loss ? one : best));
}

/** Each snapshot by itself on the whole validation split (`stop`) or the test split (`report`). */
async function evaluate(
  problem: Problem,
  seed: number,
  snapshots: readonly Snapshot[],
  split: 'stop' | 'report',
): Promise<Score[]> {
  // Fitted on training data, so that all of validation is the stop split.
  const engine = await openEngine(problem, seed, 'train');
  try {
    const objective = objectiveOver(
      engine,
      snapshots,
      snapshots.map((_, at) => `snapshot ${at}`),
    );
    const scores: Score[] = [];
    for (const index of snapshots.keys()) {
      const found = score(
        await objective.evaluate({ kind: 'checkpoint', index }, split, 'newest'),
        'accuracy',
      );
      scores.push({ accuracy: found.metric, loss: found.loss });
    }
    return scores;
  } finally {
    engine.dispose();
  }
}

export function full(problem: Problem, tuned: Tuned, seed: number, settings: Settings): Promise<Full> {
  return settings.results.unit(`full-${problem.name}-${seed}`, async () => {
    const plan = { seed, rate: tuned.rate, schedule: tuned.schedule, epochs: epochsOf(problem, settings) };
    const { snapshots, seconds } = await train(problem, plan);
    const epochs = snapshots.slice(1);
    const validation = await evaluate(problem, seed, epochs, 'stop');
    const best = validation.reduce((a, one, i) => (one.loss < validation[a]!.loss ? i : a), 0);
    const [early, last] = await evaluate(problem, seed, [epochs[best]!, epochs.at(-1)!], 'report');
    return { plan, last: last!, early: { ...early!, epoch: best + 1 }, seconds };
  });
}

/** A run at a constant learning rate: its first half is the head stage's, its second half the tail stage's. */
export async function constant(
  problem: Problem,
  rate: number,
  seed: number,
  settings: Settings,
): Promise<Trained> {
  const name = `constant-${problem.name}-${rate}-${seed}`;
  const file = path.join(settings.cache, `${name}.f32`);
  const epochs = epochsOf(problem, settings);
  const plan = { seed, rate, schedule: 'constant', epochs } as const;
  let trained: Trained | undefined;
  const redo = async (): Promise<Trained> => {
    trained = await train(problem, plan);
    await mkdir(settings.cache, { recursive: true });
    await saveSnapshots(file, trained.snapshots);
    return trained;
  };
  const { losses, seconds } = await settings.results.unit<Constant>(name, async () => {
    const made = await redo();
    return { plan, losses: made.losses, seconds: made.seconds };
  });
  // The weights are no result: without them the run is made again, which gives the same ones.
  if (!existsSync(file)) await redo();
  return { snapshots: trained?.snapshots ?? (await readSnapshots(file, epochs + 1)), losses, seconds };
}

type Wanted = Pick<Pass, 'rule' | 'constraint' | 'fitData'>;

/** Passes over checkpoints, oldest first. */
export async function average(
  problem: Problem,
  seed: number,
  snapshots: readonly Snapshot[],
  names: readonly string[],
  wanted: readonly Wanted[],
): Promise<Pass[]> {
  const passes: Pass[] = [];
  for (const one of wanted) {
    const { fitData } = one;
    const engine = await openEngine(problem, seed, fitData);
    try {
      const objective = objectiveOver(engine, snapshots, names);
      let gradientExamples = 0;
      const lossAndGradient = objective.lossAndGradient.bind(objective);
      objective.lossAndGradient = (coefficients, examples, ...rest) => {
        gradientExamples += examples.length;
        return lossAndGradient(coefficients, examples, ...rest);
      };
      const seconds: Partial<Record<PassPhase, Seconds>> = {};
      const clock = stopwatch();
      // Progress of a phase is told when work is done.
      const count = (phase: PassPhase): void => {
        seconds[phase] = add(seconds[phase] ?? NO_TIME, clock());
      };
      const found = await runPass(
        objective,
        { method: 'twa', options: one, buffers: 'recalibrate', seed },
        { onProgress: (progress) => count(progress.phase) },
      );
      count('evaluating');
      passes.push({
        ...one,
        rows: found.table.map(({ id, label, metric, metricInterval, loss, lossInterval }) => ({
          ...{ id, label, metric, metricInterval, loss, lossInterval },
        })),
        coefficients: found.coefficients,
        gradientExamples,
        trainExamples: engine.trainSize,
        use: found.recommendation.use,
        sentence: found.recommendation.sentence,
        notes: found.notes,
        splits: found.splits,
        seconds,
      });
    } finally {
      engine.dispose();
    }
  }
  return passes;
}

const RULES: readonly Wanted[] = [
  { rule: 'v4', fitData: 'validation' },
  { rule: 'iclr', fitData: 'validation' },
  { rule: 'lbfgs', fitData: 'validation' },
  { rule: 'lbfgs', constraint: 'free', fitData: 'validation' },
];

const namesOf = (first: number, last: number): string[] =>
  Array.from({ length: last - first + 1 }, (_, i) => `epoch-${first + i}`);

/** After an epoch to warm up. */
async function epochOfTraining(problem: Problem, rate: number, seed: number): Promise<Seconds> {
  const plan = { seed, rate, schedule: 'constant' } as const;
  await train(problem, { ...plan, epochs: 1 });
  const { seconds } = await train(problem, { ...plan, epochs: PEER_EPOCHS });
  return { wall: seconds.wall / PEER_EPOCHS, cpu: seconds.cpu / PEER_EPOCHS };
}

const PEER_EPOCHS = 2;

/** TWA over every epoch of the first half. */
export function head(problem: Problem, tuned: Tuned, seed: number, settings: Settings): Promise<Passes> {
  const half = Math.ceil(epochsOf(problem, settings) / 2);
  return settings.results.unit(`head-${problem.name}-${seed}`, async () => {
    const { snapshots } = await constant(problem, tuned.rate, seed, settings);
    const plainEpoch = await epochOfTraining(problem, tuned.rate, seed);
    const passes = await average(problem, seed, snapshots.slice(1, half + 1), namesOf(1, half), [
      ...RULES,
      { rule: 'v4', fitData: 'train' },
    ]);
    return { epochs: [1, half], plainEpoch, passes };
  });
}

/** TWA over every epoch of the second half. */
export function tail(problem: Problem, rate: number, seed: number, settings: Settings): Promise<Passes> {
  const epochs = epochsOf(problem, settings);
  const half = Math.ceil(epochs / 2);
  return settings.results.unit(`tail-${problem.name}-${rate}-${seed}`, async () => {
    const { snapshots } = await constant(problem, rate, seed, settings);
    const passes = await average(problem, seed, snapshots.slice(half + 1), namesOf(half + 1, epochs), RULES);
    return { epochs: [half + 1, epochs], passes };
  });
}

export const POISONS = ['clean', 'random', 'diverged', 'duplicate', 'noise'] as const;
export type Poison = (typeof POISONS)[number];

/** The tail's checkpoints with one bad one among them. */
export function robustness(
  problem: Problem,
  tuned: Tuned,
  seed: number,
  poison: Poison,
  settings: Settings,
): Promise<Passes> {
  const epochs = epochsOf(problem, settings);
  const half = Math.ceil(epochs / 2);
  return settings.results.unit(`robustness-${problem.name}-${poison}-${seed}`, async () => {
    const { snapshots } = await constant(problem, tuned.rate, seed, settings);
    const set = [...snapshots.slice(half + 1)];
    const names = namesOf(half + 1, epochs);
    const middle = set.length >> 1;
    const bad = poisoned(poison, snapshots, set, middle, seed);
    if (bad !== undefined) {
      set.splice(middle, 0, bad);
      names.splice(middle, 0, poison);
    }
    return { epochs: [half + 1, epochs], passes: await average(problem, seed, set, names, RULES) };
  });
}

function poisoned(
  poison: Poison,
  snapshots: readonly Snapshot[],
  set: readonly Snapshot[],
  middle: number,
  seed: number,
): Snapshot | undefined {
  const near = set[middle]!;
  switch (poison) {
    case 'clean':
      return undefined;
    case 'random':
      return snapshots[0];
    case 'duplicate':
      return near;
    case 'diverged': {
      // As if one epoch had run away from where it began: twenty times the way that training takes in one.
      const before = set[middle - 1] ?? snapshots[0]!;
      return near.map((value, d) => value + 20 * (value - before[d]!));
    }
    case 'noise': {
      const random = seededRandom(seed, 'noise');
      const size = Math.sqrt(near.reduce((sum, value) => sum + value * value, 0) / near.length);
      return near.map((value) => value + size * (random() / 2 ** 31 - 1));
    }
  }
}
