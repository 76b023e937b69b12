/** What every format of one file does alike: look, read the header, and say in a sentence what is wrong. */
import { basename } from 'node:path';

import { throwIfAborted } from '../errors.ts';
import { bytesPerElement, elementCount } from './dtype.ts';
import type { LayoutResult } from './flat.ts';
import { positionOf } from './names.ts';
import { EndOfFile, withPositioned, type PositionedFile } from './positioned.ts';
import { stampOf, unopenable } from './stat.ts';
import type { Checksum } from './checksums.ts';
import type { Packed } from './packed.ts';
import type { TensorInfo } from './types.ts';

export interface Contents {
  readonly tensors: readonly TensorInfo[];
  readonly positions: ReadonlyMap<string, number>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly strides?: ReadonlyMap<string, readonly number[]>;
  readonly checksums?: readonly Checksum[];
  readonly packed?: ReadonlyMap<string, Packed>;
  readonly optimizer?: readonly string[];
  readonly notes?: readonly string[];
}

/** A header that breaks the format's rules, or holds what we do not read: half a sentence after the file's name. */
export class FormatError extends Error {}
/** A header that more bytes may mend: as {@link FormatError}, without the last words. */
export class CutOff extends Error {}

/**
 * @param parse throws FormatError, CutOff or EndOfFile.
 */
export async function readSingle(
  id: string,
  path: string,
  parse: (file: PositionedFile) => Promise<Contents>,
  signal?: AbortSignal,
): Promise<LayoutResult> {
  throwIfAborted(signal);
  const found = await stampOf(path);
  if (found.state !== 'complete') return found;
  const { stamp } = found;
  const name = basename(path);
  const incomplete = (what: string): LayoutResult => ({
    state: 'incomplete',
    reason: `${name} ${what}; it is cut off or still being written.`,
  });
  if (stamp.size === 0) return incomplete('is empty');
  let contents: Contents;
  try {
    contents = await withPositioned(path, stamp.size, parse);
  } catch (error) {
    if (error instanceof FormatError) return { state: 'unreadable', reason: `${name} ${error.message}` };
    if (error instanceof CutOff) return incomplete(error.message);
    if (error instanceof EndOfFile)
      return incomplete(`has only ${stamp.size} bytes, fewer than it speaks of`);
    return unopenable(error, path);
  }
  const { tensors, positions, metadata, strides, checksums, packed, notes, optimizer = [] } = contents;
  const plain = tensors.filter(({ name, aliasOf }) => aliasOf === undefined && packed?.has(name) !== true);
  const overlap = overlapOf(placesOf(plain, positions));
  if (overlap !== undefined) {
    return { state: 'unreadable', reason: `${name} has tensors that overlap: ${overlap}.` };
  }
  return {
    state: 'complete',
    layout: {
      header: {
        path,
        format: id,
        tensors,
        metadata,
        files: [stamp],
        ...positionOf(path, metadata),
        ...(notes === undefined ? {} : { notes }),
        ...(optimizer.length === 0 ? {} : { optimizer }),
      },
      positions,
      ...(strides === undefined ? {} : { strides }),
      ...(checksums === undefined ? {} : { checksums }),
      ...(packed === undefined ? {} : { packed }),
    },
  };
}

function placesOf(
  tensors: readonly TensorInfo[],
  positions: ReadonlyMap<string, number>,
): { readonly what: string; readonly start: number; readonly end: number }[] {
  return tensors.map(({ name, dtype, shape }) => {
    const start = positions.get(name)!;
    return { what: name, start, end: start + elementCount(shape)! * bytesPerElement(dtype) };
  });
}

/** Two tensors that share bytes without being one: a copy could hold only one of the two results. */
export function overlapOf(
  places: readonly { readonly what: string; readonly start: number; readonly end: number }[],
): string | undefined {
  const placed = places.filter(({ start, end }) => end > start).sort((a, b) => a.start - b.start);
  const second = placed.findIndex((place, i) => i > 0 && placed[i - 1]!.end > place.start);
  return second === -1 ? undefined : `${placed[second - 1]!.what} and ${placed[second]!.what}`;
}
