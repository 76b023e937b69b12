/**
 * NumPy's .npy files, by the format specification "A simple file format for NumPy arrays" (numpy.lib.format, versions
 * 1.0 to 3.0), and .npz archives of them. Real numbers and booleans only: object arrays hold Python pickles, which
 * this tool never opens.
 */
import { unzipSync } from 'fflate';
import { open, readFile, stat } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { throwIfAborted, TwaError } from '../errors.ts';
import type { Block, Located } from './block.ts';

/** numpy refuses headers over 10,000 bytes; a structured dtype can make a real one longer, a table never. */
const MAX_HEADER_BYTES = 1 << 20;
/** `readFile` and `Buffer` go this far on every Node that we run on. */
const MAX_NPZ_BYTES = 2 ** 31 - 1;
/** Elements decoded at a time: 8 MiB of float64. */
const CHUNK = 1 << 20;

/** Something that gives bytes by position: a file, or an entry of an archive. */
interface Bytes {
  /** For people. */
  readonly label: string;
  readonly path: string;
  readonly size: number;
  /** Valid until the next call. */
  read(at: number, length: number): Promise<Uint8Array>;
}

/** The array in a .npy file, multiplied by `scale`. Throws a TwaError 'bad-data'. */
export async function readNpy(file: string, scale = 1, signal?: AbortSignal): Promise<Block> {
  const handle = await open(file);
  try {
    const { size } = await handle.stat();
    const buffer = new Uint8Array(Math.min(size, 8 * CHUNK));
    return await readArray(
      {
        label: file,
        path: file,
        size,
        async read(at, length) {
          let filled = 0;
          while (filled < length) {
            const { bytesRead } = await handle.read(buffer, filled, length - filled, at + filled);
            if (bytesRead === 0) throw bad(file, file, 'the file became shorter while it was read.');
            filled += bytesRead;
          }
          return buffer.subarray(0, length);
        },
      },
      scale,
      signal,
    );
  } finally {
    await handle.close();
  }
}

/** The array called `name` in a .npz file; the only one there is when `name` is absent. Throws 'bad-data'. */
export async function readNpz(
  file: string,
  name: string | undefined,
  scale = 1,
  signal?: AbortSignal,
): Promise<Block> {
  if ((await stat(file)).size > MAX_NPZ_BYTES) {
    throw bad(file, file, 'archives over 2 GiB are not read; save its arrays as .npy files.');
  }
  const archive = await readFile(file, { ...(signal === undefined ? {} : { signal }) });
  const unzip = (filter: (entry: { name: string; originalSize: number }) => boolean) => {
    try {
      return unzipSync(archive, { filter });
    } catch (error) {
      throw bad(file, file, 'this is no complete .npz archive.', error);
    }
  };
  const names: string[] = [];
  unzip((entry) => {
    if (entry.name.endsWith('.npy')) names.push(entry.name.slice(0, -'.npy'.length));
    return false;
  });
  const listed = names.map((each) => `"${each}"`).join(', ');
  const wanted = name ?? (names.length === 1 ? names[0] : undefined);
  if (wanted === undefined) throw bad(file, file, `it holds the arrays ${listed}: say which as "array".`);
  if (!names.includes(wanted)) throw bad(file, file, `it has no array "${wanted}", only ${listed}.`);
  const entryName = `${wanted}.npy`;
  const entry = unzip(({ name: each, originalSize }) => {
    if (each !== entryName) return false;
    if (originalSize > MAX_NPZ_BYTES) throw bad(file, file, `the array "${wanted}" is over 2 GiB.`);
    return true;
  })[entryName]!;
  if (crc32(entry) !== storedCrc(archive, entryName)) {
    throw bad(file, file, `the array "${wanted}" is damaged (its checksum is wrong).`);
  }
  return readArray(
    {
      label: `${file}, array "${wanted}"`,
      path: file,
      size: entry.length,
      read: (at, length) => Promise.resolve(entry.subarray(at, at + length)),
    },
    scale,
    signal,
  );
}

/** The CRC-32 in the central directory (APPNOTE.TXT 4.3.12), which fflate neither checks nor tells. */
function storedCrc(archive: Buffer, name: string): number | undefined {
  const end = archive.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  let at = archive.readUInt32LE(end + 16);
  for (let left = archive.readUInt16LE(end + 10); left > 0; left--) {
    const nameLength = archive.readUInt16LE(at + 28);
    if (archive.toString('utf8', at + 46, at + 46 + nameLength) === name)
      return archive.readUInt32LE(at + 16);
    at += 46 + nameLength + archive.readUInt16LE(at + 30) + archive.readUInt16LE(at + 32);
  }
  return undefined;
}

type Getter = (view: DataView, at: number, littleEndian: boolean) => number;

/** By dtype kind and bytes per element. */
const GETTERS: Readonly<Record<string, Getter>> = {
  f4: (view, at, little) => view.getFloat32(at, little),
  f8: (view, at, little) => view.getFloat64(at, little),
  i1: (view, at) => view.getInt8(at),
  i2: (view, at, little) => view.getInt16(at, little),
  i4: (view, at, little) => view.getInt32(at, little),
  i8: (view, at, little) => Number(view.getBigInt64(at, little)),
  u1: (view, at) => view.getUint8(at),
  u2: (view, at, little) => view.getUint16(at, little),
  u4: (view, at, little) => view.getUint32(at, little),
  u8: (view, at, little) => Number(view.getBigUint64(at, little)),
  b1: (view, at) => (view.getUint8(at) === 0 ? 0 : 1),
};

