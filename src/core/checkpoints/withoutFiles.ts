/** A directory without the files that hold the state of the optimizer. */
import { join } from 'node:path';

import { Composition, type Part } from './composition.ts';
import { FileSequence } from './files.ts';
import type { Layout } from './flat.ts';

/** They lie behind all weights, so these stay where they are. */
export function withoutFiles(layout: Layout): Layout {
  const { header } = layout;
  const gone = new Set((header.optimizer ?? []).map((name) => join(header.path, name)));
  const parts: Part[] = [];
  let start = 0;
  for (const { path, size } of header.files) {
    if (!gone.has(path) && size > 0) parts.push({ from: start, to: start + size });
    start += size;
  }
  return {
    ...layout,
    header: { ...header, files: header.files.filter(({ path }) => !gone.has(path)) },
    source: () => new Composition(new FileSequence(header.files), parts),
  };
}
