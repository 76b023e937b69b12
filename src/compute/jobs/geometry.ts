/** The job `geometry`: where checkpoints lie, read from their files. Loads no GPU library. */
import { checkpointGeometry, type CheckpointGeometry } from '../../core/checkpoints/geometry.ts';
import { requireComplete } from '../../core/checkpoints/registry.ts';
import type { CheckpointHeader } from '../../core/checkpoints/types.ts';
import type { GeometryRequest } from '../protocol.ts';
import type { JobContext } from './context.ts';

/** A message per chunk would be thousands for large checkpoints. */
const PROGRESS_STEP = 0.01;

export async function geometry(
  { checkpoints }: GeometryRequest,
  { signal, onProgress }: JobContext,
): Promise<CheckpointGeometry> {
  const headers: CheckpointHeader[] = [];
  for (const path of checkpoints) headers.push(await requireComplete(path, signal));
  let told = 0;
  return checkpointGeometry(headers, {
    signal,
    onProgress(fraction) {
      if (fraction < Math.min(1, told + PROGRESS_STEP)) return;
      told = fraction;
      onProgress({ phase: 'reading', fraction, message: `${headers.length} checkpoints` });
    },
  });
}
