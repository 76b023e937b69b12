/**
 * The table in a TensorFlow `.index` file, which is LevelDB's: blocks of sorted keys with values, each block followed
 * by its compression and a checksum, an index of the blocks, and a footer.
 * https://github.com/google/leveldb/blob/main/doc/table_format.md, tensorflow/core/lib/io/{table,block,format}.cc
 */
import { maskedCrc32c } from '../../crc32c.ts';
import type { Checksum } from '../checksums.ts';
import { CutOff, FormatError } from '../single.ts';

export interface TableEntry {
  /** As stored: text for most keys, an encoding of numbers and text for parts of partitioned variables. */
  readonly key: Buffer;
  /** Where the value lies in the file; it is stored in one piece. */
  readonly start: number;
  readonly end: number;
}

export interface Table {
  /** In the order of their keys. */
  readonly entries: readonly TableEntry[];
  /** One per block with entries. */
  readonly checksums: readonly Checksum[];
}

const FOOTER_BYTES = 48;
const TRAILER_BYTES = 5;
const MAGIC = 0xdb4775248b80fb57n;
/** The largest models have some ten thousand variables. */
const MAX_ENTRIES = 1_000_000;
/** Longer than any name of a variable; names share their beginnings, so a small file could unfold to a large one. */
const MAX_KEY = 4096;

/** @throws FormatError for bytes that are no table, CutOff for the front part of one. */
export function readTable(bytes: Buffer): Table {
  if (bytes.length < FOOTER_BYTES) throw new CutOff(`has only ${bytes.length} bytes`);
  const footer = bytes.length - FOOTER_BYTES;
  if (bytes.readBigUInt64LE(bytes.length - 8) !== MAGIC) {
    if (!looksLikeTable(bytes)) throw new FormatError('is not the index of a TensorFlow checkpoint.');
    throw new CutOff('does not end as the index of a TensorFlow checkpoint does');
  }
  const handles = new Cursor(bytes, footer, bytes.length - 8);
  // The first handle is that of a block of properties, which TensorFlow leaves empty.
  handles.varint();
  handles.varint();
  const index = blockAt(bytes, handles);
  const entries: TableEntry[] = [];
  const checksums: Checksum[] = [];
  let before = 0;
  for (const { start, end } of entriesOf(bytes, index)) {
    const block = blockAt(bytes, new Cursor(bytes, start, end));
    // Blocks lie one after another: none is read twice.
    if (block.start < before) throw new FormatError('has blocks that overlap.');
    before = block.end;
    checksums.push(block.checksum);
    for (const entry of entriesOf(bytes, block)) {
      entries.push(entry);
      if (entries.length > MAX_ENTRIES) throw new FormatError(`lists more than ${MAX_ENTRIES} variables.`);
    }
  }
  return { entries, checksums };
}

/** The first key of every such table is empty: an entry that shares nothing with the one before it. */
function looksLikeTable(bytes: Buffer): boolean {
  return bytes[0] === 0 && bytes[1] === 0;
}

interface Block {
  readonly start: number;
  /** Of the entries; an array of restart points follows, which is not needed to read them all. */
  readonly entriesEnd: number;
  readonly end: number;
  readonly checksum: Checksum;
}

function blockAt(bytes: Buffer, handle: Cursor): Block {
  const start = handle.varint();
  const size = handle.varint();
  const end = start + size;
  if (end + TRAILER_BYTES > bytes.length - FOOTER_BYTES || size < 4) {
    throw new FormatError('has a block that lies outside of it.');
  }
  const kind = bytes[end]!;
  if (kind !== 0) {
    throw new FormatError(
      'is compressed, which TensorFlow itself has not done since version 1.2; load it and save it again.',
    );
  }
  const value = bytes.readUInt32LE(end + 1);
  if (maskedCrc32c(bytes, start, end + 1) !== value) {
    throw new FormatError('is damaged: its bytes do not match their checksum; leave it out or restore it.');
  }
  const restarts = bytes.readUInt32LE(end - 4);
  if ((restarts + 1) * 4 > size) throw new FormatError('has a block that lies outside of it.');
  return {
    start,
    entriesEnd: end - (restarts + 1) * 4,
    end: end + TRAILER_BYTES,
    checksum: { what: 'its table', start, end: end + 1, value, kind: 'masked-crc32c', storedAt: [end + 1] },
  };
}

function* entriesOf(bytes: Buffer, { start, entriesEnd }: Block): Generator<TableEntry> {
  const cursor = new Cursor(bytes, start, entriesEnd);
  let key = Buffer.alloc(0);
  while (!cursor.done) {
    const shared = cursor.varint();
    const own = cursor.varint();
    const length = cursor.varint();
    if (shared > key.length || shared + own > MAX_KEY) {
      throw new FormatError('has a name in its table that is none.');
    }
    const at = cursor.advance(own);
    key = Buffer.concat([key.subarray(0, shared), bytes.subarray(at, at + own)]);
    const value = cursor.advance(length);
    yield { key, start: value, end: value + length };
  }
}

class Cursor {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;

  constructor(bytes: Buffer, start: number, end: number) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  get done(): boolean {
    return this.#at >= this.#end;
  }

  /** Seven bits per byte, the lowest first. */
  varint(): number {
    let value = 0;
    for (let scale = 1; scale <= 2 ** 42; scale *= 128) {
      const byte = this.#bytes[this.advance(1)]!;
      value += (byte & 0x7f) * scale;
      if (byte < 128) return value;
    }
    throw new FormatError('has a number in its table that is none.');
  }

  /** Gives the position before. */
  advance(length: number): number {
    const at = this.#at;
    if (at + length > this.#end) throw new FormatError('has an entry that lies outside of its table.');
    this.#at = at + length;
    return at;
  }
}
