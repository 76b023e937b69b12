/** Mixes that have been looked at, and the one place where they are. */
import { throwIfAborted } from '../errors.ts';
import type { BufferMode, FitData, Objective, PassProgress, SplitEvaluation, SplitName } from './types.ts';

/** A mix that has been looked at on the stop split. */
export interface JudgedMix {
  readonly coefficients: Float64Array;
  readonly stop: SplitEvaluation;
}

export interface PassHooks {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: PassProgress) => void;
}

/** Everything that a method which only evaluates needs to know. */
export interface Judge {
  readonly objective: Objective;
  readonly buffers: BufferMode;
  /** What selection looks at, see {@link selectionSplit}. */
  readonly selection: SplitName;
  readonly hooks: PassHooks;
}

/**
 * Choosing among many mixes is fitting, so it is done on the fit split, and the stop split compares the outcome with
 * other methods. Where the fit split is training data, which says little about generalising, both use the stop split.
 */
export function selectionSplit(fitData: FitData): SplitName {
  return fitData === 'validation' ? 'fit' : 'stop';
}

export function look(judge: Judge, coefficients: Float64Array, split: SplitName): Promise<SplitEvaluation> {
  const { objective, buffers, hooks } = judge;
  throwIfAborted(hooks.signal);
  return objective.evaluate({ kind: 'mix', coefficients }, split, buffers, hooks.signal);
}

/** `known` is what selection found out about the same mix. */
export async function judgeMix(
  judge: Judge,
  coefficients: Float64Array,
  known?: SplitEvaluation,
): Promise<JudgedMix> {
  const stop =
    known !== undefined && judge.selection === 'stop' ? known : await look(judge, coefficients, 'stop');
  return { coefficients, stop };
}
