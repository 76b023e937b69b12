/**
 * The job `average`: from checkpoints to a merged checkpoint with a report beside it. Without a task it only merges;
 * everything that needs a GPU library is imported where a task asks for it.
 */
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { divide } from '../../core/averaging/blocks.ts';
import { formulaCoefficients, isFormula, meanOf, newest } from '../../core/averaging/coefficients.ts';
import { runPass } from '../../core/averaging/pass.ts';
import { buildReport, reportPathFor, writeReport } from '../../core/averaging/report.ts';
import type { Made, PlainMerge } from '../../core/averaging/report.ts';
import type { AverageReport, Block, BufferMode, PassResult } from '../../core/averaging/types.ts';
import { requireSameArchitecture } from '../../core/checkpoints/compare.ts';
import { elementCount } from '../../core/checkpoints/dtype.ts';
import { mergeCheckpoints } from '../../core/checkpoints/merge.ts';
import { optimizerNote } from '../../core/checkpoints/optimizer.ts';
import { sweepPartials } from '../../core/checkpoints/publish.ts';
import { formatById, requireComplete } from '../../core/checkpoints/registry.ts';
import type { CheckpointHeader, TensorInfo } from '../../core/checkpoints/types.ts';
import { TwaError } from '../../core/errors.ts';
import { loadTask } from '../../core/task/load.ts';
import type { TaskFile } from '../../core/task/types.ts';
import { openEngine, type Engine } from '../engine.ts';
import type { AverageRequest } from '../protocol.ts';
import type { JobContext } from './context.ts';
import { digestRecords } from './digest-records.ts';
import { gramIfCheap } from './geometry.ts';
import { PhaseClock } from './phases.ts';
import { readBack } from './read-back.ts';
import { bufferMoves, readTensors, runningStatistics } from './running-statistics.ts';

type Buffers = ReadonlyMap<string, Float32Array | Float64Array>;

export async function average(request: AverageRequest, context: JobContext): Promise<AverageReport> {
  const clock = new PhaseClock(context.onProgress);
  clock.report('reading', 0, `headers of ${request.checkpoints.length} checkpoints`);
  const headers = await readHeaders(request.checkpoints, context.signal);
  for (const left of await sweepPartials(dirname(request.output))) {
    context.log('info', `Removed ${left}, which a merge that was killed had left unfinished.`);
  }
  if (request.dropOptimizer === true) {
    const newest = headers.at(-1)!;
    await formatById(newest.format).requireDroppable?.(newest);
  }
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
    coefficients: [...plainCoefficients(request)],
    ...(request.settings === undefined ? {} : { settings: request.settings }),
    seed: request.seed,
    bufferMode,
  };
  const buffers: Buffers = bufferMode === 'newest' ? await readTensors(newest, running) : new Map();
  const gram = await gramIfCheap(headers, context.signal, (fraction) =>
    clock.report('reading', fraction, 'where the checkpoints lie'),
  );
  return write(
    request,
    headers,
    gram === undefined ? result : { ...result, gram },
    buffers,
    { running },
    context,
    clock,
  );
}

function plainCoefficients({ method, checkpoints, coefficients, settings }: AverageRequest): Float64Array {
  const n = checkpoints.length;
  if (isFormula(method)) return formulaCoefficients(method, n, settings ?? {}, coefficients);
  // Whoever asks has chosen them already, by a logged metric, which is not known here.
  if (method === 'best-k' && settings?.metric !== undefined) return meanOf(n, newest(n, n));
  throw new TwaError('usage', `The method ${method} looks at data, so it needs a task: name a twa.json.`);
}

