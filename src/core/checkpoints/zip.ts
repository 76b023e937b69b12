/**
 * The index of a zip archive by positioned reads, for archives whose entries are to be read and patched in place, or
 * written anew where they are compressed. Checked through and through: every entry lies inside the file and on no other entry.
 * https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 */
import type { FileHandle } from 'node:fs/promises';

import type { Checksum } from './checksums.ts';
import { PositionedFile } from './positioned.ts';

export interface ZipEntry {
  readonly name: string;
  /** Position of the first byte of its data. */
  readonly start: number;
  /** Bytes in the archive. */
  readonly stored: number;
  /** Bytes when unpacked; as `stored` where it is not deflated. */
  readonly size: number;
  readonly deflated: boolean;
  /** Of the unpacked bytes. */
  readonly checksum: Checksum;
  /** Position of its local header. */
  readonly local: number;
  /** Position of its header in the table of contents. */
  readonly central: number;
}

export interface ZipIndex {
  /** In the order of the table of contents. */
  readonly entries: readonly ZipEntry[];
  /** Position of the table of contents, which lies behind all entries. */
  readonly directory: number;
}

/** Half a sentence that follows the file's name. */
export class ZipError extends Error {}
/** May become a whole archive when more bytes arrive. */
export class ZipIncomplete extends ZipError {}

const END_BYTES = 22;
const LOCATOR_BYTES = 20;
const END64_BYTES = 56;
const CENTRAL_BYTES = 46;
const LOCAL_BYTES = 30;
const MAX_COMMENT = 0xffff;
/** A million entries; a checkpoint has one per tensor. */
const MAX_DIRECTORY_BYTES = 64 << 20;
/** More than the storages of any model and its optimizer. */
const MAX_ENTRIES = 1 << 16;
const WINDOW_BYTES = 1 << 12;

const SIGNATURE = {
  local: 0x04034b50,
  central: 0x02014b50,
  end: 0x06054b50,
  end64: 0x06064b50,
  locator: 0x07064b50,
};
const DESCRIPTOR = 0x08074b50;
/** Absolute, with `..`, or cut short by a zero in programs written in C. Nothing is ever unpacked here, but elsewhere. */
const LEADS_OUT = /^[/\\]|^[a-z]:|(?:^|[/\\])\.\.(?:[/\\]|$)|\0/i;
const UNSET = 0xffffffff;
const STORED = 0;
const DEFLATED = 8;
/** Where the checksum is in a header of an entry; the size in the archive, and the unpacked one, follow it. */
const LOCAL_CRC = 14;
const CENTRAL_CRC = 16;

export const isZip = (head: Uint8Array): boolean =>
  head[0] === 0x50 && head[1] === 0x4b && (head[2] === 3 || head[2] === 5 || head[2] === 6);

/**
 * @throws ZipIncomplete when the end of the archive is not there, ZipError when it breaks the rules or is compressed.
 */
export async function readZip(handle: FileHandle, fileSize: number): Promise<readonly ZipEntry[]> {
  const { entries } = await readZipIndex(handle, fileSize);
  const compressed = entries.find(({ deflated }) => deflated);
  if (compressed === undefined) return entries;
  throw new ZipError(
    `is compressed (${compressed.name}), which its framework does not do; unpack it and save it again.`,
  );
}

