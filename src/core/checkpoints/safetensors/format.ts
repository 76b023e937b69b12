/** safetensors: one file, header first, tensors behind it. */
import { open } from 'node:fs/promises';
import { basename } from 'node:path';

import { throwIfAborted } from '../../errors.ts';
import { flatFormat, type LayoutResult } from '../flat.ts';
import { positionOf } from '../names.ts';
import { stampOf, unopenable } from '../stat.ts';
import { HeaderError, MAX_HEADER_BYTES, parseHeader, PREFIX_BYTES } from './header.ts';

const ID = 'safetensors';
const EXTENSION = '.safetensors';

/** One part of a sharded set, which is no checkpoint by itself. */
const SHARD = /-\d+-of-\d+\.safetensors$/i;

export const safetensors = flatFormat({
  id: ID,
  label: 'safetensors',
  kind: 'file',
  candidate: (path) => (path.toLowerCase().endsWith(EXTENSION) && !SHARD.test(path) ? path : undefined),
  outputName: (stem) => stem + EXTENSION,
  readLayout: readSafetensors,
});

export async function readSafetensors(path: string, signal?: AbortSignal): Promise<LayoutResult> {
  throwIfAborted(signal);
  const name = basename(path);
  const incomplete = (what: string): LayoutResult => ({
    state: 'incomplete',
    reason: `${name} ${what}; it is cut off or still being written.`,
  });
  const unreadable = (what: string): LayoutResult => ({ state: 'unreadable', reason: `${name} ${what}` });

  const found = await stampOf(path);
  if (found.state !== 'complete') return found;
  const { stamp } = found;
  if (stamp.size < PREFIX_BYTES) return incomplete(`has only ${stamp.size} bytes`);

  let head: { readonly length: bigint; readonly first: number; readonly header: Uint8Array | undefined };
  try {
    head = await readHead(path, stamp.size);
  } catch (error) {
    return unopenable(error, path);
  }
  const { length, first, header } = head;
  // A file that was preallocated before it was written.
  if (length === 0n) return incomplete('starts with zeros');
  if (length > MAX_HEADER_BYTES) {
    return unreadable(
      `says that its header has ${length.toString()} bytes; more than ${MAX_HEADER_BYTES} are not allowed.`,
    );
  }
  if (first !== 0x7b && first !== 0) {
    return stamp.size === PREFIX_BYTES
      ? incomplete('has no header yet')
      : unreadable('is not a safetensors file: its header does not start with {.');
  }
  if (header === undefined) return incomplete(`has ${stamp.size} bytes, fewer than its header`);

  throwIfAborted(signal);
  let parsed;
  try {
    parsed = parseHeader(header);
  } catch (error) {
    if (!(error instanceof HeaderError)) throw error;
    return header.includes(0) ? incomplete('has zeros in its header') : unreadable(error.message);
  }
  const start = PREFIX_BYTES + Number(length);
  const expected = start + parsed.dataBytes;
  if (!Number.isSafeInteger(expected)) return unreadable('describes more bytes than a file can have.');
  if (stamp.size < expected) return incomplete(`has ${stamp.size} of ${expected} bytes`);
  if (stamp.size > expected)
    return unreadable(`has ${stamp.size - expected} bytes that belong to no tensor.`);
  return {
    state: 'complete',
    layout: {
      header: {
        path,
        format: ID,
        tensors: parsed.tensors,
        metadata: parsed.metadata,
        files: [stamp],
        ...positionOf(path, parsed.metadata),
      },
      positions: new Map([...parsed.offsets].map(([tensor, offset]) => [tensor, start + offset])),
    },
  };
}

/**
 * The header's length, its first byte (0 when the file ends before it), and its bytes where the length is sensible
 * and the file of `size` bytes holds all of them. Nothing is allocated on the word of the file alone.
 */
async function readHead(
  path: string,
  size: number,
): Promise<{ length: bigint; first: number; header: Uint8Array | undefined }> {
  const handle = await open(path, 'r');
  try {
    const prefix = Buffer.alloc(PREFIX_BYTES + 1);
    await handle.read(prefix, 0, prefix.length, 0);
    const length = prefix.readBigUInt64LE(0);
    const first = prefix[PREFIX_BYTES]!;
    if (length > MAX_HEADER_BYTES || PREFIX_BYTES + Number(length) > size)
      return { length, first, header: undefined };
    const header = new Uint8Array(Number(length));
    let done = 0;
    while (done < header.length) {
      const { bytesRead } = await handle.read(header, done, header.length - done, PREFIX_BYTES + done);
      if (bytesRead === 0) return { length, first, header: undefined };
      done += bytesRead;
    }
    return { length, first, header };
  } finally {
    await handle.close();
  }
}
