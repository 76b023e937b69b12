/**
 * A directory that DeepSpeed wrote (`global_step500`), of ZeRO stages 0 to 2: `mp_rank_00_model_states.pt`, one per rank
 * of model parallelism, each a file of torch.save with the whole weights of its rank. Stages 1 and 2 keep the optimizer's
 * partitions, and with them float32 copies of the weights, in `*_optim_states.pt` beside them. Stage 3 has no whole
 * weights anywhere.
 */
import { open } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';

import { throwIfAborted } from '../../errors.ts';
import type { Checksum } from '../checksums.ts';
import { CompanionError, companionsOf, isOptimizerFile } from '../companions.ts';
import { hasCode } from '../files.ts';
import { cannotDrop, flatFormat, type LayoutResult } from '../flat.ts';
import { positionOf } from '../names.ts';
import { readTorchFile, refusal } from '../torch/format.ts';
import { layoutTensors } from '../torch/layout.ts';
import type { FileStamp, TensorInfo } from '../types.ts';
import { withoutFiles } from '../withoutFiles.ts';

const ID = 'deepspeed';
const LABEL = 'DeepSpeed';
const MODEL_STATES = /^mp_rank_\d+_model_states\.pt$/;
/** Stage 3: every rank has a part of every weight. */
const PARTITIONED = /^zero_pp_rank_\d+_mp_rank_\d+_model_states\.pt$/;

const MASTER_NOTE =
  'The float32 copies of the weights in its *_optim_states.pt are not averaged: load the average with ' +
  'load_optimizer_states=False, or leave them out with --drop-optimizer.';

export const deepspeed = flatFormat({
  id: ID,
  label: LABEL,
  kind: 'directory',
  candidate(path) {
    const name = basename(path);
    return MODEL_STATES.test(name) || PARTITIONED.test(name) ? dirname(path) : undefined;
  },
  outputName: (stem) => stem,
  readLayout,
  withoutOptimizer(layout) {
    const { header } = layout;
    const inWeights = header.optimizer?.some((name) => !isOptimizerFile(name)) === true;
    return inWeights ? Promise.reject(cannotDrop(header, LABEL)) : Promise.resolve(withoutFiles(layout));
  },
});

async function readLayout(path: string, signal?: AbortSignal): Promise<LayoutResult> {
  throwIfAborted(signal);
  const name = basename(path);
  try {
    return await combine(path, await companionsOf(path, new Set(), signal), signal);
  } catch (error) {
    if (error instanceof CompanionError) return { state: 'unreadable', reason: `${name} ${error.message}` };
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) {
      return { state: 'incomplete', reason: `${name} is not there (any more, or not yet).` };
    }
    return refusal(error, name);
  }
}

async function combine(
  path: string,
  all: readonly FileStamp[],
  signal: AbortSignal | undefined,
): Promise<LayoutResult> {
  const directly = all.filter((file) => dirname(file.path) === path);
  if (directly.some((file) => PARTITIONED.test(basename(file.path)))) {
    return {
      state: 'unreadable',
      reason:
        `${basename(path)} is of ZeRO stage 3, which splits every weight; run its zero_to_fp32.py on each checkpoint ` +
        'and average what that writes.',
    };
  }
  const ranks = directly.filter((file) => MODEL_STATES.test(basename(file.path)));
  if (ranks.length === 0)
    return { state: 'incomplete', reason: `${basename(path)} has no model states yet.` };
  const tensors: TensorInfo[] = [];
  const positions = new Map<string, number>();
  const strides = new Map<string, readonly number[]>();
  const checksums: Checksum[] = [];
  const optimizer: string[] = [];
  const notes: string[] = [];
  let metadata: Readonly<Record<string, string>> = {};
  let start = 0;
  for (const stamp of ranks) {
    throwIfAborted(signal);
    const file = basename(stamp.path);
    const rank = await readRank(stamp, signal);
    // Each rank of model parallelism has a part of the same names.
    const named = (name: string): string =>
      ranks.length === 1 ? name : `${file.slice(0, file.indexOf('_model'))}/${name}`;
    for (const tensor of rank.header.tensors) {
      const { name, aliasOf } = tensor;
      tensors.push({
        ...tensor,
        name: named(name),
        ...(aliasOf === undefined ? {} : { aliasOf: named(aliasOf) }),
      });
    }
    for (const [name, at] of rank.positions) positions.set(named(name), start + at);
    for (const [name, steps] of rank.strides ?? []) strides.set(named(name), steps);
    for (const run of rank.checksums ?? []) {
      const storedAt = run.storedAt.map((at) => start + at);
      checksums.push({ ...run, start: start + run.start, end: start + run.end, storedAt });
    }
    optimizer.push(...(rank.header.optimizer ?? []).map((key) => `${file}: ${key}`));
    for (const note of rank.header.notes ?? []) if (!notes.includes(note)) notes.push(note);
    metadata = { ...rank.header.metadata, ...metadata };
    start += stamp.size;
  }
  const others = all.filter((file) => !ranks.includes(file));
  const partitions = others.map((file) => relative(path, file.path)).filter(isOptimizerFile);
  if (partitions.length > 0) notes.push(MASTER_NOTE);
  optimizer.push(...partitions);
  const header = {
    path,
    format: ID,
    tensors,
    metadata,
    files: [...ranks, ...others],
    notes,
    ...(optimizer.length === 0 ? {} : { optimizer }),
    ...positionOf(join(path, 'model'), metadata),
  };
  return { state: 'complete', layout: { header, positions, strides, checksums } };
}

async function readRank(stamp: FileStamp, signal: AbortSignal | undefined) {
  const handle = await open(stamp.path, 'r');
  try {
    const content = await readTorchFile(handle, stamp.size, signal);
    return layoutTensors(content, (fields) => ({ path: stamp.path, format: ID, files: [stamp], ...fields }));
  } finally {
    await handle.close();
  }
}
