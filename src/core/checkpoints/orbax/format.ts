/**
 * Orbax: recognised so that it can be said why it is not read. Its arrays lie in OCDBT databases (B+trees of zstd
 * blocks), which only TensorStore reads and writes.
 */
import { basename, dirname } from 'node:path';

import { flatFormat } from '../flat.ts';

export const orbax = flatFormat({
  id: 'orbax',
  label: 'Orbax',
  kind: 'directory',
  candidate: (path) => (basename(path) === '_CHECKPOINT_METADATA' ? dirname(path) : undefined),
  outputName: (stem) => stem,
  readLayout: (path) =>
    Promise.resolve({
      state: 'unreadable',
      reason:
        `${basename(path)} is an Orbax checkpoint, a database (OCDBT) that only Orbax reads; restore it in Python and ` +
        'save the parameters with flax.serialization.to_bytes or safetensors.flax.save_file.',
    }),
});
