/** From a pickle's inert records to tensors: which storage, which elements of it. A fixed table of names decides. */
import { elementCount } from '../dtype.ts';
import { extentOf } from '../strided.ts';
import type { DType } from '../types.ts';
import { Dictionary, Global, Made, Persistent, Sequence, type Value } from './unpickle.ts';

/** Half a sentence that follows the file's name: why its weights cannot be read. */
export class TorchError extends Error {}

export interface StorageRef {
  readonly key: string;
  /** Bytes that its elements take, as the pickle says. */
  readonly bytes: number;
  /** Bytes of one element as the storage counts them (1 for an untyped one). */
  readonly elementBytes: number;
}

export interface TensorRef {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** In elements. */
  readonly strides: readonly number[];
  /** Of the first element, in elements of the storage. */
  readonly offset: number;
  readonly storage: StorageRef;
}

interface StorageType {
  /** undefined: untyped, the tensor says. */
  readonly dtype: DType | undefined;
  readonly bytes: number;
}

const STORAGES: ReadonlyMap<string, StorageType> = new Map([
  ['DoubleStorage', { dtype: 'F64', bytes: 8 }],
  ['FloatStorage', { dtype: 'F32', bytes: 4 }],
  ['HalfStorage', { dtype: 'F16', bytes: 2 }],
  ['BFloat16Storage', { dtype: 'BF16', bytes: 2 }],
  ['LongStorage', { dtype: 'I64', bytes: 8 }],
  ['IntStorage', { dtype: 'I32', bytes: 4 }],
  ['ShortStorage', { dtype: 'I16', bytes: 2 }],
  ['CharStorage', { dtype: 'I8', bytes: 1 }],
  ['ByteStorage', { dtype: 'U8', bytes: 1 }],
  ['BoolStorage', { dtype: 'BOOL', bytes: 1 }],
  ['ComplexFloatStorage', { dtype: 'C64', bytes: 8 }],
  ['ComplexDoubleStorage', { dtype: 'C128', bytes: 16 }],
  ['UntypedStorage', { dtype: undefined, bytes: 1 }],
]);

const DTYPES: ReadonlyMap<string, readonly [DType, number]> = new Map([
  ['float64', ['F64', 8]],
  ['float32', ['F32', 4]],
  ['float16', ['F16', 2]],
  ['bfloat16', ['BF16', 2]],
  ['float8_e4m3fn', ['F8_E4M3', 1]],
  ['float8_e5m2', ['F8_E5M2', 1]],
  ['int64', ['I64', 8]],
  ['int32', ['I32', 4]],
  ['int16', ['I16', 2]],
  ['int8', ['I8', 1]],
  ['uint64', ['U64', 8]],
  ['uint32', ['U32', 4]],
  ['uint16', ['U16', 2]],
  ['uint8', ['U8', 1]],
  ['bool', ['BOOL', 1]],
  ['complex64', ['C64', 8]],
  ['complex128', ['C128', 16]],
]);

const UTILS = 'torch._utils.';
/** Tensors that are no plain elements in a storage, and what to do about each. */
const REFUSED: ReadonlyMap<string, string> = new Map([
  [
    '_rebuild_qtensor',
    'is quantised; the mean of quantised numbers is no mean of what they stand for, so average before quantising',
  ],
  ['_rebuild_sparse_tensor', 'is sparse; call to_dense() before saving'],
  ['_rebuild_nested_tensor', 'is a nested tensor; save its parts'],
  ['_rebuild_wrapper_subclass', 'is wrapped (a DTensor, for one); save a full state_dict'],
  ['_rebuild_meta_tensor_no_storage', 'has no data (device "meta"); materialise the model before saving'],
  [
    '_rebuild_device_tensor_from_numpy',
    'was saved on a device of its own (XLA); move it to the CPU before saving',
  ],
  [
    '_rebuild_device_tensor_from_cpu_tensor',
    'was saved on a device of its own; move it to the CPU before saving',
  ],
  ['_rebuild_xla_tensor', 'was saved on a device of its own (XLA); move it to the CPU before saving'],
]);

