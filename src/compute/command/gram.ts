/** The centred Gram matrix of checkpoints, straight from their files in chunks: no stack is held. */
import type { CentredGram } from '../../core/averaging/types.ts';
import { decodeToFloat32, elementCount, floatComponents } from '../../core/checkpoints/dtype.ts';
import { formatById } from '../../core/checkpoints/registry.ts';
import type { CheckpointHeader, TensorInfo } from '../../core/checkpoints/types.ts';
import { throwIfAborted } from '../../core/errors.ts';
import { rowLoops } from '../objective/rows.ts';
import { centre, gramOfProducts, requireFinite } from '../objective/stack.ts';

const CHUNK_ELEMENTS = 1 << 16;

/** Over the float tensors given, of headers of one architecture. Throws `non-finite` as loading a stack does. */
export async function streamedGram(
  headers: readonly CheckpointHeader[],
  tensors: readonly TensorInfo[],
  signal: AbortSignal | undefined,
): Promise<CentredGram> {
  const n = headers.length;
  const upper = new Float64Array((n + 1) ** 2);
  const readers = await Promise.all(headers.map((header) => formatById(header.format).open(header)));
  try {
    const rows = headers.map(() => new Float32Array(CHUNK_ELEMENTS));
    for (const tensor of tensors) {
      const { dtype } = floatComponents(tensor.dtype)!;
      const count = elementCount(tensor.shape)!;
      for (let start = 0; start < count; start += CHUNK_ELEMENTS) {
        throwIfAborted(signal);
        const length = Math.min(CHUNK_ELEMENTS, count - start);
        const chunk = rows.map((row) => row.subarray(0, length));
        for (const [i, reader] of readers.entries()) {
          decodeToFloat32(await reader.read(tensor, start, length), dtype, chunk[i]!);
          requireFinite(chunk[i]!, tensor, headers[i]!, start);
        }
        rowLoops.products({ mean: centre(chunk), rows: chunk }, upper);
      }
    }
  } finally {
    await Promise.all(readers.map((reader) => reader.close()));
  }
  return gramOfProducts(upper, n);
}
