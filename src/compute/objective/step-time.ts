/** How long one step of a task's own model takes on the current backend. */
import type { TaskEngine } from './engine.ts';
import { disposeBatch } from './dataset.ts';
import { tf } from '../tf.ts';

/** Milliseconds after which no further step is begun. */
const LIMIT = 1500;
const STEPS = 3;

/** The shortest of a few; the first one, which compiles and allocates, counts only if it was very long. */
export async function timeOfStep(engine: TaskEngine): Promise<number> {
  const { fit } = engine.splits;
  const batch = await engine.batch(fit.from, fit.indices.subarray(0, engine.task.batchSize));
  const variables = engine.model.weights.flatMap(({ role, variable }) =>
    role === 'parameter' ? [variable] : [],
  );
  try {
    const started = performance.now();
    let shortest = Infinity;
    for (let step = 0; step <= STEPS; step++) {
      const start = performance.now();
      const { value, grads } = tf.tidy(() => tf.variableGrads(() => engine.trainingLoss(batch), variables));
      try {
        // Until it is there: a backend may only have queued it.
        await Promise.all([value, ...Object.values(grads)].map((tensor) => tensor.data()));
      } finally {
        tf.dispose([value, grads]);
      }
      const end = performance.now();
      if (step > 0 || end - started > LIMIT) shortest = Math.min(shortest, end - start);
      if (end - started > LIMIT) break;
    }
    return shortest;
  } finally {
    disposeBatch(batch);
  }
}
