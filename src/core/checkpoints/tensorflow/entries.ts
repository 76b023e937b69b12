/**
 * What the values of the table say: one header (`BundleHeaderProto`, under the empty key), and where every variable
 * lies (`BundleEntryProto`). tensorflow/core/protobuf/tensor_bundle.proto
 */
import { WireError, WireReader } from '../../wire.ts';
import { FormatError } from '../single.ts';
import type { DType } from '../types.ts';
import type { TableEntry } from './table.ts';

export interface BundleHeader {
  readonly shards: number;
}

export interface BundleEntry {
  /** The number of `DataType` in tensorflow/core/framework/types.proto. */
  readonly type: number;
  readonly shape: readonly number[];
  readonly shard: number;
  /** In the shard. */
  readonly offset: number;
  readonly size: number;
  /** Masked CRC-32C of the bytes; of text it covers the lengths as well. */
  readonly crc: number;
  /** Where that is stored in the `.index` file; undefined where it is 0 and left out. */
  readonly crcAt: number | undefined;
  /** A partitioned variable: its parts have entries of their own. */
  readonly inParts: boolean;
}

const DTYPES: ReadonlyMap<number, DType> = new Map<number, DType>([
  [1, 'F32'],
  [2, 'F64'],
  [3, 'I32'],
  [4, 'U8'],
  [5, 'I16'],
  [6, 'I8'],
  [8, 'C64'],
  [9, 'I64'],
  [10, 'BOOL'],
  [14, 'BF16'],
  [17, 'U16'],
  [18, 'C128'],
  [19, 'F16'],
  [22, 'U32'],
  [23, 'U64'],
  [24, 'F8_E5M2'],
  [25, 'F8_E4M3'],
]);
const TEXT = 7;
const QUANTISED = new Set([11, 12, 13, 15, 16]);
const MAX_RANK = 254;

/** Undefined for what has no numbers (text, resources) or packs them: it is kept as it is. @throws FormatError */
export function dtypeOf(type: number, name: string): DType | undefined {
  if (QUANTISED.has(type)) {
    throw new FormatError(
      `holds ${name} quantised; a mean of rounded weights is not the model's mean, so take the checkpoints from before.`,
    );
  }
  return DTYPES.get(type);
}

export const isText = (type: number): boolean => type === TEXT;

/** @throws FormatError */
export function parseHeader(bytes: Buffer, { start, end }: TableEntry): BundleHeader {
  const header = { shards: 0, bigEndian: false };
  readMessage(bytes, start, end, 'its header', (reader) => {
    if (reader.field === 1) header.shards = reader.integer();
    else if (reader.field === 2) header.bigEndian = reader.integer() !== 0;
    else reader.skip();
  });
  const { shards, bigEndian } = header;
  if (bigEndian) {
    throw new FormatError('was written by a big-endian machine; load it and save it again on this one.');
  }
  if (shards < 1 || shards > 99_999) throw new FormatError(`speaks of ${shards} files with data.`);
  return { shards };
}

/** @throws FormatError */
export function parseEntry(bytes: Buffer, name: string, { start, end }: TableEntry): BundleEntry {
  const shape: number[] = [];
  let type = 0;
  let shard = 0;
  let offset = 0;
  let size = 0;
  let crc = 0;
  let crcAt: number | undefined;
  let inParts = false;
  readMessage(bytes, start, end, name, (reader) => {
    switch (reader.field) {
      case 1:
        type = reader.integer();
        return;
      case 2:
        readShape(reader.message(), name, shape);
        return;
      case 3:
        shard = reader.integer();
        return;
      case 4:
        offset = reader.integer();
        return;
      case 5:
        size = reader.integer();
        return;
      case 6: {
        const stored = reader.fixed32At();
        crc = bytes.readUInt32LE(stored);
        crcAt = stored;
        return;
      }
      case 7:
        inParts = true;
        reader.skip();
        return;
      default:
        reader.skip();
    }
  });
  const whole = [shard, offset, size].every((n) => Number.isSafeInteger(n) && n >= 0);
  if (!whole) throw new FormatError(`places ${name} outside its data.`);
  return { type, shape, shard, offset, size, crc, crcAt, inParts };
}

/** `TensorShapeProto`: every dimension is a message with its size, which is left out where it is 0. */
function readShape(reader: WireReader, name: string, shape: number[]): void {
  while (reader.next()) {
    if (reader.field !== 2) {
      reader.skip();
      continue;
    }
    const dimension = reader.message();
    let size = 0;
    while (dimension.next()) {
      if (dimension.field === 1) size = dimension.integer();
      else dimension.skip();
    }
    shape.push(size);
    if (shape.length > MAX_RANK) throw new FormatError(`gives ${name} a shape that is none.`);
  }
}

function readMessage(
  bytes: Buffer,
  start: number,
  end: number,
  what: string,
  field: (reader: WireReader) => void,
): void {
  const reader = new WireReader(bytes, start, end);
  try {
    while (reader.next()) field(reader);
  } catch (error) {
    if (error instanceof WireError) throw new FormatError(`describes ${what} by something that is no entry.`);
    throw error;
  }
}
