/**
 * Where the numbers of an HDF5 file lie: groups, and datasets stored in one piece, which is how Keras writes them, or in
 * chunks.
 * Reads superblocks 0 to 3, object headers 1 and 2, symbol tables and compact links.
 * HDF5 File Format Specification 3.0, https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html
 */
import { bytesPerElement, elementCount } from '../dtype.ts';
import type { PositionedFile } from '../positioned.ts';
import { CutOff, FormatError } from '../single.ts';
import type { TensorInfo } from '../types.ts';
import { textsOf } from './attributes.ts';
import { chunkedOf, enterChunk, entryBytes, keyBytes, type Chunked } from './chunks.ts';
import { datatypeOf, dimensionsOf } from './datatypes.ts';
import { parseFilters } from './filters.ts';

export interface Dataset {
  readonly tensor: TensorInfo;
  /** Of the first byte in the file that holds the HDF5 file; undefined for one without elements, or in chunks. */
  readonly position: number | undefined;
  readonly chunked?: Chunked;
}

/** Every limit is far above what a real model has. */
const MAX_OBJECTS = 1_000_000;
const MAX_DEPTH = 64;
const MAX_MESSAGES = 10_000;
const MAX_NAME = 4096;

const SIGNATURE = Buffer.from('\x89HDF\r\n\x1a\n', 'latin1');
/** The class of a layout. */
const CHUNKS = 2;
const UNDEFINED = 0xffffffffffffffffn;
const MESSAGE = {
  space: 1,
  linkInfo: 2,
  type: 3,
  link: 6,
  layout: 8,
  filters: 11,
  attribute: 12,
  continuation: 16,
  symbols: 17,
} as const;

interface Message {
  readonly type: number;
  /** In the HDF5 file. */
  readonly at: number;
  readonly body: Buffer;
}

/** A link from a group to an object header. */
interface Link {
  readonly name: string;
  readonly address: number;
}

/**
 * The numeric datasets of the HDF5 file that lies at `base` and takes `size` bytes, in the order of their names.
 * @param wanted by path without the first slash; the others are not looked at.
 * @throws FormatError, CutOff; EndOfFile when a part lies outside.
 */
export async function findDatasets(
  file: PositionedFile,
  base: number,
  size: number,
  wanted: (path: string) => boolean,
): Promise<readonly Dataset[]> {
  const walker = new Walker(file, base, size);
  await walker.group(await walker.root(), '', 0, wanted);
  return walker.datasets;
}

/** Texts in attributes, by the name of the attribute; one that is a list has several. */
export type Texts = ReadonlyMap<string, readonly string[]>;

/**
 * The texts in the attributes of groups, by the path of the group; the root's is ''.
 * @param wanted by path: which groups are looked at.
 * @throws FormatError, CutOff; EndOfFile when a part lies outside.
 */
export async function findTexts(
  file: PositionedFile,
  base: number,
  size: number,
  wanted: (path: string) => boolean,
): Promise<ReadonlyMap<string, Texts>> {
  const walker = new Walker(file, base, size);
  const found = new Map<string, Texts>();
  await walker.group(await walker.root(), '', 0, wanted, async (path, attributes) => {
    const texts = await textsOf(attributes, (at, length) => walker.bytes(at, length));
    if (texts.size > 0) found.set(path, texts);
  });
  return found;
}

class Walker {
  readonly datasets: Dataset[] = [];
  readonly #file: PositionedFile;
  readonly #base: number;
  readonly #size: number;
  /** By the address of their header. */
  readonly #known = new Map<number, Dataset | 'group' | 'no numbers'>();
  /** Nodes of trees and blocks of headers: each belongs to one place, so none is read twice, and loops end. */
  readonly #blocks = new Set<number>();
  #objects = 0;

  constructor(file: PositionedFile, base: number, size: number) {
    this.#file = file;
    this.#base = base;
    this.#size = size;
  }

