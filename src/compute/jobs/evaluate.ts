/** The job `evaluate`: each checkpoint by itself, with its own buffers, on one of the three splits. */
import { summarize } from '../../core/averaging/summary.ts';
import { requireComplete } from '../../core/checkpoints/registry.ts';
import { TwaError } from '../../core/errors.ts';
import { loadTask } from '../../core/task/load.ts';
import { TaskEngine } from '../objective/engine.ts';
import { requireMatch } from '../objective/match.ts';
import { TfjsObjective } from '../objective/objective.ts';
import { loadStack } from '../objective/stack.ts';
import type { EvaluateRequest, EvaluateResult, EvaluateRow } from '../protocol.ts';
import { openBackend } from './backend.ts';
import type { JobContext } from './context.ts';

export async function evaluate(request: EvaluateRequest, context: JobContext): Promise<EvaluateResult> {
  const { checkpoints, seed, split } = request;
  const { signal, onProgress } = context;
  const [first] = checkpoints;
  if (first === undefined)
    throw new TwaError('usage', 'There is no checkpoint to evaluate: name at least one.');
  const task = await loadTask(request.task);
  const template = await requireComplete(first, signal);
  onProgress({ phase: 'backend', fraction: 0, message: 'looking for the best compute backend' });
  const backend = await openBackend(request.backend, task, context);
  onProgress({ phase: 'reading', fraction: 0, message: 'model and data' });
  const engine = await TaskEngine.open(task, template, { fitData: 'validation', seed, signal });
  try {
    const names = engine.model.weights.map(({ name }) => name);
    const rows: EvaluateRow[] = [];
    for (const [index, path] of checkpoints.entries()) {
      const message = `checkpoint ${index + 1} of ${checkpoints.length}`;
      onProgress({ phase: 'evaluating', fraction: index / checkpoints.length, message });
      const header = await requireComplete(path, signal);
      requireMatch(engine.model.weights, header);
      const objective = new TfjsObjective(engine, await loadStack([header], names, { signal }));
      const point = { kind: 'checkpoint', index: 0 } as const;
      const { metric, metricInterval, loss, lossInterval } = summarize(
        await objective.evaluate(point, split, 'newest', signal),
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
    return { split, examples: engine.splits[split].indices.length, metric: task.metric, backend, rows };
  } finally {
    engine.dispose();
  }
}
