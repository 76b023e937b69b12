/** Where checkpoints lie in the space of their weights: from the files alone, without a task or any data. */
import { basename, extname } from 'node:path';

import { geometryOf, type Geometry } from '../averaging/geometry.ts';
import { isFloat } from './dtype.ts';
import { streamGram } from './gram.ts';
import { inTrainingOrder } from './order.ts';
import { isRunningStatistic } from './running-statistics.ts';
import type { CheckpointHeader } from './types.ts';

export interface CheckpointGeometry extends Geometry {
  /** Oldest first: the order of all rows and points. */
  readonly checkpoints: readonly { readonly path: string; readonly step?: number; readonly epoch?: number }[];
  /** Numbers per checkpoint that were looked at; a complex number is two. */
  readonly elements: number;
  readonly tensors: number;
  /** How many BatchNorm statistics were left out: data makes them, no step of training. */
  readonly runningStatistics: number;
}

export interface GeometryHooks {
  readonly signal?: AbortSignal;
  /** 0..1, of the bytes. */
  readonly onProgress?: (fraction: number) => void;
}

/**
 * Reads every float tensor of every checkpoint once, in bounded memory.
 * @throws TwaError as {@link streamGram} does.
 */
export async function checkpointGeometry(
  headers: readonly CheckpointHeader[],
  hooks: GeometryHooks = {},
): Promise<CheckpointGeometry> {
  const ordered = inTrainingOrder(headers);
  const { gram, elements, tensors } = await streamGram({
    headers: ordered,
    counts: (tensor) => !isRunningStatistic(tensor),
    ...hooks,
  });
  const left = ordered[0]!.tensors.filter(
    (tensor) => isRunningStatistic(tensor) && isFloat(tensor.dtype) && tensor.aliasOf === undefined,
  );
  return {
    checkpoints: ordered.map(({ path, step, epoch }) => ({
      path,
      ...(step === undefined ? {} : { step }),
      ...(epoch === undefined ? {} : { epoch }),
    })),
    elements,
    tensors,
    runningStatistics: left.length,
    ...geometryOf(
      gram,
      ordered.map(({ path }) => basename(path, extname(path))),
    ),
  };
}
