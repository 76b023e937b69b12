/**
 * Keras: weights in HDF5 (`.weights.h5`, legacy `.h5`), and `.keras`, a zip archive with such a file inside. What
 * belongs to the optimizer is left as it is in the newest checkpoint.
 */
import { basename } from 'node:path';

import { TwaError } from '../../errors.ts';
import { bytesPerElement, elementCount } from '../dtype.ts';
import { flatFormat, type Layout } from '../flat.ts';
import type { Packed } from '../packed.ts';
import type { PositionedFile } from '../positioned.ts';
import { type Contents, FormatError, overlapOf, readSingle } from '../single.ts';
import type { TensorInfo } from '../types.ts';
import { zipEntries } from '../zipEntries.ts';
import { packedChunks } from './chunks.ts';
import { findDatasets } from './objects.ts';
import { rewriteHdf5 } from './rewrite.ts';
import { isModels } from './weights.ts';

const HDF5 = 'keras-hdf5';
const HDF5_NAME = /(?:\.weights)?\.(?:h5|hdf5)$/i;
const KERAS = 'keras';
const KERAS_NAME = /\.keras$/i;
const WEIGHTS_ENTRY = 'model.weights.h5';

export const kerasHdf5 = flatFormat({
  id: HDF5,
  label: 'Keras HDF5',
  kind: 'file',
  candidate: (path) => (HDF5_NAME.test(path) ? path : undefined),
  // Keras insists on `.weights.h5` where it wrote that.
  outputName: (stem, template) => stem + HDF5_NAME.exec(basename(template.path))![0],
  readLayout: (path, signal) => readSingle(HDF5, path, (file) => contentsOf(file, 0, file.size), signal),
  rewrite: rewriteHdf5,
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
  rewrite: refuseArchive,
});

async function contentsOf(file: PositionedFile, base: number, size: number): Promise<Contents> {
  // Groups that are not entered.
  const optimizer: string[] = [];
  const datasets = await findDatasets(file, base, size, (path) => {
    const wanted = isModels(path);
    if (!wanted) optimizer.push(path);
    return wanted;
  });
  if (datasets.length === 0) throw new FormatError('holds no weights.');
  const tensors: TensorInfo[] = [];
  const positions = new Map<string, number>();
  const packed = new Map<string, Packed>();
  const places: { what: string; start: number; end: number }[] = [];
  for (const { tensor, position, chunked } of datasets) {
    const { name, dtype, shape, aliasOf } = tensor;
    tensors.push(tensor);
    positions.set(name, chunked === undefined ? (position ?? base) : 0);
    if (chunked === undefined || aliasOf !== undefined) {
      const bytes = elementCount(shape)! * bytesPerElement(dtype);
      if (position !== undefined && aliasOf === undefined) {
        places.push({ what: name, start: position, end: position + bytes });
      }
      continue;
    }
    packed.set(name, packedChunks(chunked, base));
    for (const [i, address] of chunked.addresses.entries()) {
      places.push({ what: name, start: base + address, end: base + address + chunked.stored[i]! });
    }
  }
  const overlap = overlapOf(places);
  if (overlap !== undefined) throw new FormatError(`has tensors that overlap: ${overlap}.`);
  return { tensors, positions, packed, metadata: {}, optimizer };
}

/** Chunks that have grown are put at the end of the file, which an archive has behind the weights. */
function refuseArchive({ header: { path } }: Layout): Promise<string> {
  return Promise.reject(
    new TwaError(
      'unsupported',
      `${basename(path)} has compressed weights in its archive, which cannot be replaced there; save the weights ` +
        'with model.save_weights, or convert the checkpoints to safetensors.',
      { place: { path } },
    ),
  );
}