const REBUILDERS = new Set(['_rebuild_tensor', '_rebuild_tensor_v2', '_rebuild_tensor_v3']);
const PARAMETERS = new Set([`${UTILS}_rebuild_parameter`, `${UTILS}_rebuild_parameter_with_state`]);
const FROM_TYPE = 'torch._tensor._rebuild_from_type_v2';

/** More elements than a storage has are only views of an expanded scalar or row; beyond this they are an attack. */
const MAX_EXPANDED = 2 ** 28;

/** Names that this reader understands; all others that a file holds are shown to the user. */
export function isKnownGlobal(name: string): boolean {
  if (name.startsWith(UTILS)) return REBUILDERS.has(name.slice(UTILS.length)) || PARAMETERS.has(name);
  const dot = name.lastIndexOf('.');
  const module = name.slice(0, dot);
  const last = name.slice(dot + 1);
  if (module === 'torch' || module === 'torch.cuda' || module === 'torch.storage') {
    return (
      STORAGES.has(last) || DTYPES.has(last) || last === 'Size' || last === 'device' || last === 'Tensor'
    );
  }
  return KNOWN.has(name);
}

const KNOWN = new Set([
  'collections.OrderedDict',
  'collections.defaultdict',
  'builtins.set',
  'builtins.dict',
  '__builtin__.set',
  '_codecs.encode',
  FROM_TYPE,
  'torch.nn.parameter.Parameter',
  'torch.nn.parameter.Buffer',
]);

/** Whether a value stands for a tensor, of whatever kind. Cheap: nothing is checked. */
export function isTensor(value: Value): value is Made {
  if (!(value instanceof Made) || value.name === undefined) return false;
  const { name } = value;
  return name === FROM_TYPE || (name.startsWith(`${UTILS}_rebuild_`) && name !== `${UTILS}_rebuild_layout`);
}

/** The entries of a dictionary or of an OrderedDict. */
export function entriesOf(value: Value): ReadonlyMap<Value, Value> | undefined {
  if (value instanceof Dictionary) return value.entries;
  if (!(value instanceof Made) || !DICTIONARIES.has(value.name ?? '')) return undefined;
  if (value.entries !== undefined) return value.entries;
  // Python 2 pickled an OrderedDict as a list of pairs.
  const pairs = sequence(sequence(value.args)?.[0] ?? null);
  const entries = new Map<Value, Value>();
  for (const pair of pairs ?? []) {
    const [key, item] = sequence(pair) ?? [];
    if (key !== undefined && item !== undefined) entries.set(key, item);
  }
  return entries;
}

const DICTIONARIES = new Set(['collections.OrderedDict', 'collections.defaultdict', 'builtins.dict']);

export function sequence(value: Value | undefined): readonly Value[] | undefined {
  return value instanceof Sequence ? value.items : undefined;
}

/**
 * What a tensor's record says, checked: sizes, strides and offset stay inside the storage.
 * @throws TorchError with the tensor's name.
 */
export function tensorRef(name: string, value: Made): TensorRef {
  const args = sequence(value.args) ?? [];
  const called = value.name ?? '';
  if (PARAMETERS.has(called)) return inner(name, args[0]);
  if (called === FROM_TYPE) {
    // (function, type, its arguments, state): a tensor with attributes, or of a class of its own.
    return inner(name, new Made(args[0] ?? null, args[2] ?? null));
  }
  const rebuilder = called.slice(UTILS.length);
  if (!called.startsWith(UTILS) || !REBUILDERS.has(rebuilder)) {
    const reason = REFUSED.get(rebuilder) ?? `is of a kind that is not known (${called})`;
    throw new TorchError(`holds a tensor ${name} that ${reason}.`);
  }
  const [storageValue = null, offset, size, strides] = args;
  const [storage, stored] = storageRef(name, storageValue);
  const shape = numbers(size);
  const steps = numbers(strides);
  if (shape === undefined || steps?.length !== shape.length || !isCount(offset)) {
    throw new TorchError(`gives tensor ${name} a shape, strides or an offset that are none.`);
  }
  let dtype = stored;
  if (rebuilder === '_rebuild_tensor_v3') dtype = dtypeOf(name, args[6]);
  const metadata = rebuilder === '_rebuild_tensor_v2' ? args[6] : args[7];
  if (metadata !== undefined && (entriesOf(metadata)?.size ?? 0) > 0) {
    throw new TorchError(
      `holds a tensor ${name} that is conjugated or negated lazily; call resolve_conj() and resolve_neg() before saving.`,
    );
  }
  if (dtype === undefined) throw new TorchError(`gives tensor ${name} no dtype.`);
  const ref: TensorRef = { dtype, shape, strides: steps, offset, storage };
  requireInside(name, ref);
  return ref;
}

