/** NumPy `.npz`: a zip archive of `.npy` arrays. */
import { flatFormat } from '../flat.ts';
import type { PositionedFile } from '../positioned.ts';
import { type Contents, FormatError, readSingle } from '../single.ts';
import { isRowMajor } from '../strided.ts';
import type { TensorInfo } from '../types.ts';
import { zipEntries } from '../zipEntries.ts';
import { MAX_NPY_HEADER, npyDataOffset, parseNpyHeader } from './header.ts';

const ID = 'npz';
const EXTENSION = '.npz';
const MEMBER = '.npy';

export const npz = flatFormat({
  id: ID,
  label: 'NumPy npz',
  kind: 'file',
  candidate: (path) => (path.toLowerCase().endsWith(EXTENSION) ? path : undefined),
  outputName: (stem) => stem + EXTENSION,
  readLayout: (path, signal) => readSingle(ID, path, parse, signal),
});

async function parse(file: PositionedFile): Promise<Contents> {
  const entries = await zipEntries(file);
  const tensors: TensorInfo[] = [];
  const positions = new Map<string, number>();
  const strides = new Map<string, readonly number[]>();
  for (const entry of entries.toSorted((a, b) => a.start - b.start)) {
    if (!entry.name.endsWith(MEMBER)) continue;
    const name = entry.name.slice(0, -MEMBER.length);
    const offset = npyDataOffset(await file.bytes(entry.start, Math.min(12, entry.size)), name);
    if (offset > entry.size) throw new FormatError(`holds ${name}, which ends within its header.`);
    const header = await file.bytes(entry.start, Math.min(offset, MAX_NPY_HEADER));
    const { dtype, shape, fortran } = parseNpyHeader(header, name, entry.size - offset);
    tensors.push({ name, dtype, shape });
    positions.set(name, entry.start + offset);
    const steps = columnMajorStrides(shape);
    if (fortran && !isRowMajor(shape, steps)) strides.set(name, steps);
  }
  if (tensors.length === 0) throw new FormatError('holds no NumPy array.');
  const checksums = entries.map((entry) => entry.checksum);
  return { tensors, positions, strides, checksums, metadata: {} };
}

function columnMajorStrides(shape: readonly number[]): number[] {
  const strides: number[] = [];
  let stride = 1;
  for (const dimension of shape) {
    strides.push(stride);
    stride *= dimension;
  }
  return strides;
}
