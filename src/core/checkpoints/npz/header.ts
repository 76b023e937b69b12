/**
 * The header of an `.npy` array: magic, version, length, and a Python dictionary literal with `descr`,
 * `fortran_order` and `shape`. https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
import { bytesPerElement, elementCount } from '../dtype.ts';
import { FormatError } from '../single.ts';
import type { DType } from '../types.ts';

export interface NpyHeader {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** First index fastest. */
  readonly fortran: boolean;
}

const DTYPES: ReadonlyMap<string, DType> = new Map<string, DType>([
  ['<f8', 'F64'],
  ['<f4', 'F32'],
  ['<f2', 'F16'],
  ['<i8', 'I64'],
  ['<i4', 'I32'],
  ['<i2', 'I16'],
  ['|i1', 'I8'],
  ['<u8', 'U64'],
  ['<u4', 'U32'],
  ['<u2', 'U16'],
  ['|u1', 'U8'],
  ['|b1', 'BOOL'],
  ['<c8', 'C64'],
  ['<c16', 'C128'],
]);

const MEMBER = '.npy';

/** The name of the array that an entry of the archive holds; undefined for something else. */
export function nameOf(entry: string): string | undefined {
  return entry.endsWith(MEMBER) ? entry.slice(0, -MEMBER.length) : undefined;
}

/** As NumPy itself allows. */
const MAX_RANK = 64;

/** Longest header that is read; one of a plain array has 118 bytes. */
export const MAX_NPY_HEADER = 65_536;

/** Bytes before the data, from an entry's first 12 bytes. @throws FormatError */
export function npyDataOffset(start: Uint8Array, name: string): number {
  const view = new DataView(start.buffer, start.byteOffset, start.byteLength);
  const isNpy = start.length >= 12 && view.getUint32(0) === 0x934e554d && view.getUint16(4) === 0x5059;
  if (!isNpy) throw new FormatError(`holds ${name}, which is no NumPy array.`);
  const version = start[6]!;
  const offset = version === 1 ? 10 + view.getUint16(8, true) : 12 + view.getUint32(8, true);
  if (version < 1 || version > 3 || offset > MAX_NPY_HEADER) {
    throw new FormatError(`holds ${name} with a header of a kind that is not known.`);
  }
  return offset;
}

/** @param header everything before the data; `dataBytes` is what lies behind it. @throws FormatError */
export function parseNpyHeader(header: Uint8Array, name: string, dataBytes: number): NpyHeader {
  const text = Buffer.from(header.subarray(header[6] === 1 ? 10 : 12)).toString('latin1');
  const descr = /'descr': '([^']*)'/.exec(text)?.[1];
  const fortran = /'fortran_order': (True|False)/.exec(text)?.[1];
  const shapeText = /'shape': \(([\d, ]*)\)/.exec(text)?.[1];
  if (descr === undefined) {
    throw new FormatError(`holds ${name} in a type of several fields, which is not supported.`);
  }
  if (descr.includes('O')) {
    throw new FormatError(
      `holds ${name} as Python objects, which are never unpickled; save plain arrays only.`,
    );
  }
  const dtype = DTYPES.get(descr);
  if (dtype === undefined) throw new FormatError(`holds ${name} in ${descr}, a type that is not supported.`);
  const shape = (shapeText ?? '?')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map(Number);
  const count = shape.length > MAX_RANK ? undefined : elementCount(shape);
  if (fortran === undefined || count === undefined || count * bytesPerElement(dtype) !== dataBytes) {
    throw new FormatError(`gives ${name} a shape that does not fit its ${dataBytes} bytes.`);
  }
  return { dtype, shape, fortran: fortran === 'True' };
}
