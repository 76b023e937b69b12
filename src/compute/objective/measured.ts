/** Where several backends work, the one to take is measured with the user's own model, once for each on a machine. */
import path from 'node:path';
import type { CheckpointHeader } from '../../core/checkpoints/types.ts';
import type { TaskFile } from '../../core/task/types.ts';
import { describeTimes, fastestBackend, type Candidate, type Fastest } from '../backends/fastest.ts';
import type { BackendName } from '../protocol.ts';
import { homeDirectory } from '../setup/home.ts';
import type { TaskEngine } from './engine.ts';
import { timeOfStep } from './step-time.ts';

/**
 * @param usable Those that work, the one to take without a measurement first.
 * @param open Makes a backend current and builds the model on it.
 * @returns undefined where there is no choice.
 */
export async function measuredFastest(
  usable: readonly Candidate[],
  template: CheckpointHeader,
  task: Pick<TaskFile, 'batchSize'>,
  signal: AbortSignal,
  open: (name: BackendName) => Promise<TaskEngine>,
): Promise<Fastest | undefined> {
  if (usable.length < 2) return undefined;
  const model = [template.tensors.map(({ name, shape }) => [name, shape]), task.batchSize];
  const measure = async (name: BackendName): Promise<number> => {
    const engine = await open(name);
    try {
      return await timeOfStep(engine);
    } finally {
      engine.dispose();
    }
  };
  const file = path.join(homeDirectory(), 'backends.json');
  return await fastestBackend(usable, model, measure, file, signal);
}

export function describeChoice(fastest: Fastest): string {
  const when = fastest.remembered ? 'measured with this model before' : 'measured with this model';
  return `the fastest, ${when} (a step: ${describeTimes(fastest)}).`;
}
