/**
 * Where the arrays are in a MessagePack file written by `flax.serialization`: maps with text keys, numbers, and
 * extension 1, an array, itself MessagePack of `[shape, dtype name, bytes]` (2 is a native complex number, 3 a NumPy
 * scalar, laid out like 1). Everything else is passed over, so the memory does not depend on the size of the arrays.
 * https://github.com/msgpack/msgpack/blob/master/spec.md, flax/serialization.py (`_MsgpackExtType`)
 */
import { bytesPerElement, elementCount } from '../dtype.ts';
import { EndOfFile, type PositionedFile } from '../positioned.ts';
import { FormatError } from '../single.ts';
import type { DType, TensorInfo } from '../types.ts';

export interface FoundArray {
  readonly tensor: TensorInfo;
  /** Of the first byte. */
  readonly position: number;
}

export interface Scan {
  readonly arrays: readonly FoundArray[];
  /** Whole numbers that stand at the top: `step`. */
  readonly numbers: Readonly<Record<string, string>>;
}

const MAX_DEPTH = 64;
const MAX_ITEMS = 500_000;
/** A shape and a dtype name take some dozens. */
const MAX_TEXT = 4096;
const SEPARATOR = '/';

const DTYPES: ReadonlyMap<string, DType> = new Map<string, DType>([
  ['float64', 'F64'],
  ['float32', 'F32'],
  ['float16', 'F16'],
  ['bfloat16', 'BF16'],
  ['float8_e4m3fn', 'F8_E4M3'],
  ['float8_e5m2', 'F8_E5M2'],
  ['int64', 'I64'],
  ['int32', 'I32'],
  ['int16', 'I16'],
  ['int8', 'I8'],
  ['uint64', 'U64'],
  ['uint32', 'U32'],
  ['uint16', 'U16'],
  ['uint8', 'U8'],
  ['bool', 'BOOL'],
  ['complex64', 'C64'],
  ['complex128', 'C128'],
]);

/** What a value's first bytes say. `length` is a number of bytes, or of items. */
type Token =
  | { readonly kind: 'map' | 'array' | 'text' | 'binary'; readonly length: number; readonly body: number }
  | { readonly kind: 'extension'; readonly type: number; readonly length: number; readonly body: number }
  | { readonly kind: 'number'; readonly value: number | undefined; readonly body: number }
  | { readonly kind: 'other'; readonly body: number };

/** @throws FormatError for a file that is none; EndOfFile for one that is cut off. */
export async function scanMsgpack(file: PositionedFile): Promise<Scan> {
  const scanner = new Scanner(file);
  const end = await scanner.value(0, [], 0);
  if (!scanner.isMap) throw new FormatError('is not a Flax checkpoint: it does not start with a dictionary.');
  if (end < file.size) throw new FormatError(`has ${file.size - end} bytes that belong to nothing.`);
  return { arrays: scanner.arrays, numbers: Object.fromEntries(scanner.numbers) };
}

class Scanner {
  readonly arrays: FoundArray[] = [];
  readonly numbers: [string, string][] = [];
  isMap = false;
  readonly #file: PositionedFile;
  readonly #names = new Set<string>();
  #items = 0;

  constructor(file: PositionedFile) {
    this.#file = file;
  }

