/**
 * A directory whose weights are safetensors: Hugging Face `checkpoint-N` directories, sharded models
 * (`model.safetensors.index.json` and its shards) and PEFT adapters (`adapter_model.safetensors`). Every other file in
 * it (configuration, tokenizer, trainer and optimizer state) belongs to the checkpoint and is copied byte for byte.
 */
import { readdir } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';

import { throwIfAborted } from '../../errors.ts';
import { CompanionError, companionsOf, isOptimizerFile } from '../companions.ts';
import { hasCode } from '../files.ts';
import { flatFormat, type Layout, type LayoutResult } from '../flat.ts';
import { positionOf } from '../names.ts';
import { readSafetensors } from '../safetensors/format.ts';
import { stampOf } from '../stat.ts';
import { withoutFiles } from '../withoutFiles.ts';
import type { CheckpointFormat, FileStamp, TensorInfo } from '../types.ts';
import { ShardIndexError, readShardIndex } from './shardIndex.ts';

const ID = 'safetensors-directory';
const INDEX = /\.safetensors\.index\.json$/i;
const MODEL = 'model.safetensors';
const ADAPTER = 'adapter_model.safetensors';
const ADAPTER_CONFIG = 'adapter_config.json';
/** Written by the trainer, or by {@link outputName} into `averages`. */
const CHECKPOINT = /^checkpoint-[\w.=-]+$/i;
const AVERAGES = 'averages';

const ADAPTER_NOTE =
  'A PEFT adapter: the averages of A and B are not the average of their products B·A, so the result is close to the ' +
  'average model only where the checkpoints are close to one another.';

const flat = flatFormat({
  id: ID,
  label: 'directory of safetensors (Hugging Face, sharded, PEFT adapter)',
  kind: 'directory',
  candidate(path) {
    const name = basename(path);
    const directory = dirname(path);
    if (INDEX.test(name) || name === ADAPTER) return directory;
    const isOne = CHECKPOINT.test(basename(directory)) || basename(dirname(directory)) === AVERAGES;
    return name === MODEL && isOne ? directory : undefined;
  },
  outputName: (stem) => stem,
  readLayout,
  withoutOptimizer: (layout) => Promise.resolve(withoutFiles(layout)),
});

export const safetensorsDirectory: CheckpointFormat = {
  ...flat,
  holds: (names) =>
    names.includes(MODEL) &&
    names.some((name) => name === 'config.json' || name === 'trainer_state.json') &&
    !names.some((name) => CHECKPOINT.test(name) || (name !== MODEL && name.endsWith('.safetensors'))),
};

async function readLayout(path: string, signal?: AbortSignal): Promise<LayoutResult> {
  throwIfAborted(signal);
  const name = basename(path);
  let names: string[];
  try {
    names = await readdir(path);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) {
      return { state: 'incomplete', reason: `${name} is not there (any more, or not yet).` };
    }
    throw error;
  }
  try {
    const parts = await partsOf(path, names, signal);
    return 'reason' in parts
      ? { ...parts, reason: `${name}: ${parts.reason}` }
      : await combine(path, parts, signal);
  } catch (error) {
    if (error instanceof CompanionError || error instanceof ShardIndexError) {
      return { state: 'unreadable', reason: `${name} ${error.message}` };
    }
    throw error;
  }
}

interface Parts {
  /** Files before the weights: the index of shards. */
  readonly leading: readonly FileStamp[];
  readonly layouts: readonly Layout[];
  readonly adapter: boolean;
}

type Stopped = Exclude<LayoutResult, { readonly state: 'complete' }>;

async function partsOf(
  path: string,
  names: readonly string[],
  signal: AbortSignal | undefined,
): Promise<Parts | Stopped> {
  const indexes = names.filter((name) => INDEX.test(name));
  if (indexes.length > 1) {
    return { state: 'unreadable', reason: `there are ${indexes.length} indexes of shards; keep one.` };
  }
  const adapter = indexes.length === 0 && names.includes(ADAPTER) && !names.includes(MODEL);
  const leading: FileStamp[] = [];
  let files = [adapter ? ADAPTER : MODEL];
  let shardOf: ReadonlyMap<string, string> | undefined;
  if (indexes[0] !== undefined) {
    const stamp = await stampOf(join(path, indexes[0]));
    if (stamp.state !== 'complete') return stamp;
    const index = await readShardIndex(stamp.stamp, signal);
    if (index === undefined)
      return { state: 'incomplete', reason: `${indexes[0]} is cut off or still being written.` };
    leading.push(stamp.stamp);
    shardOf = index;
    files = [...new Set(index.values())].sort();
  }
  const layouts: Layout[] = [];
  for (const file of files) {
    const result = await readSafetensors(join(path, file), signal);
    if (result.state !== 'complete') return result;
    layouts.push(result.layout);
  }
  const conflict = shardOf === undefined ? undefined : conflictOf(shardOf, layouts);
  return conflict === undefined ? { leading, layouts, adapter } : { state: 'unreadable', reason: conflict };
}

/** Why the index and the shards do not belong together. */
function conflictOf(shardOf: ReadonlyMap<string, string>, layouts: readonly Layout[]): string | undefined {
  const placed = new Map<string, string>();
  for (const { header } of layouts) {
    const file = basename(header.path);
    for (const { name } of header.tensors) {
      const before = placed.get(name);
      if (before !== undefined) return `tensor ${name} is in ${before} and in ${file}.`;
      placed.set(name, file);
    }
  }
  for (const [tensor, file] of shardOf) {
    if (placed.get(tensor) !== file)
      return `the index places tensor ${tensor} in ${file}, which does not have it.`;
  }
  return undefined;
}

async function combine(
  path: string,
  { leading, layouts, adapter }: Parts,
  signal: AbortSignal | undefined,
): Promise<LayoutResult> {
  const files = [...leading, ...layouts.flatMap(({ header }) => header.files)];
  const companions = await companionsOf(path, new Set(files.map((file) => file.path)), signal);
  if (adapter && !companions.some((file) => basename(file.path) === ADAPTER_CONFIG)) {
    return { state: 'incomplete', reason: `${basename(path)} has no ${ADAPTER_CONFIG} (yet).` };
  }
  const tensors: TensorInfo[] = [];
  const positions = new Map<string, number>();
  let start = leading.reduce((sum, file) => sum + file.size, 0);
  for (const layout of layouts) {
    tensors.push(...layout.header.tensors);
    for (const [tensor, position] of layout.positions) positions.set(tensor, start + position);
    start += layout.header.files.reduce((sum, file) => sum + file.size, 0);
  }
  const metadata: [string, string][] = Object.entries(layouts[0]?.header.metadata ?? {});
  if (adapter) metadata.push(['note', ADAPTER_NOTE]);
  const told = Object.fromEntries(metadata);
  const optimizer = companions.map((file) => relative(path, file.path)).filter(isOptimizerFile);
  const header = {
    path,
    format: ID,
    tensors,
    metadata: told,
    files: [...files, ...companions],
    ...(optimizer.length === 0 ? {} : { optimizer }),
    ...positionOf(path, told),
  };
  return { state: 'complete', layout: { header, positions } };
}
