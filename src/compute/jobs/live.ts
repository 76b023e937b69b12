/** The job `live`: what averaging would come to now, while training goes on beside it. Writes nothing. */
import os from 'node:os';
import { pairedInterval, resampleMeans } from '../../core/averaging/bootstrap.ts';
import { passOnStop, type StopResult } from '../../core/averaging/pass.ts';
import { isWorse, metricValues, score, summarize, type Metric } from '../../core/averaging/summary.ts';
import type { BufferMode, SplitEvaluation } from '../../core/averaging/types.ts';
import { requireSameArchitecture } from '../../core/checkpoints/compare.ts';
import { requireComplete } from '../../core/checkpoints/registry.ts';
import type { CheckpointHeader } from '../../core/checkpoints/types.ts';
import { TwaError } from '../../core/errors.ts';
import type { LiveReference, LiveResult } from '../../core/live/line.ts';
import { loadTask } from '../../core/task/load.ts';
import { evaluateFile, openEngine, type Engine, type EngineRequest } from '../engine.ts';
import type { LiveRequest } from '../protocol.ts';
import type { JobContext } from './context.ts';

export async function live(request: LiveRequest, context: JobContext): Promise<LiveResult> {
  yieldToTraining(request, context);
  const { signal } = context;
  const headers: CheckpointHeader[] = [];
  for (const path of request.checkpoints) headers.push(await requireComplete(path, signal));
  requireSameArchitecture(headers);
  const engineRequest = await engineFor(request, headers.at(-1)!);
  const { metric } = engineRequest.task;
  const engine = await openEngine(engineRequest, context);
  try {
    const { found, newest } = await pass(request, engine, headers, context);
    const reference =
      request.reference === undefined
        ? undefined
        : await readReference(request.reference, headers.at(-1)!, context);
    return {
      ...summarize(found.stop, metric.name, request.seed),
      ...metric,
      method: found.method,
      ...(found.options === undefined ? {} : { rule: found.options.rule }),
      examples: engine.splits.stop,
      coefficients: found.coefficients,
      newest: score(newest, metric.name),
      ...(reference === undefined
        ? {}
        : { reference: await compare(found.stop, reference, engine, metric, request, context) }),
    };
  } finally {
    await engine.dispose();
  }
}

/** The training has the processor first, and, unless the user says otherwise, the graphics processor to itself. */
function yieldToTraining({ useGpu }: LiveRequest, { log }: JobContext): void {
  try {
    os.setPriority(os.constants.priority.PRIORITY_LOW);
  } catch (error) {
    log(
      'warn',
      `The pass runs at the usual priority: ${error instanceof Error ? error.message : String(error)}.`,
    );
  }
  if (useGpu) return;
  // For what the task starts: Python, or a command.
  for (const name of ['CUDA_VISIBLE_DEVICES', 'HIP_VISIBLE_DEVICES']) process.env[name] = '';
}

async function engineFor(request: LiveRequest, template: CheckpointHeader): Promise<EngineRequest> {
  const { seed, useGpu, backend, pytorch } = request;
  const task = await loadTask(request.task);
  const common = { template, fitData: 'validation', seed } as const;
  if (useGpu) return { ...common, task, backend, ...(pytorch === undefined ? {} : { pytorch }) };
  // A launcher starts a process for each GPU.
  const alone = Object.fromEntries(Object.entries(pytorch ?? {}).filter(([name]) => name !== 'launcher'));
  return {
    ...common,
    task: task.engine === 'pytorch' ? { ...task, pytorch: { ...task.pytorch, device: 'cpu' } } : task,
    backend: backend === 'cpu' ? 'cpu' : 'wasm',
    pytorch: alone,
  };
}

/** Beside what averaging comes to, what the newest checkpoint comes to on the same examples. */
async function pass(
  { seed, rule }: LiveRequest,
  engine: Engine,
  headers: readonly CheckpointHeader[],
  { signal, onProgress }: JobContext,
): Promise<{ readonly found: StopResult; readonly newest: SplitEvaluation }> {
  const buffers: BufferMode = engine.canRecalibrate ? 'recalibrate' : 'average';
  const objective = await engine.load(headers, {
    signal,
    onProgress: (fraction, message) => onProgress({ phase: 'reading', fraction, message }),
  });
  try {
    const index = headers.length - 1;
    const newest = await objective.evaluate({ kind: 'checkpoint', index }, 'stop', buffers, signal);
    const options = { buffers, seed, ...(rule === undefined ? {} : { rule }) };
    return { found: await passOnStop(objective, options, { signal, onProgress }), newest };
  } finally {
    await objective.dispose();
  }
}

/** Whoever proposed it knows only that it is of the same task: it may be of another model, or be gone by now. */
async function readReference(
  path: string,
  newest: CheckpointHeader,
  { signal, log }: JobContext,
): Promise<CheckpointHeader | undefined> {
  try {
    const header = await requireComplete(path, signal);
    requireSameArchitecture([header, newest]);
    return header;
  } catch (error) {
    if (!(error instanceof TwaError) || error.code === 'cancelled') throw error;
    log('info', `${path} is not compared with: ${error.message}`);
    return undefined;
  }
}

async function compare(
  average: SplitEvaluation,
  reference: CheckpointHeader,
  engine: Engine,
  metric: Metric,
  { seed }: LiveRequest,
  { signal, onProgress }: JobContext,
): Promise<LiveReference> {
  onProgress({ phase: 'evaluating', fraction: 0, message: 'the checkpoint to compare with' });
  const other = await evaluateFile(engine, reference, 'stop', signal);
  const columns = [average, other].map((evaluation) => metricValues(evaluation, metric.name));
  const [ofAverage, ofOther] = resampleMeans(columns, average.weights, seed);
  const reached = score(other, metric.name);
  return {
    path: reference.path,
    ...reached,
    difference: {
      difference: score(average, metric.name).metric - reached.metric,
      ...pairedInterval(ofAverage!, ofOther!),
    },
    isWorse: isWorse(average, other, metric),
  };
}
