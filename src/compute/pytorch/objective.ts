/**
 * The averaging core's {@link Objective} in the user's interpreter: model, data and the checkpoint stack are there, and n
 * numbers go each way.
 */
import { overallCoefficients } from '../../core/averaging/blocks.ts';
import { centredGram } from '../../core/averaging/gram.ts';
import { permutation, seededRandom } from '../../core/averaging/rng.ts';
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
import type { TaskFile } from '../../core/task/types.ts';
import { RECALIBRATION_EXAMPLES } from '../recalibration.ts';
import type { Arrays } from './frames.ts';
import { floats, texts, type Loaded } from './messages.ts';
import type { PythonProcess, Reply } from './process.ts';

export interface ObjectiveOptions {
  readonly task: TaskFile;
  readonly splits: CarvedSplits;
  readonly trainSize: number;
  readonly seed: number;
  readonly parameterCount: number;
  /** Names in the header, by the keys that Python knows running statistics by. */
  readonly running: ReadonlyMap<string, string>;
  readonly checkpoints: readonly string[];
  readonly blocks?: readonly Block[];
}

export class PytorchObjective implements Objective {
  readonly blocks?: readonly Block[];
  readonly #python: PythonProcess;
  readonly #options: ObjectiveOptions;
  readonly #loaded: Loaded;
  readonly #calibration: Int32Array;
  #steps = 0;

  /** Python has loaded the checkpoints. The process stays its owner's. */
  constructor(python: PythonProcess, loaded: Loaded, options: ObjectiveOptions) {
    this.#python = python;
    this.#options = options;
    this.#loaded = loaded;
    if (options.blocks !== undefined) this.blocks = options.blocks;
    // Always the same ones: the whole training split, or a random part of a large one.
    const order = permutation(seededRandom(options.seed, 'recalibration'), options.trainSize);
    this.#calibration = order.subarray(0, RECALIBRATION_EXAMPLES);
  }

  get checkpoints(): readonly string[] {
    return this.#options.checkpoints;
  }

  get parameterCount(): number {
    return this.#options.parameterCount;
  }

  get splits(): SplitSizes {
    return this.#options.splits.sizes;
  }

  get metric(): Objective['metric'] {
    return this.#options.task.metric;
  }

  get hasRunningStatistics(): boolean {
    return this.#options.running.size > 0;
  }

  gram(): Promise<CentredGram> {
    const { n, products } = this;
    const order = n + 1;
    const blocks = products.length / (order * order);
    return Promise.resolve(
      centredGram(n, (i, h) => {
        let sum = 0;
        for (let block = 0; block < blocks; block++) sum += products[(block * order + i) * order + h]!;
        return sum;
      }),
    );
  }

  blockGrams(): Promise<readonly CentredGram[]> {
    const { n, products } = this;
    const order = n + 1;
    const grams = (this.blocks ?? []).map((_, block) =>
      centredGram(n, (i, h) => products[(block * order + i) * order + h]!),
    );
    return Promise.resolve(grams);
  }

  async lossAndGradient(
    coefficients: Float64Array,
    examples: Int32Array,
    _signal?: AbortSignal,
    draw?: number,
  ): Promise<{ readonly loss: number; readonly gradient: Float64Array }> {
    const { from, indices } = this.#options.splits.fit;
    const { arrays } = await this.#ask(
      {
        kind: 'step',
        split: from,
        gradient: coefficients.length,
        random: this.#random(draw === undefined ? `step ${this.#steps++}` : `draw ${draw}`),
      },
      {
        coefficients: this.#withOverall(coefficients),
        examples: examples.map((example) => indices[example]!),
      },
    );
    return { loss: floats(arrays, 'loss')[0]!, gradient: floats(arrays, 'gradient') };
  }

  evaluate(point: WeightPoint, split: SplitName, buffers: BufferMode): Promise<SplitEvaluation> {
    return this.#evaluate(point, split, buffers, false);
  }

  /** A mix of the stack as it is kept in memory, which rounded rows are not quite the files'. */
  evaluateStack(coefficients: Float64Array, split: SplitName, buffers: BufferMode): Promise<SplitEvaluation> {
    return this.#evaluate({ kind: 'mix', coefficients }, split, buffers, true);
  }

  async recalibrate(coefficients: Float64Array): Promise<readonly BufferValue[]> {
    const { running } = this.#options;
    if (running.size === 0) return [];
    const { arrays } = await this.#ask(
      { kind: 'recalibrate', random: this.#random('recalibrate') },
      { coefficients: this.#withOverall(coefficients), calibration: this.#calibration },
    );
    return [...running].map(([key, name]) => ({ name, values: floats(arrays, key) }));
  }

  dispose(): Promise<void> {
    return Promise.resolve();
  }

  get n(): number {
    return this.checkpoints.length;
  }

  get products(): Float64Array {
    return this.#loaded.products;
  }

  async #evaluate(
    point: WeightPoint,
    split: SplitName,
    buffers: BufferMode,
    stack: boolean,
  ): Promise<SplitEvaluation> {
    const { from, indices } = this.#options.splits[split];
    const common = { kind: 'evaluate', split: from, buffers, random: this.#random('evaluate') } as const;
    const { fields, arrays } =
      point.kind === 'checkpoint'
        ? await this.#ask({ ...common, point: 'checkpoint', index: point.index }, { examples: indices })
        : await this.#ask(
            { ...common, point: 'mix', ...(stack ? { stack } : {}) },
            {
              examples: indices,
              coefficients: this.#withOverall(point.coefficients),
              calibration: this.#calibration,
            },
          );
    return {
      loss: floats(arrays, 'loss'),
      metrics: Object.fromEntries(texts(fields, 'metrics').map((name) => [name, floats(arrays, name)])),
      weights: floats(arrays, 'weights'),
    };
  }

  #ask(message: Parameters<PythonProcess['request']>[0], arrays: Arrays): Promise<Reply> {
    return this.#python.request(message, arrays);
  }

  /** After the coefficients of the blocks those for what is in no block. */
  #withOverall(coefficients: Float64Array): Float64Array {
    if (coefficients.length === this.n) return coefficients;
    return Float64Array.of(...coefficients, ...overallCoefficients(coefficients, this.n, this.blocks));
  }

  #random(purpose: string): number {
    // 31 bits, which every generator takes for a seed.
    return seededRandom(this.#options.seed, purpose)() >>> 1;
  }
}
