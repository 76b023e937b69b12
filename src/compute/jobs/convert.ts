/** The job `convert`: one checkpoint to one safetensors file. It loads no GPU library. */
import { convertToSafetensors } from '../../core/checkpoints/convert.ts';
import { requireComplete } from '../../core/checkpoints/registry.ts';
import type { ConvertJobRequest, ConvertJobResult } from '../protocol.ts';
import type { JobContext } from './context.ts';

/** A message per chunk would be thousands for a large checkpoint. */
const PROGRESS_INTERVAL_MS = 100;

export async function convert(
  { checkpoint, output, partial, dtype }: ConvertJobRequest,
  { signal, onProgress }: JobContext,
): Promise<ConvertJobResult> {
  const header = await requireComplete(checkpoint, signal);
  let last = 0;
  const { tensors, bytes, notes, sourceSha256, outputSha256 } = await convertToSafetensors({
    header,
    output,
    partial,
    ...(dtype === undefined ? {} : { dtype }),
    signal,
    onProgress(fraction) {
      const now = performance.now();
      if (now - last < PROGRESS_INTERVAL_MS) return;
      last = now;
      onProgress({ phase: 'writing', fraction, message: output });
    },
  });
  return { output, tensors: tensors.length, bytes, notes, sourceSha256, outputSha256 };
}
