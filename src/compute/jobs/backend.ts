import path from 'node:path';
import type { TaskFile } from '../../core/task/types.ts';
import { selectBackend } from '../backends/select.ts';
import type { BackendChoice } from '../protocol.ts';
import type { JobContext } from './context.ts';

/** Starts the backend for a task, logs why better ones were passed over, and gives its label for people. */
export async function openBackend(
  choice: BackendChoice,
  task: TaskFile,
  context: JobContext,
): Promise<string> {
  const roots = [path.dirname(task.path), process.cwd()];
  const { label, passedOver } = await selectBackend(choice, roots, context.signal);
  for (const { name, reason } of passedOver) context.log('debug', `Not ${name}: ${reason ?? 'slower here'}`);
  return label;
}
