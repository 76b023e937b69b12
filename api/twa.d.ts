/**
 * What the extension "Trainable Weight Averaging" gives to other extensions. Copy this file into yours: it imports
 * nothing. docs/api.md tells how it is used, and examples/api-extension uses all of it.
 *
 *     const twa = vscode.extensions.getExtension<TwaExports>('twa.trainable-weight-averaging');
 *     const api = (await twa.activate()).getApi(1);
 */

export interface TwaExports {
  /** @throws Error that says which versions there are, for any other one. */
  getApi(version: 1): TwaApi;
}

/**
 * What is registered works by a module of yours: an ES module (`.mjs`, or `.js` of a package with `"type": "module"`),
 * because weights are read and averaged in a process of their own, which no function or object of the extension host
 * can reach. Every promise rejects with an Error whose message is a sentence for the user.
 */
export interface TwaApi {
  readonly version: 1;

  /**
   * Checkpoints of one file in a format of yours: seen in watched folders, opened, averaged, and written back. The
   * module exports `format`, a {@link FileFormat}. It is loaded in the extension host and in the compute process.
   */
  registerCheckpointFormat(registration: Registration): Promise<Disposable>;

  /**
   * Metrics logs of lines of text: followed while they grow, drawn as curves, joined with the run's checkpoints. The
   * module exports `metrics`, a {@link MetricsSource}. It is loaded in the extension host.
   */
  registerMetricsSource(registration: Registration): Promise<Disposable>;

  /**
   * What computes the loss of a model: the `engine` of that name in a twa.json. The module exports `engine`, an
   * {@link Engine}. It is loaded in the compute process alone, when a task asks for it.
   */
  registerEngine(registration: Registration): Promise<Disposable>;

  /**
   * Averages checkpoints as the command does: queued behind other passes, in a process of its own, with progress that
   * can be cancelled. Refused in a workspace that is not trusted. The result appears in the view as any other.
   */
  average(request: AverageRequest, signal?: AbortSignal): Promise<AverageResult>;
}

/** Ends what was registered; what is running already runs on. */
export interface Disposable {
  dispose(): void;
}

export interface Registration {
  /** `publisher.name`, letters, digits, hyphens and underscores; each may be registered once at a time. */
  readonly id: string;
  /** Absolute path of the module. In a workspace that is not trusted it may not lie in that workspace. */
  readonly module: string;
}

// Checkpoint formats ---------------------------------------------------------------------------------------------

/** Named as in safetensors. Elements are little-endian. */
export type DType =
  | ('F64' | 'F32' | 'F16' | 'BF16' | 'F8_E4M3' | 'F8_E5M2')
  | ('I64' | 'I32' | 'I16' | 'I8' | 'U64' | 'U32' | 'U16' | 'U8' | 'BOOL' | 'C64' | 'C128');

export interface Tensor {
  readonly name: string;
  readonly dtype: DType;
  /** Row-major; `[]` is a scalar. */
  readonly shape: readonly number[];
}

/**
 * A format that says where its tensors lie. From that alone they are read, compared and averaged in pieces, however
 * large the file, and an average is written as a copy of the newest file with new numbers in the places of the old ones.
 */
export interface FileFormat {
  /** For people: "Acme weights". */
  readonly label: string;
  /** What the files' names end with, the dot included: ".weights". One that is read already is refused. */
  readonly extension: string;
  /**
   * Reads the header. Whatever it throws makes the file unreadable, with the message as the reason; asking for bytes
   * behind the end makes it incomplete: a file that is still being written.
   */
  read(file: FileBytes): Promise<FileContents> | FileContents;
}

export interface FileBytes {
  /** Absolute. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** A copy of `length` bytes, at most 64 MiB at once. */
  bytes(position: number, length: number): Promise<Uint8Array>;
}

export interface FileContents {
  /** `position`: of the first byte in the file. The elements lie there without gaps, not compressed, nothing shared. */
  readonly tensors: readonly (Tensor & { readonly position: number })[];
  /** Shown; `step` and `epoch` say where in training the checkpoint stands, as the file's name may. */
  readonly metadata?: Readonly<Record<string, string>>;
}

// Metrics --------------------------------------------------------------------------------------------------------

export interface MetricsSource {
  /**
   * Of a log's whole name without its directory: /^train\.log$/. A name that is read already stays with its format, and
   * pictures, text (`.txt`, `.md`) and sources are never looked at.
   */
  readonly fileName: RegExp;
  /** One per log; a log that was replaced gets a new one. */
  open(path: string): MetricsParser;
}

