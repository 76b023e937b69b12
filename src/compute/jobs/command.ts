/** The job `command`: the user's own evaluation of one checkpoint. Loads no GPU library. */
import { TwaError } from '../../core/errors.ts';
import { loadTask } from '../../core/task/load.ts';
import type { CommandDeclaration } from '../../core/task/types.ts';
import { numberByCommand } from '../command/evaluate.ts';
import type { CommandRequest, CommandResult } from '../protocol.ts';
import type { JobContext } from './context.ts';

/** Seconds: a line that was typed has nothing that says otherwise, and Cancel is at hand. */
const LONG = 24 * 3600;

export async function command(
  request: CommandRequest,
  { signal, onProgress, log }: JobContext,
): Promise<CommandResult> {
  const declared = await declarationOf(request);
  const { checkpoint, task, split } = request;
  const line = [declared.run].flat().join(' ');
  onProgress({ phase: 'evaluating', fraction: 0, message: line });
  const start = performance.now();
  const value = await numberByCommand(task, declared, { checkpoint, split, repeat: 0 }, log, signal);
  return { command: line, directory: declared.directory, value, milliseconds: performance.now() - start };
}

async function declarationOf({ task, run, directory, pattern }: CommandRequest): Promise<CommandDeclaration> {
  if (task !== undefined) {
    const { command: declared, path } = await loadTask(task);
    if (declared === undefined) {
      throw new TwaError('bad-task', `${path} has no evaluation command: its "engine" is not "command".`, {
        place: { path },
      });
    }
    return declared;
  }
  if (run === undefined || directory === undefined)
    throw new Error('A command needs a line and a directory.');
  return { run, directory, timeout: LONG, repeats: 1, ...(pattern === undefined ? {} : { pattern }) };
}
