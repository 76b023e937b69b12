/**
 * PyTorch Distributed Checkpoint: a directory of `.metadata` and one or more `*.distcp` files per rank, in which every
 * piece of a tensor is a small file of torch.save.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';

import { throwIfAborted } from '../../errors.ts';
import type { Checksum } from '../checksums.ts';
import { CompanionError, companionsOf } from '../companions.ts';
import { hasCode } from '../files.ts';
import { positionOf } from '../names.ts';
import { covers, shardedFormat, type Piece, type ShardedResult } from '../sharded.ts';
import { readTorchFile, refusal } from '../torch/format.ts';
import { layoutTensors, notesOn } from '../torch/layout.ts';
import { sequence, TorchError } from '../torch/tensors.ts';
import { Dictionary, Global, Made, MAX_PICKLE_BYTES, type Value } from '../torch/unpickle.ts';
import { findWeights } from '../torch/weights.ts';
import type { CheckpointHeader, FileStamp, TensorInfo } from '../types.ts';
import { bytesAt, ZipIncomplete } from '../zip.ts';
import { readMetadata, type Box, type Item, type Place } from './metadata.ts';

const ID = 'torch-distributed';
const METADATA = '.metadata';
const DATA = '.distcp';

export const torchDistributed = shardedFormat({
  id: ID,
  label: 'PyTorch Distributed Checkpoint',
  candidate(path) {
    const name = basename(path);
    return name === METADATA || extname(name) === DATA ? dirname(path) : undefined;
  },
  outputName: (stem) => stem,
  read,
});

async function read(path: string, signal?: AbortSignal): Promise<ShardedResult> {
  throwIfAborted(signal);
  const name = basename(path);
  try {
    const files = await filesOf(path, signal);
    if (files === undefined) {
      return { state: 'incomplete', reason: `${name} has no ${METADATA} (yet): it is written last.` };
    }
    const reader = new Files(files);
    try {
      return await combine(path, files, reader, signal);
    } finally {
      await reader.close();
    }
  } catch (error) {
    if (error instanceof CompanionError) return { state: 'unreadable', reason: `${name} ${error.message}` };
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) {
      return { state: 'incomplete', reason: `${name} is not there (any more, or not yet).` };
    }
    return refusal(error, name) as Exclude<ShardedResult, { state: 'complete' }>;
  }
}

/** The one with the header first, the others by name; undefined without it. */
async function filesOf(path: string, signal?: AbortSignal): Promise<readonly FileStamp[] | undefined> {
  const all = await companionsOf(path, new Set(), signal);
  const metadata = all.find((file) => file.path === join(path, METADATA));
  return metadata === undefined ? undefined : [metadata, ...all.filter((file) => file !== metadata)];
}

/** The files of a checkpoint as one run of bytes, one open at a time. */
class Files {
  readonly #starts = new Map<string, { readonly stamp: FileStamp; readonly start: number }>();
  #current: { readonly name: string; readonly handle: FileHandle } | undefined;