  /** Address of the root group's header. */
  async root(): Promise<number> {
    if (this.#size < SIGNATURE.length) throw new CutOff(`has only ${this.#size} bytes`);
    const start = await this.#read(0, SIGNATURE.length);
    if (!start.equals(SIGNATURE)) {
      if (start.every((byte) => byte === 0)) throw new CutOff('starts with zeros');
      throw new FormatError('is not an HDF5 file.');
    }
    if (this.#size < 64) throw new CutOff(`has only ${this.#size} bytes`);
    const version = (await this.#read(8, 1))[0]!;
    if (version > 3)
      throw new FormatError(`has version ${version} of HDF5's first block, which is not known.`);
    const sizes = await this.#read(version < 2 ? 13 : 9, 2);
    if (sizes[0] !== 8 || sizes[1] !== 8) throw new FormatError('has addresses that are not of 8 bytes.');
    // Versions 0 and 1: the root's entry in a symbol table follows, name first.
    const fields = version < 2 ? (version === 0 ? 24 : 28) : 12;
    const base = await this.#number(fields);
    const end = await this.#number(fields + 16);
    const root = await this.#number(version < 2 ? fields + 40 : fields + 24);
    if (base !== 0) throw new FormatError('has a block before its HDF5 part, which is not supported.');
    if (end > this.#size) throw new CutOff(`has ${this.#size} of ${end} bytes`);
    return root;
  }

  async group(
    address: number,
    path: string,
    depth: number,
    wanted: (path: string) => boolean,
    visit?: (path: string, attributes: readonly Buffer[]) => Promise<void>,
  ): Promise<void> {
    if (depth > MAX_DEPTH) throw new FormatError(`has groups more than ${MAX_DEPTH} levels deep.`);
    if (++this.#objects > MAX_OBJECTS) throw new FormatError(`holds more than ${MAX_OBJECTS} objects.`);
    // A second name of a dataset is a tied weight, of a group a loop.
    const known = this.#known.get(address);
    if (known === 'group' || known === 'no numbers') return;
    if (known !== undefined) {
      const { name, dtype, shape } = known.tensor;
      this.datasets.push({ ...known, tensor: { name: path, dtype, shape, aliasOf: name } });
      return;
    }
    const messages = await this.#messages(address);
    if (messages.some(({ type }) => type === MESSAGE.layout)) {
      const dataset = await this.#dataset(path, messages);
      this.#known.set(address, dataset ?? 'no numbers');
      if (dataset !== undefined) this.datasets.push(dataset);
      return;
    }
    this.#known.set(address, 'group');
    await visit?.(
      path,
      messages.filter(({ type }) => type === MESSAGE.attribute).map(({ body }) => body),
    );
    for (const link of (await this.#links(messages, path)).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const inner = path === '' ? link.name : `${path}/${link.name}`;
      if (wanted(inner)) await this.group(link.address, inner, depth + 1, wanted, visit);
    }
  }

  /** A copy of bytes of the HDF5 file. */
  async bytes(at: number, length: number): Promise<Buffer> {
    return Buffer.from(await this.#read(at, length));
  }

  /** Undefined for text and the like, which is copied as it is. */
  async #dataset(name: string, messages: readonly Message[]): Promise<Dataset | undefined> {
    const body = (type: number): Message => {
      const found = messages.find((message) => message.type === type);
      if (found === undefined) throw new FormatError(`describes ${name} only in part.`);
      return found;
    };
    const dtype = datatypeOf(body(MESSAGE.type).body, name);
    const shape = dimensionsOf(body(MESSAGE.space).body, name);
    if (dtype === undefined || shape === undefined) return undefined;
    const count = elementCount(shape);
    if (count === undefined) throw new FormatError(`gives ${name} a shape that is none.`);
    const tensor = { name, dtype, shape };
    const size = bytesPerElement(dtype);
    const layout = body(MESSAGE.layout);
    if (layout.body[1] !== CHUNKS) return { tensor, position: this.#place(layout, name, count * size) };
    if (count === 0) return { tensor, position: undefined };
    const pipeline = messages.find(({ type }) => type === MESSAGE.filters);
    const filters = pipeline === undefined ? [] : parseFilters(pipeline.body, name);
    const { chunked, tree } = chunkedOf(layout.body, name, shape, size, filters);
    if (tree === UNDEFINED) throw new FormatError(`has not stored any values of ${name}.`);
    await this.#chunks(Number(tree), chunked, name, 0);
    for (const [i, address] of chunked.addresses.entries()) {
      if (address === 0) throw new FormatError(`has not stored all values of ${name}; write them all.`);
      if (address + chunked.stored[i]! > this.#size)
        throw new FormatError(`places ${name} outside the file.`);
    }
    return { tensor, position: undefined, chunked };
  }

  /** A node of the tree that finds the chunks of a dataset. */
  async #chunks(address: number, chunked: Chunked, name: string, depth: number): Promise<void> {
    if (depth > MAX_DEPTH) throw new FormatError(`has a table more than ${MAX_DEPTH} levels deep.`);
    this.#once(address);
    const head = Buffer.from(await this.#read(address, 24));
    if (head.toString('latin1', 0, 4) !== 'TREE' || head[4] !== 1) {
      throw new FormatError(`stores ${name} in chunks that are none.`);
    }
    const rank = chunked.shape.length;
    const size = entryBytes(rank);
    const entries = Buffer.from(await this.#read(address + 24, head.readUInt16LE(6) * size));
    for (let at = 0; at < entries.length; at += size) {
      const entry = entries.subarray(at, at + size);
      if (head[5] === 0) enterChunk(chunked, entry, address + 24 + at, name);
      else await this.#chunks(addressAt(entry, keyBytes(rank)), chunked, name, depth + 1);
    }
  }

  #place({ at, body }: Message, name: string, bytes: number): number | undefined {
    const none = new FormatError(`stores ${name} in a way that is not known.`);
    const version = body[0];
    const kind = body[1];
    if (version !== 3 && version !== 4) throw none;
    if (kind === 0 && body.length >= 4) {
      if (body.readUInt16LE(2) !== bytes) throw none;
      return bytes === 0 ? undefined : this.#base + at + 4;
    }
    if (kind !== 1 || body.length < 18) throw none;
    const address = body.readBigUInt64LE(2);
    if (bytes === 0) return undefined;
    if (address === UNDEFINED) throw new FormatError(`has not stored any values of ${name}.`);
    if (body.readBigUInt64LE(10) !== BigInt(bytes)) throw none;
    const start = Number(address);
    if (start + bytes > this.#size) throw new FormatError(`places ${name} outside the file.`);
    return this.#base + start;
  }

  async #links(messages: readonly Message[], path: string): Promise<Link[]> {
    const links: Link[] = [];
    for (const { type, body } of messages) {
      if (type === MESSAGE.symbols) links.push(...(await this.#symbolTable(body)));
      else if (type === MESSAGE.link) links.push(...linkOf(body));
      else if (type === MESSAGE.linkInfo) {
        // Version, flags, an index where the flag says so, then the address of a heap.
        const at = (body[1]! & 1) === 0 ? 2 : 10;
        if (at + 8 > body.length) throw new FormatError('has a group without names.');
        if (body.readBigUInt64LE(at) !== UNDEFINED) {
          throw new FormatError(
            `lists the contents of /${path} in a way that is not supported; save it again with libver="earliest".`,
          );
        }
      }
    }
    return links;
  }

  async #symbolTable(body: Buffer): Promise<Link[]> {
    const tree = addressAt(body, 0);
    const heap = Buffer.from(await this.#read(addressAt(body, 8), 32));
    if (heap.toString('latin1', 0, 4) !== 'HEAP') throw new FormatError('has a group without names.');
    const names = { start: addressAt(heap, 24), end: addressAt(heap, 24) + addressAt(heap, 8) };
    const links: Link[] = [];
    await this.#tree(tree, names, links, 0);
    return links;
  }

  /** A name in a group's heap, which ends with a zero. */
  async #name(at: number, end: number): Promise<string> {
    const none = new FormatError('has a group with a name that is none.');
    if (at >= end) throw none;
    const bytes = await this.#read(at, Math.min(MAX_NAME, end - at, this.#size - at));
    const length = bytes.indexOf(0);
    if (length === -1) throw none;
    return bytes.toString('utf8', 0, length);
  }

  /** Notes that a block is read. @throws FormatError when it was read before. */
  #once(address: number): void {
    if (this.#blocks.has(address)) throw new FormatError('has a block that leads back to itself.');
    this.#blocks.add(address);
  }

  async #tree(
    address: number,
    names: { readonly start: number; readonly end: number },
    links: Link[],
    depth: number,
  ): Promise<void> {
    if (depth > MAX_DEPTH) throw new FormatError(`has a table more than ${MAX_DEPTH} levels deep.`);
    this.#once(address);
    const head = Buffer.from(await this.#read(address, 24));
    if (head.toString('latin1', 0, 4) === 'SNOD') {
      const count = head.readUInt16LE(6);
      const entries = Buffer.from(await this.#read(address + 8, count * 40));
      for (let i = 0; i < count; i++) {
        // Cache type 2 is a symbolic link, to a name that may lie anywhere: its target has a name of its own.
        if (entries.readUInt32LE(i * 40 + 16) === 2) continue;
        const name = await this.#name(names.start + addressAt(entries, i * 40), names.end);
        links.push({ name, address: addressAt(entries, i * 40 + 8) });
      }
      if (links.length > MAX_OBJECTS) throw new FormatError(`holds more than ${MAX_OBJECTS} objects.`);
      return;
    }
    if (head.toString('latin1', 0, 4) !== 'TREE' || head[4] !== 0) {
      throw new FormatError('has a group whose table is none.');
    }
    const count = head.readUInt16LE(6);
    const children = Buffer.from(await this.#read(address + 24, count * 16));
    for (let i = 0; i < count; i++)
      await this.#tree(addressAt(children, i * 16 + 8), names, links, depth + 1);
  }

  /** All messages of an object header, continuations included. */
  async #messages(address: number): Promise<Message[]> {
    const start = Buffer.from(await this.#read(address, 16));
    const messages: Message[] = [];
    const blocks: { at: number; length: number; second: boolean }[] = [];
    let creationOrder = false;
    const isSecond = start.toString('latin1', 0, 4) === 'OHDR';
    if (isSecond) {
      const flags = start[5]!;
      creationOrder = (flags & 4) !== 0;
      const sizeAt = 6 + ((flags & 32) === 0 ? 0 : 16) + ((flags & 16) === 0 ? 0 : 4);
      const width = 1 << (flags & 3);
      const field = await this.#read(address + sizeAt, width);
      const length = width === 8 ? addressAt(field, 0) : field.readUIntLE(0, width);
      blocks.push({ at: address + sizeAt + width, length, second: true });
    } else {
      if (start[0] !== 1) throw new FormatError('has an object whose header is none.');
      blocks.push({ at: address + 16, length: start.readUInt32LE(8), second: false });
    }
    for (let block = blocks.shift(); block !== undefined; block = blocks.shift()) {
      let at = block.at;
      this.#once(at);
      const end = at + block.length;
      const head = block.second ? (creationOrder ? 6 : 4) : 8;
      while (at + head <= end) {
        if (messages.length === MAX_MESSAGES)
          throw new FormatError('has an object with too many properties.');
        const prefix = await this.#read(at, head);
        const type = block.second ? prefix[0]! : prefix.readUInt16LE(0);
        const length = block.second ? prefix.readUInt16LE(1) : prefix.readUInt16LE(2);
        if (at + head + length > end) throw new FormatError('has an object whose header is none.');
        const body = Buffer.from(await this.#read(at + head, length));
        if (type === MESSAGE.continuation) {
          const next = addressAt(body, 0);
          const size = addressAt(body, 8);
          // The second kind has a signature in front and a checksum behind.
          blocks.push(
            isSecond
              ? { at: next + 4, length: size - 8, second: true }
              : { at: next, length: size, second: false },
          );
        }
        messages.push({ type, at: at + head, body });
        at += head + length;
      }
    }
    return messages;
  }

  async #number(at: number): Promise<number> {
    return addressAt(await this.#read(at, 8), 0);
  }

  /** Valid until the next call. */
  #read(at: number, length: number): Promise<Buffer> {
    if (at + length > this.#size) throw new FormatError('speaks of a place outside of it.');
    return this.#file.bytes(this.#base + at, length);
  }
}

function addressAt(bytes: Buffer, at: number): number {
  if (at + 8 > bytes.length) throw new FormatError('has an address that is none.');
  const value = bytes.readBigUInt64LE(at);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new FormatError('speaks of a place outside of it.');
  return Number(value);
}

/** A link message: version, flags, [type], [creation order], [character set], length of the name, name, address. */
function linkOf(body: Buffer): Link[] {
  const flags = body[1]!;
  let at = 2;
  const type = (flags & 8) === 0 ? 0 : body[at++]!;
  if ((flags & 4) !== 0) at += 8;
  if ((flags & 16) !== 0) at++;
  const width = 1 << (flags & 3);
  if (width === 8 || at + width > body.length) throw new FormatError('has a link that is none.');
  const length = body.readUIntLE(at, width);
  at += width;
  // Symbolic and external links: their target, if in this file, has a name of its own.
  if (type !== 0) return [];
  if (at + length + 8 > body.length) throw new FormatError('has a link that is none.');
  return [{ name: body.toString('utf8', at, at + length), address: addressAt(body, at + length) }];
}
