/** What several verbs do alike. */
import path from 'node:path';
import { MEMORY_MODES, type BackendChoice, type PytorchOptions } from '../../compute/protocol.ts';
import { expandPaths, requireComplete } from '../../core/checkpoints/registry.ts';
import type { CheckpointHeader } from '../../core/checkpoints/types.ts';
import { TwaError } from '../../core/errors.ts';
import { findTask, TASK_FILE_NAME } from '../../core/task/find.ts';
import type { TaskFile } from '../../core/task/types.ts';
import { choice, text, UsageError, type ValuesOf } from '../options.ts';
import type { Terminal } from '../terminal.ts';

const BACKENDS: readonly BackendChoice[] = ['auto', 'tensorflow', 'webgpu', 'wasm', 'cpu'];

export const backendOption = choice(BACKENDS, 'what computes (default: auto, the fastest that works)');

/** Whose names are the command line's. */
export const engineOptions = {
  engine: choice(
    ['tfjs', 'pytorch', 'command'],
    'the engine that the task file must name: for scripts that depend on it',
  ),
  python: text(
    'PYTHON',
    'the interpreter or its environment, for engine pytorch (default: $TWA_PYTHON,\nthe active environment, .venv above the task, python3)',
  ),
  launcher: text(
    'COMMAND',
    'starts the processes of engine pytorch: "torchrun --nproc_per_node 2"\n(default: one process, without a launcher)',
  ),
  memory: choice(
    MEMORY_MODES,
    'how the checkpoints are kept, for engines tfjs and pytorch (default: auto,\nthe most exact that fits)',
  ),
} as const;

/** What of these goes into a request. Throws UsageError for options that the task has no use for. */
export function pytorchOptions(
  { engine, python, launcher, memory }: ValuesOf<typeof engineOptions>,
  task: TaskFile | undefined,
): { readonly pytorch?: PytorchOptions } {
  if (engine !== undefined && task === undefined)
    throw new UsageError('--engine needs a task: name it with --task.');
  if (engine !== undefined && engine !== task?.engine) {
    throw new UsageError(`--engine is ${engine}, but ${task?.path ?? ''} says "${task?.engine ?? ''}".`);
  }
  const given = {
    ...(python === undefined ? {} : { python }),
    ...(launcher === undefined ? {} : { launcher }),
    ...(memory === undefined ? {} : { memory }),
  };
  const [first] = Object.keys(given);
  if (first === undefined) return {};
  if (task?.engine === 'pytorch') return { pytorch: given };
  // tfjs keeps checkpoints in the same ways.
  if (task?.engine === 'tfjs' && Object.keys(given).join() === 'memory') return { pytorch: given };
  throw new UsageError(`--${first} is for a task with "engine": "pytorch" only.`);
}

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
