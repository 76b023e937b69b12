/** Joins PNG pictures of one size into an animated one (Portable Network Graphics, third edition, section 11.3.6). */
import { crc32 } from 'node:zlib';

export interface Frame {
  readonly png: Buffer;
  readonly milliseconds: number;
}

interface Chunk {
  readonly type: string;
  readonly data: Buffer;
}

const SIGNATURE_BYTES = 8;

/** The first frame is also what a viewer shows that knows no animation. It repeats for ever. */
export function animate(frames: readonly Frame[]): Buffer {
  const [first] = frames;
  if (first === undefined) throw new Error('An animation needs a frame.');
  const header = chunksOf(first.png).find(({ type }) => type === 'IHDR')!.data;
  const parts = [
    first.png.subarray(0, SIGNATURE_BYTES),
    chunk('IHDR', header),
    chunk('acTL', numbers(frames.length, 0)),
  ];
  let sequence = 0;
  for (const [index, { png, milliseconds }] of frames.entries()) {
    const chunks = chunksOf(png);
    if (!chunks.find(({ type }) => type === 'IHDR')!.data.equals(header)) {
      throw new Error(`Frame ${index} differs from the first in its size or type.`);
    }
    const delay = Buffer.alloc(6); // milliseconds over 1000; neither disposed of nor blended
    delay.writeUInt16BE(milliseconds, 0);
    delay.writeUInt16BE(1000, 2);
    const size = header.subarray(0, 8); // width and height
    parts.push(chunk('fcTL', numbers(sequence++), size, numbers(0, 0), delay));
    for (const { type, data } of chunks) {
      if (type !== 'IDAT') continue;
      parts.push(index === 0 ? chunk('IDAT', data) : chunk('fdAT', numbers(sequence++), data));
    }
  }
  return Buffer.concat([...parts, chunk('IEND')]);
}

function chunksOf(png: Buffer): readonly Chunk[] {
  const chunks: Chunk[] = [];
  for (let at = SIGNATURE_BYTES; at < png.length;) {
    const length = png.readUInt32BE(at);
    chunks.push({
      type: png.toString('latin1', at + 4, at + 8),
      data: png.subarray(at + 8, at + 8 + length),
    });
    at += 12 + length;
  }
  return chunks;
}

function chunk(type: string, ...data: readonly Buffer[]): Buffer {
  const content = Buffer.concat([Buffer.from(type, 'latin1'), ...data]);
  return Buffer.concat([numbers(content.length - 4), content, numbers(crc32(content))]);
}

/** Big-endian, 32 bits each. */
function numbers(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => bytes.writeUInt32BE(value, 4 * index));
  return bytes;
}
