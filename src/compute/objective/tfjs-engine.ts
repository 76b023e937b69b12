/** The engine `tfjs`: TensorFlow.js on the best backend of this machine, the checkpoint stack in plain arrays. */
import type { CheckpointHeader } from '../../core/checkpoints/types.ts';
import { TwaError } from '../../core/errors.ts';
import { backendFailure, stopBackend } from '../backends/select.ts';
import type { Engine, EngineRequest, LoadHooks } from '../engine.ts';
import { openBackend } from '../jobs/backend.ts';
import type { JobContext } from '../jobs/context.ts';
import type { BackendName } from '../protocol.ts';
import { TaskEngine } from './engine.ts';
import { requireMatch } from './match.ts';
import { TfjsObjective } from './objective.ts';
import { describeChoice, measuredFastest } from './measured.ts';
import { openStack, type OpenStack } from './open-stack.ts';
import { RecoveringObjective } from './recovery.ts';

export async function openTfjsEngine(request: EngineRequest, context: JobContext): Promise<Engine> {
  const { task, template, fitData, seed } = request;
  const { signal, onProgress, log } = context;
  onProgress({ phase: 'backend', fraction: 0, message: 'looking for the best compute backend' });
  let backend = await openBackend(request.backend, task, context);
  onProgress({ phase: 'backend', fraction: 1, message: backend.label });
  onProgress({ phase: 'reading', fraction: 0, message: 'model and data' });
  const openModel = () => TaskEngine.open(task, template, { fitData, seed, signal });
  const fastest = await measuredFastest(backend.usable, template, task, signal, async (name) => {
    backend = await openBackend(name, task, context);
    return openModel();
  });
  if (fastest !== undefined) {
    if (fastest.name !== backend.name) backend = await openBackend(fastest.name, task, context);
    log('info', `${backend.label}: ${describeChoice(fastest)}`);
  }
  let engine = await openModel();
  const notes = engine.model.notes ?? [];
  for (const note of notes) log('info', note);

  let last: { readonly objective: TfjsObjective; readonly opened: OpenStack } | undefined;
  const failed = new Set<BackendName>();
  const findings: string[] = [];
  /** Where the backend in use has failed: another one, with the same model and data on it. */
  async function changeBackend(error: unknown): Promise<boolean> {
    const failure = await backendFailure(backend.name);
    if (failure === undefined || (error instanceof TwaError && error.code === 'cancelled')) return false;
    const before = backend.label;
    failed.add(backend.name);
    engine.dispose();
    stopBackend(backend.name);
    backend = await openBackend('auto', task, context, failed);
    engine = await openModel();
    const finding = `${before} failed in the middle of the work: ${failure} From there on ${backend.label} computed; nothing was lost.`;
    log('warn', finding);
    findings.push(finding);
    return true;
  }

  return {
    get label() {
      return backend.label;
    },
    splits: engine.splits.sizes,
    trained: namesOf(engine, 'parameter'),
    running: namesOf(engine, 'running'),
    canRecalibrate: true,
    async load(headers: readonly CheckpointHeader[], hooks: LoadHooks) {
      const { weights } = engine.model;
      for (const header of headers) requireMatch(weights, header);
      const names = weights.map(({ name }) => name);
      const opened = await openStack(headers, names, request.pytorch?.memory ?? 'auto', hooks);
      const { stack, mode, why } = opened;
      const objective = new TfjsObjective(engine, stack, hooks.blocks);
      log(
        'debug',
        `${backend.label}; ${stack.n} checkpoints, ${objective.parameterCount} parameters, ` +
          `${(stack.bytes / 1e6).toFixed(1)} MB in memory (${mode}: ${why}).`,
      );
      last = { objective, opened };
      return new RecoveringObjective(objective, async (error, { steps }) => {
        if (!(await changeBackend(error))) return undefined;
        last = { objective: new TfjsObjective(engine, stack, hooks.blocks, steps), opened };
        return last.objective;
      });
    },
    findings: async (coefficients) => [
      ...notes,
      ...findings,
      ...(last === undefined ? [] : await memoryNotes(last.objective, last.opened, coefficients)),
    ],
    dispose() {
      engine.dispose();
      stopBackend(backend.name);
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

function namesOf({ model }: TaskEngine, wanted: 'parameter' | 'running'): readonly string[] {
  return model.weights.flatMap(({ name, role }) => (role === wanted ? [name] : []));
}
