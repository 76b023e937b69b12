import type { BackendChoice, MemoryMode } from '../../compute/protocol.ts';
import type { CheckpointHeader } from '../../core/checkpoints/types.ts';
import type { Engine } from '../../core/task/types.ts';
import type { Plan } from './plans.ts';

/** Every random choice of a pass follows from it; the report names it. */
export const SEED = 1;

/** What will be averaged, and with which task. */
export interface Chosen {
  /** Directory of the run. */
  readonly run: string;
  readonly runName: string;
  /** Oldest first, of one architecture, at least two. */
  readonly headers: readonly CheckpointHeader[];
  /** Absolute path of a twa.json; undefined: nothing is evaluated. */
  readonly task: string | undefined;
  /** What runs the task. */
  readonly engine: Engine | undefined;
}

/** A pass before it begins, as the questions fill it in. */
export interface Draft {
  readonly chosen: Chosen;
  readonly plan: Plan;
  readonly seed: number;
  readonly backend: BackendChoice;
  /** How the task's engine, tfjs or pytorch, keeps the checkpoints. */
  readonly memory: MemoryMode;
  /** Absolute; undefined: the first free name when it begins. */
  readonly output: string | undefined;
}
