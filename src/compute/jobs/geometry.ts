/** The job `geometry`: where checkpoints lie, read from their files. Loads no GPU library. */
import { checkpointGeometry, type CheckpointGeometry } from '../../core/checkpoints/geometry.ts';
import { elementCount, isFloat } from '../../core/checkpoints/dtype.ts';
import { streamGram } from '../../core/checkpoints/gram.ts';
import { requireComplete } from '../../core/checkpoints/registry.ts';
import { isRunningStatistic } from '../../core/checkpoints/running-statistics.ts';
import type { CheckpointHeader, TensorInfo } from '../../core/checkpoints/types.ts';
import type { CentredGram } from '../../core/averaging/types.ts';
import { TwaError } from '../../core/errors.ts';
import type { GeometryRequest } from '../protocol.ts';
import type { JobContext } from './context.ts';

const PROGRESS_STEP = 0.01;

export async function geometry(
  { checkpoints }: GeometryRequest,
  { signal, onProgress }: JobContext,
): Promise<CheckpointGeometry> {
  const headers: CheckpointHeader[] = [];
  for (const path of checkpoints) headers.push(await requireComplete(path, signal));
  return checkpointGeometry(headers, {
    signal,
    onProgress: throttled((fraction) =>
      onProgress({ phase: 'reading', fraction, message: `${headers.length} checkpoints` }),
    ),
  });
}

/** Multiplications, about a second's worth; and bytes to read, which a merge reads once more. */
const CHEAP = { products: 4e9, bytes: 256 << 20 };

/**
 * The Gram matrix for the report of a merge that nothing is computed for otherwise. Undefined where it would make the
 * user wait, and where the weights have none (a NaN among them): a merge needs no geometry.
 */
export async function gramIfCheap(
  headers: readonly CheckpointHeader[],
  signal: AbortSignal,
  onProgress: (fraction: number) => void,
): Promise<CentredGram | undefined> {
  const n = headers.length;
  const counts = (tensor: TensorInfo): boolean => isFloat(tensor.dtype) && !isRunningStatistic(tensor);
  const elements = headers[0]!.tensors
    .filter(counts)
    .reduce((sum, { shape }) => sum + (elementCount(shape) ?? 0), 0);
  const bytes = headers.flatMap(({ files }) => files).reduce((sum, { size }) => sum + size, 0);
  if (n < 2 || elements === 0 || bytes > CHEAP.bytes || (elements * n * (n + 1)) / 2 > CHEAP.products) {
    return undefined;
  }
  try {
    return (await streamGram({ headers, counts, signal, onProgress: throttled(onProgress) })).gram;
  } catch (error) {
    if (error instanceof TwaError && error.code !== 'cancelled') return undefined;
    throw error;
  }
}

/** A message per chunk would be thousands for large checkpoints. */
function throttled(onProgress: (fraction: number) => void): (fraction: number) => void {
  let told = 0;
  return (fraction) => {
    if (fraction < Math.min(1, told + PROGRESS_STEP)) return;
    told = fraction;
    onProgress(fraction);
  };
}
