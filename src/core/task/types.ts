/**
 * How a project tells the tool to compute its loss: `twa.json`, validated by `media/schemas/twa.schema.json`.
 * Paths in it are relative to the file itself. The same four names (`model`, `data`, `loss`, `metrics`) mean the same
 * in a declaration, in a JavaScript task module and in a Python task.
 */
import type { Goal } from '../runs/types.ts';

export type Engine =
  | 'tfjs'
  /** The user's own model and loss in the user's own Python. */
  | 'pytorch'
  /** A program of the user's that evaluates a checkpoint file; no gradients. */
  | 'command'
  /** Of another VS Code extension: see {@link ContributedDeclaration}. */
  | 'contributed';

/** A block of numbers: rows of a CSV, or the first axis of an NPY/NPZ array. */
export interface ArraySource {
  /** `.csv`, `.npy` or `.npz`. */
  readonly file: string;
  /** Name of the array in an `.npz`. */
  readonly array?: string;
  /** CSV columns: "0-63", "3", "label", "0-9,12". All but the header by default. */
  readonly columns?: string;
  /** CSV: whether the first line holds names. Guessed when absent. */
  readonly header?: boolean;
  /** Shape of one example, e.g. [8, 8, 1]. */
  readonly shape?: readonly number[];
  /** Multiplied into every number, e.g. 0.0625 for 0..16 -> 0..1. */
  readonly scale?: number;
  /** Targets only: integer labels become one-hot vectors of this length. */
  readonly classes?: number;
}

export interface ExampleSource {
  readonly inputs: ArraySource;
  readonly targets: ArraySource;
}

/** Either one table with row numbers per split, or one table per split. */
export type DataDeclaration =
  | (ExampleSource & {
      /** A JSON file `{"train": [rows], "validation": [rows], "test": [rows]}`. */
      readonly splits: string;
    })
  | { readonly train: ExampleSource; readonly validation: ExampleSource; readonly test?: ExampleSource };

export type DeclaredLoss = 'softmaxCrossEntropy' | 'sigmoidCrossEntropy' | 'meanSquaredError';
export type DeclaredMetric = 'accuracy' | 'meanSquaredError' | 'meanAbsoluteError';

/** The user's own evaluation: it is given a checkpoint file and prints one number, the metric. */
export interface CommandDeclaration {
  /**
   * A line for the system's shell, or a program and its arguments. `{checkpoint}` stands for the path of the file, and
   * `{split}` for `validation` or `test`; both are in the environment too, as TWA_CHECKPOINT and TWA_SPLIT.
   */
  readonly run: string | readonly string[];
  /** Regular expression whose first group is the number; of several matches the last counts. */
  readonly pattern?: string;
  /** JSON pointer (RFC 6901) to the number in the JSON that is printed. */
  readonly pointer?: string;
  /** Seconds that one evaluation may take. */
  readonly timeout: number;
  /** Absolute working directory. */
  readonly directory: string;
  /** Evaluations of every point, told apart by TWA_SEED; more than one where the number varies. */
  readonly repeats: number;
}

/** How PyTorch runs a task; each has a default. */
export interface PytorchDeclaration {
  /** "cuda:1". */
  readonly device?: string;
  /** Mixed precision. */
  readonly amp?: 'bf16' | 'fp16';
  /** Examples at once in a training step. */
  readonly microBatch?: number;
}

/** An engine that another extension registered. */
export interface ContributedDeclaration {
  /** `publisher.name`. */
  readonly engine: string;
  /** What only that engine understands. */
  readonly settings: Readonly<Record<string, unknown>>;
}

export interface TaskFile {
  /** Absolute path of the twa.json. */
  readonly path: string;
  readonly engine: Engine;
  /** Of engine `command`, which has none of the other declarations. */
  readonly command?: CommandDeclaration;
  /** Of engine `contributed`, which has none of the other declarations. */
  readonly contributed?: ContributedDeclaration;
  /** Of engine `pytorch`, which has a module and none of the declarations that its functions stand for. */
  readonly pytorch?: PytorchDeclaration;
  /**
   * JavaScript module that exports any of model, data, loss, metrics; each one replaces its declaration. Of engine
   * `pytorch`: a Python file.
   */
  readonly module?: string;
  /** "checkpoint": the architecture inside the checkpoint; or the path of a LayersModel `model.json`. */
  readonly model: string;
  readonly data?: DataDeclaration;
  /** Logits or probabilities: what the model's last layer gives. */
  readonly output: 'logits' | 'probabilities';
  /** Absent only where a module may export one. */
  readonly loss?: DeclaredLoss;
  readonly metric: { readonly name: string; readonly goal: Goal };
  readonly batchSize: number;
  /** Parameters that share coefficients: regular expressions for names of tensors, and the group of each. */
  readonly groups?: Readonly<Record<string, string>>;
}

/** The splits as the user knows them. `test` may be missing: then `report` is carved from validation, and said so. */
export type UserSplit = 'train' | 'validation' | 'test';

/** Declarative data, loaded: plain arrays, no tensors. inputs is [size, ...inputShape], row-major. */
export interface ArrayDataset {
  readonly size: number;
  readonly inputs: Float32Array;
  readonly inputShape: readonly number[];
  readonly targets: Float32Array;
  readonly targetShape: readonly number[];
}
