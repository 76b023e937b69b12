/**
 * Everything that crosses the line between a shell (VS Code, CLI) and the compute process. One process serves one
 * job: it starts, works, answers once and ends, so a crash can take nothing else with it. Messages travel over
 * Node's IPC channel with `serialization: 'advanced'`; both sides treat what arrives as `unknown` and narrow it.
 */
import type { Groups } from '../core/averaging/blocks.ts';
import type {
  AverageReport,
  BufferMode,
  Method,
  MethodSettings,
  PassProgress,
  SplitName,
  TwaOptions,
  TwaRule,
} from '../core/averaging/types.ts';
import type { TensorChange, TensorStatistics } from '../core/checkpoints/changes.ts';
import type { TargetDType } from '../core/checkpoints/convert.ts';
import type { CheckpointGeometry } from '../core/checkpoints/geometry.ts';
import type { Contribution } from '../core/contributions/types.ts';
import type { SerializedError } from '../core/errors.ts';
import type { LiveResult } from '../core/live/line.ts';
import type { Goal } from '../core/runs/types.ts';

export type BackendName = 'tensorflow' | 'webgpu' | 'wasm' | 'cpu';
export type BackendChoice = BackendName | 'auto';

/** How PyTorch keeps the checkpoints, most exact first: see `python/twa_task/stack.py`. */
export const MEMORY_MODES = ['auto', 'f32', 'sharded', 'bf16', 'int8', 'host', 'files'] as const;
export type MemoryMode = (typeof MEMORY_MODES)[number];

/** For engine pytorch; each has a default. */
export interface PytorchOptions {
  /** Name or path of the interpreter, or the folder of its environment. */
  readonly python?: string;
  /** What starts the processes: "torchrun --nproc_per_node 2". */
  readonly launcher?: string;
  readonly memory?: MemoryMode;
}

export interface AverageRequest {
  /** Absolute paths of complete checkpoints, oldest first. */
  readonly checkpoints: readonly string[];
  readonly method: Method;
  /** For `manual`, and for TWA and search that start from them. */
  readonly coefficients?: readonly number[];
  /** Absolute path of a twa.json. Methods by formula (uniform, last-k, ema, manual) work without: nothing is evaluated then. */
  readonly task?: string;
  /** Where they differ from the rule's defaults. */
  readonly options: Partial<TwaOptions>;
  /** What the methods without training need. */
  readonly settings?: MethodSettings;
  /** For granularity `groups`, instead of the task's. */
  readonly groups?: Groups;
  readonly buffers: BufferMode;
  readonly seed: number;
  readonly backend: BackendChoice;
  readonly pytorch?: PytorchOptions;
  /** Leave out the optimizer's state instead of keeping that of the newest checkpoint. */
  readonly dropOptimizer?: boolean;
  /** The checkpoint to make (must not exist) and where it grows until it is whole. */
  readonly output: string;
  readonly partial: string;
}

/** A pass beside a training that goes on: it runs at low priority and writes nothing. */
export interface LiveRequest {
  /** Absolute paths of complete checkpoints, oldest first. */
  readonly checkpoints: readonly string[];
  readonly task: string;
  /** Absolute path of a checkpoint to compare with on the same examples. */
  readonly reference?: string;
  readonly rule?: TwaRule;
  readonly seed: number;
  /** Only where the graphics processor may be used. */
  readonly backend: BackendChoice;
  readonly useGpu: boolean;
  readonly pytorch?: PytorchOptions;
}

export interface EvaluateRequest {
  readonly checkpoints: readonly string[];
  readonly task: string;
  readonly split: SplitName;
  readonly backend: BackendChoice;
  readonly pytorch?: PytorchOptions;
  readonly seed: number;
}

export interface EvaluateRow {
  readonly path: string;
  readonly step?: number;
  readonly epoch?: number;
  readonly metric: number;
  readonly metricInterval: { readonly low: number; readonly high: number };
  readonly loss: number;
  readonly lossInterval: { readonly low: number; readonly high: number };
}

export interface EvaluateResult {
  readonly split: SplitName;
  readonly examples: number;
  readonly metric: { readonly name: string; readonly goal: Goal };
  readonly backend: string;
  readonly rows: readonly EvaluateRow[];
}

