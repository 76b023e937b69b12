/** BatchNorm's running statistics in a checkpoint, where no model tells which tensors they are. */
import type { BufferMove } from '../../core/averaging/types.ts';
import type { CheckpointHeader, TensorInfo } from '../../core/checkpoints/types.ts';
import { isFloat } from '../../core/checkpoints/dtype.ts';
import { readParameter } from '../../core/checkpoints/merge.ts';
import { formatById } from '../../core/checkpoints/registry.ts';
import { isRunningStatistic } from '../../core/checkpoints/running-statistics.ts';
import { throwIfAborted } from '../../core/errors.ts';

export function runningStatistics(header: CheckpointHeader): TensorInfo[] {
  return header.tensors.filter(
    (tensor) => isFloat(tensor.dtype) && tensor.aliasOf === undefined && isRunningStatistic(tensor),
  );
}

export async function readTensors(
  header: CheckpointHeader,
  tensors: readonly TensorInfo[],
): Promise<Map<string, Float32Array | Float64Array>> {
  const reader = await formatById(header.format).open(header);
  try {
    const values = new Map<string, Float32Array | Float64Array>();
    for (const tensor of tensors) values.set(tensor.name, await readParameter(reader, tensor));
    return values;
  } finally {
    await reader.close();
  }
}

/**
 * How far the statistics that are written are from the newest checkpoint's and from the mix of all. Holds those of one
 * checkpoint at a time.
 *
 * @param written the ones that are not the mix
 */
export async function bufferMoves(
  headers: readonly CheckpointHeader[],
  running: readonly TensorInfo[],
  coefficients: readonly number[],
  written: ReadonlyMap<string, Float32Array | Float64Array>,
  signal: AbortSignal,
): Promise<BufferMove[]> {
  const mixed = new Map<string, Float64Array>();
  let newest: ReadonlyMap<string, Float32Array | Float64Array> = new Map();
  for (const [index, header] of headers.entries()) {
    throwIfAborted(signal);
    newest = await readTensors(header, running);
    for (const [name, values] of newest) {
      const sum = mixed.get(name) ?? new Float64Array(values.length);
      for (let i = 0; i < sum.length; i++) sum[i]! += coefficients[index]! * values[i]!;
      mixed.set(name, sum);
    }
  }
  return running.map(({ name }) => {
    const average = mixed.get(name)!;
    const used = written.get(name) ?? average;
    return {
      name,
      fromNewest: relativeDistance(used, newest.get(name)!),
      fromAverage: relativeDistance(used, average),
    };
  });
}

/** |a - b| / |b|; 0 where they are the same, zeros too. */
function relativeDistance(a: Float32Array | Float64Array, b: Float32Array | Float64Array): number {
  let difference = 0;
  let size = 0;
  for (let i = 0; i < b.length; i++) {
    difference += (a[i]! - b[i]!) ** 2;
    size += b[i]! ** 2;
  }
  return difference === 0 ? 0 : size === 0 ? NaN : Math.sqrt(difference / size);
}