/** As {@link readZip}, for archives that may be compressed. */
export async function readZipIndex(handle: FileHandle, fileSize: number): Promise<ZipIndex> {
  const { at, size, count, end } = await findDirectory(handle, fileSize);
  if (size > MAX_DIRECTORY_BYTES) throw new ZipError(`has a table of contents of ${size} bytes.`);
  // Checked before anything is allocated on the word of the file.
  if (at + size > end || count * CENTRAL_BYTES > size)
    throw new ZipError('has a table of contents that lies outside it.');
  if (count > MAX_ENTRIES) throw new ZipError(`has ${count} entries; more than ${MAX_ENTRIES} are not read.`);
  const directory = await bytesAt(handle, at, size);
  const entries: RawEntry[] = [];
  let offset = 0;
  for (let i = 0; i < count; i++) {
    const entry = parseCentral(directory, offset, at);
    entries.push(entry);
    offset = entry.next;
  }
  if (offset !== size) throw new ZipError('has bytes in its table of contents that belong to no entry.');
  const names = new Set<string>();
  for (const { name } of entries) {
    if (names.has(name)) throw new ZipError(`has two entries ${name}.`);
    if (LEADS_OUT.test(name)) throw new ZipError(`has an entry whose name leads out of it: ${name}.`);
    names.add(name);
  }
  const located: ZipEntry[] = [];
  // Front to back: the end of one entry and the beginning of the next mostly come with one read.
  const headers = new PositionedFile(handle, at, WINDOW_BYTES);
  for (const entry of entries.toSorted((a, b) => a.local - b.local)) {
    located.push(await locate(headers, entry, at));
  }
  requireApart(located);
  return { entries: located, directory: at };
}

interface Directory {
  readonly at: number;
  readonly size: number;
  readonly count: number;
  /** The table of contents must end before this. */
  readonly end: number;
}

async function findDirectory(handle: FileHandle, fileSize: number): Promise<Directory> {
  if (fileSize < END_BYTES) throw new ZipIncomplete('has no table of contents yet');
  const length = Math.min(fileSize, END_BYTES + MAX_COMMENT);
  const from = fileSize - length;
  const tail = await bytesAt(handle, from, length);
  for (let i = length - END_BYTES; i >= 0; i--) {
    if (tail.readUInt32LE(i) !== SIGNATURE.end || i + END_BYTES + tail.readUInt16LE(i + 20) !== length)
      continue;
    const end = from + i;
    const count = tail.readUInt16LE(i + 10);
    const size = tail.readUInt32LE(i + 12);
    const at = tail.readUInt32LE(i + 16);
    const locator = end - LOCATOR_BYTES;
    if (locator >= 0) {
      const found = await bytesAt(handle, locator, LOCATOR_BYTES);
      if (found.readUInt32LE(0) === SIGNATURE.locator)
        return findDirectory64(handle, safe(found, 8), locator);
    }
    if (count === 0xffff || size === UNSET || at === UNSET)
      throw new ZipError('has no 64-bit table of contents.');
    return { at, size, count, end };
  }
  throw new ZipIncomplete('has no table of contents at its end');
}

async function findDirectory64(handle: FileHandle, position: number, end: number): Promise<Directory> {
  if (position + END64_BYTES > end) throw new ZipError('has a table of contents that lies outside it.');
  const record = await bytesAt(handle, position, END64_BYTES);
  if (record.readUInt32LE(0) !== SIGNATURE.end64) throw new ZipError('has no 64-bit table of contents.');
  return { count: safe(record, 32), size: safe(record, 40), at: safe(record, 48), end: position };
}

interface RawEntry {
  readonly name: string;
  readonly nameBytes: number;
  readonly flags: number;
  readonly method: number;
  readonly stored: number;
  readonly size: number;
  readonly crc: number;
  readonly local: number;
  readonly central: number;
  readonly next: number;
}

