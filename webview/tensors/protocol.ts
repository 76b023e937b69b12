/**
 * What crosses the line between the extension host and a tensors page, which shows one checkpoint or compares two.
 * A page that (re)starts says `ready` and gets everything; what comes later (statistics, changes) may come twice or
 * in any order, so nothing is numbered.
 */
import type { TensorChange, TensorStatistics } from '../../src/core/checkpoints/changes.ts';
import type { DType, TensorInfo } from '../../src/core/checkpoints/types.ts';
import type { FromPage } from '../protocol.ts';
import {
  arrayOf,
  narrower,
  nullable,
  number,
  object,
  oneOf,
  recordOf,
  shortString,
  string,
  union,
  type Reader,
} from '../shared/narrow.ts';

/** One checkpoint, from its headers alone. */
export interface ShownCheckpoint {
  readonly path: string;
  readonly name: string;
  /** For people. */
  readonly format: string;
  /** Of all its files. */
  readonly bytes: number;
  readonly step?: number;
  readonly epoch?: number;
  readonly tensors: readonly TensorInfo[];
  readonly metadata: Readonly<Record<string, string>>;
  /** Sentences: what a user should know of this file. */
  readonly notes: readonly string[];
}

export type ToTensors =
  | {
      readonly kind: 'checkpoint';
      readonly checkpoint: ShownCheckpoint;
      readonly statistics: readonly TensorStatistics[];
    }
  | {
      readonly kind: 'comparison';
      readonly a: ShownCheckpoint;
      readonly b: ShownCheckpoint;
      /** Absent until they are computed. */
      readonly changes?: readonly TensorChange[];
    }
  /** Not complete, damaged, or no checkpoint at all. */
  | {
      readonly kind: 'unavailable';
      readonly title: string;
      readonly message: string;
      readonly details: readonly string[];
    }
  /** To be added to those that the page has. */
  | { readonly kind: 'statistics'; readonly rows: readonly TensorStatistics[] }
  | { readonly kind: 'changes'; readonly changes: readonly TensorChange[] }
  /** A job reads the numbers. `tensor` is where it is. */
  | { readonly kind: 'running'; readonly fraction: number; readonly tensor: string }
  /** It is over: done, cancelled (no message) or failed. */
  | { readonly kind: 'ended'; readonly message?: string };

export type FromTensors =
  | FromPage
  /** Of one checkpoint: statistics of these tensors, of all without names. */
  | { readonly kind: 'compute'; readonly tensors?: readonly string[] }
  /** Of two: read their numbers. */
  | { readonly kind: 'compare' }
  | { readonly kind: 'cancel' }
  | { readonly kind: 'copy'; readonly text: string };

/** Narrowed to text only: the page shows a dtype and does no arithmetic with it. */
const dtype: Reader<DType> = (value) => string(value) as DType;
const tensor: Reader<TensorInfo> = object(
  { name: string, dtype, shape: arrayOf(number) },
  { aliasOf: string },
);
const checkpoint: Reader<ShownCheckpoint> = object(
  {
    path: string,
    name: string,
    format: string,
    bytes: number,
    tensors: arrayOf(tensor),
    metadata: recordOf(string),
    notes: arrayOf(string),
  },
  { step: number, epoch: number },
);
const statistics: Reader<readonly TensorStatistics[]> = arrayOf(
  object({
    name: string,
    min: number,
    max: number,
    mean: number,
    std: number,
    nan: number,
    infinite: number,
  }),
);
const changes: Reader<readonly TensorChange[]> = arrayOf(
  object({
    name: string,
    normA: number,
    normB: number,
    distance: number,
    dot: number,
    largest: number,
    notFinite: number,
  }),
);

export const readToTensors: (message: unknown) => ToTensors | undefined = narrower(
  union<ToTensors>({
    checkpoint: object({ checkpoint, statistics }),
    comparison: object({ a: checkpoint, b: checkpoint }, { changes }),
    unavailable: object({ title: string, message: string, details: arrayOf(string) }),
    statistics: object({ rows: statistics }),
    changes: object({ changes }),
    running: object({ fraction: number, tensor: string }),
    ended: object({}, { message: string }),
  }),
);

const nothing = object({});
export const readFromTensors: (message: unknown) => FromTensors | undefined = narrower(
  union<FromTensors>({
    ready: nothing,
    resync: nothing,
    defect: object({ text: shortString(8192) }),
    compute: object({}, { tensors: arrayOf(string) }),
    compare: nothing,
    cancel: nothing,
    copy: object({ text: shortString(65536) }),
  }),
);

/** What a tensors page remembers over a reload. A comparison's panel is restored by its `subject`. */
export interface TensorsState {
  readonly subject?: { readonly a: string; readonly b: string };
  readonly filter: string;
  /** Null: as in the file. */
  readonly sort: { readonly column: string; readonly direction: 'ascending' | 'descending' } | null;
}

const state = narrower<TensorsState>(
  object(
    {
      filter: string,
      sort: nullable(object({ column: string, direction: oneOf('ascending', 'descending') })),
    },
    { subject: object({ a: string, b: string }) },
  ),
);

export const readState = (value: unknown): TensorsState => state(value) ?? { filter: '', sort: null };
