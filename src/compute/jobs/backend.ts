import path from 'node:path';
import type { TaskFile } from '../../core/task/types.ts';
import { selectBackend, type Selected } from '../backends/select.ts';
import type { BackendChoice, BackendName } from '../protocol.ts';
import { managedRoots } from '../setup/home.ts';
import type { JobContext } from './context.ts';

/**
 * Where a task's optional packages may be: its own project first, then what "Set Up GPU" installed, then what the
 * extension's package for this platform brings.
 */
export function packageRoots(directory: string): readonly string[] {
  return [...new Set([directory, process.cwd()]), ...managedRoots(), import.meta.dirname];
}

/** Starts the backend for a task, and logs why better ones were passed over. */
export async function openBackend(
  choice: BackendChoice,
  task: TaskFile,
  context: JobContext,
  without?: ReadonlySet<BackendName>,
): Promise<Selected> {
  const roots = packageRoots(path.dirname(task.path));
  const selected = await selectBackend(choice, roots, { signal: context.signal, without });
  for (const { name, reason } of selected.passedOver) {
    context.log('debug', `Not ${name}: ${reason ?? 'slower here'}`);
  }
  return selected;
}
