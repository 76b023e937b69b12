/**
 * The job `average`: from checkpoints to a merged checkpoint with a report beside it. Without a task it only merges;
 * everything that needs a GPU library is imported where a task asks for it.
 */
import { rm } from 'node:fs/promises';
import { runPass } from '../../core/averaging/pass.ts';
import { buildReport, reportPathFor, writeReport } from '../../core/averaging/report.ts';
import type { Made, PlainMerge } from '../../core/averaging/report.ts';
import type { AverageReport, PassResult } from '../../core/averaging/types.ts';
import { requireSameArchitecture } from '../../core/checkpoints/compare.ts';
import { mergeCheckpoints } from '../../core/checkpoints/merge.ts';
import { requireComplete } from '../../core/checkpoints/registry.ts';
import type { CheckpointHeader, TensorInfo } from '../../core/checkpoints/types.ts';
import { TwaError } from '../../core/errors.ts';
import { loadTask } from '../../core/task/load.ts';
import type { ModelWeight } from '../objective/model.ts';
import type { AverageRequest } from '../protocol.ts';
import type { JobContext } from './context.ts';
import { PhaseClock } from './phases.ts';
import { readTensors, runningStatistics } from './running-statistics.ts';

type Buffers = ReadonlyMap<string, Float32Array | Float64Array>;

export async function average(request: AverageRequest, context: JobContext): Promise<AverageReport> {
  const clock = new PhaseClock(context.onProgress);
  clock.report('reading', 0, `headers of ${request.checkpoints.length} checkpoints`);
  const headers = await readHeaders(request.checkpoints, context.signal);
  return request.task === undefined
    ? averageWithoutTask(request, headers, context, clock)
    : averageWithTask(request, request.task, headers, context, clock);
}

async function readHeaders(paths: readonly string[], signal: AbortSignal): Promise<CheckpointHeader[]> {
  if (paths.length === 0)
    throw new TwaError('usage', 'There is no checkpoint to average: name at least one.');
  const headers: CheckpointHeader[] = [];
  for (const path of paths) headers.push(await requireComplete(path, signal));
  requireSameArchitecture(headers);
  return headers;
}

async function averageWithoutTask(
  request: AverageRequest,
  headers: readonly CheckpointHeader[],
  context: JobContext,
  clock: PhaseClock,
): Promise<AverageReport> {
  const newest = headers.at(-1)!;
  const running = runningStatistics(newest);
  const bufferMode = running.length === 0 ? 'none' : request.buffers === 'newest' ? 'newest' : 'average';
  if (bufferMode === 'average' && request.buffers === 'recalibrate') {
    context.log(
      'warn',
      "BatchNorm's running statistics are averaged: recomputing them needs a task with data.",
    );
  }
  const result: PlainMerge = {
    method: request.method,
    coefficients: plainCoefficients(request),
    seed: request.seed,
    bufferMode,
  };
  const buffers: Buffers = bufferMode === 'newest' ? await readTensors(newest, running) : new Map();
  return write(request, headers, result, buffers, {}, context, clock);
}

function plainCoefficients({ method, checkpoints, coefficients }: AverageRequest): readonly number[] {
  const n = checkpoints.length;
  switch (method) {
    case 'uniform':
      return new Array<number>(n).fill(1 / n);
    case 'manual':
      if (coefficients?.length === n) return coefficients;
      throw new TwaError(
        'usage',
        `${coefficients?.length ?? 0} coefficients were given for ${n} checkpoints: give one for each, oldest first.`,
      );
    case 'twa':
      throw new TwaError(
        'usage',
        'TWA trains the coefficients on data, so it needs a task: name a twa.json.',
      );
  }
}

async function averageWithTask(
  request: AverageRequest,
  taskPath: string,
  headers: readonly CheckpointHeader[],
  context: JobContext,
  clock: PhaseClock,
): Promise<AverageReport> {
  const { signal } = context;
  const task = await loadTask(taskPath);
  const [{ openBackend }, { TaskEngine }, { loadStack }, { TfjsObjective }, { readBack }] = await Promise.all(
    [
      import('./backend.ts'),
      import('../objective/engine.ts'),
      import('../objective/stack.ts'),
      import('../objective/objective.ts'),
      import('./read-back.ts'),
    ],
  );
  clock.report('backend', 0, 'looking for the best compute backend');
  const backend = await openBackend(request.backend, task, context);
  clock.report('backend', 1, backend);

  clock.report('reading', 0, 'model and data');
  const fitData = request.options.fitData ?? 'validation';
  const engine = await TaskEngine.open(task, headers.at(-1)!, { fitData, seed: request.seed, signal });
  try {
    const names = engine.model.weights.map(({ name }) => name);
    const onProgress = (fraction: number, message: string) => clock.report('reading', fraction, message);
    const stack = await loadStack(headers, names, { signal, onProgress });
    const objective = new TfjsObjective(engine, stack);
    context.log(
      'info',
      `${backend}; ${stack.n} checkpoints, ${objective.parameterCount} parameters, ` +
        `${(stack.bytes / 1e6).toFixed(1)} MB in memory.`,
    );
    const result = await runPass(objective, request, { signal, onProgress: clock.onProgress });
    const buffers =
      result.bufferMode === 'newest'
        ? await readTensors(headers.at(-1)!, runningWeights(engine.model.weights, headers.at(-1)!))
        : new Map(result.buffers.map(({ name, values }) => [name, values]));
    const verify = (): Promise<string> => readBack(request.output, engine, names, result, signal);
    return await write(
      request,
      headers,
      result,
      buffers,
      { backend, task: task.path, verify },
      context,
      clock,
    );
  } finally {
    engine.dispose();
  }
}

function runningWeights(weights: readonly ModelWeight[], { tensors }: CheckpointHeader): TensorInfo[] {
  const running = new Set(weights.filter(({ role }) => role === 'running').map(({ name }) => name));
  return tensors.filter(({ name }) => running.has(name));
}

interface Evaluated {
  readonly backend?: string;
  readonly task?: string;
  /** Evaluates the file on disk; gives a note about it, or throws if it is not what it should be. */
  readonly verify?: () => Promise<string>;
}

async function write(
  request: AverageRequest,
  headers: readonly CheckpointHeader[],
  result: PassResult | PlainMerge,
  buffers: Buffers,
  { backend, task, verify }: Evaluated,
  { signal }: JobContext,
  clock: PhaseClock,
): Promise<AverageReport> {
  const { output, partial } = request;
  clock.report('writing', 0, output);
  const merged = await mergeCheckpoints({
    headers,
    coefficients: result.coefficients,
    output,
    partial,
    buffers,
    signal,
    onProgress: (fraction) => clock.report('writing', fraction, output),
  });
  // From here on the output is ours, and worth nothing without its report.
  try {
    let noted = result;
    if (verify !== undefined && 'notes' in result) {
      clock.report('evaluating', 0, 'the written checkpoint');
      noted = { ...result, notes: [...result.notes, await verify()] };
    }
    const made: Made = {
      output,
      ...merged,
      result: noted,
      ...(backend === undefined ? {} : { backend }),
      ...(task === undefined ? {} : { task }),
      timings: clock.timings(),
    };
    const report = buildReport(made);
    await writeReport(report);
    return report;
  } catch (error) {
    await rm(reportPathFor(output), { force: true });
    await rm(output, { recursive: true, force: true });
    throw error;
  }
}
