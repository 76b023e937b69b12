/** BatchNorm's running statistics in a checkpoint, where no model tells which tensors they are. */
import type { CheckpointHeader, TensorInfo } from '../../core/checkpoints/types.ts';
import { isFloat } from '../../core/checkpoints/dtype.ts';
import { readParameter } from '../../core/checkpoints/merge.ts';
import { formatById } from '../../core/checkpoints/registry.ts';
import { isRunningStatistic } from '../../core/checkpoints/running-statistics.ts';

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
