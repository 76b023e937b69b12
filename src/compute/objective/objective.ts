/**
 * The averaging core's {@link Objective} on TensorFlow.js: the checkpoint stack stays in plain arrays, the mix of it is
 * written into the real model's variables, and the gradient with respect to those variables is projected back to n
 * numbers: dL/da_i = <w_i, dL/dw>.
 */
import { ofBlock, overallCoefficients } from '../../core/averaging/blocks.ts';
import { permutation, seededRandom } from '../../core/averaging/rng.ts';
import type {
  Block,
  BufferMode,
  BufferValue,
  CentredGram,
  Objective,
  SplitEvaluation,
  SplitName,
  SplitSizes,
  WeightPoint,
} from '../../core/averaging/types.ts';
import { throwIfAborted, TwaError } from '../../core/errors.ts';
import { RECALIBRATION_EXAMPLES } from '../recalibration.ts';
import { tf } from '../tf.ts';
import type { Variable } from '../tf.ts';
import { disposeBatch } from './dataset.ts';
import type { TaskEngine } from './engine.ts';
import type { ModelWeight } from './model.ts';
import { withSeed } from './random.ts';
import { recalibrate } from './recalibrate.ts';
import type { Stack } from './stack.ts';

/** Mixes whose running statistics are kept: training asks for those of the newest few more than once. */
const KEPT_RECALIBRATIONS = 8;

export class TfjsObjective implements Objective {
  readonly #engine: TaskEngine;
  readonly #stack: Stack;
  readonly #parameters: readonly ModelWeight[];
  readonly #others: readonly ModelWeight[];
  readonly #running: readonly ModelWeight[];
  /** One array per weight, overwritten by every mix. */
  readonly #scratch: ReadonlyMap<ModelWeight, Float32Array>;
  readonly blocks?: readonly Block[];
  /** By the name of a tensor; a tensor that is in none is not in here. */
  readonly #blockOf: ReadonlyMap<string, number>;
  readonly #recalibrations = new Map<string, readonly BufferValue[]>();
  #steps: number;

