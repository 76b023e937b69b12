/**
 * The header of a safetensors file, checked against every rule of the format:
 * 8 bytes of little-endian N, N bytes of JSON that starts with `{`, then the tensors' bytes without holes or overlap.
 * https://github.com/huggingface/safetensors#format
 */
import { bytesPerElement, elementCount, isDType } from '../dtype.ts';
import { hasTooManyParts, isRecord, MAX_JSON_BYTES, scanJson } from '../json.ts';
import type { TensorInfo } from '../types.ts';

/** A longer one is an attack or damage, though the reference implementation allows three times as much. */
export const MAX_HEADER_BYTES = MAX_JSON_BYTES;

/** Bytes before the JSON. */
export const PREFIX_BYTES = 8;

export interface ParsedHeader {
  /** In the order of their bytes. */
  readonly tensors: readonly TensorInfo[];
  /** Offset from the first byte after the header. */
  readonly offsets: ReadonlyMap<string, number>;
  readonly metadata: Readonly<Record<string, string>>;
  /** Bytes of all tensors. */
  readonly dataBytes: number;
}

/** Why a header is no header: half a sentence that follows the file's name. */
export class HeaderError extends Error {}

/** @throws HeaderError when the header breaks a rule of the format. */
export function parseHeader(bytes: Uint8Array): ParsedHeader {
  if (bytes[0] !== 0x7b)
    throw new HeaderError('is not a safetensors file: its header does not start with {.');
  if (hasTooManyParts(bytes)) throw new HeaderError('lists more than any model has in its header.');
  const entries = parseJson(bytes);
  const tensors: (TensorInfo & { begin: number; end: number })[] = [];
  let metadata: Readonly<Record<string, string>> = {};
  for (const [name, value] of entries) {
    if (name === '__metadata__') metadata = parseMetadata(value);
    else tensors.push(parseTensor(name, value));
  }
  tensors.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let position = 0;
  let before = '';
  for (const { name, begin, end } of tensors) {
    if (begin < position) throw new HeaderError(`has tensors that overlap: ${before} and ${name}.`);
    if (begin > position) {
      throw new HeaderError(`has ${begin - position} bytes before tensor ${name} that belong to no tensor.`);
    }
    position = end;
    before = name;
  }
  return {
    tensors: tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape })),
    offsets: new Map(tensors.map(({ name, begin }) => [name, begin])),
    metadata,
    dataBytes: position,
  };
}

function parseJson(bytes: Uint8Array): [string, unknown][] {
  let text: string;
  let parsed: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    parsed = JSON.parse(text);
  } catch (error) {
    throw new HeaderError(`has a header that is not valid JSON: ${(error as Error).message}.`);
  }
  const { duplicateKey } = scanJson(text);
  if (duplicateKey !== undefined) throw new HeaderError(`has "${duplicateKey}" twice in its header.`);
  if (!isRecord(parsed)) throw new HeaderError('has a header that is not a JSON object.');
  // Own keys only, and never copied into another plain object: a tensor may be called __proto__.
  return Object.entries(parsed);
}

function parseMetadata(value: unknown): Readonly<Record<string, string>> {
  if (!isRecord(value)) throw new HeaderError('has a __metadata__ that is not an object.');
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string') throw new HeaderError(`has metadata "${key}" that is not text.`);
  }
  return value as Readonly<Record<string, string>>;
}

function parseTensor(name: string, value: unknown): TensorInfo & { begin: number; end: number } {
  if (!isRecord(value)) throw new HeaderError(`describes tensor ${name} by something that is not an object.`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string') throw new HeaderError(`gives tensor ${name} no dtype.`);
  if (!isDType(dtype))
    throw new HeaderError(`holds tensor ${name} in ${dtype}, a type that is not supported.`);
  const count = isNumbers(shape) ? elementCount(shape) : undefined;
  if (count === undefined || !isNumbers(shape))
    throw new HeaderError(`gives tensor ${name} a shape that is none.`);
  if (
    !isNumbers(offsets) ||
    offsets.length !== 2 ||
    !offsets.every((n) => Number.isSafeInteger(n) && n >= 0)
  ) {
    throw new HeaderError(`gives tensor ${name} data offsets that are none.`);
  }
  const [begin, end] = offsets as [number, number];
  const bytes = count * bytesPerElement(dtype);
  if (end - begin !== bytes) {
    throw new HeaderError(
      `gives tensor ${name} ${end - begin} bytes, where ${dtype} [${shape.join(', ')}] takes ${bytes}.`,
    );
  }
  return { name, dtype, shape, begin, end };
}

function isNumbers(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'number');
}
