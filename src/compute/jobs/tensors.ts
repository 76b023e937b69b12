/** The jobs that read every number of a checkpoint to describe it. They load no GPU library. */
import { requireComplete } from '../../core/checkpoints/registry.ts';
import { compareTensors, tensorStatistics, type StatisticsHooks } from '../../core/checkpoints/statistics.ts';
import type {
  CompareTensorsRequest,
  CompareTensorsResult,
  TensorStatisticsRequest,
  TensorStatisticsResult,
} from '../protocol.ts';
import type { JobContext } from './context.ts';

/** A message per chunk would be thousands for a large checkpoint. */
const PROGRESS_INTERVAL_MS = 100;

export async function statistics(
  { checkpoint, tensors }: TensorStatisticsRequest,
  context: JobContext,
): Promise<TensorStatisticsResult> {
  const header = await requireComplete(checkpoint, context.signal);
  return { rows: await tensorStatistics(header, tensors, hooksOf(context)) };
}

export async function compare(
  { a, b }: CompareTensorsRequest,
  context: JobContext,
): Promise<CompareTensorsResult> {
  const first = await requireComplete(a, context.signal);
  const second = await requireComplete(b, context.signal);
  return { changes: await compareTensors(first, second, hooksOf(context)) };
}

function hooksOf({ signal, onProgress }: JobContext): StatisticsHooks {
  let last = 0;
  return {
    signal,
    onProgress(fraction, message) {
      const now = performance.now();
      if (now - last < PROGRESS_INTERVAL_MS) return;
      last = now;
      onProgress({ phase: 'reading', fraction, message });
    },
  };
}
