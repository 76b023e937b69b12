/**
 * The records of a `.wandb` file: seven bytes of file header, then LevelDB's log format (github.com/google/leveldb,
 * doc/log_format.md): blocks of 32 KiB, a record in one or several fragments of `crc32 uint32, length uint16, type
 * uint8, data`, never across the end of a block. Unlike LevelDB's, the checksum is zlib's CRC-32, of type and data.
 */
import { crc32 } from 'node:zlib';
import type { Taken } from '../bytes.ts';

/** `:W&B`, the magic number 0xBEE1, version 0. */
const FILE_HEADER = Buffer.from([0x3a, 0x57, 0x26, 0x42, 0xe1, 0xbe, 0x00]);
const HEADER_BYTES = 7;
const BLOCK_BYTES = 32768;

const FULL = 1;
const FIRST = 2;
const LAST = 4;

export interface LogSink {
  record(data: Buffer, position: number): void;
  /** A fragment whose checksum is wrong: the rest of its block is left out. */
  damaged(position: number): void;
  /** The file is none of W&B's, or of a version that is not known. */
  unknown(): void;
}

/** Gives the whole records of `bytes` to the sink; what is cut off, or not filled in yet, waits. */
export function takeLogRecords(bytes: Buffer, position: number, size: number, sink: LogSink): Taken {
  let taken = 0;
  if (position === 0) {
    if (bytes.length < FILE_HEADER.length) return { taken: 0, wanted: FILE_HEADER.length };
    if (!bytes.subarray(0, FILE_HEADER.length).equals(FILE_HEADER)) {
      sink.unknown();
      return { taken: 0, wanted: Infinity };
    }
    taken = FILE_HEADER.length;
  }
  let fragments: Buffer[] = [];
  for (let at = taken; ;) {
    const left = BLOCK_BYTES - ((position + at) % BLOCK_BYTES);
    if (left < HEADER_BYTES) {
      at += left;
      if (fragments.length === 0) taken = at;
      continue;
    }
    const end = at + HEADER_BYTES;
    if (end > bytes.length) return { taken, wanted: end - taken };
    const length = bytes.readUInt16LE(at + 4);
    const type = bytes[at + 6]!;
    const whole = end + length;
    const fits = HEADER_BYTES + length <= left;
    if (fits && whole > bytes.length) return { taken, wanted: whole - taken };
    if (!fits || crc32(bytes.subarray(at + 6, whole)) !== bytes.readUInt32LE(at)) {
      // The end of a file may be of the right length, but not filled in yet.
      if (position + Math.min(whole, at + left) >= size || isBlank(bytes, at))
        return { taken, wanted: Infinity };
      sink.damaged(position + at);
      fragments = [];
      at += left;
      taken = at;
      continue;
    }
    if (type === FULL || type === FIRST) fragments = [];
    // A middle without a beginning is what a damaged block has left.
    if (type === FULL || type === FIRST || fragments.length > 0) fragments.push(bytes.subarray(end, whole));
    at = whole;
    if (type === FULL || type === LAST) {
      if (fragments.length > 0) sink.record(Buffer.concat(fragments), position + taken);
      fragments = [];
    }
    if (fragments.length === 0) taken = at;
  }
}

function isBlank(bytes: Buffer, at: number): boolean {
  return bytes.subarray(at, at + HEADER_BYTES).every((byte) => byte === 0);
}
