/** From an unpickled checkpoint and the places of its storages to tensors at positions. */
import type { Checksum } from '../checksums.ts';
import { bytesPerElement, elementCount } from '../dtype.ts';
import type { Layout } from '../flat.ts';
import { extentOf, isRowMajor } from '../strided.ts';
import type { CheckpointHeader, TensorInfo } from '../types.ts';
import { isDangerous } from './danger.ts';
import { isKnownGlobal, tensorRef, TorchError, type TensorRef } from './tensors.ts';
import type { Value } from './unpickle.ts';
import { findWeights, type NamedTensor } from './weights.ts';

/** What a file of torch.save holds. */
export interface Content {
  readonly root: Value;
  readonly globals: readonly string[];
  /** By key: where the bytes of a storage lie. */
  readonly storages: ReadonlyMap<string, { readonly start: number; readonly size: number }>;
  readonly checksums: readonly Checksum[];
}

type Fields = Pick<CheckpointHeader, 'tensors' | 'metadata' | 'optimizer'> & {
  readonly notes: readonly string[];
};

/** @throws TorchError when there are no weights, or they cannot be read. */
export function layoutTensors(content: Content, headerOf: (fields: Fields) => CheckpointHeader): Layout {
  const danger = content.globals.find(isDangerous);
  if (danger !== undefined) {
    throw new TorchError(
      `names ${danger.slice(0, 200)}, which no checkpoint needs and which runs when PyTorch loads the file; do not load it.`,
    );
  }
  const weights = findWeights(content.root);
  const { tensors, positions, strides } = placeTensors(weights.tensors, content.storages);
  const strangers = content.globals.filter((name) => !isKnownGlobal(name));
  const { metadata, optimizer } = weights;
  const header = headerOf({
    tensors,
    metadata,
    notes: notesOn(weights, strangers),
    ...(optimizer.length === 0 ? {} : { optimizer }),
  });
  return { header, positions, strides, checksums: content.checksums };
}

/** How many names a sentence lists. */
const LISTED = 12;

/** Sentences for the user. */
export function notesOn(
  { under, kept, others }: { under: string | undefined; kept: readonly string[]; others: readonly string[] },
  strangers: readonly string[],
): string[] {
  const notes: string[] = [];
  if (under !== undefined) notes.push(`Its weights are under "${under}".`);
  if (others.length > 0) {
    notes.push(`A second set of weights in it is not used: ${list(others)}.`);
  }
  if (kept.length > 0) {
    notes.push(`Beside its weights it holds: ${list(kept)}.`);
  }
  if (strangers.length > 0) {
    notes.push(
      `It names Python code that is not needed for weights and was not run: ${list(strangers)}. ` +
        'Only load it in Python when you trust where it comes from.',
    );
  }
  return notes;
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, LISTED).map((name) => name.slice(0, 200));
  return shown.join(', ') + (names.length > LISTED ? ` and ${names.length - LISTED} more` : '');
}

interface Placed {
  readonly tensor: TensorInfo;
  readonly ref: TensorRef;
  readonly start: number;
  readonly end: number;
}

/** Tensors over the same elements are tied; those that overlap otherwise, or are scattered, get strides. */
function placeTensors(
  named: readonly NamedTensor[],
  storages: Content['storages'],
): { tensors: TensorInfo[]; positions: Map<string, number>; strides: Map<string, readonly number[]> } {
  const tensors: TensorInfo[] = [];
  const positions = new Map<string, number>();
  const strides = new Map<string, readonly number[]>();
  const same = new Map<string, string>();
  const placed: Placed[] = [];
  for (const { name, value } of named) {
    const ref = tensorRef(name, value);
    const { dtype, shape, storage, offset } = ref;
    const stored = storages.get(storage.key);
    if (stored === undefined) throw new TorchError(`lacks the storage ${storage.key} of tensor ${name}.`);
    if (stored.size < storage.bytes) {
      throw new TorchError(
        `has ${stored.size} of the ${storage.bytes} bytes of storage ${storage.key} (${name}).`,
      );
    }
    const size = bytesPerElement(dtype);
    const start = stored.start + offset * size;
    positions.set(name, start);
    if (elementCount(shape) === 0) {
      tensors.push({ name, dtype, shape });
      continue;
    }
    const rowMajor = isRowMajor(shape, ref.strides);
    if (!rowMajor) strides.set(name, ref.strides);
    const identity = JSON.stringify([start, dtype, shape, rowMajor ? 0 : ref.strides]);
    const aliasOf = same.get(identity);
    if (aliasOf !== undefined) {
      tensors.push({ name, dtype, shape, aliasOf });
      continue;
    }
    same.set(identity, name);
    const tensor: TensorInfo = { name, dtype, shape };
    tensors.push(tensor);
    placed.push({ tensor, ref, start, end: start + extentOf(shape, ref.strides) * size });
  }
  placed.sort((a, b) => a.start - b.start || a.end - b.end);
  let reach: Placed | undefined;
  for (const next of placed) {
    if (reach !== undefined && reach.end > next.start) {
      if (reach.tensor.dtype !== next.tensor.dtype) {
        throw new TorchError(
          `reads the same bytes as ${reach.tensor.dtype} (${reach.tensor.name}) and ${next.tensor.dtype} (${next.tensor.name}).`,
        );
      }
      for (const { tensor, ref } of [reach, next]) strides.set(tensor.name, ref.strides);
    }
    if (reach === undefined || next.end > reach.end) reach = next;
  }
  return { tensors, positions, strides };
}
