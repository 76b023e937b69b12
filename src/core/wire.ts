/** Bytes that are no message of the Protocol Buffers wire format. */
export class WireError extends Error {}

const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const FIXED32 = 5;

/**
 * Reads one message of the Protocol Buffers wire format (protobuf.dev/programming-guides/encoding) field by field:
 *
 *     while (reader.next()) switch (reader.field) { case 1: x = reader.double(); break; default: reader.skip(); }
 *
 * Every field has to be read or skipped. A value of another wire type than asked for is a {@link WireError}.
 */
export class WireReader {
  readonly #bytes: Buffer;
  readonly #end: number;
  #position: number;
  #type = 0;
  /** Number of the field that {@link next} came to. */
  field = 0;

  constructor(bytes: Buffer, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#position = start;
    this.#end = end;
  }

  /** Goes to the next field; false at the end of the message. */
  next(): boolean {
    if (this.#position >= this.#end) return false;
    const key = this.#varint();
    this.#type = key % 8;
    this.field = Math.floor(key / 8);
    return true;
  }

  skip(): void {
    switch (this.#type) {
      case VARINT:
        this.#varint();
        return;
      case FIXED64:
        this.#advance(8);
        return;
      case LENGTH:
        this.#advance(this.#varint());
        return;
      case FIXED32:
        this.#advance(4);
        return;
      default:
        // Groups are older than any producer of the files read here.
        throw new WireError(`wire type ${this.#type}`);
    }
  }

  /** An int32, int64 or enum; beyond 2^53 rounded. */
  integer(): number {
    this.#expect(VARINT);
    return this.#varint();
  }

  double(): number {
    this.#expect(FIXED64);
    return this.#bytes.readDoubleLE(this.#advance(8));
  }

  float(): number {
    this.#expect(FIXED32);
    return this.#bytes.readFloatLE(this.#advance(4));
  }

  /** The position of a fixed32's four bytes, little-endian. */
  fixed32At(): number {
    this.#expect(FIXED32);
    return this.#advance(4);
  }

  string(): string {
    const at = this.#lengthDelimited();
    return this.#bytes.toString('utf8', at, this.#position);
  }

  /** A view, not a copy. */
  bytes(): Buffer {
    const at = this.#lengthDelimited();
    return this.#bytes.subarray(at, this.#position);
  }

  message(): WireReader {
    const at = this.#lengthDelimited();
    return new WireReader(this.#bytes, at, this.#position);
  }

  /** One or all values of a repeated number: packed into one field, or each a field of its own. */
  numbers(kind: 'integer' | 'float' | 'double'): number[] {
    if (this.#type !== LENGTH) return [this[kind]()];
    const inner = this.message();
    inner.#type = kind === 'integer' ? VARINT : kind === 'float' ? FIXED32 : FIXED64;
    const values: number[] = [];
    while (inner.#position < inner.#end) values.push(inner[kind]());
    return values;
  }

  #lengthDelimited(): number {
    this.#expect(LENGTH);
    return this.#advance(this.#varint());
  }

  #expect(type: number): void {
    if (this.#type !== type)
      throw new WireError(`field ${this.field} has wire type ${this.#type}, not ${type}`);
  }

  /** @returns the position before. */
  #advance(length: number): number {
    const at = this.#position;
    if (length < 0 || at + length > this.#end) throw new WireError('a field is longer than its message');
    this.#position = at + length;
    return at;
  }

  /** Two's complement of 64 bits, as int32 and int64 are written: seven bits per byte, the lowest first. */
  #varint(): number {
    let low = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#byte();
      low |= (byte & 0x7f) << shift;
      if (byte < 0x80) return low;
    }
    let high = 0;
    for (let power = 1; power < 2 ** 35; power *= 2 ** 7) {
      const byte = this.#byte();
      high += (byte & 0x7f) * power;
      if (byte < 0x80) return high * 2 ** 28 + low;
    }
    // The tenth byte holds the sign alone.
    if (this.#byte() !== 1) throw new WireError('a number is longer than 64 bits');
    return (high - 2 ** 35) * 2 ** 28 + low;
  }

  #byte(): number {
    if (this.#position >= this.#end) throw new WireError('a number is cut off');
    return this.#bytes[this.#position++]!;
  }
}