async function readArray(bytes: Bytes, scale: number, signal: AbortSignal | undefined): Promise<Block> {
  const header = await readHeader(bytes);
  const { shape, getter, itemSize } = header;
  const count = shape.reduce((product, length) => product * length, 1);
  const rows = shape[0];
  if (rows === undefined)
    throw bad(bytes.path, bytes.label, 'this is a single number, not an array of examples.');
  if (count === 0)
    throw bad(bytes.path, bytes.label, `an array of shape [${shape.join(', ')}] holds no examples.`);
  if (header.start + count * itemSize > bytes.size) {
    throw bad(
      bytes.path,
      bytes.label,
      `the file is cut off: shape [${shape.join(', ')}] needs ${count * itemSize} bytes, there are ${bytes.size - header.start}.`,
    );
  }
  const values = new Float32Array(count);
  const next = header.fortranOrder ? fortranWalk(shape) : undefined;
  for (let from = 0; from < count; from += CHUNK) {
    throwIfAborted(signal);
    const length = Math.min(CHUNK, count - from);
    const chunk = await bytes.read(header.start + from * itemSize, length * itemSize);
    const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    for (let element = 0; element < length; element++) {
      const value = Math.fround(getter(view, element * itemSize, header.littleEndian) * scale);
      const index = next === undefined ? from + element : next();
      if (!Number.isFinite(value)) {
        const { text, place } = locate(bytes, shape, index);
        throw new TwaError('bad-data', `${text} is no finite float32 number.`, { place });
      }
      values[index] = value;
    }
  }
  return {
    rows,
    shape: shape.slice(1),
    values,
    locate: (index) => Promise.resolve(locate(bytes, shape, index)),
  };
}

interface Header {
  readonly getter: Getter;
  readonly itemSize: number;
  readonly littleEndian: boolean;
  readonly fortranOrder: boolean;
  readonly shape: readonly number[];
  /** Byte where the elements begin. */
  readonly start: number;
}

async function readHeader(bytes: Bytes): Promise<Header> {
  const wrong = (sentence: string) => bad(bytes.path, bytes.label, sentence);
  // Magic string (6 bytes), version (2), length of the header: 2 bytes in version 1, 4 later.
  if (bytes.size < 12) throw wrong('this is no .npy array.');
  const preamble = Buffer.from(await bytes.read(0, 12));
  if (preamble.toString('latin1', 0, 6) !== '\x93NUMPY') throw wrong('this is no .npy array.');
  const version = preamble[6]!;
  if (version < 1 || version > 3) throw wrong(`version ${version} of the .npy format is not known.`);
  const headerAt = version === 1 ? 10 : 12;
  const length = version === 1 ? preamble.readUInt16LE(8) : preamble.readUInt32LE(8);
  if (length > MAX_HEADER_BYTES || headerAt + length > bytes.size)
    throw wrong('its header is cut off or damaged.');
  const text = Buffer.from(await bytes.read(headerAt, length)).toString(version === 3 ? 'utf8' : 'latin1');

  // A Python dictionary literal: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
  const descr = /'descr'\s*:\s*'([^']*)'/.exec(text)?.[1];
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(text)?.[1];
  const shape = /'shape'\s*:\s*\(([\d,\sL]*)\)/.exec(text)?.[1];
  if (/'descr'\s*:\s*\[/.test(text))
    throw wrong('it has named fields; save each field as an array of its own.');
  if (descr === undefined || order === undefined || shape === undefined)
    throw wrong('its header is damaged.');
  const type = descr.slice(1);
  if (type.startsWith('O'))
    throw wrong('it holds Python objects, which are not read; save numbers (float32).');
  const getter = /^[<>|=]/.test(descr) && Object.hasOwn(GETTERS, type) ? GETTERS[type] : undefined;
  if (getter === undefined) throw wrong(`its dtype ${descr} is not read; save it as float32.`);
  return {
    getter,
    itemSize: Number(type.slice(1)),
    // '=' never gets into a file by numpy; it would mean the byte order of the machine, little on all we run on.
    littleEndian: !descr.startsWith('>'),
    fortranOrder: order === 'True',
    shape: [...shape.matchAll(/\d+/g)].map(([digits]) => Number(digits)),
    start: headerAt + length,
  };
}

/** Gives, one after another, the row-major index of each element in column-major order. */
function fortranWalk(shape: readonly number[]): () => number {
  const strides = shape.map((_, axis) =>
    shape.slice(axis + 1).reduce((product, length) => product * length, 1),
  );
  const at = shape.map(() => 0);
  let index = 0;
  return () => {
    const current = index;
    for (let axis = 0; axis < shape.length; axis++) {
      at[axis]!++;
      index += strides[axis]!;
      if (at[axis]! < shape[axis]!) break;
      index -= at[axis]! * strides[axis]!;
      at[axis] = 0;
    }
    return current;
  };
}

function locate(bytes: Bytes, shape: readonly number[], index: number): Located {
  const position: number[] = [];
  let rest = index;
  for (const length of [...shape].reverse()) {
    position.unshift(rest % length);
    rest = Math.floor(rest / length);
  }
  return { place: { path: bytes.path }, text: `${bytes.label}: element [${position.join(', ')}]` };
}

function bad(path: string, label: string, sentence: string, cause?: unknown): TwaError {
  return new TwaError('bad-data', `${label}: ${sentence}`, { place: { path }, cause });
}
