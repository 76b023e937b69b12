/**
 * An engine of another extension: its module gives loss and gradient at weights, and everything about checkpoints, mixes
 * and coefficients is ours. The stack is in memory as for engine tfjs: (n + 1) x (number of float elements) x 4 bytes.
 */
import type { EngineRequest as ModuleRequest } from '../../../api/twa.d.ts';
import { carveSplits } from '../../core/averaging/splits.ts';
import { isFloat } from '../../core/checkpoints/dtype.ts';
import type { CheckpointHeader, TensorInfo } from '../../core/checkpoints/types.ts';
import { badExtension, importContribution, messageOf } from '../../core/contributions/module.ts';
import { contribution } from '../../core/contributions/registry.ts';
import type { Contribution } from '../../core/contributions/types.ts';
import { cancelled, TwaError } from '../../core/errors.ts';
import type { TaskFile } from '../../core/task/types.ts';
import type { Engine, EngineRequest } from '../engine.ts';
import type { JobContext } from '../jobs/context.ts';
import { runningStatistics } from '../jobs/running-statistics.ts';
import { loadStack } from '../objective/stack.ts';
import { ContributedObjective } from './objective.ts';

type Fields = Readonly<Record<string, unknown>>;
type Method = (...args: readonly unknown[]) => unknown;

/** What the module's engine gave when it was opened, looked at once. */
export interface Opened {
  readonly evaluate: Method;
  readonly lossAndGradient: Method | undefined;
  /** Tensors that are trained. */
  readonly parameters: readonly TensorInfo[];
  /** What fails in it is its own fault, and said so. */
  guard<T>(work: () => T | Promise<T>): Promise<T>;
  /** An error about what it gave. */
  wrong(what: string): TwaError;
}

export async function openContributedEngine(
  request: EngineRequest,
  { signal, onProgress }: JobContext,
): Promise<Engine> {
  const { task, template, fitData, seed } = request;
  const source = contributionOf(task);
  onProgress({ phase: 'backend', fraction: 0, message: source.id });
  const engine = await importContribution(source, 'engine');
  const guard = guardFor(source, signal);
  const wrong = (what: string): TwaError => badExtension(source, what);
  if (typeof engine['open'] !== 'function') throw wrong('exports an engine without a function "open"');
  const open = engine['open'] as Method;
  const floats = template.tensors.filter(({ dtype, aliasOf }) => isFloat(dtype) && aliasOf === undefined);
  const asked: ModuleRequest = {
    task: task.path,
    settings: task.contributed?.settings ?? {},
    checkpoint: template.path,
    tensors: template.tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape })),
    seed,
    signal,
  };
  const given = await guard(() => open.call(engine, asked));
  if (!isRecord(given)) throw wrong('opened nothing for the task');
  const { label, sizes, parameters, evaluate, lossAndGradient, dispose } = given;
  if (typeof label !== 'string' || label === '') throw wrong('opened an engine without a "label"');
  if (typeof evaluate !== 'function') throw wrong('opened an engine without a function "evaluate"');
  if (lossAndGradient !== undefined && typeof lossAndGradient !== 'function')
    throw wrong('opened an engine whose "lossAndGradient" is no function');
  const splits = carveSplits(narrowSizes(sizes, wrong), fitData, seed);
  const running = runningStatistics(template).map(({ name }) => name);
  const opened: Opened = {
    evaluate: (evaluate as Method).bind(given),
    lossAndGradient: lossAndGradient === undefined ? undefined : (lossAndGradient as Method).bind(given),
    parameters: narrowParameters(parameters, floats, running, wrong),
    guard,
    wrong,
  };
  onProgress({ phase: 'backend', fraction: 1, message: label });
  return {
    label: `${label} (${source.id})`,
    splits: splits.sizes,
    trained: opened.parameters.map(({ name }) => name),
    running,
    canRecalibrate: false,
    async load(headers: readonly CheckpointHeader[], hooks) {
      const names = floats.map(({ name }) => name);
      const stack = await loadStack(headers, names, hooks);
      return new ContributedObjective({
        opened,
        stack,
        floats,
        running: new Set(running),
        splits,
        metric: task.metric,
        ...(hooks.blocks === undefined ? {} : { blocks: hooks.blocks }),
      });
    },
    async dispose() {
      if (typeof dispose === 'function') await guard(() => (dispose as Method).call(given));
    },
  };
}

function contributionOf({ path, contributed }: TaskFile): Contribution {
  if (contributed === undefined) throw new Error(`${path} names no engine of an extension.`);
  const found = contribution('engine', contributed.engine);
  if (found !== undefined) return found;
  throw new TwaError(
    'bad-task',
    `${path}: the engine "${contributed.engine}" belongs to another VS Code extension, which is not installed, not enabled or not active here.`,
    { place: { path } },
  );
}

function guardFor(source: Contribution, signal: AbortSignal): Opened['guard'] {
  return async (work) => {
    try {
      return await work();
    } catch (error) {
      if (signal.aborted) throw cancelled();
      if (error instanceof TwaError) throw error;
      const stack = error instanceof Error ? (error.stack ?? '').split('\n').slice(1) : [];
      throw new TwaError('bad-extension', `${source.id}: ${messageOf(error)}`, {
        place: { path: source.module },
        details: stack.map((line) => line.trim()).filter((line) => line !== ''),
        cause: error,
      });
    }
  };
}

function narrowSizes(
  given: unknown,
  wrong: Opened['wrong'],
): { train: number; validation: number; test?: number } {
  if (!isRecord(given)) throw wrong('opened an engine without "sizes" of its splits');
  const { train, validation, test } = given;
  if (!isSize(train) || !isSize(validation) || (test !== undefined && !isSize(test)))
    throw wrong('opened an engine whose "sizes" are no numbers of examples');
  return { train, validation, ...(test === undefined ? {} : { test }) };
}

function narrowParameters(
  given: unknown,
  floats: readonly TensorInfo[],
  running: readonly string[],
  wrong: Opened['wrong'],
): readonly TensorInfo[] {
  if (given === undefined) return floats.filter(({ name }) => !running.includes(name));
  if (!Array.isArray(given) || given.length === 0)
    throw wrong('opened an engine with no list of "parameters"');
  return [...new Set(given as readonly unknown[])].map((name) => {
    const found = floats.find((tensor) => tensor.name === name);
    if (found === undefined)
      throw wrong(`names a parameter ${String(name)} that the checkpoint has not, or not in floating point`);
    return found;
  });
}

export function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSize(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
