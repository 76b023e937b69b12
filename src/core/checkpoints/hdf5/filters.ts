/**
 * What HDF5 does to a chunk before it is stored: bytes sorted by significance, deflated, and followed by a checksum.
 * HDF5 File Format Specification 3.0, IV.A.2.l (filter pipeline), and H5Zshuffle.c, H5Zdeflate.c, H5checksum.c
 */
import { deflateSync, inflateSync } from 'node:zlib';

import { DamagedRun } from '../packed.ts';
import { FormatError } from '../single.ts';

export interface Filter {
  readonly kind: 'deflate' | 'shuffle' | 'fletcher32';
  /** Level of compression, or size of an element in bytes. */
  readonly parameter: number;
}

const KINDS: ReadonlyMap<number, Filter['kind']> = new Map<number, Filter['kind']>([
  [1, 'deflate'],
  [2, 'shuffle'],
  [3, 'fletcher32'],
]);
const NAMES: ReadonlyMap<number, string> = new Map([
  [4, 'SZIP'],
  [5, 'N-bit'],
  [6, 'scale-offset'],
  [32000, 'LZF'],
  [32001, 'Blosc'],
  [32015, 'Zstandard'],
]);
/** One of each kind, and a few more; each goes over the whole chunk. */
const MAX_FILTERS = 6;
const CHECKSUM_BYTES = 4;

/** The filters of a dataset in the order they are applied, from its message. @throws FormatError */
export function parseFilters(body: Buffer, name: string): readonly Filter[] {
  const none = new FormatError(`describes how ${name} is compressed by something that is not known.`);
  const version = body[0];
  const count = body[1] ?? 0;
  if ((version !== 1 && version !== 2) || count > MAX_FILTERS) throw none;
  const filters: Filter[] = [];
  let at = version === 1 ? 8 : 2;
  for (let i = 0; i < count; i++) {
    if (at + 6 > body.length) throw none;
    const id = body.readUInt16LE(at);
    // Version 2 leaves the length of the name out where the filter is one of HDF5's own.
    const hasName = version === 1 || id >= 256;
    if (hasName && at + 8 > body.length) throw none;
    const named = hasName ? body.readUInt16LE(at + 2) : 0;
    const values = body.readUInt16LE(at + (hasName ? 6 : 4));
    const nameBytes = version === 1 ? Math.ceil(named / 8) * 8 : named;
    const first = at + (hasName ? 8 : 6) + nameBytes;
    // An odd number of values is padded in version 1, but not always behind the last one.
    at = first + 4 * (version === 1 ? values + (values % 2) : values);
    if (first + 4 * values > body.length) throw none;
    const kind = KINDS.get(id);
    if (kind === undefined) {
      throw new FormatError(
        `compresses ${name} by ${NAMES.get(id) ?? `filter ${id}`}, which is not supported; save it with gzip or without.`,
      );
    }
    filters.push({ kind, parameter: values > 0 ? body.readUInt32LE(first) : 0 });
  }
  return filters;
}

/**
 * @param mask a bit for every filter that was left out
 * @param size of the result in bytes, never exceeded
 * @throws DamagedRun
 */
export function decodeChunk(
  stored: Uint8Array,
  filters: readonly Filter[],
  mask: number,
  size: number,
): Uint8Array {
  let bytes = stored;
  for (let i = filters.length - 1; i >= 0; i--) {
    if ((mask & (1 << i)) !== 0) continue;
    const { kind, parameter } = filters[i]!;
    switch (kind) {
      case 'deflate':
        bytes = inflated(bytes, size + CHECKSUM_BYTES * filters.length);
        break;
      case 'shuffle':
        bytes = shuffled(bytes, parameter, 'back');
        break;
      case 'fletcher32': {
        const end = bytes.length - CHECKSUM_BYTES;
        if (end < 0) throw new DamagedRun();
        const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
        if (view.getUint32(end, true) !== fletcher32(bytes.subarray(0, end))) throw new DamagedRun();
        bytes = bytes.subarray(0, end);
        break;
      }
    }
  }
  if (bytes.length !== size) throw new DamagedRun();
  return bytes;
}

/** All filters are applied. */
export function encodeChunk(chunk: Uint8Array, filters: readonly Filter[]): Uint8Array {
  let bytes = chunk;
  for (const { kind, parameter } of filters) {
    switch (kind) {
      case 'deflate':
        bytes = deflateSync(bytes, { level: Math.min(9, parameter) });
        break;
      case 'shuffle':
        bytes = shuffled(bytes, parameter, 'forth');
        break;
      case 'fletcher32': {
        const sum = Buffer.alloc(CHECKSUM_BYTES);
        sum.writeUInt32LE(fletcher32(bytes));
        bytes = Buffer.concat([bytes, sum]);
        break;
      }
    }
  }
  return bytes;
}

function inflated(bytes: Uint8Array, most: number): Uint8Array {
  try {
    return inflateSync(bytes, { maxOutputLength: Math.max(1, most) });
  } catch {
    throw new DamagedRun();
  }
}

/** All first bytes of the elements, then all second ones, ...; what is left over at the end stays where it is. */
function shuffled(bytes: Uint8Array, size: number, way: 'forth' | 'back'): Uint8Array {
  const count = Math.floor(bytes.length / size);
  if (size <= 1 || count <= 1) return bytes;
  const out = Uint8Array.from(bytes);
  for (let k = 0; k < size; k++) {
    const column = k * count;
    if (way === 'forth') for (let i = 0; i < count; i++) out[column + i] = bytes[i * size + k]!;
    else for (let i = 0; i < count; i++) out[i * size + k] = bytes[column + i]!;
  }
  return out;
}

/** Over 16-bit numbers with the high byte first, 360 of which cannot overflow. */
function fletcher32(bytes: Uint8Array): number {
  let low = 0;
  let high = 0;
  const fold = (): void => {
    low = (low & 0xffff) + (low >>> 16);
    high = (high & 0xffff) + (high >>> 16);
  };
  const words = bytes.length >> 1;
  for (let i = 0; i < words;) {
    for (const end = Math.min(words, i + 360); i < end; i++) {
      low += (bytes[2 * i]! << 8) | bytes[2 * i + 1]!;
      high += low;
    }
    fold();
  }
  if (bytes.length % 2 === 1) {
    low += bytes[bytes.length - 1]! << 8;
    high += low;
    fold();
  }
  fold();
  return ((high << 16) | low) >>> 0;
}
