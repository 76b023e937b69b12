/** Examples by index, whether declared in twa.json or given by a task module. */
import { TwaError } from '../../core/errors.ts';
import { loadSplit } from '../../core/task/data.ts';
import type { ArrayDataset, TaskFile, UserSplit } from '../../core/task/types.ts';
import { tf } from '../tf.ts';
import type { Tensor } from '../tf.ts';
import type { Tensors } from './model.ts';
import type { TaskContext, TaskModule } from './task-module.ts';

export interface Dataset {
  readonly size: number;
  /**
   * A batch of the examples given, in their order. Its tensors belong to the caller, who disposes of them. Declared
   * data and data given as tensors are {@link Batch}es; a module's own loader gives what its loss understands.
   */
  batch(indices: Int32Array): Promise<unknown>;
  dispose(): void;
}

/** A type, not an interface, so that tfjs takes it for a container of tensors. */
export type Batch = { xs: Tensors; ys: Tensors };

/** The split from the module's `data`, else as declared; undefined if the task has no such split. */
export async function openDataset(
  task: TaskFile,
  module: TaskModule | undefined,
  split: UserSplit,
  context: TaskContext,
  signal?: AbortSignal,
): Promise<Dataset | undefined> {
  if (module?.has('data') === true) {
    const given = await module.callAsync('data', split, context);
    return given === undefined || given === null ? undefined : fromModule(module, split, given);
  }
  const arrays = await loadSplit(task, split, signal);
  return arrays === undefined ? undefined : fromArrays(arrays);
}

/** Disposes of whatever tensors a batch holds. */
export function disposeBatch(batch: unknown): void {
  tf.dispose(batch as Batch);
}

export function isBatch(value: unknown): value is Batch {
  return isObject(value) && isTensors(value['xs']) && isTensors(value['ys']);
}

function fromArrays({ size, inputs, inputShape, targets, targetShape }: ArrayDataset): Dataset {
  const gather = (values: Float32Array, shape: readonly number[], indices: Int32Array): Tensor => {
    const width = shape.reduce((product, length) => product * length, 1);
    const chosen = new Float32Array(indices.length * width);
    indices.forEach((index, at) =>
      chosen.set(values.subarray(index * width, (index + 1) * width), at * width),
    );
    return tf.tensor(chosen, [indices.length, ...shape]);
  };
  return {
    size,
    batch: (indices) =>
      Promise.resolve({ xs: gather(inputs, inputShape, indices), ys: gather(targets, targetShape, indices) }),
    dispose: () => undefined,
  };
}

async function fromModule(module: TaskModule, split: UserSplit, given: unknown): Promise<Dataset> {
  if (isBatch(given)) return fromTensors(module, split, given);
  if (isObject(given) && typeof given['batch'] === 'function') return fromLoader(module, split, given);
  if (isIterable(given)) return fromTensors(module, split, await concatenate(module, split, given));
  throw module.error(
    `data('${split}') gave ${describe(given)}: give { xs, ys } with tensors, { size, batch(indices) }, or a list of ` +
      'such { xs, ys }.',
  );
}

function fromTensors(module: TaskModule, split: UserSplit, { xs, ys }: Batch): Dataset {
  const sizes = new Set([...leaves(xs), ...leaves(ys)].map((tensor) => tensor.shape[0]));
  const [size] = sizes;
  if (sizes.size !== 1 || size === undefined) {
    throw module.error(
      `data('${split}') gave tensors of different lengths: ${[...sizes].join(', ')} examples.`,
    );
  }
  return {
    size,
    batch: (indices) =>
      Promise.resolve(
        tf.tidy(() => {
          const rows = tf.tensor1d(indices, 'int32');
          const gather = (tensor: Tensor): Tensor => tf.gather(tensor, rows);
          return { xs: mapTensors(xs, gather), ys: mapTensors(ys, gather) };
        }),
      ),
    dispose: () => tf.dispose([xs, ys]),
  };
}

function fromLoader(
  module: TaskModule,
  split: UserSplit,
  loader: Readonly<Record<string, unknown>>,
): Dataset {
  const { size, batch } = loader;
  if (typeof size !== 'number' || !Number.isInteger(size) || size < 0) {
    throw module.error(`data('${split}').size is ${String(size)}: it must be the number of examples.`);
  }
  return {
    size,
    batch: (indices) =>
      module.guard(`data('${split}').batch() failed`, () =>
        (batch as (indices: Int32Array) => unknown).call(loader, indices),
      ),
    dispose: () => undefined,
  };
}

/** Examples must be found by index, so a list of batches becomes one. */
async function concatenate(
  module: TaskModule,
  split: UserSplit,
  batches: Iterable<unknown> | AsyncIterable<unknown>,
): Promise<Batch> {
  const collected: Batch[] = [];
  await module.guard(`data('${split}') failed`, async () => {
    for await (const batch of batches) {
      if (!isBatch(batch)) {
        throw module.error(
          `data('${split}') gave a batch that is ${describe(batch)}: give { xs, ys } with tensors.`,
        );
      }
      collected.push(batch);
    }
  });
  const [first] = collected;
  if (first === undefined) throw module.error(`data('${split}') gave no batch.`);
  const join = (key: keyof Batch): Tensors =>
    mapTensors(first[key], (_, path) => tf.concat(collected.map((batch) => leafAt(batch[key], path))));
  try {
    return { xs: join('xs'), ys: join('ys') };
  } catch (error) {
    throw module.failure(`the batches of data('${split}') do not fit together`, error);
  } finally {
    tf.dispose(collected);
  }
}

function leaves(tensors: Tensors): Tensor[] {
  if (tensors instanceof tf.Tensor) return [tensors];
  return Object.values(tensors);
}

function leafAt(tensors: Tensors, key: string | undefined): Tensor {
  const leaf = key === undefined ? tensors : (tensors as Readonly<Record<string, Tensor | undefined>>)[key];
  if (leaf instanceof tf.Tensor) return leaf;
  throw new TwaError('bad-task', `a batch has no "${key ?? ''}" though the first one has`);
}

function mapTensors(tensors: Tensors, change: (tensor: Tensor, key: string | undefined) => Tensor): Tensors {
  if (tensors instanceof tf.Tensor) return change(tensors, undefined);
  if (Array.isArray(tensors)) {
    return tensors.map((tensor, index) => change(tensor, String(index)));
  }
  return Object.fromEntries(
    Object.entries(tensors as Record<string, Tensor>).map(([key, tensor]) => [key, change(tensor, key)]),
  );
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function isTensors(value: unknown): value is Tensors {
  if (value instanceof tf.Tensor) return true;
  if (!isObject(value)) return false;
  const members = Object.values(value);
  return members.length > 0 && members.every((member) => member instanceof tf.Tensor);
}

function isIterable(value: unknown): value is Iterable<unknown> | AsyncIterable<unknown> {
  return isObject(value) && (Symbol.iterator in value || Symbol.asyncIterator in value);
}

function describe(value: unknown): string {
  if (isObject(value)) return `an object with ${Object.keys(value).join(', ') || 'nothing in it'}`;
  return String(value);
}
