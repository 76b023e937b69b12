/**
 * How a project tells the tool to compute its loss: `twa.json`, validated by `media/schemas/twa.schema.json`.
 * Paths in it are relative to the file itself. The same four names (`model`, `data`, `loss`, `metrics`) mean the same
 * in a declaration, in a JavaScript task module and in a Python task.
 */
import type { Goal } from '../runs/types.ts';

export type Engine = 'tfjs';

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

export interface TaskFile {
  /** Absolute path of the twa.json. */
  readonly path: string;
  readonly engine: Engine;
  /** JavaScript module that exports any of model, data, loss, metrics; each one replaces its declaration. */
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
