/**
 * What runs a user's model: one of several engines, opened for a task by the jobs, which do not care which one it is.
 * Each is imported only where a task asks for it.
 */
import type {
  Block,
  FitData,
  Objective,
  SplitEvaluation,
  SplitName,
  SplitSizes,
} from '../core/averaging/types.ts';
import type { CheckpointHeader } from '../core/checkpoints/types.ts';
import type { TaskFile } from '../core/task/types.ts';
import type { JobContext } from './jobs/context.ts';
import type { BackendChoice, PytorchOptions } from './protocol.ts';

export interface EngineRequest {
  readonly task: TaskFile;
  /** A checkpoint like those that will be loaded: the newest. */
  readonly template: CheckpointHeader;
  readonly fitData: FitData;
  readonly seed: number;
  /** For engine tfjs. */
  readonly backend: BackendChoice;
  /** For engine pytorch. */
  readonly pytorch?: PytorchOptions;
}

export interface Engine {
  /** What computes, for people and for the report: "wasm (1 thread, SIMD)". */
  readonly label: string;
  readonly splits: SplitSizes;
  /** Names of the tensors of a checkpoint that are trained, as far as they can have coefficients of their own. */
  readonly trained: readonly string[];
  /** Names of the tensors of a checkpoint that hold running statistics. */
  readonly running: readonly string[];
  /** Whether an objective can recompute running statistics. */
  readonly canRecalibrate: boolean;
  /**
   * An objective over these checkpoints, oldest first, all like the template. There is one at a time: dispose of it
   * before the next, and before the engine.
   */
  load(headers: readonly CheckpointHeader[], hooks: LoadHooks): Promise<Objective>;
  /** Sentences for the report about how the objective over several checkpoints was computed, once a pass is done. */
  readonly findings?: (coefficients: Float64Array) => Promise<readonly string[]>;
  dispose(): Promise<void>;
}

export interface LoadHooks {
  readonly signal: AbortSignal;
  /** `fraction` of the loading. */
  readonly onProgress?: (fraction: number, message: string) => void;
  /** Coefficients for each of these. */
  readonly blocks?: readonly Block[];
}

/** Reports the phases `backend` and `reading` as it goes. */
export async function openEngine(request: EngineRequest, context: JobContext): Promise<Engine> {
  switch (request.task.engine) {
    case 'tfjs':
      return (await import('./objective/tfjs-engine.ts')).openTfjsEngine(request, context);
    case 'pytorch':
      return (await import('./pytorch/engine.ts')).openPytorchEngine(request, context);
    case 'command':
      return (await import('./command/engine.ts')).openCommandEngine(request, context);
    case 'contributed':
      return (await import('./contributed/engine.ts')).openContributedEngine(request, context);
  }
}

/** A checkpoint by itself, with its own running statistics. */
export async function evaluateFile(
  engine: Engine,
  header: CheckpointHeader,
  split: SplitName,
  signal: AbortSignal,
): Promise<SplitEvaluation> {
  const objective = await engine.load([header], { signal });
  try {
    return await objective.evaluate({ kind: 'checkpoint', index: 0 }, split, 'newest', signal);
  } finally {
    await objective.dispose();
  }
}
