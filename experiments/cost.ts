/** What a step costs against n checkpoints of D parameters. */
import { TaskEngine } from '../src/compute/objective/engine.ts';
import { TfjsObjective } from '../src/compute/objective/objective.ts';
import { allocateRows } from '../src/compute/objective/simd-rows.ts';
import { centre, CheckpointStack } from '../src/compute/objective/stack.ts';
import { tf } from '../src/compute/tf.ts';
import { seededRandom } from '../src/core/averaging/rng.ts';
import path from 'node:path';
import type { CheckpointHeader } from '../src/core/checkpoints/types.ts';
import type { TaskFile } from '../src/core/task/types.ts';
import type { Results } from './units.ts';

export interface Cost {
  readonly n: number;
  /** D. */
  readonly parameters: number;
  /** Milliseconds, medians. */
  readonly plainStep: number;
  readonly twaStep: number;
  readonly gram: number;
  /** Bytes of the stack, and of the whole process after. */
  readonly stack: number;
  readonly resident: number;
}

const WIDTHS = [64, 256, 1024];
const COUNTS = [5, 20, 100];
const STEPS = 15;
const BATCH = 64;

/** A perceptron of two hidden layers of each width: D is about 64 w + w^2. */
export async function measureCost(results: Results): Promise<void> {
  for (const width of WIDTHS) {
    for (const n of COUNTS) await results.unit(`cost-${width}-${n}`, () => measure(width, n));
  }
}

async function measure(width: number, n: number): Promise<Cost> {
  const task: TaskFile = {
    path: path.join(import.meta.dirname, 'twa.json'),
    engine: 'tfjs',
    module: path.join(import.meta.dirname, 'problems', `perceptron-${width}.ts`),
    model: 'checkpoint',
    output: 'logits',
    loss: 'softmaxCrossEntropy',
    metric: { name: 'accuracy', goal: 'maximize' },
    batchSize: BATCH,
  };
  const shapes = [
    ['dense1/kernel', [64, width]],
    ['dense1/bias', [width]],
    ['dense2/kernel', [width, width]],
    ['dense2/bias', [width]],
    ['logits/kernel', [width, 10]],
    ['logits/bias', [10]],
  ] as const;
  const header: CheckpointHeader = {
    path: 'memory',
    format: 'memory',
    tensors: shapes.map(([name, shape]) => ({ name, dtype: 'F32', shape })),
    metadata: {},
    files: [],
  };
  const engine = await TaskEngine.open(task, header, { fitData: 'validation', seed: 1 });
  try {
    const random = seededRandom(1, 'cost');
    const { weights } = engine.model;
    const rows = allocateRows(
      n,
      weights.map(({ variable }) => variable.size),
    );
    const tensors = weights.map(({ name, variable }, t) => {
      const { mean, rows: own } = rows[t]!;
      for (const row of own) for (let k = 0; k < row.length; k++) row[k] = 0.05 * (random() / 2 ** 31 - 1);
      mean.set(centre(own));
      return { name, shape: variable.shape, mean, rows: own };
    });
    const stack = new CheckpointStack(
      Array.from({ length: n }, (_, i) => `checkpoint ${i}`),
      tensors,
    );
    const objective = new TfjsObjective(engine, stack);
    const variables = weights.filter(({ role }) => role === 'parameter').map(({ variable }) => variable);
    const optimizer = tf.train.momentum(1e-3, 0.9);
    const examples = Int32Array.from({ length: BATCH }, (_, k) => k);
    const coefficients = new Float64Array(n).fill(1 / n);
    const { fit } = engine.splits;
    const plain: number[] = [];
    const twa: number[] = [];
    for (let step = 0; step < STEPS + 3; step++) {
      let begun = performance.now();
      const batch = await engine.batch(
        fit.from,
        examples.map((example) => fit.indices[example]!),
      );
      const cost = optimizer.minimize(() => engine.trainingLoss(batch), true, variables)!;
      await cost.data();
      tf.dispose([cost, batch as never]);
      plain.push(performance.now() - begun);
      begun = performance.now();
      await objective.lossAndGradient(coefficients, examples);
      twa.push(performance.now() - begun);
    }
    const begun = performance.now();
    await objective.gram();
    const gram = performance.now() - begun;
    optimizer.dispose();
    return {
      n,
      parameters: objective.parameterCount,
      plainStep: median(plain.slice(3)),
      twaStep: median(twa.slice(3)),
      gram,
      stack: stack.bytes,
      resident: process.memoryUsage.rss(),
    };
  } finally {
    engine.dispose();
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}