  /** Passes over one value and gives the position behind it. */
  async value(position: number, path: readonly string[], depth: number): Promise<number> {
    if (depth > MAX_DEPTH) throw new FormatError(`is nested more than ${MAX_DEPTH} levels deep.`);
    if (++this.#items > MAX_ITEMS) throw new FormatError(`holds more than ${MAX_ITEMS} values.`);
    const token = await this.#token(position);
    switch (token.kind) {
      case 'map': {
        this.isMap ||= depth === 0;
        let at = token.body;
        for (let i = 0; i < token.length; i++) {
          const key = await this.#key(at);
          at = await this.value(key.end, [...path, key.name], depth + 1);
        }
        return at;
      }
      case 'array': {
        let at = token.body;
        for (let i = 0; i < token.length; i++) at = await this.value(at, [...path, String(i)], depth + 1);
        return at;
      }
      case 'extension':
        if (token.type === 1 || token.type === 3) await this.#array(token.body, token.length, path);
        return this.#within(token.body + token.length);
      case 'text':
      case 'binary':
        return this.#within(token.body + token.length);
      case 'number':
        if (path.length === 1 && token.value !== undefined)
          this.numbers.push([path[0]!, String(token.value)]);
        return token.body;
      case 'other':
        return token.body;
    }
  }

  async #key(position: number): Promise<{ readonly name: string; readonly end: number }> {
    const token = await this.#token(position);
    if (token.kind === 'number') return { name: String(token.value), end: token.body };
    if (token.kind !== 'text') throw new FormatError('has a dictionary key that is not text.');
    if (token.length > MAX_TEXT) throw new FormatError(`has a dictionary key of ${token.length} bytes.`);
    const name = (await this.#file.bytes(token.body, token.length)).toString('utf8');
    return { name, end: token.body + token.length };
  }

  async #array(start: number, length: number, path: readonly string[]): Promise<void> {
    const name = path.join(SEPARATOR);
    const none = new FormatError(`describes ${name} by something that is no array.`);
    const end = this.#within(start + length);
    const outer = await this.#token(start);
    if (outer.kind !== 'array' || outer.length !== 3) throw none;
    const dimensions = await this.#token(outer.body);
    if (dimensions.kind !== 'array' || dimensions.length > 32) throw none;
    const shape: number[] = [];
    let at = dimensions.body;
    for (let i = 0; i < dimensions.length; i++) {
      const dimension = await this.#token(at);
      if (dimension.kind !== 'number' || dimension.value === undefined) throw none;
      shape.push(dimension.value);
      at = dimension.body;
    }
    const type = await this.#token(at);
    if (type.kind !== 'text' || type.length > MAX_TEXT) throw none;
    const dtypeName = (await this.#file.bytes(type.body, type.length)).toString('utf8');
    const data = await this.#token(type.body + type.length);
    const dtype = DTYPES.get(dtypeName);
    if (dtype === undefined)
      throw new FormatError(`holds ${name} in ${dtypeName}, a type that is not supported.`);
    const count = elementCount(shape);
    if (
      data.kind !== 'binary' ||
      count === undefined ||
      count * bytesPerElement(dtype) !== data.length ||
      data.body + data.length !== end
    ) {
      throw none;
    }
    if (this.#names.has(name)) throw new FormatError(`has two arrays ${name}.`);
    this.#names.add(name);
    this.arrays.push({ tensor: { name, dtype, shape }, position: data.body });
  }

  #within(position: number): number {
    if (position > this.#file.size) throw new EndOfFile();
    return position;
  }

  async #token(position: number): Promise<Token> {
    const file = this.#file;
    const code = (await file.bytes(position, 1))[0]!;
    const body = position + 1;
    const unsigned = async (bytes: number): Promise<number> =>
      (await file.bytes(body, bytes)).readUIntBE(0, bytes);
    if (code < 0x80) return { kind: 'number', value: code, body };
    if (code < 0x90) return { kind: 'map', length: code & 0x0f, body };
    if (code < 0xa0) return { kind: 'array', length: code & 0x0f, body };
    if (code < 0xc0) return { kind: 'text', length: code & 0x1f, body };
    if (code >= 0xe0) return { kind: 'number', value: code - 0x100, body };
    if (code === 0xc1) throw new FormatError('is not a MessagePack file.');
    if (code === 0xc0 || code === 0xc2 || code === 0xc3) return { kind: 'other', body };
    if (code <= 0xc6)
      return {
        kind: 'binary',
        length: await unsigned(1 << (code - 0xc4)),
        body: body + (1 << (code - 0xc4)),
      };
    if (code <= 0xc9) {
      const width = 1 << (code - 0xc7);
      const length = await unsigned(width);
      const type = (await file.bytes(body + width, 1)).readInt8(0);
      return { kind: 'extension', type, length, body: body + width + 1 };
    }
    if (code <= 0xcb)
      return { kind: 'number', value: undefined, body: this.#within(body + (code === 0xca ? 4 : 8)) };
    if (code <= 0xcf) return this.#integer(body, 1 << (code - 0xcc), false);
    if (code <= 0xd3) return this.#integer(body, 1 << (code - 0xd0), true);
    if (code <= 0xd8) {
      const type = (await file.bytes(body, 1)).readInt8(0);
      return { kind: 'extension', type, length: 1 << (code - 0xd4), body: body + 1 };
    }
    if (code <= 0xdb)
      return { kind: 'text', length: await unsigned(1 << (code - 0xd9)), body: body + (1 << (code - 0xd9)) };
    const width = code % 2 === 0 ? 2 : 4;
    return { kind: code < 0xde ? 'array' : 'map', length: await unsigned(width), body: body + width };
  }

  async #integer(body: number, width: number, signed: boolean): Promise<Token> {
    const bytes = await this.#file.bytes(body, width);
    const value =
      width === 8
        ? Number(signed ? bytes.readBigInt64BE(0) : bytes.readBigUInt64BE(0))
        : signed
          ? bytes.readIntBE(0, width)
          : bytes.readUIntBE(0, width);
    return { kind: 'number', value: Number.isSafeInteger(value) ? value : undefined, body: body + width };
  }
}
