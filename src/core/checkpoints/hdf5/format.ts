/**
 * Keras: weights in HDF5 (`.weights.h5`, legacy `.h5`), and `.keras`, a zip archive with such a file inside. What
 * belongs to the optimizer is left as it is in the newest checkpoint.
 */
import { basename } from 'node:path';

import { flatFormat } from '../flat.ts';
import type { PositionedFile } from '../positioned.ts';
import { type Contents, FormatError, readSingle } from '../single.ts';
import type { TensorInfo } from '../types.ts';
import { zipEntries } from '../zipEntries.ts';
import { findDatasets } from './objects.ts';

const HDF5 = 'keras-hdf5';
const HDF5_NAME = /(?:\.weights)?\.(?:h5|hdf5)$/i;
const KERAS = 'keras';
const KERAS_NAME = /\.keras$/i;
const WEIGHTS_ENTRY = 'model.weights.h5';

/** `optimizer/vars/3` (Keras 3), `optimizer_weights/adam/...` (legacy). */
const OPTIMIZER = /^optimizer(?:_weights)?(?:\/|$)/;

export const kerasHdf5 = flatFormat({
  id: HDF5,
  label: 'Keras HDF5',
  kind: 'file',
  candidate: (path) => (HDF5_NAME.test(path) ? path : undefined),
  // Keras insists on `.weights.h5` where it wrote that.
  outputName: (stem, template) => stem + HDF5_NAME.exec(basename(template.path))![0],
  readLayout: (path, signal) => readSingle(HDF5, path, (file) => contentsOf(file, 0, file.size), signal),
});

export const kerasArchive = flatFormat({
  id: KERAS,
  label: 'Keras archive',
  kind: 'file',
  candidate: (path) => (KERAS_NAME.test(path) ? path : undefined),
  outputName: (stem) => `${stem}.keras`,
  readLayout: (path, signal) =>
    readSingle(
      KERAS,
      path,
      async (file) => {
        const entries = await zipEntries(file);
        const weights = entries.find(({ name }) => name === WEIGHTS_ENTRY);
        if (weights === undefined) throw new FormatError(`has no ${WEIGHTS_ENTRY} in it.`);
        const contents = await contentsOf(file, weights.start, weights.size);
        return { ...contents, checksums: entries.map(({ checksum }) => checksum) };
      },
      signal,
    ),
});

async function contentsOf(file: PositionedFile, base: number, size: number): Promise<Contents> {
  const datasets = await findDatasets(file, base, size, (path) => !OPTIMIZER.test(path));
  if (datasets.length === 0) throw new FormatError('holds no weights.');
  const tensors: TensorInfo[] = [];
  const positions = new Map<string, number>();
  for (const { tensor, position } of datasets) {
    tensors.push(tensor);
    positions.set(tensor.name, position ?? base);
  }
  return { tensors, positions, metadata: {} };
}
