/**
 * TFRecord framing (tensorflow/core/lib/io/record_writer.h): length as uint64, its masked CRC-32C, the data, their
 * masked CRC-32C; little endian, one record after another.
 */
import type { Taken } from '../bytes.ts';
import { maskedCrc32c } from '../../crc32c.ts';

const HEADER_BYTES = 12;
const FOOTER_BYTES = 4;
/** An event with more is a graph, an image, audio: no curve. It is passed over without being read. */
const MAX_RECORD_BYTES = 8 << 20;

export interface RecordSink {
  /** @param position of the record in the file. */
  record(data: Buffer, position: number): void;
  /** The data's checksum is wrong: they are left out. */
  damaged(position: number): void;
  /** The length's checksum is wrong, so nobody knows where the next record begins. */
  lost(position: number): void;
}

/**
 * Gives the whole records of `bytes` to the sink; what is cut off waits. So does a last record whose checksum is
 * wrong: a file system may show a file's new length before its new bytes.
 */
export function takeRecords(bytes: Buffer, position: number, size: number, sink: RecordSink): Taken {
  let at = 0;
  for (;;) {
    if (at + HEADER_BYTES > bytes.length) return { taken: at, wanted: HEADER_BYTES };
    if (maskedCrc32c(bytes, at, at + 8) !== bytes.readUInt32LE(at + 8)) {
      sink.lost(position + at);
      return { taken: at, wanted: Infinity };
    }
    const length = bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
    const whole = HEADER_BYTES + length + FOOTER_BYTES;
    if (length > MAX_RECORD_BYTES) {
      if (position + at + whole > size) return { taken: at, wanted: whole };
      at += whole;
      if (at >= bytes.length) return { taken: at, wanted: HEADER_BYTES };
      continue;
    }
    if (at + whole > bytes.length) return { taken: at, wanted: whole };
    const start = at + HEADER_BYTES;
    const end = start + length;
    if (maskedCrc32c(bytes, start, end) === bytes.readUInt32LE(end)) {
      sink.record(bytes.subarray(start, end), position + at);
    } else if (position + at + whole === size) {
      return { taken: at, wanted: whole + 1 };
    } else sink.damaged(position + at);
    at += whole;
  }
}
