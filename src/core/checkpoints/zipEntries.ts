/** The entries of a zip archive, for formats that are one. */
import type { PositionedFile } from './positioned.ts';
import { CutOff, FormatError } from './single.ts';
import { readZip, ZipError, ZipIncomplete, type ZipEntry } from './zip.ts';

/** @throws FormatError, CutOff */
export async function zipEntries(file: PositionedFile): Promise<readonly ZipEntry[]> {
  try {
    return await readZip(file.handle, file.size);
  } catch (error) {
    if (error instanceof ZipIncomplete) throw new CutOff(error.message);
    if (error instanceof ZipError) throw new FormatError(error.message);
    throw error;
  }
}