  constructor(files: readonly FileStamp[]) {
    let start = 0;
    for (const stamp of files) {
      // Data lies directly in the directory; a file of the same name further down comes later, and is none of it.
      const name = basename(stamp.path);
      if (!this.#starts.has(name)) this.#starts.set(name, { stamp, start });
      start += stamp.size;
    }
  }

  /** Position of a place in the run. @throws ZipIncomplete when its file ends before. */
  positionOf({ file, offset, length }: Place): number {
    const known = this.#starts.get(file);
    if (known === undefined) throw new ZipIncomplete(`lacks ${file}`);
    if (offset + length > known.stamp.size) {
      throw new ZipIncomplete(`has ${known.stamp.size} of at least ${offset + length} bytes of ${file}`);
    }
    return known.start + offset;
  }

  /** @throws ZipIncomplete as {@link positionOf}. */
  async at(place: Place): Promise<{ readonly handle: FileHandle; readonly start: number }> {
    const start = this.positionOf(place);
    const { file, offset } = place;
    if (this.#current?.name !== file) {
      await this.close();
      this.#current = { name: file, handle: await open(this.#starts.get(file)!.stamp.path, 'r') };
    }
    return { handle: within(this.#current.handle, offset), start };
  }

  async close(): Promise<void> {
    const current = this.#current;
    this.#current = undefined;
    await current?.handle.close();
  }
}

/** A part of a file, for readers that begin at 0. They only read. */
function within(handle: FileHandle, offset: number): FileHandle {
  const read = (buffer: Uint8Array, at: number, length: number, position: number) =>
    handle.read(buffer, at, length, offset + position);
  return { read } as unknown as FileHandle;
}

async function combine(
  path: string,
  files: readonly FileStamp[],
  reader: Files,
  signal?: AbortSignal,
): Promise<ShardedResult> {
  const { size } = files[0]!;
  if (size > MAX_PICKLE_BYTES) throw new TorchError(`has a ${METADATA} of ${size} bytes.`);
  const { handle } = await reader.at({ file: METADATA, offset: 0, length: size });
  const items = readMetadata(await bytesAt(handle, 0, size));
  // Those of the optimizer, too: a copy without them would be none.
  for (const { tensor, place } of items) {
    for (const one of tensor?.boxes.map((box) => box.place) ?? [place]) {
      if (one !== undefined) reader.positionOf(one);
    }
  }
  const weights = findWeights(await treeOf(items, reader, signal));
  const byName = new Map(items.map((item) => [item.name, item]));

  const tensors: TensorInfo[] = [];
  const pieces = new Map<string, readonly Piece[]>();
  const placed: PlacedPiece[] = [];
  for (const { name, value } of weights.tensors) {
    const { tensor } = byName.get(value.args as string)!;
    const own: PlacedPiece[] = [];
    for (const [i, box] of tensor!.boxes.entries()) {
      throwIfAborted(signal);
      own.push(await readPiece(`${name}[${i}]`, name, box, reader));
    }
    const { dtype } = own[0]?.piece.tensor ?? {};
    if (dtype === undefined || own.some(({ piece }) => piece.tensor.dtype !== dtype)) {
      throw new TorchError(`gives tensor ${name} no dtype, or several.`);
    }
    const boxes = own.map(({ piece }) => piece);
    if (!covers(tensor!.shape, boxes))
      throw new TorchError(`holds pieces of tensor ${name} that do not make it up.`);
    tensors.push({ name, dtype, shape: tensor!.shape });
    pieces.set(name, boxes);
    placed.push(...own);
  }
  const header: CheckpointHeader = {
    path,
    format: ID,
    tensors,
    metadata: weights.metadata,
    files,
    notes: notesOn(weights, []),
    ...(weights.optimizer.length === 0 ? {} : { optimizer: weights.optimizer }),
    ...positionOf(path, weights.metadata),
  };
  const strides = placed.flatMap(({ piece, strides: steps }) =>
    steps === undefined ? [] : [[piece.tensor.name, steps] as const],
  );
  const layout = {
    header: { ...header, tensors: placed.map(({ piece }) => piece.tensor) },
    positions: new Map(placed.map(({ piece, position }) => [piece.tensor.name, position])),
    strides: new Map(strides),
    checksums: placed.flatMap(({ checksums }) => checksums),
  };
  return { state: 'complete', sharded: { header, pieces, layout } };
}

interface PlacedPiece {
  readonly piece: Piece;
  readonly position: number;
  readonly strides: readonly number[] | undefined;
  readonly checksums: readonly Checksum[];
}

async function readPiece(pieceName: string, name: string, box: Box, reader: Files): Promise<PlacedPiece> {
  const { handle, start } = await reader.at(box.place);
  const content = await readTorchFile(handle, box.place.length);
  const { header, positions, strides, checksums = [] } = layoutTensors(content, bare);
  const [stored, second] = header.tensors;
  if (stored === undefined || second !== undefined || String(stored.shape) !== String(box.sizes)) {
    throw new TorchError(`holds something else than a piece of tensor ${name} in ${box.place.file}.`);
  }
  return {
    piece: { tensor: { name: pieceName, dtype: stored.dtype, shape: stored.shape }, offsets: box.offsets },
    position: start + positions.get(stored.name)!,
    strides: strides?.get(stored.name),
    checksums: checksums.map((run) => ({
      ...run,
      start: start + run.start,
      end: start + run.end,
      storedAt: run.storedAt.map((at) => start + at),
    })),
  };
}

const bare = (fields: Pick<CheckpointHeader, 'tensors' | 'metadata'>): CheckpointHeader => ({
  path: '',
  format: ID,
  files: [],
  ...fields,
});

// What was saved ---------------------------------------------------------------------------------------------------

/** Stands for a tensor where {@link findWeights} looks for one; its arguments are the tensor's name in the metadata. */
const TENSOR = new Global('torch._utils', '_rebuild_tensor_v2');
/** Larger ones are no numbers or texts. */
const MAX_SCALAR_BYTES = 4096;
const MAX_SCALARS = 100;

/** The dictionary that was saved, with its numbers and texts at the top: step, epoch. */
async function treeOf(items: readonly Item[], reader: Files, signal?: AbortSignal): Promise<Value> {
  const root = new Dictionary();
  let scalars = 0;
  for (const { name, keys, tensor, place } of items) {
    throwIfAborted(signal);
    let at = root;
    for (const key of keys.slice(0, -1)) {
      let next = at.entries.get(key);
      if (!(next instanceof Dictionary)) at.entries.set(key, (next = new Dictionary()));
      at = next;
    }
    let value: Value = tensor === undefined ? null : new Made(TENSOR, name);
    const small = place !== undefined && place.length <= MAX_SCALAR_BYTES && keys.length === 1;
    if (small && scalars++ < MAX_SCALARS) value = await scalarAt(place, reader);
    at.entries.set(keys.at(-1)!, value);
  }
  return root;
}

async function scalarAt(place: Place, reader: Files): Promise<Value> {
  const { handle } = await reader.at(place);
  const { root } = await readTorchFile(handle, place.length);
  return typeof root === 'object' && root !== null && sequence(root) === undefined ? null : root;
}
