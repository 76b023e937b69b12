/**
 * What a TWA step costs: the time of one step (mix 20 checkpoints into the model, forward, backward, project the
 * gradient) over that of one plain training step (forward, backward, SGD with momentum) of the same model and batch
 * on the same backend.
 *
 *     node bench/step.ts [--backend auto] [--n 20] [--batch 64] [--model digits]...
 *
 * The two kinds alternate, so that other work on the machine burdens both alike; medians, after a warm-up. Prints a
 * line per model: milliseconds of either, their ratio, and where the TWA step's own time goes.
 */
import path from 'node:path';
import { parseArgs } from 'node:util';
import { selectBackend } from '../src/compute/backends/select.ts';
import { TaskEngine } from '../src/compute/objective/engine.ts';
import { TfjsObjective } from '../src/compute/objective/objective.ts';
import type { RowLoops } from '../src/compute/objective/rows.ts';
import { allocateRows, simdRowLoops } from '../src/compute/objective/simd-rows.ts';
import { centre, CheckpointStack } from '../src/compute/objective/stack.ts';
import type { BackendChoice } from '../src/compute/protocol.ts';
import { tf } from '../src/compute/tf.ts';
import type { LayersModel } from '../src/compute/tf.ts';
import type { CheckpointHeader } from '../src/core/checkpoints/types.ts';
import type { TaskFile } from '../src/core/task/types.ts';

const { values: options } = parseArgs({
  options: {
    backend: { type: 'string', default: 'auto' },
    n: { type: 'string', default: '20' },
    batch: { type: 'string', default: '64' },
    model: { type: 'string', multiple: true, default: ['digits', 'resnet8', 'lenet'] },
    seconds: { type: 'string', default: '15' },
  },
});
const n = Number(options.n);
const batchSize = Number(options.batch);

const { label } = await selectBackend(options.backend as BackendChoice, [process.cwd()]);
console.log(`${label}; n = ${n}, batch ${batchSize}, Node ${process.version}`);
for (const model of options.model) await measure(model);

async function measure(name: string): Promise<void> {
  const task: TaskFile = {
    path: path.join(import.meta.dirname, 'tasks', 'twa.json'),
    engine: 'tfjs',
    module: path.join(import.meta.dirname, 'tasks', `${name}.ts`),
    model: 'checkpoint',
    output: 'logits',
    loss: 'softmaxCrossEntropy',
    metric: { name: 'accuracy', goal: 'maximize' },
    batchSize,
  };
  const { engine, stack, inLoops } = await open(task);
  const objective = new TfjsObjective(engine, stack);
  const variables = engine.model.weights
    .filter(({ role }) => role === 'parameter')
    .map(({ variable }) => variable);
  const optimizer = tf.train.momentum(1e-3, 0.9);
  const coefficients = new Float64Array(n).fill(1 / n);
  const examples = Int32Array.from({ length: batchSize }, (_, k) => k);
  const { fit } = engine.splits;

  const plainStep = async (): Promise<void> => {
    const batch = (await engine.batch(
      fit.from,
      examples.map((k) => fit.indices[k]!),
    )) as { xs: never; ys: never };
    const cost = optimizer.minimize(() => engine.trainingLoss(batch), true, variables);
    await cost!.data();
    tf.dispose([cost!, batch]);
  };
  const twaStep = (): Promise<unknown> => objective.lossAndGradient(coefficients, examples);

  for (let k = 0; k < 3; k++) {
    await plainStep();
    await twaStep();
  }
  inLoops.milliseconds = 0;
  const plain: Cost[] = [];
  const twa: Cost[] = [];
  const end = performance.now() + 1000 * Number(options.seconds);
  while (performance.now() < end || plain.length < 5) {
    plain.push(await timed(plainStep));
    twa.push(await timed(twaStep));
  }
  const [plainWall, twaWall] = [median(plain, 'wall'), median(twa, 'wall')];
  const cpuRatio = median(twa, 'cpu') / median(plain, 'cpu');
  console.log(
    `${name}: ${objective.parameterCount} parameters, plain ${plainWall.toFixed(2)} ms, TWA ${twaWall.toFixed(2)} ms, ` +
      `ratio ${(twaWall / plainWall).toFixed(3)} (${cpuRatio.toFixed(3)} in CPU time; medians of ${twa.length} pairs; ` +
      `mixing and projecting ${(inLoops.milliseconds / twa.length).toFixed(2)} ms on average)`,
  );
  optimizer.dispose();
  engine.dispose();
}

/** The task's model with n random checkpoints near its initial weights, in memory. */
async function open(task: TaskFile) {
  const tensors = await initialWeights(task);
  const header: CheckpointHeader = {
    path: 'memory',
    format: 'memory',
    tensors: tensors.map(({ name, shape }) => ({ name, dtype: 'F32', shape })),
    metadata: {},
    files: [],
  };
  const engine = await TaskEngine.open(task, header, { fitData: 'validation', seed: 1 });
  const inLoops = { milliseconds: 0 };
  const timedLoops: RowLoops = {
    ...simdRowLoops,
    combine: (...args) => addTime(inLoops, () => simdRowLoops.combine(...args)),
    project: (...args) => addTime(inLoops, () => simdRowLoops.project(...args)),
  };
  const stack = new CheckpointStack(
    Array.from({ length: n }, (_, i) => `checkpoint ${i}`),
    tensors.map(({ name, shape, values }) => {
      const { mean, rows } = allocateRows(n, [values.length])[0]!;
      for (const row of rows) row.set(values.map((value) => value + 0.01 * (Math.random() - 0.5)));
      mean.set(centre(rows));
      return { name, shape, mean, rows };
    }),
    timedLoops,
  );
  return { engine, stack, inLoops };
}

async function initialWeights(task: TaskFile) {
  const module = (await import(task.module!)) as { readonly model: (context: object) => LayersModel };
  const built = module.model({ tf });
  const weights = built.weights.map((weight) => ({
    name: (weight as unknown as { originalName: string }).originalName,
    shape: weight.shape as number[],
    values: weight.read().dataSync<'float32'>().slice(),
  }));
  built.dispose();
  return weights;
}

function addTime(total: { milliseconds: number }, work: () => void): void {
  const start = performance.now();
  work();
  total.milliseconds += performance.now() - start;
}

/** Milliseconds. CPU time hardly suffers from what else runs on the machine. */
interface Cost {
  readonly wall: number;
  readonly cpu: number;
}

async function timed(work: () => Promise<unknown>): Promise<Cost> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await work();
  const wall = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  return { wall, cpu: (user + system) / 1000 };
}

function median(costs: readonly Cost[], kind: keyof Cost): number {
  return costs.map((cost) => cost[kind]).sort((a, b) => a - b)[Math.floor(costs.length / 2)]!;
}