function inner(name: string, value: Value | undefined): TensorRef {
  if (!(value instanceof Made) || PARAMETERS.has(value.name ?? '') || value.name === FROM_TYPE) {
    throw new TorchError(`gives tensor ${name} no data.`);
  }
  return tensorRef(name, value);
}

const ELEMENT_BYTES = new Map([...DTYPES.values()]);

function requireInside(name: string, { dtype, shape, strides, offset, storage }: TensorRef): void {
  const count = elementCount(shape);
  if (count === undefined) throw new TorchError(`gives tensor ${name} a shape that is none.`);
  const size = ELEMENT_BYTES.get(dtype)!;
  const last = count === 0 ? 0 : offset + extentOf(shape, strides);
  if (!(last * size <= storage.bytes)) {
    throw new TorchError(
      `places tensor ${name} outside its storage: it ends at byte ${last * size} of ${storage.bytes}.`,
    );
  }
  if (count > MAX_EXPANDED && count * size > storage.bytes) {
    throw new TorchError(`expands tensor ${name} to ${count} elements from ${storage.bytes} bytes.`);
  }
}

/** ('storage', type, key, location, elements[, view]) */
function storageRef(name: string, value: Value): readonly [StorageRef, DType | undefined] {
  const none = new TorchError(`gives tensor ${name} no storage.`);
  if (!(value instanceof Persistent)) throw none;
  const [tag, type, key, , elements, view] = sequence(value.id) ?? [];
  if (tag !== 'storage' || typeof key !== 'string' || !isCount(elements)) throw none;
  if (sequence(view) !== undefined) {
    throw new TorchError(
      `holds a storage ${key} that is a part of another one; save it again with a newer PyTorch.`,
    );
  }
  const known = type instanceof Global ? storageType(type) : undefined;
  if (known === undefined) {
    throw new TorchError(
      `holds tensor ${name} in a ${type instanceof Global ? type.toString() : 'storage'}, a type that is not supported` +
        `${type instanceof Global && /^Q[A-Z]/.test(type.name) ? ': quantised numbers have no mean; average before quantising' : ''}.`,
    );
  }
  const bytes = elements * known.bytes;
  if (!Number.isSafeInteger(bytes)) throw none;
  return [{ key, bytes, elementBytes: known.bytes }, known.dtype];
}

function storageType({ module, name }: Global): StorageType | undefined {
  return /^torch(\.cuda|\.storage)?$/.test(module) ? STORAGES.get(name) : undefined;
}

/** Any storage that a pickle refers to, in a tensor or not; undefined when its type is not known. */
export function anyStorage(value: Persistent): StorageRef | undefined {
  try {
    return storageRef('?', value)[0];
  } catch (error) {
    if (error instanceof TorchError) return undefined;
    throw error;
  }
}

function dtypeOf(name: string, value: Value | undefined): DType {
  const known = value instanceof Global && value.module === 'torch' ? DTYPES.get(value.name) : undefined;
  if (known === undefined) {
    throw new TorchError(
      `holds tensor ${name} in ${value instanceof Global ? value.toString() : 'no dtype'}, a type that is not supported.`,
    );
  }
  return known[0];
}

/** A tuple of counts, or a torch.Size made of one. */
export function numbers(value: Value | undefined): readonly number[] | undefined {
  if (value instanceof Made && value.name === 'torch.Size') value = sequence(value.args)?.[0];
  const items = sequence(value);
  if (items === undefined || items.length > 64 || !items.every(isCount)) return undefined;
  return items;
}

export function isCount(value: Value | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