  /**
   * The stack must hold every weight of the engine's model. The engine stays its owner's. `steps` were taken before, by
   * an objective in whose place this one goes on.
   */
  constructor(engine: TaskEngine, stack: Stack, blocks?: readonly Block[], steps = 0) {
    this.#steps = steps;
    if (blocks !== undefined) this.blocks = blocks;
    this.#blockOf = new Map(
      blocks?.flatMap(({ tensors }, block) => tensors.map((tensor) => [tensor, block] as const)),
    );
    this.#engine = engine;
    this.#stack = stack;
    const { weights } = engine.model;
    this.#parameters = weights.filter(({ role }) => role === 'parameter');
    this.#running = weights.filter(({ role }) => role === 'running');
    this.#others = weights.filter(({ role }) => role === 'state');
    this.#scratch = new Map(weights.map((weight) => [weight, new Float32Array(weight.variable.size)]));
  }

  /** Gradients computed so far; what is random in the next one follows from it. */
  get steps(): number {
    return this.#steps;
  }

  get checkpoints(): readonly string[] {
    return this.#stack.checkpoints;
  }

  get parameterCount(): number {
    return this.#parameters.reduce((sum, { variable }) => sum + variable.size, 0);
  }

  get splits(): SplitSizes {
    return this.#engine.splits.sizes;
  }

  get metric(): Objective['metric'] {
    return this.#engine.task.metric;
  }

  get hasRunningStatistics(): boolean {
    return this.#running.length > 0;
  }

  gram(signal?: AbortSignal): Promise<CentredGram> {
    return this.#stack.gram(
      this.#parameters.map(({ name }) => name),
      signal,
    );
  }

  async blockGrams(signal?: AbortSignal): Promise<readonly CentredGram[]> {
    const grams: CentredGram[] = [];
    for (const { tensors } of this.blocks ?? []) grams.push(await this.#stack.gram(tensors, signal));
    return grams;
  }

  async lossAndGradient(
    coefficients: Float64Array,
    examples: Int32Array,
    signal?: AbortSignal,
    draw?: number,
  ): Promise<{ readonly loss: number; readonly gradient: Float64Array }> {
    await breathe(signal);
    const part = this.#engine.splits.fit;
    const purpose = draw === undefined ? `step ${this.#steps}` : `draw ${draw}`;
    const batch = await this.#engine.batch(
      part.from,
      examples.map((example) => part.indices[example]!),
    );
    try {
      await this.#write([...this.#parameters, ...this.#others], coefficients, false);
      const variables = this.#parameters.map(({ variable }) => variable);
      const { value, grads } = await withSeed(this.#engine.seed, purpose, () =>
        tf.tidy(() => this.#differentiate(batch, variables)),
      );
      try {
        const gradient = new Float64Array(coefficients.length);
        for (const { name, variable } of this.#parameters) {
          // A weight that the loss does not depend on has none.
          const ofWeight = grads[variable.name];
          if (ofWeight === undefined) continue;
          const into = ofBlock(gradient, this.#stack.n, this.#blockOf.get(name) ?? 0);
          await this.#stack.project(name, (await ofWeight.data()) as Float32Array, into);
        }
        const loss = (await value.data())[0]!;
        if (draw === undefined) this.#steps++;
        return { loss, gradient };
      } finally {
        tf.dispose([value, grads]);
      }
    } finally {
      disposeBatch(batch);
    }
  }

  async evaluate(
    point: WeightPoint,
    split: SplitName,
    buffers: BufferMode,
    signal?: AbortSignal,
    exact = true,
  ): Promise<SplitEvaluation> {
    const coefficients = point.kind === 'mix' ? point.coefficients : this.#oneHot(point.index);
    const recalibrated =
      point.kind === 'mix' && buffers === 'recalibrate' && this.hasRunningStatistics
        ? await this.recalibrate(coefficients, signal)
        : undefined;
    await this.#write([...this.#parameters, ...this.#others], coefficients, exact);
    if (recalibrated !== undefined) this.#writeRunning(recalibrated);
    else {
      const newest = point.kind === 'mix' && buffers === 'newest';
      await this.#write(this.#running, newest ? this.#oneHot(this.#stack.n - 1) : coefficients);
    }

    const part = this.#engine.splits[split];
    const { batchSize } = this.#engine.task;
    const batches: SplitEvaluation[] = [];
    for (let start = 0; start < part.indices.length; start += batchSize) {
      await breathe(signal);
      const indices = part.indices.subarray(start, start + batchSize);
      const batch = await this.#engine.batch(part.from, indices);
      try {
        batches.push(await this.#engine.evaluate(batch, indices.length));
      } finally {
        disposeBatch(batch);
      }
    }
    return joinEvaluations(batches);
  }

  async recalibrate(coefficients: Float64Array, signal?: AbortSignal): Promise<readonly BufferValue[]> {
    if (!this.hasRunningStatistics) return [];
    const key = coefficients.join();
    const known = this.#recalibrations.get(key);
    if (known !== undefined) return known;

    await this.#write([...this.#parameters, ...this.#others], coefficients);
    const measured = await withSeed(this.#engine.seed, 'recalibrate', () =>
      recalibrate(this.#engine, this.#recalibrationExamples(), signal),
    );
    // float32, like the model's own, so that the file and the mix in memory agree to the bit.
    const values = measured.map((buffer) => ({ ...buffer, values: Float32Array.from(buffer.values) }));
    if (this.#recalibrations.size === KEPT_RECALIBRATIONS) {
      this.#recalibrations.delete(this.#recalibrations.keys().next().value!);
    }
    this.#recalibrations.set(key, values);
    return values;
  }

  /** Mean loss on a split of a mix as training steps see it, less that of the mix itself; and the latter. */
  async roundingEffect(
    coefficients: Float64Array,
    split: SplitName,
  ): Promise<{ readonly change: number; readonly loss: number }> {
    const point: WeightPoint = { kind: 'mix', coefficients };
    const loss = meanLoss(await this.evaluate(point, split, 'average'));
    return { change: meanLoss(await this.evaluate(point, split, 'average', undefined, false)) - loss, loss };
  }

  /** The stack is closed with it. */
  dispose(): Promise<void> {
    this.#recalibrations.clear();
    return this.#stack.close();
  }

  #differentiate(batch: unknown, variables: Variable[]): ReturnType<typeof tf.variableGrads> {
    try {
      return tf.variableGrads(() => this.#engine.trainingLoss(batch), variables);
    } catch (error) {
      if (error instanceof TwaError) throw error;
      // An operation without a gradient, say, or a loss that does not depend on the weights.
      const message = error instanceof Error ? error.message : String(error);
      const { path } = this.#engine.task;
      throw new TwaError('bad-task', `${path}: the loss has no gradient in TensorFlow.js: ${message}`, {
        place: { path },
        cause: error,
      });
    }
  }

  /** Always the same ones: the whole training split, or a random part of a large one. */
  #recalibrationExamples(): Int32Array {
    const order = permutation(seededRandom(this.#engine.seed, 'recalibration'), this.#engine.trainSize);
    return order.subarray(0, RECALIBRATION_EXAMPLES);
  }

  #oneHot(index: number): Float64Array {
    const coefficients = new Float64Array(this.#stack.n);
    coefficients[index] = 1;
    return coefficients;
  }

  /** A mix into the model; not `exact`: of the checkpoints as the stack keeps them, for a training step. */
  async #write(weights: readonly ModelWeight[], coefficients: Float64Array, exact = true): Promise<void> {
    const { n } = this.#stack;
    const overall = overallCoefficients(coefficients, n, this.blocks);
    for (const weight of weights) {
      const values = this.#scratch.get(weight)!;
      const block = this.#blockOf.get(weight.name);
      await this.#stack.combine(
        weight.name,
        block === undefined ? overall : ofBlock(coefficients, n, block),
        values,
        exact,
      );
      assign(weight, values);
    }
  }

  #writeRunning(buffers: readonly BufferValue[]): void {
    const values = new Map(buffers.map((buffer) => [buffer.name, buffer.values]));
    for (const weight of this.#running) assign(weight, Float32Array.from(values.get(weight.name)!));
  }
}

function assign({ variable }: ModelWeight, values: Float32Array): void {
  tf.tidy(() => variable.assign(tf.tensor(values, variable.shape)));
}

/** Lets messages (a cancel) through, which awaiting tensor data alone does not. */
async function breathe(signal: AbortSignal | undefined): Promise<void> {
  await new Promise(setImmediate);
  throwIfAborted(signal);
}

function meanLoss({ loss, weights }: SplitEvaluation): number {
  let [sum, total] = [0, 0];
  for (const [k, value] of loss.entries()) {
    sum += weights[k]! * value;
    total += weights[k]!;
  }
  return sum / total;
}

function joinEvaluations(batches: readonly SplitEvaluation[]): SplitEvaluation {
  const join = (pick: (batch: SplitEvaluation) => Float64Array): Float64Array =>
    Float64Array.from(batches.flatMap((batch) => [...pick(batch)]));
  const names = Object.keys(batches[0]?.metrics ?? {});
  return {
    loss: join(({ loss }) => loss),
    metrics: Object.fromEntries(names.map((name) => [name, join(({ metrics }) => metrics[name]!)])),
    weights: join(({ weights }) => weights),
  };
}
