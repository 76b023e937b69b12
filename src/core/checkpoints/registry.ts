/** The checkpoint formats, and how a path becomes a checkpoint. A new format is one folder and one line here. */
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';

import { throwIfAborted, TwaError } from '../errors.ts';
import { hasCode } from './files.ts';
import { positionOf } from './names.ts';
import { trainingOrder, type Placed } from './order.ts';
import { PARTIAL_SUFFIX } from './publish.ts';
import { deepspeed } from './deepspeed/format.ts';
import { flaxMsgpack } from './flax/format.ts';
import { kerasArchive, kerasHdf5 } from './hdf5/format.ts';
import { npz } from './npz/format.ts';
import { orbax } from './orbax/format.ts';
import { safetensorsDirectory } from './safetensors-directory/format.ts';
import { safetensors } from './safetensors/format.ts';
import { INDEX as TENSORFLOW_INDEX } from './tensorflow/bundle.ts';
import { tensorflowCheckpoint, tensorflowSavedModel } from './tensorflow/format.ts';
import { tfjsLayers } from './tfjs-layers/format.ts';
import { torch } from './torch/format.ts';
import { torchDistributed } from './torch-distributed/format.ts';
import type { CheckpointFormat, CheckpointHeader, Inspection } from './types.ts';

export const formats: readonly CheckpointFormat[] = [
  safetensorsDirectory,
  safetensors,
  flaxMsgpack,
  npz,
  kerasHdf5,
  kerasArchive,
  orbax,
  tensorflowCheckpoint,
  tensorflowSavedModel,
  tfjsLayers,
  torch,
  torchDistributed,
  deepspeed,
];

/** Of other extensions: see `contributions/`. */
const added = new Set<CheckpointFormat>();

/** A name that two formats claim belongs to the first, so ours cannot be taken away. Gives what ends it. */
export function addFormat(format: CheckpointFormat): () => void {
  added.add(format);
  return () => void added.delete(format);
}

const known = (): readonly CheckpointFormat[] => (added.size === 0 ? formats : [...formats, ...added]);

/** Averages go there; they are no checkpoints of the training. */
export const AVERAGES_DIRECTORY = 'averages';

export interface Candidate {
  readonly format: CheckpointFormat;
  /** The path that names the checkpoint: the file, or the directory of a `model.json`. */
  readonly path: string;
}

/** By name alone, without reading: the checkpoint that a file belongs to. Unfinished ones (`*.partial`) are none. */
export function candidateFor(path: string): Candidate | undefined {
  for (const format of known()) {
    const checkpoint = format.candidate(path);
    if (checkpoint !== undefined && !checkpoint.endsWith(PARTIAL_SUFFIX)) return { format, path: checkpoint };
  }
  return undefined;
}

export function formatById(id: string): CheckpointFormat {
  const format = known().find((item) => item.id === id);
  if (format === undefined) throw new TwaError('unsupported', `${id} is not a known checkpoint format.`);
  return format;
}

/**
 * Reads the headers of the checkpoint that a path names: a file, a directory, or a file inside a directory.
 * @throws TwaError `not-found` when nothing is there, `unsupported` when it is no checkpoint of a known format.
 */
export async function inspectPath(path: string, signal?: AbortSignal): Promise<Inspection> {
  throwIfAborted(signal);
  const absolute = await named(path);
  const { kind } = await look(absolute);
  if (kind === 'nothing') throw notFound(absolute);
  const candidate = kind === 'directory' ? await candidateIn(absolute) : candidateFor(absolute);
  if (candidate === undefined) {
    throw new TwaError(
      'unsupported',
      `${basename(absolute)} is not a checkpoint of a known format (${known()
        .map((f) => f.label)
        .join(', ')}).`,
      { place: { path: absolute } },
    );
  }
  return candidate.format.inspect(candidate.path, signal);
}

/** @throws TwaError as {@link inspectPath}, and `incomplete-checkpoint` or `bad-checkpoint` with the reason. */
export async function requireComplete(path: string, signal?: AbortSignal): Promise<CheckpointHeader> {
  const inspection = await inspectPath(path, signal);
  switch (inspection.state) {
    case 'complete':
      return inspection.header;
    case 'incomplete':
      throw new TwaError('incomplete-checkpoint', inspection.reason, { place: { path: inspection.path } });
    case 'unreadable':
      throw new TwaError('bad-checkpoint', inspection.reason, { place: { path: inspection.path } });
  }
}

