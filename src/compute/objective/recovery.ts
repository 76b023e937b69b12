/**
 * An objective that outlives its backend. A GPU can be lost in the middle of a pass (the driver was reset, its memory
 * is full); the checkpoints are in the computer's own memory and the coefficients with whoever asks, so nothing else is
 * lost: the question that failed is asked again of an objective on another backend.
 */
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
import type { TfjsObjective } from './objective.ts';

/** Gives the objective to go on with, or undefined where the error has another cause. */
export type Recover = (error: unknown, failed: TfjsObjective) => Promise<TfjsObjective | undefined>;

export class RecoveringObjective implements Objective {
  readonly blocks?: readonly Block[];
  readonly #recover: Recover;
  #current: TfjsObjective;

  constructor(first: TfjsObjective, recover: Recover) {
    this.#current = first;
    this.#recover = recover;
    if (first.blocks !== undefined) this.blocks = first.blocks;
  }

  get checkpoints(): readonly string[] {
    return this.#current.checkpoints;
  }

  get parameterCount(): number {
    return this.#current.parameterCount;
  }

  get splits(): SplitSizes {
    return this.#current.splits;
  }

  get metric(): Objective['metric'] {
    return this.#current.metric;
  }

  get hasRunningStatistics(): boolean {
    return this.#current.hasRunningStatistics;
  }

  gram(signal?: AbortSignal): Promise<CentredGram> {
    return this.#current.gram(signal);
  }

  blockGrams(signal?: AbortSignal): Promise<readonly CentredGram[]> {
    return this.#current.blockGrams(signal);
  }

  lossAndGradient(
    coefficients: Float64Array,
    examples: Int32Array,
    signal?: AbortSignal,
    draw?: number,
  ): Promise<{ readonly loss: number; readonly gradient: Float64Array }> {
    return this.#ask((objective) => objective.lossAndGradient(coefficients, examples, signal, draw));
  }

  evaluate(
    point: WeightPoint,
    split: SplitName,
    buffers: BufferMode,
    signal?: AbortSignal,
  ): Promise<SplitEvaluation> {
    return this.#ask((objective) => objective.evaluate(point, split, buffers, signal));
  }

  recalibrate(coefficients: Float64Array, signal?: AbortSignal): Promise<readonly BufferValue[]> {
    return this.#ask((objective) => objective.recalibrate(coefficients, signal));
  }

  dispose(): Promise<void> {
    return this.#current.dispose();
  }

  async #ask<T>(question: (objective: TfjsObjective) => Promise<T>): Promise<T> {
    for (;;) {
      const asked = this.#current;
      try {
        return await question(asked);
      } catch (error) {
        const next = await this.#recover(error, asked);
        if (next === undefined) throw error;
        this.#current = next;
      }
    }
  }
}
