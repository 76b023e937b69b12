/**
 * What is said between the core and the interpreter (`python/twa_task/engine.py`): requests go one at a time, and each is
 * answered once, by a result or an error. Progress may come before the answer, and `cancel` may be said at any time.
 */
import type { BufferMode } from '../../core/averaging/types.ts';
import { TwaError, type ErrorCode } from '../../core/errors.ts';
import type { UserSplit } from '../../core/task/types.ts';
import type { MemoryMode } from '../protocol.ts';
import type { Frame, Numbers } from './frames.ts';

/** A checkpoint that is known to be complete. */
export interface Source {
  readonly path: string;
  readonly format: string;
  readonly files: readonly string[];
  /** Names of its tensors, as in its header. */
  readonly tensors: readonly string[];
}

/** `random` seeds whatever is random in the user's code. */
export type Request =
  | {
      readonly kind: 'open';
      readonly module: string;
      readonly metric: string;
      readonly batchSize: number;
      readonly microBatch?: number;
      readonly amp?: 'bf16' | 'fp16';
      readonly device?: string;
      readonly checkpoint: Source;
      readonly random: number;
    }
  | {
      readonly kind: 'load';
      readonly checkpoints: readonly Source[];
      readonly memory: MemoryMode;
      /** Tensors of each block that has coefficients of its own. */
      readonly blocks?: readonly (readonly string[])[];
    }
  /** Arrays: coefficients, examples. `gradient`: how many numbers it has. */
  | {
      readonly kind: 'step';
      readonly split: UserSplit;
      readonly gradient: number;
      readonly random: number;
    }
  /** Arrays: examples; of a mix coefficients, and calibration, the training examples for BatchNorm. */
  | {
      readonly kind: 'evaluate';
      readonly split: UserSplit;
      readonly point: 'checkpoint' | 'mix';
      readonly index?: number;
      readonly buffers: BufferMode;
      /** Of the stack as it is kept, not of the files. */
      readonly stack?: boolean;
      readonly random: number;
    }
  /** Arrays: coefficients, calibration. */
  | { readonly kind: 'recalibrate'; readonly random: number }
  | { readonly kind: 'usage' };

export interface Opened {
  readonly label: string;
  readonly parameters: number;
  /** Keys in the checkpoint, of parameters with a gradient. */
  readonly trained: readonly string[];
  /** Keys in the checkpoint, of running statistics. */
  readonly running: readonly string[];
  /** What the checkpoints do not hold and stays as the task's model gives it. */
  readonly own: readonly string[];
  readonly sizes: Readonly<Partial<Record<UserSplit, number>>>;
}

export interface Loaded {
  readonly memory: string;
  readonly why: string;
  readonly bytes: number;
  readonly lossy: boolean;
  /** Per block, [n + 1, n + 1]: products of the centred rows and, last, the mean. */
  readonly products: Float64Array;
}

/** Bytes at their peak. */
export interface Usage {
  readonly host: number;
  readonly device?: number;
}

export interface Hello {
  readonly token: string;
  readonly python: string;
  readonly executable: string;
  readonly problem?: { readonly what: string; readonly detail: string };
}

export type FromPython =
  | { readonly kind: 'hello'; readonly hello: Hello }
  | { readonly kind: 'progress'; readonly fraction: number; readonly message: string }
  | { readonly kind: 'result'; readonly fields: Fields; readonly arrays: Frame['arrays'] }
  | { readonly kind: 'error'; readonly error: Error };

type Fields = Readonly<Record<string, unknown>>;

/** What the Python side says of its own accord; everything else is a defect there. */
const CODES: readonly ErrorCode[] = [
  'bad-checkpoint',
  'unsupported',
  'mismatch',
  'non-finite',
  'bad-task',
  'no-space',
  'no-backend',
  'compute-died',
  'cancelled',
];

/** Throws a plain Error for a message that this version does not know: both sides ship together. */
export function parseFrame({ message, arrays }: Frame): FromPython {
  const { kind } = message;
  switch (kind) {
    case 'hello':
      return { kind, hello: parseHello(message) };
    case 'progress':
      return { kind, fraction: number(message, 'fraction'), message: text(message, 'message') };
    case 'result':
      return { kind, fields: message, arrays };
    case 'error':
      return { kind, error: parseError(message) };
    default:
      throw new Error(`Python sent a message "${String(kind)}" that this version does not know.`);
  }
}

function parseHello(fields: Fields): Hello {
  const { problem } = fields;
  return {
    token: text(fields, 'token'),
    python: text(fields, 'python'),
    executable: text(fields, 'executable'),
    ...(isFields(problem)
      ? { problem: { what: text(problem, 'what'), detail: text(problem, 'detail') } }
      : {}),
  };
}

function parseError(fields: Fields): Error {
  const message = text(fields, 'message');
  const details = texts(fields, 'details');
  const code = CODES.find((known) => known === fields['code']);
  const place = isFields(fields['place']) ? fields['place'] : {};
  const { path, line } = place;
  if (code !== undefined) {
    return new TwaError(code, message, {
      details,
      place: {
        ...(typeof path === 'string' ? { path } : {}),
        ...(typeof line === 'number' ? { line } : {}),
      },
    });
  }
  const defect = new Error(message);
  defect.stack = [message, ...details].join('\n');
  return defect;
}

export function parseOpened(fields: Fields): Opened {
  const sizes = fields['sizes'];
  if (!isFields(sizes)) throw wrong('sizes');
  const size = (split: UserSplit): Partial<Record<UserSplit, number>> =>
    sizes[split] === undefined ? {} : { [split]: number(sizes, split) };
  return {
    label: text(fields, 'label'),
    parameters: number(fields, 'parameters'),
    trained: texts(fields, 'trained'),
    running: texts(fields, 'running'),
    own: texts(fields, 'own'),
    sizes: { ...size('train'), ...size('validation'), ...size('test') },
  };
}

export function parseLoaded(fields: Fields, arrays: Frame['arrays']): Loaded {
  return {
    memory: text(fields, 'memory'),
    why: text(fields, 'why'),
    bytes: number(fields, 'bytes'),
    lossy: fields['lossy'] === true,
    products: floats(arrays, 'products'),
  };
}

export function parseUsage(fields: Fields): Usage {
  return {
    host: number(fields, 'host'),
    ...(fields['device'] === undefined ? {} : { device: number(fields, 'device') }),
  };
}

export function floats(arrays: ReadonlyMap<string, Numbers>, name: string): Float64Array {
  const values = arrays.get(name);
  if (values instanceof Float64Array) return values;
  throw wrong(name);
}

export function texts(fields: Fields, name: string): readonly string[] {
  const value = fields[name];
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
  throw wrong(name);
}

function text(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value === 'string') return value;
  throw wrong(name);
}

function number(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value === 'number') return value;
  throw wrong(name);
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function wrong(name: string): Error {
  return new Error(`An answer from Python is wrong in "${name}".`);
}
