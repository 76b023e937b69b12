/** A torch.save archive without the state of the optimizer: its entries leave the pickle, its storages the archive. */
import { open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';

import type { Checksum } from '../checksums.ts';
import { Composition, lengthOf, type Part } from '../composition.ts';
import { changed, FileSequence } from '../files.ts';
import type { Layout } from '../flat.ts';
import { bytesAt, isZip, readZip, type ZipEntry } from '../zip.ts';
import { sequence, TorchError } from './tensors.ts';
import { withoutEntries } from './pickleEdit.ts';
import { unpickle, type Persistent } from './unpickle.ts';

/** What torch.save does; the loader maps storages into memory. */
const ALIGNMENT = 64;
/** Sizes and checksum follow the data; names are UTF-8. */
const FLAGS = 0x0808;
const LOCAL_BYTES = 30;
const UNSET = 0xffffffff;

/** @throws TorchError for the file format of before 1.6; PickleError. */
export async function withoutOptimizer(layout: Layout): Promise<Layout> {
  const { header, positions } = layout;
  const stamp = header.files[0]!;
  const handle = await open(stamp.path, 'r');
  try {
    if (!isZip(await bytesAt(handle, 0, 4))) {
      throw new TorchError(
        'has the format of PyTorch before 1.6, which the optimizer cannot be taken out of; save it again, or convert its weights to safetensors.',
      );
    }
    const entries = await readZip(handle, stamp.size);
    const pickle = entries.find(({ name }) => /^(?:[^/]+\/)?data\.pkl$/.test(name));
    if (pickle === undefined) throw changed(stamp.path);
    const before = await bytesAt(handle, pickle.start, pickle.size);
    const after = withoutEntries(before, new Set(header.optimizer));
    const root = pickle.name.slice(0, -'data.pkl'.length);
    const gone = keysIn(unpickle(before).outside);
    for (const key of keysIn(unpickle(after).outside)) gone.delete(key);
    const kept = entries.filter(
      ({ name }) => !gone.has(name.slice(`${root}data/`.length)) || !name.startsWith(`${root}data/`),
    );
    const recorded = entries.some(({ checksum }) => checksum.value !== 0);
    const { parts, moved, checksums } = archiveOf(kept, pickle, after, recorded);
    const size = parts.reduce((sum, part) => sum + lengthOf(part), 0);
    return {
      ...layout,
      header: { ...header, files: [{ ...stamp, size }] },
      positions: new Map([...positions].map(([name, at]) => [name, moved(at)])),
      checksums: recorded ? checksums : [],
      source: () => new Composition(new FileSequence(header.files), parts),
    };
  } finally {
    await handle.close();
  }
}

/** Of storages, of whatever type. */
function keysIn(outside: readonly Persistent[]): Set<string> {
  const keys = outside.map(({ id }) => sequence(id)?.[2]);
  return new Set(keys.filter((key) => typeof key === 'string'));
}

interface Archive {
  readonly parts: readonly Part[];
  /** The new position of a byte of an entry's data. */
  readonly moved: (position: number) => number;
  readonly checksums: readonly Checksum[];
}

function archiveOf(
  entries: readonly ZipEntry[],
  pickle: ZipEntry,
  newPickle: Uint8Array,
  recorded: boolean,
): Archive {
  const parts: Part[] = [];
  const directory: {
    readonly bytes: Buffer;
    readonly run: Omit<Checksum, 'storedAt'>;
    readonly crcAt: number;
  }[] = [];
  const places: { readonly from: number; readonly to: number; readonly start: number }[] = [];
  let at = 0;
  const put = (part: Part): void => {
    parts.push(part);
    at += lengthOf(part);
  };
  for (const entry of entries.toSorted((a, b) => a.start - b.start)) {
    const data: Part = entry === pickle ? newPickle : { from: entry.start, to: entry.start + entry.size };
    const size = lengthOf(data);
    const crc = !recorded ? 0 : entry === pickle ? crc32(newPickle) : entry.checksum.value;
    const local = at;
    put(localHeader(entry.name, at));
    const start = at;
    places.push({ from: entry.start, to: entry.start + entry.size, start });
    if (size > 0) put(data);
    const run = { what: entry.name, start, end: at, value: crc };
    const crcAt = at + 4;
    put(descriptor(crc, size));
    directory.push({ bytes: centralHeader(entry.name, crc, size, local), run, crcAt });
  }
  const directoryAt = at;
  const checksums = directory.map(({ bytes, run, crcAt }): Checksum => {
    const central = at + 16;
    put(bytes);
    return { ...run, storedAt: [crcAt, central] };
  });
  put(endRecords(directory.length, directoryAt, at - directoryAt));
  return { parts, checksums, moved: (position) => move(places, position) };
}

function move(
  places: readonly { readonly from: number; readonly to: number; readonly start: number }[],
  position: number,
): number {
  let low = 0;
  for (let high = places.length; low + 1 < high;) {
    const middle = (low + high) >>> 1;
    if (places[middle]!.from <= position) low = middle;
    else high = middle;
  }
  const { from, start } = places[low]!;
  return start + position - from;
}

function localHeader(name: string, at: number): Buffer {
  const text = Buffer.from(name);
  const bare = at + LOCAL_BYTES + text.length;
  // "FB", then as many bytes as the data needs to be aligned; a field has at least its own four.
  const padding = (ALIGNMENT - ((bare + 4) % ALIGNMENT)) % ALIGNMENT;
  const header = Buffer.alloc(LOCAL_BYTES);
  header.writeUInt32LE(0x04034b50, 0);
  header.writeUInt16LE(FLAGS, 6);
  header.writeUInt16LE(text.length, 26);
  header.writeUInt16LE(4 + padding, 28);
  const extra = Buffer.alloc(4 + padding, 'Z');
  extra.write('FB', 0, 'latin1');
  extra.writeUInt16LE(padding, 2);
  return Buffer.concat([header, text, extra]);
}

/** Sizes of 64 bits where 32 do not do. */
function descriptor(crc: number, size: number): Buffer {
  const wide = size >= UNSET;
  const bytes = Buffer.alloc(wide ? 24 : 16);
  bytes.writeUInt32LE(0x08074b50, 0);
  bytes.writeUInt32LE(crc, 4);
  for (const at of wide ? [8, 16] : [8, 12]) {
    if (wide) bytes.writeBigUInt64LE(BigInt(size), at);
    else bytes.writeUInt32LE(size, at);
  }
  return bytes;
}

function centralHeader(name: string, crc: number, size: number, local: number): Buffer {
  const text = Buffer.from(name);
  const wide: number[] = [];
  if (size >= UNSET) wide.push(size, size);
  if (local >= UNSET) wide.push(local);
  const header = Buffer.alloc(46);
  header.writeUInt32LE(0x02014b50, 0);
  header.writeUInt16LE(FLAGS, 8);
  header.writeUInt32LE(crc, 16);
  header.writeUInt32LE(Math.min(size, UNSET), 20);
  header.writeUInt32LE(Math.min(size, UNSET), 24);
  header.writeUInt16LE(text.length, 28);
  header.writeUInt16LE(wide.length === 0 ? 0 : 4 + 8 * wide.length, 30);
  header.writeUInt32LE(Math.min(local, UNSET), 42);
  if (wide.length === 0) return Buffer.concat([header, text]);
  const extra = Buffer.alloc(4 + 8 * wide.length);
  extra.writeUInt16LE(1, 0);
  extra.writeUInt16LE(8 * wide.length, 2);
  for (const [i, value] of wide.entries()) extra.writeBigUInt64LE(BigInt(value), 4 + 8 * i);
  return Buffer.concat([header, text, extra]);
}

/** The 64-bit end of the table of contents, where it is, and the one for readers of 32 bits. */
function endRecords(count: number, at: number, size: number): Buffer {
  const bytes = Buffer.alloc(56 + 20 + 22);
  bytes.writeUInt32LE(0x06064b50, 0);
  bytes.writeBigUInt64LE(44n, 4);
  bytes.writeUInt16LE(45, 12);
  bytes.writeUInt16LE(45, 14);
  bytes.writeBigUInt64LE(BigInt(count), 24);
  bytes.writeBigUInt64LE(BigInt(count), 32);
  bytes.writeBigUInt64LE(BigInt(size), 40);
  bytes.writeBigUInt64LE(BigInt(at), 48);
  bytes.writeUInt32LE(0x07064b50, 56);
  bytes.writeBigUInt64LE(BigInt(at + size), 64);
  bytes.writeUInt32LE(1, 72);
  bytes.writeUInt32LE(0x06054b50, 76);
  bytes.writeUInt16LE(Math.min(count, 0xffff), 84);
  bytes.writeUInt16LE(Math.min(count, 0xffff), 86);
  bytes.writeUInt32LE(Math.min(size, UNSET), 88);
  bytes.writeUInt32LE(Math.min(at, UNSET), 92);
  return bytes;
}
