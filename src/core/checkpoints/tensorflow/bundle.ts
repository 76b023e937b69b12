/** A TensorFlow checkpoint's files as a layout: `<stem>.index` and `<stem>.data-00000-of-00001`, ... */
import { readFile } from 'node:fs/promises';
import { basename, extname } from 'node:path';

import { throwIfAborted } from '../../errors.ts';
import type { Checksum } from '../checksums.ts';
import { bytesPerElement, elementCount } from '../dtype.ts';
import { withPositioned } from '../positioned.ts';
import { CutOff, FormatError, overlapOf } from '../single.ts';
import { stampOf, type StampResult } from '../stat.ts';
import type { FileStamp, TensorInfo } from '../types.ts';
import { dtypeOf, isText, parseEntry, parseHeader, type BundleEntry } from './entries.ts';
import { readTable } from './table.ts';
import { isSlotName, OBJECT_GRAPH, optimizerKeys } from './weights.ts';

export const INDEX = '.index';
export const DATA = /\.data-\d{5}-of-\d{5}$/;

/** A million variables; with the graph of objects it stays well below what is allowed for a header elsewhere. */
const MAX_INDEX_BYTES = 256 << 20;
const MAX_GRAPH_BYTES = 64 << 20;

export interface Bundle {
  readonly tensors: readonly TensorInfo[];
  readonly positions: ReadonlyMap<string, number>;
  readonly checksums: readonly Checksum[];
  readonly notes: readonly string[];
  /** Names of the optimizer's variables. */
  readonly optimizer: readonly string[];
  /** The `.index` file first, then the data in the order of its numbers. */
  readonly files: readonly FileStamp[];
}

type Missing = Exclude<StampResult, { readonly state: 'complete' }>;

/** @throws FormatError, CutOff; the sentence is about the `.index` file. */
export async function readBundle(index: string, signal?: AbortSignal): Promise<Bundle | Missing> {
  throwIfAborted(signal);
  const found = await stampOf(index);
  if (found.state !== 'complete') return found;
  if (found.stamp.size > MAX_INDEX_BYTES) {
    throw new FormatError(`has ${found.stamp.size} bytes; more than ${MAX_INDEX_BYTES} are not read.`);
  }
  const bytes = await readFile(index);
  const table = readTable(bytes);
  const [first, ...others] = table.entries;
  if (first?.key.length !== 0) throw new FormatError('is not the index of a TensorFlow checkpoint.');
  const { shards } = parseHeader(bytes, first);

  const files: FileStamp[] = [found.stamp];
  const starts: number[] = [];
  let end = found.stamp.size;
  for (let shard = 0; shard < shards; shard++) {
    throwIfAborted(signal);
    const data = await stampOf(dataPath(index, shard, shards));
    if (data.state !== 'complete') return data;
    files.push(data.stamp);
    starts.push(end);
    end += data.stamp.size;
  }

  const entries = new Map<string, Named>();
  for (const found of namedEntries(bytes, others)) {
    const { name, entry } = found;
    if (entries.has(name)) throw new FormatError(`lists ${name} twice.`);
    const size = files[entry.shard + 1]?.size;
    if (size === undefined) throw new FormatError(`places ${name} in a file that is none of its own.`);
    if (entry.offset + entry.size > size) {
      throw new CutOff(
        `places ${name} behind the end of ${basename(files[entry.shard + 1]!.path)}, which has ${size} bytes`,
      );
    }
    entries.set(name, found);
  }
  const graph = await objectGraph(entries.get(OBJECT_GRAPH)?.entry, files);
  const optimizer = graph === undefined ? undefined : optimizerKeys(graph);
  const variables = new Set(Array.from(entries.values(), ({ variable }) => variable));
  const kept = (variable: string): boolean => optimizer?.has(variable) ?? isSlotName(variable, variables);

  const tensors: TensorInfo[] = [];
  const positions = new Map<string, number>();
  const checksums: Checksum[] = [...table.checksums];
  const notes: string[] = [];
  const slots: string[] = [];
  for (const { name, variable, entry } of entries.values()) {
    const { shape, type, shard, offset, size, crc, crcAt } = entry;
    if (isText(type)) continue;
    const dtype = dtypeOf(type, name);
    if (dtype === undefined) {
      notes.push(`${name} has a type that cannot be averaged; it is kept from the newest checkpoint.`);
      continue;
    }
    const count = elementCount(shape);
    if (count === undefined || count * bytesPerElement(dtype) !== size) {
      throw new FormatError(`gives ${name} a shape that does not fit its ${size} bytes.`);
    }
    if (crcAt === undefined) throw new FormatError(`gives ${name} no checksum.`);
    const start = starts[shard]! + offset;
    checksums.push({
      what: name,
      start,
      end: start + size,
      value: crc,
      kind: 'masked-crc32c',
      storedAt: [crcAt],
    });
    if (kept(variable)) {
      slots.push(name);
      continue;
    }
    tensors.push({ name, dtype, shape });
    positions.set(name, start);
  }
  if (tensors.length === 0) throw new FormatError('lists no weights.');
  const overlap = overlapOf(checksums.slice(table.checksums.length));
  if (overlap !== undefined) throw new FormatError(`has variables that overlap: ${overlap}.`);
  if (slots.length > 0) {
    notes.unshift(
      `Kept from the newest checkpoint: ${slots.length} ${slots.length === 1 ? 'variable' : 'variables'} of the optimizer.`,
    );
  }
  return { tensors, positions, checksums, notes, optimizer: slots, files };
}

