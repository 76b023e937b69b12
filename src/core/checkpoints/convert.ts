/**
 * Any checkpoint as one safetensors file: its weights, row-major and without gaps, tied ones written out in full.
 * Bytes are copied as they are; floats only change where another float type is asked for, and are then rounded once.
 *
 * Memory: the header and two chunks, whatever the size of the model.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { basename, dirname } from 'node:path';

import { throwIfAborted, TwaError } from '../errors.ts';
import {
  bytesPerElement,
  decodeToFloat64,
  elementCount,
  encodeFromFloat64,
  firstUnrepresentable,
  isFloat,
} from './dtype.ts';
import { hasCode, requireUnchanged } from './files.ts';
import { exists, publishFile, removePartial, requireAbsent, requireSpace, writeError } from './publish.ts';
import { formatById } from './registry.ts';
import { MAX_HEADER_BYTES, PREFIX_BYTES } from './safetensors/header.ts';
import { openSha256 } from './sha256.ts';
import type { CheckpointHeader, FloatDType, TensorInfo, TensorReader } from './types.ts';

/** Types that the floats may be given. The 8-bit ones need scales, which a plain conversion has not. */
export const TARGET_DTYPES = ['F64', 'F32', 'F16', 'BF16'] as const satisfies readonly FloatDType[];
export type TargetDType = (typeof TARGET_DTYPES)[number];

export interface Conversion {
  /** As they will be in the file, in the order of their bytes. */
  readonly tensors: readonly TensorInfo[];
  /** The file up to its first tensor. */
  readonly head: Uint8Array;
  /** Of the whole file. */
  readonly bytes: number;
  /** Sentences that the user should see: what is written twice, what stays behind. */
  readonly notes: readonly string[];
}

export interface ConvertRequest {
  readonly header: CheckpointHeader;
  /** Must end in `.safetensors` and not exist. */
  readonly output: string;
  /** Where it grows: beside `output`, named `*.partial`. */
  readonly partial: string;
  /** For every float tensor; as they are without. Integers, booleans and complex numbers never change. */
  readonly dtype?: TargetDType;
  readonly signal?: AbortSignal;
  /** 0..1, of the bytes. */
  readonly onProgress?: (fraction: number) => void;
}

export interface Converted extends Pick<Conversion, 'tensors' | 'bytes' | 'notes'> {
  /** Hex. */
  readonly sourceSha256: string;
  readonly outputSha256: string;
}

export const SAFETENSORS_EXTENSION = '.safetensors';
const CHUNK_ELEMENTS = 1 << 18;

/**
 * What would be written, from the header alone.
 * @throws TwaError `unsupported` for a tensor that safetensors cannot hold.
 */
export function planConversion(header: CheckpointHeader, dtype?: TargetDType): Conversion {
  // Large elements first, so that all are aligned to their own size: readers map the file into memory.
  const tensors = header.tensors
    .map(({ name, dtype: from, shape }) => ({
      name,
      dtype: dtype !== undefined && isFloat(from) ? dtype : from,
      shape,
    }))
    .toSorted((a, b) => bytesPerElement(b.dtype) - bytesPerElement(a.dtype));
  const entries: [string, unknown][] = [];
  const metadata = metadataOf(header);
  if (metadata.length > 0) entries.push(['__metadata__', metadata]);
  let end = 0;
  for (const tensor of tensors) {
    requireStorable(header, tensor);
    const begin = end;
    end += elementCount(tensor.shape)! * bytesPerElement(tensor.dtype);
    entries.push([tensor.name, { dtype: tensor.dtype, shape: tensor.shape, data_offsets: [begin, end] }]);
  }
  const head = headOf(entries, header.path);
  return { tensors, head, bytes: head.length + end, notes: notesOn(header) };
}

/**
 * @throws TwaError as {@link planConversion}; `exists`, `no-space`; `non-finite` naming a number that is too large for
 * `dtype`; `incomplete-checkpoint`, `not-found` or `bad-checkpoint` for a source that changed, vanished or is damaged;
 * `cancelled`. Nothing remains then.
 */
export async function convertToSafetensors(request: ConvertRequest): Promise<Converted> {
  const { header, output, partial, signal, onProgress } = request;
  throwIfAborted(signal);
  const { tensors, head, bytes, notes } = planConversion(header, request.dtype);
  await requirePlace(output, bytes);
  const sources = new Map(header.tensors.map((tensor) => [tensor.name, tensor]));
  const reader = await formatById(header.format).open(header, { hash: true });
  const sink = new Sink(bytes);
  try {
    await sink.create(partial);
    await sink.write(head);
    for (const tensor of tensors) {
      const source = sources.get(tensor.name)!;
      const total = elementCount(tensor.shape)!;
      for (let start = 0; start < total; start += CHUNK_ELEMENTS) {
        throwIfAborted(signal);
        const count = Math.min(CHUNK_ELEMENTS, total - start);
        const chunk = await readChunk(reader, source, start, count);
        await sink.write(
          source.dtype === tensor.dtype ? chunk : cast(chunk, source, tensor, start, header.path),
        );
        onProgress?.(sink.written / bytes);
      }
    }
    // Reads what was left out, and so verifies the source's checksums.
    const sourceSha256 = await reader.sha256(signal);
    await requireUnchanged(header.files);
    const outputSha256 = await sink.finish();
    throwIfAborted(signal);
    await publishFile(partial, output);
    return { tensors, bytes, notes, sourceSha256, outputSha256 };
  } catch (error) {
    await sink.close();
    if (sink.started) await removePartial(partial);
    throw writeError(error, output);
  } finally {
    await sink.close();
    await reader.close();
  }
}

