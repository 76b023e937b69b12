/**
 * The wire format between us and the interpreter: two little-endian uint32 (bytes of JSON, bytes of arrays), the JSON,
 * and the arrays one after another, which the JSON lists as `"arrays": [[name, "f64" | "i32", count], ...]`. Numbers
 * that may be NaN travel as arrays. The other end is `python/twa_task/channel.py`.
 */

export type Numbers = Float64Array | Int32Array;
export type Arrays = Readonly<Record<string, Numbers>>;

export interface Frame {
  /** Not looked at yet. */
  readonly message: Readonly<Record<string, unknown>>;
  readonly arrays: ReadonlyMap<string, Numbers>;
}

const HEAD = 8;
/** Far more than any message has; a stranger's bytes must not make us wait for gigabytes. */
const MOST = 2 ** 30;

export function encodeFrame(message: Readonly<Record<string, unknown>>, arrays: Arrays = {}): Buffer {
  const listed = Object.entries(arrays);
  const text = Buffer.from(
    JSON.stringify({
      ...message,
      arrays: listed.map(([name, values]) => [
        name,
        values instanceof Float64Array ? 'f64' : 'i32',
        values.length,
      ]),
    }),
  );
  const payload = listed.map(([, values]) =>
    Buffer.from(values.buffer, values.byteOffset, values.byteLength),
  );
  const head = Buffer.alloc(HEAD);
  head.writeUInt32LE(text.length, 0);
  head.writeUInt32LE(
    payload.reduce((sum, { length }) => sum + length, 0),
    4,
  );
  return Buffer.concat([head, text, ...payload]);
}

/** Collects bytes as they come and gives whole frames. Throws for bytes that are none. */
export class FrameReader {
  #chunks: Buffer[] = [];
  #length = 0;
  #wanted = HEAD;

  push(chunk: Buffer): Frame[] {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    const frames: Frame[] = [];
    while (this.#length >= this.#wanted) {
      const bytes = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
      const textLength = bytes.readUInt32LE(0);
      const payloadLength = bytes.readUInt32LE(4);
      this.#wanted = HEAD + textLength + payloadLength;
      if (this.#wanted > MOST) throw new Error('A message from Python is longer than any should be.');
      this.#chunks = [bytes];
      if (bytes.length < this.#wanted) break;
      frames.push(
        decode(bytes.subarray(HEAD, HEAD + textLength), bytes.subarray(HEAD + textLength, this.#wanted)),
      );
      const rest = bytes.subarray(this.#wanted);
      this.#chunks = rest.length === 0 ? [] : [rest];
      this.#length = rest.length;
      this.#wanted = HEAD;
    }
    return frames;
  }
}

function decode(text: Buffer, payload: Buffer): Frame {
  const message: unknown = JSON.parse(text.toString('utf8'));
  if (typeof message !== 'object' || message === null || Array.isArray(message)) {
    throw new Error('A message from Python is not an object.');
  }
  const { arrays: listed, ...rest } = message as Readonly<Record<string, unknown>>;
  const arrays = new Map<string, Numbers>();
  let offset = 0;
  for (const entry of Array.isArray(listed) ? (listed as readonly unknown[]) : []) {
    const [name, kind, count] = Array.isArray(entry) ? (entry as readonly unknown[]) : [];
    if (typeof name !== 'string' || typeof count !== 'number' || (kind !== 'f64' && kind !== 'i32')) {
      throw new Error('A message from Python lists an array that is none.');
    }
    const end = offset + count * (kind === 'f64' ? 8 : 4);
    if (end > payload.length) throw new Error('A message from Python is shorter than it says.');
    // A copy: typed arrays must be aligned, which a place in a message is not.
    const bytes = Uint8Array.prototype.slice.call(payload, offset, end);
    arrays.set(name, kind === 'f64' ? new Float64Array(bytes.buffer) : new Int32Array(bytes.buffer));
    offset = end;
  }
  return { message: rest, arrays };
}
