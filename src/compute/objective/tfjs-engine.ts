/** The engine `tfjs`: TensorFlow.js on the best backend of this machine, the checkpoint stack in plain arrays. */
import type { CheckpointHeader } from '../../core/checkpoints/types.ts';
import type { Engine, EngineRequest, LoadHooks } from '../engine.ts';
import { openBackend } from '../jobs/backend.ts';
import type { JobContext } from '../jobs/context.ts';
import { TaskEngine } from './engine.ts';
import { requireMatch } from './match.ts';
import { TfjsObjective } from './objective.ts';
import { loadStack } from './stack.ts';

export async function openTfjsEngine(request: EngineRequest, context: JobContext): Promise<Engine> {
  const { task, template, fitData, seed } = request;
  const { signal, onProgress, log } = context;
  onProgress({ phase: 'backend', fraction: 0, message: 'looking for the best compute backend' });
  const label = await openBackend(request.backend, task, context);
  onProgress({ phase: 'backend', fraction: 1, message: label });
  onProgress({ phase: 'reading', fraction: 0, message: 'model and data' });
  const engine = await TaskEngine.open(task, template, { fitData, seed, signal });
  const { weights, notes = [] } = engine.model;
  for (const note of notes) log('info', note);

  return {
    label,
    splits: engine.splits.sizes,
    trained: weights.flatMap(({ name, role }) => (role === 'parameter' ? [name] : [])),
    running: weights.flatMap(({ name, role }) => (role === 'running' ? [name] : [])),
    canRecalibrate: true,
    findings: () => Promise.resolve(notes),
    async load(headers: readonly CheckpointHeader[], hooks: LoadHooks) {
      for (const header of headers) requireMatch(weights, header);
      const names = weights.map(({ name }) => name);
      const stack = await loadStack(headers, names, hooks);
      const objective = new TfjsObjective(engine, stack, hooks.blocks);
      log(
        'debug',
        `${label}; ${stack.n} checkpoints, ${objective.parameterCount} parameters, ` +
          `${(stack.bytes / 1e6).toFixed(1)} MB in memory.`,
      );
      return objective;
    },
    dispose() {
      engine.dispose();
      return Promise.resolve();
    },
  };
}