function parseCentral(directory: Buffer, offset: number, at: number): RawEntry {
  if (offset + CENTRAL_BYTES > directory.length || directory.readUInt32LE(offset) !== SIGNATURE.central) {
    throw new ZipError('has a table of contents that is none.');
  }
  const flags = directory.readUInt16LE(offset + 8);
  const method = directory.readUInt16LE(offset + 10);
  const crc = directory.readUInt32LE(offset + 16);
  let stored = directory.readUInt32LE(offset + 20);
  let size = directory.readUInt32LE(offset + 24);
  const nameBytes = directory.readUInt16LE(offset + 28);
  const extraBytes = directory.readUInt16LE(offset + 30);
  const commentBytes = directory.readUInt16LE(offset + 32);
  let local = directory.readUInt32LE(offset + 42);
  const nameAt = offset + CENTRAL_BYTES;
  const next = nameAt + nameBytes + extraBytes + commentBytes;
  if (next > directory.length) throw new ZipError('has a table of contents that is none.');
  const name = directory.toString('utf8', nameAt, nameAt + nameBytes);
  const extra = directory.subarray(nameAt + nameBytes, nameAt + nameBytes + extraBytes);
  for (let i = 0; i + 4 <= extra.length;) {
    const length = extra.readUInt16LE(i + 2);
    if (extra.readUInt16LE(i) === 1) {
      let field = i + 4;
      const take = (): number => {
        if (field + 8 > Math.min(extra.length, i + 4 + length))
          throw new ZipError(`gives ${name} no 64-bit size.`);
        field += 8;
        return safe(extra, field - 8);
      };
      if (size === UNSET) size = take();
      if (stored === UNSET) stored = take();
      if (local === UNSET) local = take();
      break;
    }
    i += 4 + length;
  }
  if ((flags & 1) !== 0) throw new ZipError(`is encrypted (${name}); save it without a password.`);
  if (method !== STORED && method !== DEFLATED) {
    throw new ZipError(`is compressed by a method that is not known (${name}); save it again without.`);
  }
  if (method === STORED && stored !== size) throw new ZipError(`gives ${name} two sizes.`);
  return { name, nameBytes, flags, method, stored, size, crc, local, central: at + offset, next };
}

/** Where the data is stands in the local header only, which may be longer than the one in the table of contents. */
async function locate(headers: PositionedFile, entry: RawEntry, directoryAt: number): Promise<ZipEntry> {
  const { name, local, central, stored, size, crc, method } = entry;
  const outside = (): ZipError => new ZipError(`places ${name} outside its data.`);
  if (local + LOCAL_BYTES + entry.nameBytes > directoryAt) throw outside();
  const header = await headers.bytes(local, LOCAL_BYTES + entry.nameBytes);
  if (header.readUInt32LE(0) !== SIGNATURE.local || header.readUInt16LE(26) !== entry.nameBytes)
    throw outside();
  // Other programs may go by this one.
  if (header.toString('utf8', LOCAL_BYTES) !== name) {
    throw new ZipError(`calls an entry ${name} in one place and not in another.`);
  }
  if (header.readUInt16LE(8) !== method)
    throw new ZipError(`calls ${name} compressed in one place and not in another.`);
  const start = local + LOCAL_BYTES + header.readUInt16LE(26) + header.readUInt16LE(28);
  const end = start + stored;
  if (end > directoryAt) throw outside();
  const storedAt = [central + CENTRAL_CRC];
  if ((entry.flags & 8) === 0) storedAt.push(local + LOCAL_CRC);
  else if (end + 8 <= directoryAt) {
    const descriptor = await headers.bytes(end, 8);
    // The signature before the checksum is optional.
    if (descriptor.readUInt32LE(0) === DESCRIPTOR) storedAt.push(end + 4);
    else if (descriptor.readUInt32LE(0) === crc) storedAt.push(end);
  }
  const checksum = { what: name, start, end, value: crc, storedAt };
  return { name, start, stored, size, deflated: method === DEFLATED, checksum, local, central };
}

/** What is new about an entry of a copy. */
export interface Moved {
  /** Position of its local header. */
  readonly local: number;
  readonly stored: number;
  readonly crc: number;
}

/**
 * Puts checksum and size into the local header of an entry, or those and its position into its header in the table of
 * contents. False where a number does not fit: the header has no 64-bit fields, and an archive cannot get them later.
 */
