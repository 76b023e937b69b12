/** Element types and shapes of HDF5 datasets. */
import { FormatError } from '../single.ts';
import type { DType } from '../types.ts';

const CLASS = {
  integer: 0,
  float: 1,
  text: 3,
  opaque: 5,
  compound: 6,
  reference: 7,
  enumeration: 8,
  variable: 9,
};

/** Of the description of a float. */
const FLOAT_BYTES = 20;

/** By size, exponent bits and mantissa bits. */
const FLOATS: ReadonlyMap<string, DType> = new Map<string, DType>([
  ['8 11 52', 'F64'],
  ['4 8 23', 'F32'],
  ['2 5 10', 'F16'],
  ['2 8 7', 'BF16'],
]);
const SIGNED: ReadonlyMap<number, DType> = new Map<number, DType>([
  [8, 'I64'],
  [4, 'I32'],
  [2, 'I16'],
  [1, 'I8'],
]);
const UNSIGNED: ReadonlyMap<number, DType> = new Map<number, DType>([
  [8, 'U64'],
  [4, 'U32'],
  [2, 'U16'],
  [1, 'U8'],
]);

/** Undefined for text and references, which are no weights. @throws FormatError */
export function datatypeOf(body: Buffer, name: string): DType | undefined {
  const unsupported = new FormatError(`holds ${name} in a type that is not supported.`);
  if (body.length < 8) throw unsupported;
  const kind = body[0]! & 0x0f;
  const flags = body[1]!;
  const size = body.readUInt32LE(4);
  const bigEndian = (flags & 1) !== 0;
  switch (kind) {
    case CLASS.text:
    case CLASS.reference:
    case CLASS.variable:
      return undefined;
    case CLASS.integer: {
      const dtype = ((flags & 8) === 0 ? UNSIGNED : SIGNED).get(size);
      if (dtype === undefined || bigEndian) throw unsupported;
      return dtype;
    }
    case CLASS.float: {
      const dtype = body.length < 20 ? undefined : FLOATS.get(`${size} ${body[13]!} ${body[15]!}`);
      if (dtype === undefined || bigEndian) throw unsupported;
      return dtype;
    }
    case CLASS.opaque:
      // How h5py stores ml_dtypes.bfloat16, and so Keras.
      if (size !== 2) throw unsupported;
      return 'BF16';
    case CLASS.enumeration:
      // h5py's boolean: FALSE and TRUE in one byte.
      if (size !== 1 || body.readUInt16LE(1) !== 2) throw unsupported;
      return 'BOOL';
    case CLASS.compound: {
      const dtype = complexOf(body, name);
      if (dtype === undefined) throw unsupported;
      return dtype;
    }
    default:
      throw unsupported;
  }
}

/** h5py's complex numbers: a structure of two equal floats, r and i. */
function complexOf(body: Buffer, name: string): DType | undefined {
  const version = body[0]! >> 4;
  const size = body.readUInt32LE(4);
  if (body.readUInt16LE(1) !== 2) return undefined;
  let at = 8;
  let part: DType | undefined;
  for (const [i, letter] of ['r', 'i'].entries()) {
    // The name, padded before version 3; its offset; in version 1, the dimensions of a list, which it is none of.
    if (body.toString('latin1', at, at + 2) !== `${letter}\0`) return undefined;
    at += version < 3 ? 8 : 2;
    if (body[at] !== (i * size) / 2) return undefined;
    at += (version < 3 ? 4 : 1) + (version === 1 ? 28 : 0);
    const dtype = datatypeOf(body.subarray(at, at + FLOAT_BYTES), name);
    if (i === 1 && dtype !== part) return undefined;
    part = dtype;
    at += FLOAT_BYTES;
  }
  if (part === 'F32' && size === 8) return 'C64';
  return part === 'F64' && size === 16 ? 'C128' : undefined;
}

/** Undefined for a dataspace without values. @throws FormatError */
export function dimensionsOf(body: Buffer, name: string): readonly number[] | undefined {
  const version = body[0];
  const rank = body[1] ?? 0;
  const start = version === 1 ? 8 : 4;
  const known = version === 1 || version === 2;
  if (!known || rank > 32 || body.length < start + rank * 8) {
    throw new FormatError(`gives ${name} a shape that is none.`);
  }
  if (version === 2 && body[3] === 2) return undefined;
  return Array.from({ length: rank }, (_, i) => Number(body.readBigUInt64LE(start + i * 8)));
}