export interface MetricsParser {
  /** What one line logs; undefined for a line that logs nothing. What it throws is shown with the line's number. */
  line(text: string): Iterable<MetricsPoint> | undefined;
}

export interface MetricsPoint {
  /** As in "val/accuracy". */
  readonly tag: string;
  readonly step: number;
  readonly value: number;
  readonly epoch?: number;
  /** Milliseconds since 1970. */
  readonly wallTime?: number;
}

// Engines --------------------------------------------------------------------------------------------------------

export interface Engine {
  /** Throw, with a sentence, what is wrong with the task. */
  open(request: EngineRequest): Promise<OpenEngine> | OpenEngine;
}

export interface EngineRequest {
  /** Absolute path of the twa.json. */
  readonly task: string;
  /** Its `settings`, as written: check them. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Absolute path of the newest checkpoint. */
  readonly checkpoint: string;
  readonly tensors: readonly Tensor[];
  readonly seed: number;
  readonly signal: AbortSignal;
}

/** The splits as a project has them. Coefficients are never fitted and reported on the same examples. */
export type Split = 'train' | 'validation' | 'test';

/** The tensors of floating-point numbers, by name, row-major; valid until the call's promise is settled. */
export type Weights = ReadonlyMap<string, Float32Array>;

export interface OpenEngine {
  /** What computes, for people and for the report: "plain JavaScript". */
  readonly label: string;
  /** Examples. Without `test` a part of validation reports, and the result says so. */
  readonly sizes: { readonly train: number; readonly validation: number; readonly test?: number };
  /** Names of the tensors that training changes; every floating-point tensor when absent. */
  readonly parameters?: readonly string[];
  /** In evaluation mode. `examples` are indices into the split; every list has one number for each, in their order. */
  evaluate(
    weights: Weights,
    split: Split,
    examples: Int32Array,
    signal: AbortSignal,
  ): Promise<Evaluation> | Evaluation;
  /** In training mode. Absent where there are no gradients: then TWA is refused, and the other methods work. */
  lossAndGradient?(
    weights: Weights,
    split: Split,
    examples: Int32Array,
    signal: AbortSignal,
  ): Promise<LossAndGradient> | LossAndGradient;
  dispose?(): Promise<void> | void;
}

export interface Evaluation {
  readonly loss: ArrayLike<number>;
  /** The metric that twa.json names must be among them. */
  readonly metrics: Readonly<Record<string, ArrayLike<number>>>;
}

export interface LossAndGradient {
  /** Mean over the examples. */
  readonly loss: number;
  /** dL/dw by the tensor's name, as long as the tensor; a parameter that is missing has none. */
  readonly gradients: ReadonlyMap<string, Float32Array>;
}

// Averaging ------------------------------------------------------------------------------------------------------

export type Method =
  'uniform' | 'last-k' | 'ema' | 'best-k' | 'prune' | 'greedy' | 'manual' | 'search' | 'twa';

export interface AverageRequest {
  /** Files or directories, two checkpoints at least. They are put into the order of training. */
  readonly checkpoints: readonly string[];
  /** `uniform` when absent. Those that look at data need a task. */
  readonly method?: Method;
  /** Absolute path of a twa.json. */
  readonly task?: string;
  /** For `manual`: one per checkpoint, the oldest first. */
  readonly coefficients?: readonly number[];
  /** For `last-k` and `best-k`: how many. */
  readonly k?: number;
  /** For `twa`: the published rule, `v4` when absent. */
  readonly rule?: 'v4' | 'iclr' | 'lbfgs';
  /** For `twa`: passes over the examples that coefficients are trained on. */
  readonly epochs?: number;
  /** Of every random choice; 1 when absent. */
  readonly seed?: number;
  /** The directory for the result; `averages` beside the newest checkpoint when absent. Nothing is ever overwritten. */
  readonly directory?: string;
}

export interface AverageResult {
  /** Absolute path of the merged checkpoint. */
  readonly output: string;
  /** Absolute path of the report about it, a JSON document. */
  readonly report: string;
  /** The oldest checkpoint first. */
  readonly coefficients: readonly number[];
  /** Which weights to use, in a sentence. */
  readonly recommendation: string;
  /** Measured on examples that no choice was made on; empty without a task. */
  readonly rows: readonly { readonly label: string; readonly metric: number; readonly loss: number }[];
}