/** @throws TwaError when a file of so many bytes cannot be made there: `usage`, `not-found`, `exists`, `no-space`. */
export async function requirePlace(output: string, bytes: number): Promise<void> {
  if (!output.endsWith(SAFETENSORS_EXTENSION)) {
    throw new TwaError('usage', `${basename(output)} must end in ${SAFETENSORS_EXTENSION}.`);
  }
  await requireAbsent(output);
  try {
    await requireSpace(dirname(output), bytes);
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'ENOTDIR')) throw error;
    throw new TwaError('not-found', `There is no directory ${dirname(output)}: make it first.`);
  }
}

function readChunk(
  reader: TensorReader,
  source: TensorInfo,
  start: number,
  count: number,
): Promise<Uint8Array> {
  const stored = source.aliasOf === undefined ? source : { ...source, name: source.aliasOf };
  return reader.read(stored, start, count);
}

function cast(chunk: Uint8Array, from: TensorInfo, to: TensorInfo, start: number, path: string): Uint8Array {
  const count = chunk.length / bytesPerElement(from.dtype);
  const values = new Float64Array(count);
  decodeToFloat64(chunk, from.dtype, values);
  const dtype = to.dtype as TargetDType;
  // NaN and infinities are what they were; only a number that would become one is refused.
  const finite = values.map((value) => (Number.isFinite(value) ? value : 0));
  const bad = firstUnrepresentable(finite, dtype);
  if (bad !== -1) {
    throw new TwaError(
      'non-finite',
      `${basename(path)} has ${values[bad]!} in ${to.name} (element ${start + bad}), more than ${dtype} can hold; ` +
        'choose a wider type.',
      { place: { path } },
    );
  }
  const out = new Uint8Array(count * bytesPerElement(dtype));
  encodeFromFloat64(values, dtype, out);
  return out;
}

/** The metadata, and the framework that tensors of PyTorch are laid out for: transformers wants to know. */
function metadataOf({ metadata, format }: CheckpointHeader): [string, string][] {
  const entries = Object.entries(metadata).filter(([key, value]) => isText(key) && isText(value));
  const known = entries.some(([key]) => key === 'format');
  return known || !TORCH_LAYOUTS.has(format) ? entries : [...entries, ['format', 'pt']];
}

const TORCH_LAYOUTS: ReadonlySet<string> = new Set(['torch', 'torch-distributed', 'deepspeed']);

/** Lone surrogates cannot be written as UTF-8. */
const isText = (text: string): boolean => text.isWellFormed();

function requireStorable({ path }: CheckpointHeader, { name, dtype }: TensorInfo): void {
  const refuse = (why: string): TwaError =>
    new TwaError('unsupported', `${basename(path)} holds tensor ${name}, ${why}.`, { place: { path } });
  if (dtype === 'C128')
    throw refuse('complex numbers of 128 bits, which safetensors has not; save it as complex64');
  if (name === '__metadata__') throw refuse('a name that safetensors keeps for itself; rename it');
  if (!isText(name)) throw refuse('a name that is not valid Unicode; rename it');
}

function notesOn(header: CheckpointHeader): string[] {
  const notes = [...(header.notes ?? [])];
  const tied = header.tensors.filter(({ aliasOf }) => aliasOf !== undefined);
  if (tied.length > 0) {
    const [{ name, aliasOf }] = tied as [TensorInfo];
    const more = tied.length === 1 ? '' : `, and ${tied.length - 1} more`;
    notes.push(`Tied tensors are written out in full: ${name} (the same as ${aliasOf!})${more}.`);
  }
  return notes;
}

/** Length, JSON, and spaces up to a multiple of 8. Entries, no object: a tensor may be called __proto__. */
function headOf(entries: readonly [string, unknown][], path: string): Uint8Array {
  const json = Buffer.from(`{${entries.map(member).join(',')}}`);
  const length = Math.ceil(json.length / PREFIX_BYTES) * PREFIX_BYTES;
  if (length > MAX_HEADER_BYTES) {
    throw new TwaError(
      'unsupported',
      `${basename(path)} has more tensors than a safetensors file can describe in ${MAX_HEADER_BYTES} bytes.`,
      { place: { path } },
    );
  }
  const head = Buffer.alloc(PREFIX_BYTES + length, ' ');
  head.writeBigUInt64LE(BigInt(length));
  json.copy(head, PREFIX_BYTES);
  return head;
}

function member([key, value]: readonly [string, unknown]): string {
  const text =
    key === '__metadata__' ? `{${(value as [string, string][]).map(member).join(',')}}` : undefined;
  return `${JSON.stringify(key)}:${text ?? JSON.stringify(value)}`;
}

/** One new file: made exclusively, hashed on the way, synced at the end. */
class Sink {
  readonly #hash: ReturnType<typeof openSha256>;
  #handle: FileHandle | undefined;
  written = 0;
  /** Something of ours is on the disk. */
  started = false;

  constructor(size: number) {
    this.#hash = openSha256(size);
  }

  async create(path: string): Promise<void> {
    try {
      this.#handle = await open(path, 'wx');
    } catch (error) {
      throw hasCode(error, 'EEXIST') ? exists(path) : error;
    }
    this.started = true;
  }

  async write(bytes: Uint8Array): Promise<void> {
    await Promise.all([this.#hash.update(bytes), this.#put(bytes)]);
    this.written += bytes.length;
  }

  /** Gives the hex digest. */
  async finish(): Promise<string> {
    await this.#handle!.sync();
    await this.#closeFile();
    return this.#hash.digest();
  }

  async close(): Promise<void> {
    this.#hash.close();
    await this.#closeFile();
  }

  async #put(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      done += (await this.#handle!.write(bytes, done, bytes.length - done)).bytesWritten;
    }
  }

  async #closeFile(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }
}