export interface DeviceReport {
  readonly name: BackendName;
  readonly usable: boolean;
  /** "TensorFlow 2.21, GPU: NVIDIA ..."; "1 thread, SIMD". */
  readonly detail: string;
  /** It computes on a graphics processor. */
  readonly gpu: boolean;
  /** Why not, and what to do, where it is not usable. */
  readonly reason?: string;
  /** Milliseconds of the gradient self-test. */
  readonly selfTestMs?: number;
}

export interface DevicesRequest {
  /** Examine just this backend, from the packages under this directory: a set-up that is to prove itself. */
  readonly only?: { readonly backend: BackendName; readonly directory: string };
}

export interface DevicesResult {
  /** The one `auto` takes. */
  readonly chosen: BackendName | undefined;
  readonly devices: readonly DeviceReport[];
}

export interface TensorStatisticsRequest {
  readonly checkpoint: string;
  /** Absent: all. */
  readonly tensors?: readonly string[];
}

export interface TensorStatisticsResult {
  /** In header order. */
  readonly rows: readonly TensorStatistics[];
}

export interface CompareTensorsRequest {
  readonly a: string;
  readonly b: string;
}

export interface CompareTensorsResult {
  /** Of the tensors that can be compared, in the order of `a`. */
  readonly changes: readonly TensorChange[];
}

export interface ConvertJobRequest {
  /** Absolute path of a complete checkpoint. */
  readonly checkpoint: string;
  /** The `.safetensors` file to make (must not exist) and where it grows until it is whole. */
  readonly output: string;
  readonly partial: string;
  /** For all float tensors; as they are without. */
  readonly dtype?: TargetDType;
}

export interface ConvertJobResult {
  readonly output: string;
  /** How many. */
  readonly tensors: number;
  /** Of the file. */
  readonly bytes: number;
  readonly notes: readonly string[];
  readonly sourceSha256: string;
  readonly outputSha256: string;
}

export interface GeometryRequest {
  /** Complete checkpoints of one architecture, in any order. */
  readonly checkpoints: readonly string[];
}

/** One evaluation of a checkpoint by a program of the user's: that of a task with engine `command`, or another. */
export interface CommandRequest {
  readonly checkpoint: string;
  /** Absolute path of a twa.json with engine `command`; else a line for the shell, and where it runs. */
  readonly task?: string;
  readonly run?: string;
  readonly directory?: string;
  /** Where the number stands, see `CommandDeclaration`. */
  readonly pattern?: string;
  readonly split: 'validation' | 'test';
}

export interface CommandResult {
  /** As it is declared, with its places unfilled. */
  readonly command: string;
  readonly directory: string;
  readonly value: number;
  /** Of the wall clock. */
  readonly milliseconds: number;
}

/** Adding a job is adding a line here; both sides then fail to compile until they handle it. */
export interface Jobs {
  average: { request: AverageRequest; result: AverageReport };
  live: { request: LiveRequest; result: LiveResult };
  evaluate: { request: EvaluateRequest; result: EvaluateResult };
  devices: { request: DevicesRequest; result: DevicesResult };
  tensorStatistics: { request: TensorStatisticsRequest; result: TensorStatisticsResult };
  compareTensors: { request: CompareTensorsRequest; result: CompareTensorsResult };
  geometry: { request: GeometryRequest; result: CheckpointGeometry };
  command: { request: CommandRequest; result: CommandResult };
  convert: { request: ConvertJobRequest; result: ConvertJobResult };
}
export type JobName = keyof Jobs;

export type ToCompute =
  | {
      [J in JobName]: {
        readonly kind: 'start';
        readonly job: J;
        readonly request: Jobs[J]['request'];
        /** What other extensions registered, to be loaded before the job. */
        readonly contributions?: readonly Contribution[];
      };
    }[JobName]
  | { readonly kind: 'cancel' };

export type FromCompute =
  | { readonly kind: 'ready'; readonly pid: number }
  | { readonly kind: 'progress'; readonly progress: PassProgress }
  | { readonly kind: 'log'; readonly level: 'debug' | 'info' | 'warn' | 'error'; readonly text: string }
  | { readonly kind: 'result'; readonly result: Jobs[JobName]['result'] }
  | { readonly kind: 'error'; readonly error: SerializedError };
