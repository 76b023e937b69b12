/** The job `evaluate`: each checkpoint by itself, with its own buffers, on one of the three splits. */
import { summarize } from '../../core/averaging/summary.ts';
import { requireComplete } from '../../core/checkpoints/registry.ts';
import { TwaError } from '../../core/errors.ts';
import { loadTask } from '../../core/task/load.ts';
import { evaluateFile, openEngine } from '../engine.ts';
import type { EvaluateRequest, EvaluateResult, EvaluateRow } from '../protocol.ts';
import type { JobContext } from './context.ts';

export async function evaluate(request: EvaluateRequest, context: JobContext): Promise<EvaluateResult> {
  const { checkpoints, seed, split } = request;
  const { signal, onProgress } = context;
  const [first] = checkpoints;
  if (first === undefined)
    throw new TwaError('usage', 'There is no checkpoint to evaluate: name at least one.');
  const task = await loadTask(request.task);
  const template = await requireComplete(first, signal);
  const engine = await openEngine(
    {
      task,
      template,
      fitData: 'validation',
      seed,
      backend: request.backend,
      ...(request.pytorch === undefined ? {} : { pytorch: request.pytorch }),
    },
    context,
  );
  try {
    const rows: EvaluateRow[] = [];
    for (const [index, path] of checkpoints.entries()) {
      const message = `checkpoint ${index + 1} of ${checkpoints.length}`;
      onProgress({ phase: 'evaluating', fraction: index / checkpoints.length, message });
      const header = await requireComplete(path, signal);
      const { metric, metricInterval, loss, lossInterval } = summarize(
        await evaluateFile(engine, header, split, signal),
        task.metric.name,
        seed,
      );
      rows.push({
        path: header.path,
        ...(header.step === undefined ? {} : { step: header.step }),
        ...(header.epoch === undefined ? {} : { epoch: header.epoch }),
        metric,
        metricInterval,
        loss,
        lossInterval,
      });
    }
    return { split, examples: engine.splits[split], metric: task.metric, backend: engine.label, rows };
  } finally {
    await engine.dispose();
  }
}
