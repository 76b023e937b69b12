/**
 * `.metadata` of a PyTorch distributed checkpoint: a pickle of which tensors there are, in which boxes, and where every
 * box lies in which file.
 * https://github.com/pytorch/pytorch/blob/v2.6.0/torch/distributed/checkpoint/metadata.py
 */
import { isDangerous } from '../torch/danger.ts';
import { entriesOf, isCount, numbers, sequence, TorchError } from '../torch/tensors.ts';
import { Made, unpickle, type Value } from '../torch/unpickle.ts';

export interface Box {
  readonly offsets: readonly number[];
  readonly sizes: readonly number[];
  readonly place: Place;
}

export interface Place {
  /** A name in the checkpoint's directory. */
  readonly file: string;
  readonly offset: number;
  readonly length: number;
}

export interface Item {
  /** As the checkpoint names it: `model.layer.weight`. */
  readonly name: string;
  /** Its keys in the dictionary that was saved: ["model", "layer.weight"]. */
  readonly keys: readonly (string | number)[];
  /** Of a tensor; undefined for anything else, which is a pickle of its own. */
  readonly tensor: { readonly shape: readonly number[]; readonly boxes: readonly Box[] } | undefined;
  readonly place: Place | undefined;
}

const MODULE = 'torch.distributed.checkpoint.metadata.';
const MAX_BOXES = 1024;
const MAX_KEYS = 64;

/** @throws TorchError, PickleError */
export function readMetadata(bytes: Uint8Array): readonly Item[] {
  const { value, globals } = unpickle(bytes);
  const danger = globals.find(isDangerous);
  if (danger !== undefined) {
    throw new TorchError(
      `names ${danger.slice(0, 200)}, which no checkpoint needs and which runs when PyTorch loads it; do not load it.`,
    );
  }
  const metadata = attributes(value, 'Metadata');
  const described = metadata && entriesOf(metadata.get('state_dict_metadata') ?? null);
  const stored = metadata && entriesOf(metadata.get('storage_data') ?? null);
  if (described === undefined || stored === undefined) {
    throw new TorchError('is not one that torch.distributed.checkpoint wrote.');
  }
  const places = placesOf(stored);
  const paths = entriesOf(metadata?.get('planner_data') ?? null);
  return [...described].map(([name, description]) => {
    if (typeof name !== 'string') throw new TorchError('names a tensor by something that is not text.');
    const keys = keysOf(paths?.get(name)) ?? [name];
    const tensor = attributes(description, 'TensorStorageMetadata');
    if (tensor === undefined)
      return { name, keys, tensor: undefined, place: places.get(keyOf(name, undefined)) };
    return { name, keys, tensor: tensorOf(name, tensor, places), place: undefined };
  });
}

function tensorOf(
  name: string,
  tensor: ReadonlyMap<Value, Value>,
  places: ReadonlyMap<string, Place>,
): Item['tensor'] {
  const shape = numbers(tensor.get('size'));
  const chunks = sequence(tensor.get('chunks'));
  if (shape === undefined || chunks === undefined) throw new TorchError(`gives tensor ${name} no shape.`);
  if (chunks.length > MAX_BOXES) throw new TorchError(`holds tensor ${name} in ${chunks.length} pieces.`);
  const boxes = chunks.map((chunk) => {
    const box = attributes(chunk, 'ChunkStorageMetadata');
    const offsets = numbers(box?.get('offsets'));
    const sizes = numbers(box?.get('sizes'));
    if (offsets?.length !== shape.length || sizes?.length !== shape.length) {
      throw new TorchError(`holds a piece of tensor ${name} that is none.`);
    }
    const place = places.get(keyOf(name, offsets));
    if (place === undefined) throw new TorchError(`does not say where tensor ${name} lies.`);
    return { offsets, sizes, place };
  });
  return { shape, boxes };
}

/** By name and offsets: the index of a piece says the same once more. */
function placesOf(stored: ReadonlyMap<Value, Value>): Map<string, Place> {
  const places = new Map<string, Place>();
  for (const [key, value] of stored) {
    const index = attributes(key, 'MetadataIndex');
    const name = index?.get('fqn');
    const info =
      value instanceof Made && /\._StorageInfo$/.test(value.name ?? '') ? entriesOf(value.state) : undefined;
    const [file, offset, length] = [info?.get('relative_path'), info?.get('offset'), info?.get('length')];
    if (typeof name !== 'string' || typeof file !== 'string' || !isCount(offset) || !isCount(length)) {
      throw new TorchError('says where a piece lies in a way that is not known.');
    }
    // Nothing outside the directory is ever opened.
    if (!/^[^/\\\0]+$/.test(file) || file === '.' || file === '..') {
      throw new TorchError(`places ${name} outside its directory: ${file}.`);
    }
    if ((sequence(info?.get('transform_descriptors'))?.length ?? 0) > 0) {
      throw new TorchError(`holds ${name} compressed; save it without extensions.`);
    }
    const offsets = index?.get('offset');
    places.set(keyOf(name, offsets === null ? undefined : numbers(offsets)), { file, offset, length });
  }
  return places;
}

function keyOf(name: string, offsets: readonly number[] | undefined): string {
  return JSON.stringify([name, offsets ?? null]);
}

function keysOf(path: Value | undefined): (string | number)[] | undefined {
  const keys = sequence(path);
  if (keys === undefined || keys.length === 0 || keys.length > MAX_KEYS) return undefined;
  return keys.every((key) => typeof key === 'string' || typeof key === 'number') ? [...keys] : undefined;
}

/** What a dataclass of the format was pickled with. */
function attributes(value: Value, name: string): ReadonlyMap<Value, Value> | undefined {
  return value instanceof Made && value.name === MODULE + name ? entriesOf(value.state) : undefined;
}
