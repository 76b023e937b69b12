/** The entries of a zip archive, for formats that are one. */
import type { PositionedFile } from './positioned.ts';
import { CutOff, FormatError } from './single.ts';
import { readZip, readZipIndex, ZipError, ZipIncomplete, type ZipEntry } from './zip.ts';

/** @throws FormatError, CutOff */
export function zipEntries(file: PositionedFile): Promise<readonly ZipEntry[]> {
  return explained(readZip(file.handle, file.size));
}

/** Those of an archive that may be compressed. @throws FormatError, CutOff */
export async function packedZipEntries(file: PositionedFile): Promise<readonly ZipEntry[]> {
  return (await explained(readZipIndex(file.handle, file.size))).entries;
}

async function explained<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof ZipIncomplete) throw new CutOff(error.message);
    if (error instanceof ZipError) throw new FormatError(error.message);
    throw error;
  }
}
