/**
 * What torch.save wrote before PyTorch 1.6, and writes with `_use_new_zipfile_serialization=False`: five pickles (a
 * magic number, the protocol, the machine, the object, the storages' keys in order), then every storage as its number
 * of elements (8 bytes) and its bytes.
 * https://github.com/pytorch/pytorch/blob/v2.6.0/torch/serialization.py (`_legacy_save`)
 */
import type { FileHandle } from 'node:fs/promises';

import { throwIfAborted } from '../../errors.ts';
import { bytesAt, ZipIncomplete } from '../zip.ts';
import type { Content } from './layout.ts';
import { anyStorage, entriesOf, sequence, TorchError } from './tensors.ts';
import { MAX_PICKLE_BYTES, PickleTruncated, unpickle } from './unpickle.ts';
import type { Persistent, Unpickled, Value } from './unpickle.ts';

/** PROTO 2, LONG1 of 10 bytes: 0x1950a86a20f9469cfc6c. */
const MAGIC = Buffer.from('80028a0a6cfc9c46f9206aa85019', 'hex');
const PROTOCOL = 1001;
const FIRST_READ = 1 << 20;
const LENGTH_BYTES = 8;

export function isLegacy(head: Uint8Array): boolean {
  return Buffer.compare(head.subarray(0, MAGIC.length), MAGIC) === 0;
}

export async function readLegacy(handle: FileHandle, size: number, signal?: AbortSignal): Promise<Content> {
  const { root, globals, outside, keys, length } = await readPickles(handle, size, signal);
  // Also those of the optimizer: their sizes are needed to step over them.
  const storages = new Map(
    outside.flatMap((value) => anyStorage(value) ?? []).map((found) => [found.key, found]),
  );
  const placed = new Map<string, { start: number; size: number }>();
  let position = length;
  for (const key of keys) {
    throwIfAborted(signal);
    const storage = storages.get(key);
    if (storage === undefined) throw new TorchError(`has a storage ${key} of a type that is not known.`);
    if (placed.has(key)) throw new TorchError(`has the storage ${key} twice.`);
    if (position + LENGTH_BYTES > size) throw new ZipIncomplete('ends before its last storage');
    const count = (await bytesAt(handle, position, LENGTH_BYTES)).readBigUInt64LE(0);
    const bytes = Number(count) * storage.elementBytes;
    if (bytes !== storage.bytes) {
      throw new TorchError(
        `gives storage ${key} ${bytes} bytes in one place and ${storage.bytes} in another.`,
      );
    }
    position += LENGTH_BYTES;
    placed.set(key, { start: position, size: bytes });
    position += bytes;
    if (position > size) throw new ZipIncomplete(`has ${size} of at least ${position} bytes`);
  }
  if (position < size) throw new TorchError(`has ${size - position} bytes that belong to no storage.`);
  return { root, globals, storages: placed, checksums: [] };
}

interface Pickles {
  readonly root: Value;
  readonly globals: readonly string[];
  readonly outside: readonly Persistent[];
  readonly keys: readonly string[];
  /** Bytes of all five. */
  readonly length: number;
}

/** Their length is only known when they are read: starts with a megabyte and takes four times more while that ends too early. */
async function readPickles(handle: FileHandle, size: number, signal?: AbortSignal): Promise<Pickles> {
  for (let length = Math.min(size, FIRST_READ); ; length = Math.min(size, length * 4, MAX_PICKLE_BYTES)) {
    throwIfAborted(signal);
    const bytes = await bytesAt(handle, 0, length);
    try {
      return parsePickles(bytes);
    } catch (error) {
      if (!(error instanceof PickleTruncated) || length === size) throw error;
      if (length === MAX_PICKLE_BYTES)
        throw new TorchError(`has pickles of more than ${MAX_PICKLE_BYTES} bytes.`);
    }
  }
}

function parsePickles(bytes: Uint8Array): Pickles {
  let length = 0;
  const next = (): Unpickled => {
    const unpickled = unpickle(bytes.subarray(length));
    length += unpickled.length;
    return unpickled;
  };
  next();
  if (next().value !== PROTOCOL) throw new TorchError('has a protocol that no PyTorch writes.');
  if (entriesOf(next().value)?.get('little_endian') !== true) {
    throw new TorchError(
      'was saved on a big-endian machine; load it with torch.load and save it on this one.',
    );
  }
  const { value: root, globals, outside } = next();
  const keys = sequence(next().value);
  if (keys?.every((key) => typeof key === 'string') !== true)
    throw new TorchError('does not list its storages.');
  return { root, globals, outside, keys, length };
}
