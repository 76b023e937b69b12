import type { ErrorPlace } from '../errors.ts';

/** Numbers as one file gave them: a table's chosen columns, or an array. */
export interface Block {
  /** Examples: length of the first axis. */
  readonly rows: number;
  /** Of one example; `[]` where a row is one number. */
  readonly shape: readonly number[];
  /** [rows, ...shape], row-major; every one finite. */
  readonly values: Float32Array;
  /** For errors: where the number at this index of `values` stands in its file. Reads the file again. */
  locate(index: number): Promise<Located>;
}

export interface Located {
  readonly place: ErrorPlace;
  /** "/data/x.csv:12:30" or "/data/x.npy: element [11, 4]". */
  readonly text: string;
}
