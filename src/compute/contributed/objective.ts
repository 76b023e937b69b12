/** The averaging core's {@link Objective} over an engine of another extension. */
import type { Split } from '../../../api/twa.d.ts';
import { ofBlock, overallCoefficients } from '../../core/averaging/blocks.ts';
import type { CarvedSplits } from '../../core/averaging/splits.ts';
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
import { elementCount } from '../../core/checkpoints/dtype.ts';
import type { TensorInfo } from '../../core/checkpoints/types.ts';
import { throwIfAborted, TwaError } from '../../core/errors.ts';
import type { CheckpointStack } from '../objective/stack.ts';
import { isRecord, type Opened } from './engine.ts';

export interface ContributedParts {
  readonly opened: Opened;
  /** Of every tensor in `floats`. */
  readonly stack: CheckpointStack;
  readonly floats: readonly TensorInfo[];
  /** Names of running statistics among them. */
  readonly running: ReadonlySet<string>;
  readonly splits: CarvedSplits;
  readonly metric: Objective['metric'];
  readonly blocks?: readonly Block[];
}

export class ContributedObjective implements Objective {
  readonly parameterCount: number;
  readonly hasGradients: boolean;
  readonly blocks?: readonly Block[];
  readonly #parts: ContributedParts;
  readonly #blockOf: ReadonlyMap<string, number>;
  /** One array per tensor, overwritten by every mix. */
  readonly #weights: ReadonlyMap<string, Float32Array>;

  constructor(parts: ContributedParts) {
    const { opened, floats, blocks } = parts;
    this.#parts = parts;
    if (blocks !== undefined) this.blocks = blocks;
    this.#blockOf = new Map(
      blocks?.flatMap(({ tensors }, block) => tensors.map((tensor) => [tensor, block] as const)),
    );
    this.#weights = new Map(floats.map(({ name, shape }) => [name, new Float32Array(elementCount(shape)!)]));
    this.parameterCount = opened.parameters.reduce((sum, { shape }) => sum + elementCount(shape)!, 0);
    this.hasGradients = opened.lossAndGradient !== undefined;
  }

  get checkpoints(): readonly string[] {
    return this.#parts.stack.checkpoints;
  }

  get splits(): SplitSizes {
    return this.#parts.splits.sizes;
  }

  get metric(): Objective['metric'] {
    return this.#parts.metric;
  }

  get hasRunningStatistics(): boolean {
    return this.#parts.running.size > 0;
  }

  gram(signal?: AbortSignal): Promise<CentredGram> {
    const { opened, stack } = this.#parts;
    return stack.gram(
      opened.parameters.map(({ name }) => name),
      signal,
    );
  }

  async blockGrams(signal?: AbortSignal): Promise<readonly CentredGram[]> {
    const grams: CentredGram[] = [];
    for (const { tensors } of this.blocks ?? []) grams.push(await this.#parts.stack.gram(tensors, signal));
    return grams;
  }

  async lossAndGradient(
    coefficients: Float64Array,
    examples: Int32Array,
    signal?: AbortSignal,
  ): Promise<{ readonly loss: number; readonly gradient: Float64Array }> {
    const { opened, stack, splits } = this.#parts;
    const compute = opened.lossAndGradient;
    if (compute === undefined) throw new TwaError('usage', 'This engine gives no gradients.');
    await breathe(signal);
    this.#mix(coefficients, 'average');
    const { from, indices } = splits.fit;
    const given = await opened.guard(() =>
      compute(
        this.#weights,
        from,
        examples.map((example) => indices[example]!),
        signal,
      ),
    );
    if (!isRecord(given) || typeof given['loss'] !== 'number') throw opened.wrong('gave no "loss", a number');
    const { loss, gradients } = given;
    if (!(gradients instanceof Map)) throw opened.wrong('gave no "gradients", a Map by names of tensors');
    const gradient = new Float64Array(coefficients.length);
    for (const { name } of opened.parameters) {
      const ofTensor: unknown = gradients.get(name);
      if (ofTensor === undefined) continue;
      const length = this.#weights.get(name)!.length;
      if (!(ofTensor instanceof Float32Array) || ofTensor.length !== length)
        throw opened.wrong(`gave a gradient of ${name} that is no Float32Array of ${length} numbers`);
      stack.project(name, ofTensor, ofBlock(gradient, stack.n, this.#blockOf.get(name) ?? 0));
    }
    return { loss, gradient };
  }

  async evaluate(
    point: WeightPoint,
    split: SplitName,
    buffers: BufferMode,
    signal?: AbortSignal,
  ): Promise<SplitEvaluation> {
    const { opened, splits, metric } = this.#parts;
    await breathe(signal);
    if (point.kind === 'checkpoint') this.#mix(this.#oneHot(point.index), 'average');
    else this.#mix(point.coefficients, buffers);
    const { from, indices } = splits[split];
    const given = await opened.guard(() => opened.evaluate(this.#weights, from, indices.slice(), signal));
    if (!isRecord(given) || !isRecord(given['metrics'])) throw opened.wrong('gave no evaluation');
    const numbers = (value: unknown, what: string): Float64Array =>
      narrowNumbers(value, indices.length, what, from, opened);
    if (!Object.hasOwn(given['metrics'], metric.name))
      throw opened.wrong(`gave no metric "${metric.name}", which the task names`);
    return {
      loss: numbers(given['loss'], 'the loss'),
      metrics: { [metric.name]: numbers(given['metrics'][metric.name], metric.name) },
      weights: new Float64Array(indices.length).fill(1),
    };
  }

  /** Running statistics are averaged, or the newest's: there is no way to ask a module for new ones. */
  recalibrate(): Promise<readonly BufferValue[]> {
    return Promise.resolve([]);
  }

  dispose(): Promise<void> {
    return Promise.resolve();
  }

  #oneHot(index: number): Float64Array {
    const coefficients = new Float64Array(this.#parts.stack.n);
    coefficients[index] = 1;
    return coefficients;
  }

  #mix(coefficients: Float64Array, buffers: BufferMode): void {
    const { stack, running } = this.#parts;
    const { n } = stack;
    const overall = overallCoefficients(coefficients, n, this.blocks);
    const newest = this.#oneHot(n - 1);
    for (const [name, into] of this.#weights) {
      const block = this.#blockOf.get(name);
      const own = block === undefined ? overall : ofBlock(coefficients, n, block);
      stack.combine(name, buffers === 'newest' && running.has(name) ? newest : own, into);
    }
  }
}

function narrowNumbers(
  value: unknown,
  length: number,
  what: string,
  split: Split,
  opened: Opened,
): Float64Array {
  const listed = Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
  const numbers = listed ? Float64Array.from(value as ArrayLike<number>) : undefined;
  if (numbers?.length !== length)
    throw opened.wrong(
      `gave ${numbers?.length ?? 'no'} numbers of ${what} for ${length} examples of ${split}`,
    );
  return numbers;
}

/** Lets messages (a cancel) through, which a module that never waits does not. */
async function breathe(signal: AbortSignal | undefined): Promise<void> {
  await new Promise(setImmediate);
  throwIfAborted(signal);
}
