/**
 * PyTorch checkpoints in one file: what `torch.save` writes, since 1.6 a zip archive (`data.pkl`, `data/0`, ...),
 * before that five pickles and the storages' bytes. Read from the pickle and the table of contents alone; nothing in
 * the file is ever executed.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';

import { throwIfAborted, TwaError } from '../../errors.ts';
import { flatFormat, type LayoutResult } from '../flat.ts';
import { positionOf } from '../names.ts';
import { stampOf, unopenable } from '../stat.ts';
import type { CheckpointHeader, FileStamp } from '../types.ts';
import { bytesAt, isZip, ZipError, ZipIncomplete } from '../zip.ts';
import { readArchive } from './archive.ts';
import { withoutOptimizer } from './dropOptimizer.ts';
import { layoutTensors, type Content } from './layout.ts';
import { isLegacy, readLegacy } from './legacy.ts';
import { describeStranger } from './strangers.ts';
import { TorchError } from './tensors.ts';
import { toldBeside } from './training.ts';
import { PickleError, PickleTruncated } from './unpickle.ts';

const ID = 'torch';

const EXTENSION = /\.(?:pt|pth|ckpt)(?:\.tar)?$/i;
/** `.bin` is anybody's extension; these are the names that the Hugging Face libraries and trainers give. */
const BIN =
  /^(?:(?:diffusion_)?pytorch_model|adapter_model|model|.*(?:checkpoint|ckpt|epoch|step).*)(?:[-_.].*)?\.bin$/i;
/** What lies beside checkpoints under the same extensions, and parts of a set. */
const NO_WEIGHTS =
  /^(?:optimizer|scheduler|scaler|training_args|rng_state.*|random_states.*|.*_optim_states|.*_model_states)\.(?:pt|pth|bin)$|-\d+-of-\d+\.bin$/i;

export const torch = flatFormat({
  id: ID,
  label: 'PyTorch',
  kind: 'file',
  candidate(path) {
    const name = basename(path);
    return (EXTENSION.test(name) || BIN.test(name)) && !NO_WEIGHTS.test(name) ? path : undefined;
  },
  outputName: (stem, template) => stem + (/\.(?:\w+\.tar|\w+)$/.exec(basename(template.path))?.[0] ?? '.pt'),
  readLayout,
  async withoutOptimizer(layout) {
    try {
      return await withoutOptimizer(layout);
    } catch (error) {
      if (!(error instanceof TorchError || error instanceof PickleError)) throw error;
      throw new TwaError('unsupported', `${basename(layout.header.path)} ${error.message}`, {
        place: { path: layout.header.path },
      });
    }
  },
});

async function readLayout(path: string, signal?: AbortSignal): Promise<LayoutResult> {
  throwIfAborted(signal);
  const found = await stampOf(path);
  if (found.state !== 'complete') return found;
  let handle: FileHandle;
  try {
    handle = await open(path, 'r');
  } catch (error) {
    return unopenable(error, path);
  }
  try {
    const content = await readTorchFile(handle, found.stamp.size, signal);
    const layout = layoutTensors(content, (fields) => headerOf(found.stamp, fields));
    const told = await toldBeside(handle, content, layout.header);
    const header = { ...layout.header, ...told, ...positionOf(path, told.metadata) };
    return { state: 'complete', layout: { ...layout, header } };
  } catch (error) {
    return refusal(error, basename(path));
  } finally {
    await handle.close();
  }
}

/** @throws ZipError, PickleError or TorchError with the reason. */
export async function readTorchFile(
  handle: FileHandle,
  size: number,
  signal?: AbortSignal,
): Promise<Content> {
  const head = await bytesAt(handle, 0, Math.min(size, 512));
  if (isZip(head)) return readArchive(handle, size, signal);
  if (isLegacy(head)) return readLegacy(handle, size, signal);
  if (head.every((byte) => byte === 0)) throw new ZipIncomplete('holds only zeros so far');
  throw new TorchError(describeStranger(head));
}

export function refusal(error: unknown, name: string): LayoutResult {
  if (error instanceof ZipIncomplete || error instanceof PickleTruncated) {
    return {
      state: 'incomplete',
      reason: `${name} ${error.message.replace(/\.$/, '')}; it is cut off or still being written.`,
    };
  }
  if (error instanceof ZipError || error instanceof PickleError || error instanceof TorchError) {
    return { state: 'unreadable', reason: `${name} ${error.message}` };
  }
  throw error;
}

function headerOf(
  stamp: FileStamp,
  fields: Pick<CheckpointHeader, 'tensors' | 'metadata' | 'optimizer'> & {
    readonly notes: readonly string[];
  },
): CheckpointHeader {
  return {
    path: stamp.path,
    format: ID,
    files: [stamp],
    ...fields,
    ...positionOf(stamp.path, fields.metadata),
  };
}