export async function patchHeader(
  file: FileHandle,
  at: number,
  kind: 'local' | 'central',
  { local, stored, crc }: Moved,
): Promise<boolean> {
  const isLocal = kind === 'local';
  const fixed = isLocal ? LOCAL_BYTES : CENTRAL_BYTES;
  const head = await bytesAt(file, at, fixed);
  const crcAt = isLocal ? LOCAL_CRC : CENTRAL_CRC;
  const nameBytes = head.readUInt16LE(isLocal ? 26 : 28);
  const extraBytes = head.readUInt16LE(isLocal ? 28 : 30);
  const header = Buffer.concat([head, await bytesAt(file, at + fixed, nameBytes + extraBytes)]);
  let wide = wideFields(header, fixed + nameBytes);
  // The unpacked size comes first among the 64-bit fields, and stays.
  if (header.readUInt32LE(crcAt + 8) === UNSET) wide += 8;
  const put = (field: number, value: number): boolean => {
    const isWide = header.readUInt32LE(field) === UNSET;
    if (!isWide && value >= UNSET) return false;
    if (!isWide) header.writeUInt32LE(value, field);
    else {
      header.writeBigUInt64LE(BigInt(value), wide);
      wide += 8;
    }
    return true;
  };
  header.writeUInt32LE(crc, crcAt);
  if (!put(crcAt + 4, stored) || (!isLocal && !put(42, local))) return false;
  await file.write(header, 0, header.length, at);
  return true;
}

/** Where the 64-bit fields of a header begin, of which it is known that it has those it needs. */
function wideFields(header: Buffer, extra: number): number {
  for (let i = extra; i + 4 <= header.length; i += 4 + header.readUInt16LE(i + 2)) {
    if (header.readUInt16LE(i) === 1) return i + 4;
  }
  return header.length;
}

/** Says at the end of a copy of `size` bytes that everything behind the entries lies `shift` bytes further on. */
export async function patchEnd(file: FileHandle, size: number, shift: number): Promise<boolean> {
  const length = Math.min(size, END_BYTES + MAX_COMMENT + LOCATOR_BYTES);
  const from = size - length;
  const tail = await bytesAt(file, from, length);
  let end = length - END_BYTES;
  while (tail.readUInt32LE(end) !== SIGNATURE.end || end + END_BYTES + tail.readUInt16LE(end + 20) !== length)
    end--;
  const locator = end - LOCATOR_BYTES;
  if (locator >= 0 && tail.readUInt32LE(locator) === SIGNATURE.locator) {
    const record = safe(tail, locator + 8) + shift;
    tail.writeBigUInt64LE(BigInt(record), locator + 8);
    const at = await bytesAt(file, record + 48, 8);
    at.writeBigUInt64LE(BigInt(safe(at, 0) + shift));
    await file.write(at, 0, 8, record + 48);
  }
  const directory = tail.readUInt32LE(end + 16);
  if (directory !== UNSET) {
    if (directory + shift >= UNSET) return false;
    tail.writeUInt32LE(directory + shift, end + 16);
  }
  await file.write(tail, 0, length, from);
  return true;
}

function requireApart(entries: readonly ZipEntry[]): void {
  const sorted = entries.toSorted((a, b) => a.local - b.local);
  for (const [i, entry] of sorted.entries()) {
    const before = sorted[i - 1];
    if (before !== undefined && before.start + before.stored > entry.local) {
      throw new ZipError(`has entries that overlap: ${before.name} and ${entry.name}.`);
    }
  }
}

function safe(bytes: Buffer, at: number): number {
  const value = bytes.readBigUInt64LE(at);
  if (value > BigInt(Number.MAX_SAFE_INTEGER))
    throw new ZipError('has a table of contents that lies outside it.');
  return Number(value);
}

export async function bytesAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await handle.read(bytes, done, length - done, position + done);
    if (bytesRead === 0) throw new ZipIncomplete('has become shorter');
    done += bytesRead;
  }
  return bytes;
}
