/** What several verbs do alike. */
import path from 'node:path';
import type { BackendChoice } from '../../compute/protocol.ts';
import { expandPaths, requireComplete } from '../../core/checkpoints/registry.ts';
import type { CheckpointHeader } from '../../core/checkpoints/types.ts';
import { TwaError } from '../../core/errors.ts';
import { findTask, TASK_FILE_NAME } from '../../core/task/find.ts';
import { choice } from '../options.ts';
import type { Terminal } from '../terminal.ts';

const BACKENDS: readonly BackendChoice[] = ['auto', 'tensorflow', 'webgpu', 'wasm', 'cpu'];

export const backendOption = choice(BACKENDS, 'what computes (default: auto, the fastest that works)');

/** The headers of every checkpoint named, in the order named; all of them complete. */
export async function readHeaders(
  paths: readonly string[],
  terminal: Terminal,
): Promise<readonly CheckpointHeader[]> {
  const headers: CheckpointHeader[] = [];
  for (const file of await expandPaths(paths, terminal.signal)) {
    headers.push(await requireComplete(file, terminal.signal));
  }
  return headers;
}

/** The task named, else the one that the first checkpoint belongs to. */
export async function requireTask(
  given: string | undefined,
  headers: readonly CheckpointHeader[],
): Promise<string> {
  if (given !== undefined) return path.resolve(given);
  const directory = path.dirname(headers[0]!.path);
  const found = await findTask(directory);
  if (found !== undefined) return found;
  throw new TwaError(
    'bad-task',
    `There is no ${TASK_FILE_NAME} in ${directory} or above, so the loss cannot be computed: ` +
      'name one with --task, or make one with "twa init".',
  );
}
