/** The engine `tfjs`: TensorFlow.js on the best backend of this machine, the checkpoint stack in plain arrays. */
import type { CheckpointHeader } from '../../core/checkpoints/types.ts';
import type { Engine, EngineRequest, LoadHooks } from '../engine.ts';
import { openBackend } from '../jobs/backend.ts';
import type { JobContext } from '../jobs/context.ts';
import { TaskEngine } from './engine.ts';
import { requireMatch } from './match.ts';
import { TfjsObjective } from './objective.ts';
import { openStack, type OpenStack } from './open-stack.ts';

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

  let last: { readonly objective: TfjsObjective; readonly opened: OpenStack } | undefined;
  return {
    label,
    splits: engine.splits.sizes,
    trained: weights.flatMap(({ name, role }) => (role === 'parameter' ? [name] : [])),
    running: weights.flatMap(({ name, role }) => (role === 'running' ? [name] : [])),
    canRecalibrate: true,
    async load(headers: readonly CheckpointHeader[], hooks: LoadHooks) {
      for (const header of headers) requireMatch(weights, header);
      const names = weights.map(({ name }) => name);
      const opened = await openStack(headers, names, request.pytorch?.memory ?? 'auto', hooks);
      const { stack, mode, why } = opened;
      const objective = new TfjsObjective(engine, stack, hooks.blocks);
      log(
        'debug',
        `${label}; ${stack.n} checkpoints, ${objective.parameterCount} parameters, ` +
          `${(stack.bytes / 1e6).toFixed(1)} MB in memory (${mode}: ${why}).`,
      );
      last = { objective, opened };
      return objective;
    },
    findings: async (coefficients) => [
      ...notes,
      ...(last === undefined ? [] : await memoryNotes(last.objective, last.opened, coefficients)),
    ],
    dispose() {
      engine.dispose();
      return Promise.resolve();
    },
  };
}

/** Nothing to say of checkpoints that are in memory as they are. */
async function memoryNotes(
  objective: TfjsObjective,
  { stack, mode, why }: OpenStack,
  coefficients: Float64Array,
): Promise<readonly string[]> {
  if (mode === 'f32') return [];
  const notes = [`The checkpoints took ${(stack.bytes / 1e6).toFixed(1)} MB of memory (${mode}: ${why}).`];
  if (!stack.lossy) return notes;
  const { change, loss } = await objective.roundingEffect(coefficients, 'stop');
  return [
    `Training steps used checkpoints rounded to ${mode}: at the chosen coefficients that changes the loss on the stop ` +
      `split by ${change.toExponential(1)} (${loss.toPrecision(5)}). What is evaluated and written is not rounded.`,
    ...notes,
  ];
}