/**
 * Checkpoints that paths stand for, each once: a directory that is no checkpoint itself gives those directly in it,
 * in training order, damaged ones included and {@link AVERAGES_DIRECTORY} left out. Otherwise the given order stays.
 * @throws TwaError `not-found` when a path does not exist or a directory has no checkpoint in it.
 */
export async function expandPaths(paths: readonly string[], signal?: AbortSignal): Promise<string[]> {
  const expanded = new Set<string>();
  for (const path of paths) {
    throwIfAborted(signal);
    const absolute = await named(path);
    const { kind } = await look(absolute);
    if (kind === 'nothing') throw notFound(absolute);
    if (kind === 'file') {
      expanded.add(candidateFor(absolute)?.path ?? absolute);
    } else if ((await candidateIn(absolute)) !== undefined) {
      expanded.add(absolute);
    } else {
      const inside = await checkpointsIn(absolute, signal);
      if (inside.length === 0) {
        throw new TwaError('not-found', `${absolute} holds no checkpoint; name the directory that does.`, {
          place: { path: absolute },
        });
      }
      for (const checkpoint of inside) expanded.add(checkpoint);
    }
  }
  return [...expanded];
}

async function checkpointsIn(directory: string, signal: AbortSignal | undefined): Promise<string[]> {
  const placed: Placed[] = [];
  for (const entry of await readdir(directory)) {
    throwIfAborted(signal);
    if (entry === AVERAGES_DIRECTORY) continue;
    const path = join(directory, entry);
    const { kind, mtimeMs } = await look(path);
    const candidate =
      kind === 'directory' ? await candidateIn(path) : kind === 'file' ? candidateFor(path) : undefined;
    if (candidate?.path !== path) continue;
    const inspection = await candidate.format.inspect(path, signal);
    const position = inspection.state === 'complete' ? inspection.header : positionOf(path);
    placed.push({
      path,
      ...(position.step === undefined ? {} : { step: position.step }),
      ...(position.epoch === undefined ? {} : { epoch: position.epoch }),
      mtimeMs,
    });
  }
  return trainingOrder(placed).map((item) => item.path);
}

/** A directory is a checkpoint when a file in it says so by its name, or all of them together do. */
async function candidateIn(directory: string): Promise<Candidate | undefined> {
  let entries: string[];
  try {
    entries = await readdir(directory);
  } catch (error) {
    // Gone since, or not for us to read.
    if (hasCode(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'EPERM')) return undefined;
    throw error;
  }
  for (const entry of entries) {
    const candidate = candidateFor(join(directory, entry));
    if (candidate?.path === directory) return candidate;
  }
  const holder = known().find((format) => format.holds?.(entries) === true);
  return holder === undefined ? undefined : { format: holder, path: directory };
}

/** Absolute. TensorFlow names a checkpoint by what the names of its files begin with: `ckpt-7` for `ckpt-7.index`. */
async function named(path: string): Promise<string> {
  const absolute = resolve(path);
  const index = absolute + TENSORFLOW_INDEX;
  const isPrefix = (await look(absolute)).kind === 'nothing' && (await look(index)).kind === 'file';
  return isPrefix ? index : absolute;
}

async function look(path: string): Promise<{ kind: 'file' | 'directory' | 'nothing'; mtimeMs: number }> {
  try {
    const found = await stat(path);
    return { kind: found.isDirectory() ? 'directory' : 'file', mtimeMs: found.mtimeMs };
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return { kind: 'nothing', mtimeMs: 0 };
    // A link that leads back to itself is something, and its format says what is wrong with it.
    if (hasCode(error, 'ELOOP', 'EACCES', 'EPERM')) return { kind: 'file', mtimeMs: 0 };
    throw error;
  }
}

function notFound(path: string): TwaError {
  return new TwaError('not-found', `${basename(path)} does not exist in ${dirname(path)}; check the path.`, {
    place: { path },
  });
}
