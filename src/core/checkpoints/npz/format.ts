/** NumPy `.npz`: a zip archive of `.npy` arrays, as they are (`savez`) or deflated (`savez_compressed`). */
import { flatFormat } from '../flat.ts';
import { InflatingRun } from '../inflate.ts';
import { DamagedRun, type Packed, type ReadAt } from '../packed.ts';
import type { PositionedFile } from '../positioned.ts';
import { type Contents, FormatError, readSingle } from '../single.ts';
import { isRowMajor } from '../strided.ts';
import type { TensorInfo } from '../types.ts';
import type { ZipEntry } from '../zip.ts';
import { packedZipEntries } from '../zipEntries.ts';
import { MAX_NPY_HEADER, nameOf, npyDataOffset, parseNpyHeader } from './header.ts';
import { rewriteNpz } from './rewrite.ts';

const ID = 'npz';
const EXTENSION = '.npz';

export const npz = flatFormat({
  id: ID,
  label: 'NumPy npz',
  kind: 'file',
  candidate: (path) => (path.toLowerCase().endsWith(EXTENSION) ? path : undefined),
  outputName: (stem) => stem + EXTENSION,
  readLayout: (path, signal) => readSingle(ID, path, parse, signal),
  rewrite: rewriteNpz,
});

async function parse(file: PositionedFile): Promise<Contents> {
  const entries = await packedZipEntries(file);
  const tensors: TensorInfo[] = [];
  const positions = new Map<string, number>();
  const strides = new Map<string, readonly number[]>();
  const packed = new Map<string, Packed>();
  for (const entry of entries.toSorted((a, b) => a.start - b.start)) {
    const name = nameOf(entry.name);
    if (name === undefined) continue;
    const header = await headerOf(file, entry, name);
    const { dtype, shape, fortran } = parseNpyHeader(header, name, entry.size - header.length);
    tensors.push({ name, dtype, shape });
    positions.set(name, entry.deflated ? header.length : entry.start + header.length);
    if (entry.deflated) packed.set(name, inflating(entry));
    const steps = columnMajorStrides(shape);
    if (fortran && !isRowMajor(shape, steps)) strides.set(name, steps);
  }
  if (tensors.length === 0) throw new FormatError('holds no NumPy array.');
  // Those of compressed arrays are of the unpacked bytes, and verified while these are read.
  const checksums = entries.filter(({ deflated }) => !deflated).map((entry) => entry.checksum);
  return { tensors, positions, strides, packed, checksums, metadata: {} };
}

/** Everything before the numbers. */
async function headerOf(file: PositionedFile, entry: ZipEntry, name: string): Promise<Uint8Array> {
  const readAt: ReadAt = async (target, position) => target.set(await file.bytes(position, target.length));
  const run = entry.deflated ? inflating(entry)(readAt) : undefined;
  const bytes = async (length: number): Promise<Uint8Array> => {
    const target = new Uint8Array(length);
    await (run === undefined ? readAt(target, entry.start) : run.read(target, 0));
    return target;
  };
  try {
    const offset = npyDataOffset(await bytes(Math.min(12, entry.size)), name);
    if (offset > entry.size) throw new FormatError(`holds ${name}, which ends within its header.`);
    return await bytes(Math.min(offset, MAX_NPY_HEADER));
  } catch (error) {
    if (error instanceof DamagedRun) throw new FormatError(`is damaged: ${name} cannot be unpacked.`);
    throw error;
  } finally {
    run?.close();
  }
}

function inflating({ start, stored, size, checksum }: ZipEntry): Packed {
  return (readAt) => new InflatingRun({ position: start, stored, size, crc: checksum.value }, readAt);
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
