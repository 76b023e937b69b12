/** The files that lie beside the weights in a checkpoint's directory: configuration, tokenizer, optimizer state. */
import { lstat, readdir, realpath } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';

import { throwIfAborted } from '../errors.ts';
import { PARTIAL_SUFFIX } from './publish.ts';
import { stampOf } from './stat.ts';
import type { FileStamp } from './types.ts';

/** More than any checkpoint has; a directory with more is something else. */
const MAX_FILES = 10_000;
const MAX_DEPTH = 4;

/** Other checkpoints, averages and logs: parts of a run that saves its last weights beside them. */
const NOT_PART = /^(?:checkpoint-.*|averages|runs|logs|wandb|\..*|.*\.partial)$/i;
const OWN_REPORT = 'twa-report.json';

/** State of optimizer, schedulers and gradient scaler, as Trainer, accelerate, FSDP and DeepSpeed name its files. */
const OPTIMIZER_FILE =
  /(?:^|[/\\])(?:(?:optimizer|scheduler|scaler)(?:_\d+)?\.(?:pt|pth|bin)|[^/\\]*_optim_states\.pt|optimizer_\d+[/\\].*)$/;

/** @param path relative to the checkpoint's directory. */
export function isOptimizerFile(path: string): boolean {
  return OPTIMIZER_FILE.test(path);
}

/** Why a directory cannot be copied: half a sentence that follows its name. */
export class CompanionError extends Error {}

/**
 * Every file in a checkpoint's directory but those of `known` (absolute paths), sorted by path. A link is followed
 * where it stays inside the directory or leads into the `blobs` of a Hugging Face cache; one that leads elsewhere would
 * copy what the user never meant to publish.
 * @throws CompanionError
 */
export async function companionsOf(
  directory: string,
  known: ReadonlySet<string>,
  signal?: AbortSignal,
): Promise<readonly FileStamp[]> {
  const root = await realpath(directory);
  // models--x/snapshots/<revision>/config.json -> models--x/blobs/<hash>
  const blobs = join(dirname(dirname(root)), 'blobs');
  const found: FileStamp[] = [];
  const visit = async (at: string, depth: number): Promise<void> => {
    for (const name of (await readdir(at)).sort()) {
      throwIfAborted(signal);
      const path = join(at, name);
      if (known.has(path) || name.endsWith(PARTIAL_SUFFIX) || name === OWN_REPORT) continue;
      const what = await lstat(path);
      if (what.isDirectory()) {
        if (NOT_PART.test(name)) continue;
        if (depth === MAX_DEPTH)
          throw new CompanionError(`has more than ${MAX_DEPTH} levels of directories.`);
        await visit(path, depth + 1);
        continue;
      }
      if (what.isSymbolicLink()) {
        const target = await realpath(path).catch(() => undefined);
        if (target === undefined || !(inside(target, root) || inside(target, blobs))) {
          throw new CompanionError(
            `has a link that leads out of it, ${basename(path)}; remove it or copy the file.`,
          );
        }
      }
      const stamp = await stampOf(path);
      // Pipes, sockets and links to directories are no part of a checkpoint.
      if (stamp.state !== 'complete') continue;
      if (found.length === MAX_FILES) throw new CompanionError(`has more than ${MAX_FILES} files.`);
      found.push(stamp.stamp);
    }
  };
  await visit(directory, 0);
  return found;
}

function inside(path: string, directory: string): boolean {
  return path.startsWith(directory + sep);
}
