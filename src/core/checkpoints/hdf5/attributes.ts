/**
 * Texts in the attributes of HDF5 groups: of a fixed length, or of any length, which lie in heaps elsewhere in the file.
 * HDF5 File Format Specification 3.0, IV.A.2.m (attribute message) and III.E (global heap).
 */
import { MAX_JSON_BYTES } from '../json.ts';
import { FormatError } from '../single.ts';
import { dimensionsOf } from './datatypes.ts';

const TEXT = 3;
const VARIABLE = 9;
/** Length, address of the heap, number of the object in it. */
const REFERENCE_BYTES = 16;
const HEAP_HEAD_BYTES = 16;
const MAX_TEXTS = 100_000;

type Read = (at: number, length: number) => Promise<Buffer>;

/**
 * @param messages Bodies of the attribute messages of one object.
 * @param read From the HDF5 file.
 * @returns By name; attributes that are no text are left out. @throws FormatError
 */
export async function textsOf(
  messages: readonly Buffer[],
  read: Read,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const texts = new Map<string, readonly string[]>();
  const heaps = new Map<number, ReadonlyMap<number, Buffer>>();
  for (const message of messages) {
    const attribute = parse(message);
    if (attribute === undefined) continue;
    const { name, kind, size, count, data } = attribute;
    if (kind === VARIABLE && size !== REFERENCE_BYTES) continue;
    if (count > MAX_TEXTS || data.length < count * size) {
      throw new FormatError(`has an attribute ${name} that is none.`);
    }
    const values: string[] = [];
    for (let i = 0; i < count; i++) {
      const element = data.subarray(i * size, (i + 1) * size);
      values.push(kind === TEXT ? untilZero(element) : await referred(element, heaps, read));
    }
    texts.set(name, values);
  }
  return texts;
}

interface Attribute {
  readonly name: string;
  readonly kind: typeof TEXT | typeof VARIABLE;
  /** Bytes of one element. */
  readonly size: number;
  readonly count: number;
  readonly data: Buffer;
}

/** Undefined for one that is no text. */
function parse(body: Buffer): Attribute | undefined {
  const version = body[0] ?? 0;
  // A type that is stored elsewhere in the file is no plain text.
  if (body.length < 8 || version < 1 || version > 3 || (version > 1 && body[1] !== 0)) return undefined;
  const lengths = [body.readUInt16LE(2), body.readUInt16LE(4), body.readUInt16LE(6)] as const;
  // Version 1 pads each part to a multiple of eight bytes.
  const padded = (length: number): number => (version === 1 ? Math.ceil(length / 8) * 8 : length);
  const nameAt = version === 3 ? 9 : 8;
  const typeAt = nameAt + padded(lengths[0]);
  const spaceAt = typeAt + padded(lengths[1]);
  const dataAt = spaceAt + padded(lengths[2]);
  if (dataAt > body.length || lengths[1] < 8) throw new FormatError('has an attribute that is none.');
  const name = untilZero(body.subarray(nameAt, nameAt + lengths[0]));
  const kind = body[typeAt]! & 0x0f;
  const isText = kind === TEXT || (kind === VARIABLE && (body[typeAt + 1]! & 0x0f) === 1);
  if (!isText) return undefined;
  const shape = dimensionsOf(body.subarray(spaceAt, spaceAt + lengths[2]), name);
  if (shape === undefined) return undefined;
  const count = shape.reduce((product, length) => product * length, 1);
  return { name, kind, size: body.readUInt32LE(typeAt + 4), count, data: body.subarray(dataAt) };
}

async function referred(
  element: Buffer,
  heaps: Map<number, ReadonlyMap<number, Buffer>>,
  read: Read,
): Promise<string> {
  const length = element.readUInt32LE(0);
  const address = Number(element.readBigUInt64LE(4));
  const index = element.readUInt32LE(12);
  if (length === 0) return '';
  let heap = heaps.get(address);
  if (heap === undefined) heaps.set(address, (heap = await readHeap(address, read)));
  const object = heap.get(index);
  if (object === undefined || object.length < length)
    throw new FormatError('has an attribute whose text is not in it.');
  return object.toString('utf8', 0, length);
}

/** The objects of a collection by number. */
async function readHeap(address: number, read: Read): Promise<ReadonlyMap<number, Buffer>> {
  const head = await read(address, HEAP_HEAD_BYTES);
  const size = Number(head.readBigUInt64LE(8));
  if (head.toString('latin1', 0, 4) !== 'GCOL' || size < HEAP_HEAD_BYTES || size > MAX_JSON_BYTES) {
    throw new FormatError('has texts in a place that holds none.');
  }
  const body = await read(address, size);
  const objects = new Map<number, Buffer>();
  for (let at = HEAP_HEAD_BYTES; at + 16 <= size;) {
    const index = body.readUInt16LE(at);
    const length = Number(body.readBigUInt64LE(at + 8));
    // Number 0 is the room that is left.
    if (index === 0) break;
    if (at + 16 + length > size) throw new FormatError('has texts in a place that holds none.');
    objects.set(index, body.subarray(at + 16, at + 16 + length));
    at += 16 + Math.ceil(length / 8) * 8;
  }
  return objects;
}

function untilZero(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end === -1 ? bytes.length : end);
}
