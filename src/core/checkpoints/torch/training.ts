/**
 * What a trainer saved about the training beside the weights, where it is more than plain numbers in the dictionary
 * itself: `{"loss": loss}` with a tensor, ultralytics' `train_metrics` and `train_results`.
 * https://github.com/ultralytics/ultralytics/blob/main/ultralytics/engine/trainer.py (save_model)
 */
import type { FileHandle } from 'node:fs/promises';

import { bytesPerElement, decodeToFloat64, elementCount } from '../dtype.ts';
import type { CheckpointHeader, DType } from '../types.ts';
import { bytesAt } from '../zip.ts';
import type { Content } from './layout.ts';
import { entriesOf, isTensor, sequence, tensorRef, TorchError } from './tensors.ts';
import { Global, Made, type Value } from './unpickle.ts';

/** Keys of dictionaries with the metrics at this checkpoint. */
const METRICS = ['train_metrics', 'metrics'];
/** Key of a dictionary of columns: everything that was logged when it was saved. */
const HISTORY = 'train_results';
const MAX_NUMBERS = 100;
/** Of a history: a thousand columns of as many epochs. One list may stand in for many columns. */
const MAX_CELLS = 1_000_000;
const MAX_NAME = 500;

type Told = Pick<CheckpointHeader, 'metadata' | 'metrics' | 'history'>;

/** @param header of the same file: what is a weight is no metric. */
export async function toldBeside(
  handle: FileHandle,
  { root, storages }: Content,
  header: CheckpointHeader,
): Promise<Told> {
  const entries = entriesOf(root) ?? new Map<Value, Value>();
  const weights = new Set(header.tensors.map(({ name }) => name));
  const numbers: [string, string][] = [];
  let left = MAX_NUMBERS;
  for (const [key, value] of entries) {
    if (typeof key !== 'string' || key.length > MAX_NAME || !isTensor(value) || weights.has(key)) continue;
    if (left-- === 0) break;
    const number = await soleElement(handle, storages, key, value);
    if (number !== undefined) numbers.push([key, String(number)]);
  }
  const metrics = METRICS.map((key) => numbersIn(entries.get(key))).find((one) => one !== undefined);
  const history = columnsIn(entries.get(HISTORY));
  return {
    metadata: { ...header.metadata, ...Object.fromEntries(numbers) },
    ...(metrics === undefined ? {} : { metrics }),
    ...(history === undefined ? {} : { history }),
  };
}

/** Of a tensor with one; undefined for any other, and for one that cannot be read: nothing depends on it. */
async function soleElement(
  handle: FileHandle,
  storages: Content['storages'],
  name: string,
  value: Made,
): Promise<number | undefined> {
  try {
    const { dtype, shape, offset, storage } = tensorRef(name, value);
    const stored = storages.get(storage.key);
    if (elementCount(shape) !== 1 || stored === undefined || stored.size < storage.bytes) return undefined;
    const size = bytesPerElement(dtype);
    return numberFrom(await bytesAt(handle, stored.start + offset * size, size), dtype);
  } catch (error) {
    if (error instanceof TorchError) return undefined;
    throw error;
  }
}

function numberFrom(bytes: Buffer, dtype: DType): number | undefined {
  if (dtype === 'C64' || dtype === 'C128') return undefined;
  const out = new Float64Array(1);
  decodeToFloat64(bytes, dtype, out);
  return out[0];
}

/** Of a dictionary, what is a number in it by its name; undefined where nothing is. */
function numbersIn(value: Value | undefined): Readonly<Record<string, number>> | undefined {
  const found: [string, number][] = [];
  for (const [key, item] of (value === undefined ? undefined : entriesOf(value)) ?? []) {
    const number = numberOf(item);
    if (typeof key === 'string' && key.length <= MAX_NAME && number !== undefined) found.push([key, number]);
    if (found.length === MAX_NUMBERS) break;
  }
  return found.length === 0 ? undefined : Object.fromEntries(found);
}

/** A dictionary of lists of one length, as of a data frame; null for what is no number in them. */
function columnsIn(value: Value | undefined): CheckpointHeader['history'] {
  const columns: [string, readonly (number | null)[]][] = [];
  let cells = 0;
  for (const [key, item] of (value === undefined ? undefined : entriesOf(value)) ?? []) {
    const items = sequence(item);
    if (typeof key !== 'string' || key.length > MAX_NAME || items === undefined) continue;
    cells += items.length;
    if (cells > MAX_CELLS) return undefined;
    columns.push([key.trim(), items.map((one) => numberOf(one) ?? null)]);
    if (columns.length === MAX_NUMBERS) break;
  }
  const rows = columns[0]?.[1].length ?? 0;
  const isTable = rows > 0 && columns.every(([, column]) => column.length === rows);
  return isTable ? Object.fromEntries(columns) : undefined;
}

const NUMPY_SCALARS = new Set(['numpy.core.multiarray.scalar', 'numpy._core.multiarray.scalar']);
const NUMPY_TYPES: ReadonlyMap<Value, DType> = new Map([
  ['f8', 'F64'],
  ['f4', 'F32'],
  ['f2', 'F16'],
  ['i8', 'I64'],
  ['i4', 'I32'],
]);

/** Of a Python number, or of one of NumPy's: metrics are often those. */
function numberOf(value: Value): number | undefined {
  if (typeof value === 'number') return value;
  if (!(value instanceof Made) || !NUMPY_SCALARS.has(value.name ?? '')) return undefined;
  const [type, data] = sequence(value.args) ?? [];
  const name = type instanceof Made && type.name === 'numpy.dtype' ? sequence(type.args)?.[0] : undefined;
  const dtype = NUMPY_TYPES.get(name ?? null);
  const bytes = bytesOf(data);
  if (dtype === undefined || bytes?.length !== bytesPerElement(dtype)) return undefined;
  return numberFrom(bytes, dtype);
}

/** Bytes as they are, or as protocol 2 has them: `_codecs.encode(text, 'latin1')`. */
function bytesOf(value: Value | undefined): Buffer | undefined {
  if (value instanceof Uint8Array) return Buffer.from(value);
  if (!(value instanceof Made) || !(value.callable instanceof Global) || value.name !== '_codecs.encode') {
    return undefined;
  }
  const [text, encoding] = sequence(value.args) ?? [];
  return typeof text === 'string' && encoding === 'latin1' ? Buffer.from(text, 'latin1') : undefined;
}