async function averageWithTask(
  request: AverageRequest,
  taskPath: string,
  headers: readonly CheckpointHeader[],
  context: JobContext,
  clock: PhaseClock,
): Promise<AverageReport> {
  const { signal, log } = context;
  const task = await loadTask(taskPath);
  const newest = headers.at(-1)!;
  const { seed, backend, pytorch } = request;
  const fitData = request.options.fitData ?? 'validation';
  const engine = await openEngine(
    { task, template: newest, fitData, seed, backend, ...(pytorch === undefined ? {} : { pytorch }) },
    { ...context, onProgress: clock.onProgress },
  );
  try {
    const onProgress = (fraction: number, message: string) => clock.report('reading', fraction, message);
    const blocks = blocksFor(request, task, engine, newest);
    const objective = await engine.load(headers, {
      signal,
      onProgress,
      ...(blocks === undefined ? {} : { blocks }),
    });
    let result: PassResult;
    try {
      const buffers = possibleBuffers(request.buffers, engine, log);
      const found = await runPass(
        objective,
        { ...request, buffers },
        { signal, onProgress: clock.onProgress },
      );
      const more = (await engine.findings?.(Float64Array.from(found.coefficients))) ?? [];
      result = { ...found, notes: [...found.notes, ...more] };
    } finally {
      await objective.dispose();
    }
    const running = tensorsNamed(engine.running, newest);
    const buffers =
      result.bufferMode === 'newest'
        ? await readTensors(newest, running)
        : new Map(result.buffers.map(({ name, values }) => [name, values]));
    const verify = (): Promise<string> => readBack(request.output, engine, result, signal);
    const evaluated = { running, backend: engine.label, task: task.path, verify };
    return await write(request, headers, result, buffers, evaluated, context, clock);
  } finally {
    await engine.dispose();
  }
}

/** Undefined where all parameters share coefficients, and where the engine cannot do without: the pass says so then. */
function blocksFor(
  { method, options, groups }: AverageRequest,
  task: TaskFile,
  { trained }: Engine,
  newest: CheckpointHeader,
): readonly Block[] | undefined {
  if (method !== 'twa' || trained.length === 0) return undefined;
  const shapes = new Map(newest.tensors.map(({ name, shape }) => [name, shape]));
  const parameters = trained.map((name) => ({ name, size: elementCount(shapes.get(name) ?? []) ?? 0 }));
  return divide(parameters, options.granularity ?? 'one', groups ?? task.groups);
}

function possibleBuffers(wanted: BufferMode, engine: Engine, log: JobContext['log']): BufferMode {
  if (wanted !== 'recalibrate' || engine.canRecalibrate || engine.running.length === 0) return wanted;
  log('warn', `BatchNorm's running statistics are averaged: ${engine.label} cannot recompute them.`);
  return 'average';
}

function tensorsNamed(names: readonly string[], { tensors }: CheckpointHeader): TensorInfo[] {
  const wanted = new Set(names);
  return tensors.filter(({ name }) => wanted.has(name));
}

function ownCoefficients(result: PassResult | PlainMerge): ReadonlyMap<string, readonly number[]> {
  const blocks = 'blocks' in result ? (result.blocks ?? []) : [];
  return new Map(
    blocks.flatMap(({ tensors, coefficients }) => tensors.map((tensor) => [tensor, coefficients] as const)),
  );
}

interface Evaluated {
  /** The running statistics in every checkpoint. */
  readonly running: readonly TensorInfo[];
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
  { running, backend, task, verify }: Evaluated,
  { signal }: JobContext,
  clock: PhaseClock,
): Promise<AverageReport> {
  const { output, partial } = request;
  clock.report('writing', 0, output);
  const merged = await mergeCheckpoints({
    headers,
    coefficients: result.coefficients,
    ownCoefficients: ownCoefficients(result),
    output,
    partial,
    buffers,
    ...(request.dropOptimizer === undefined ? {} : { dropOptimizer: request.dropOptimizer }),
    ...digestRecords(),
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
      notes: [optimizerNote(headers.at(-1)!, request.dropOptimizer === true) ?? []].flat(),
      ...(running.length === 0
        ? {}
        : { bufferMoves: await bufferMoves(headers, running, result.coefficients, buffers, signal) }),
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
