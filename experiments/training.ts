/** Training a problem as many people do, and keeping the weights after every epoch. */
import { readFile, writeFile } from 'node:fs/promises';
import { TaskEngine } from '../src/compute/objective/engine.ts';
import { TfjsObjective } from '../src/compute/objective/objective.ts';
import { withSeed } from '../src/compute/objective/random.ts';
import { allocateRows } from '../src/compute/objective/simd-rows.ts';
import { centre, CheckpointStack } from '../src/compute/objective/stack.ts';
import { tf } from '../src/compute/tf.ts';
import { permutation, seededRandom } from '../src/core/averaging/rng.ts';
import type { FitData } from '../src/core/averaging/types.ts';
import type { CheckpointHeader } from '../src/core/checkpoints/types.ts';
import { taskOf, type Problem } from './problems.ts';
import { add, NO_TIME, stopwatch, type Seconds } from './units.ts';

/** What the learning rate is multiplied by, at a share 0..1 of the whole training. */
export const schedules = {
  constant: () => 1,
  step: (share: number) => (share < 0.6 ? 1 : share < 0.85 ? 0.1 : 0.01),
  cosine: (share: number) => 0.5 * (1 + Math.cos(Math.PI * share)),
} as const;
export type ScheduleName = keyof typeof schedules;

export interface TrainingPlan {
  readonly seed: number;
  readonly rate: number;
  readonly schedule: ScheduleName;
  readonly epochs: number;
}

/** All weights of the model one after another. */
export type Snapshot = Float32Array;

export interface Trained {
  /** The initial weights, then those after every epoch. */
  readonly snapshots: readonly Snapshot[];
  /** Mean training loss of every epoch. */
  readonly losses: readonly number[];
  /** Of the epochs alone, without saving. */
  readonly seconds: Seconds;
}

/** The problem's model with its data. Weights come and go. */
export async function openEngine(problem: Problem, seed: number, fitData: FitData = 'validation') {
  const header = await headerOf(problem);
  return TaskEngine.open(taskOf(problem), header, { fitData, seed });
}

/** A model of random weights is built once to learn what its checkpoints would hold. */
async function headerOf(problem: Problem): Promise<CheckpointHeader> {
  const module = (await import(taskOf(problem).module!)) as {
    readonly model: (context: object) => {
      readonly weights: unknown;
      dispose?(): void;
    };
  };
  const built = module.model({ tf });
  const named = Array.isArray(built.weights)
    ? built.weights.map((weight: { originalName: string; shape: number[] }) => [
        weight.originalName,
        weight.shape,
      ])
    : Object.entries(built.weights as Record<string, { shape: number[] }>).map(([name, { shape }]) => [
        name,
        shape,
      ]);
  built.dispose?.();
  return {
    path: problem.name,
    format: 'memory',
    tensors: named.map(([name, shape]) => ({
      name: name as string,
      dtype: 'F32',
      shape: shape as number[],
    })),
    metadata: {},
    files: [],
  };
}

export async function train(problem: Problem, plan: TrainingPlan): Promise<Trained> {
  const engine = await openEngine(problem, plan.seed);
  try {
    const { weights } = engine.model;
    const variables = weights.filter(({ role }) => role === 'parameter').map(({ variable }) => variable);
    const optimizer =
      problem.optimizer === 'adam' ? tf.train.adam(plan.rate) : tf.train.momentum(plan.rate, 0.9);
    const random = seededRandom(plan.seed, 'training');
    const stepsPerEpoch = Math.ceil(engine.trainSize / problem.batchSize);
    const steps = plan.epochs * stepsPerEpoch;
    const snapshots = [snapshotOf(engine)];
    const losses: number[] = [];
    let seconds = NO_TIME;
    let step = 0;
    for (let epoch = 0; epoch < plan.epochs; epoch++) {
      const clock = stopwatch();
      const order = permutation(random, engine.trainSize);
      let sum = 0;
      for (let at = 0; at < order.length; at += problem.batchSize) {
        const indices = order.slice(at, at + problem.batchSize);
        const batch = await engine.batch('train', indices);
        const rate = plan.rate * schedules[plan.schedule](step / steps);
        setRate(optimizer, rate);
        const cost = await withSeed(plan.seed, `training ${step++}`, () =>
          Promise.resolve(optimizer.minimize(() => engine.trainingLoss(batch), true, variables)!),
        );
        sum += (await cost.data())[0]! * indices.length;
        tf.dispose([cost, batch as never]);
      }
      losses.push(sum / order.length);
      seconds = add(seconds, clock());
      snapshots.push(snapshotOf(engine));
    }
    optimizer.dispose();
    return { snapshots, losses, seconds };
  } finally {
    engine.dispose();
  }
}

/** What both optimisers have and their types hide; SGD's keeps the rate in a tensor as well, which only its setter renews. */
interface WithRate {
  learningRate: number;
  setLearningRate?(rate: number): void;
}

function setRate(optimizer: object, rate: number): void {
  const open = optimizer as WithRate;
  if (open.setLearningRate === undefined) open.learningRate = rate;
  else open.setLearningRate(rate);
}

function snapshotOf(engine: TaskEngine): Snapshot {
  const parts = engine.model.weights.map(({ variable }) => variable.dataSync<'float32'>());
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** What the averaging core works on: these snapshots as checkpoints, oldest first. */
export function objectiveOver(
  engine: TaskEngine,
  snapshots: readonly Snapshot[],
  names: readonly string[],
): TfjsObjective {
  const { weights } = engine.model;
  const rows = allocateRows(
    snapshots.length,
    weights.map(({ variable }) => variable.size),
  );
  let begin = 0;
  const tensors = weights.map(({ name, variable }, t) => {
    const { mean, rows: own } = rows[t]!;
    for (const [i, row] of own.entries()) row.set(snapshots[i]!.subarray(begin, begin + variable.size));
    begin += variable.size;
    mean.set(centre(own));
    return { name, shape: variable.shape, mean, rows: own };
  });
  return new TfjsObjective(engine, new CheckpointStack(names, tensors));
}

export async function saveSnapshots(file: string, snapshots: readonly Snapshot[]): Promise<void> {
  const all = new Float32Array(snapshots.length * snapshots[0]!.length);
  for (const [i, snapshot] of snapshots.entries()) all.set(snapshot, i * snapshot.length);
  await writeFile(file, all);
}

export async function readSnapshots(file: string, count: number): Promise<Snapshot[]> {
  const bytes = await readFile(file);
  const all = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  const size = all.length / count;
  return Array.from({ length: count }, (_, i) => all.slice(i * size, (i + 1) * size));
}