function dataPath(index: string, shard: number, shards: number): string {
  const digits = (n: number): string => String(n).padStart(5, '0');
  return `${index.slice(0, -extname(index).length)}.data-${digits(shard)}-of-${digits(shards)}`;
}

interface Named {
  readonly name: string;
  readonly variable: string;
  readonly entry: BundleEntry;
}

/** The entries with data. A part of a partitioned variable is named after it: `embedding/part-0`. */
function* namedEntries(bytes: Buffer, entries: ReturnType<typeof readTable>['entries']): Generator<Named> {
  const parts = new Map<string, number>();
  for (const found of entries) {
    const whole = variableOfPart(found.key);
    const variable = whole ?? found.key.toString('utf8');
    const entry = parseEntry(bytes, variable, found);
    if (entry.inParts) continue;
    if (whole === undefined) yield { name: variable, variable, entry };
    else {
      const part = parts.get(whole) ?? 0;
      parts.set(whole, part + 1);
      yield { name: `${whole}/part-${part}`, variable, entry };
    }
  }
}

/**
 * The name in the key of a part of a variable: the number 0, the name with its bytes 0 and 255 escaped, its end, and
 * where the part lies (`EncodeTensorNameSlice`, tensorflow/core/util/saved_tensor_slice_util.cc). Undefined for
 * other keys, which are plain names.
 */
function variableOfPart(key: Buffer): string | undefined {
  if (key[0] !== 0) return undefined;
  const name: number[] = [];
  for (let i = 1; i + 1 < key.length; i++) {
    const byte = key[i]!;
    if (byte !== 0 && byte !== 255) name.push(byte);
    else if (byte === 0 && key[i + 1] === 1) return Buffer.from(name).toString('utf8');
    else {
      name.push(byte);
      i++;
    }
  }
  throw new FormatError('has a part of a variable whose name is none.');
}

/** One text: its length, a checksum of that, and its bytes. */
async function objectGraph(
  entry: BundleEntry | undefined,
  files: readonly FileStamp[],
): Promise<Buffer | undefined> {
  if (entry === undefined || !isText(entry.type)) return undefined;
  if (entry.size > MAX_GRAPH_BYTES) throw new FormatError(`has a graph of objects of ${entry.size} bytes.`);
  const { path, size } = files[entry.shard + 1]!;
  return withPositioned(path, size, async (file) => {
    const stored = await file.bytes(entry.offset, entry.size);
    const header = (stored.findIndex((byte) => byte < 128) + 1 || stored.length) + 4;
    return Buffer.from(stored.subarray(header));
  });
}
