/** Models, objectives and gradients for the tests of the compute process. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { CheckpointHeader } from '../../../src/core/checkpoints/types.ts';
import { requireComplete } from '../../../src/core/checkpoints/registry.ts';
import type { TaskFile } from '../../../src/core/task/types.ts';
import { TaskEngine } from '../../../src/compute/objective/engine.ts';
import { TfjsObjective } from '../../../src/compute/objective/objective.ts';
import { loadStack } from '../../../src/compute/objective/stack.ts';
import { tf } from '../../../src/compute/tf.ts';
import type { LayersModel, Tensor } from '../../../src/compute/tf.ts';
import { noise } from './files.ts';

/** As tfjs itself saves a model: model.json and one shard. */
export async function saveLayersModel(model: LayersModel, directory: string): Promise<string> {
  mkdirSync(directory, { recursive: true });
  await model.save(
    tf.io.withSaveHandler((artifacts) => {
      const { modelTopology, weightSpecs, weightData } = artifacts;
      const weightsManifest = [{ paths: ['weights.bin'], weights: weightSpecs }];
      const document = { format: 'layers-model', modelTopology, weightsManifest };
      writeFileSync(path.join(directory, 'weights.bin'), new Uint8Array(weightData as ArrayBuffer));
      writeFileSync(path.join(directory, 'model.json'), JSON.stringify(document));
      return Promise.resolve({ modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } });
    }),
  );
  return directory;
}

/** Gives every weight of a model new values; BatchNorm's variances stay positive. */
export function fillModel(model: LayersModel, seed: number, spread = 0.3): void {
  model.setWeights(
    model.weights.map((weight, index) => {
      const { originalName } = weight as unknown as { originalName: string };
      const centre = /gamma|moving_variance/.test(originalName) ? 1 : 0;
      const common = noise(tf.util.sizeFromShape(weight.shape as number[]), index + 1);
      const own = noise(common.length, 1000 * seed + index);
      return tf.tensor(
        common.map((value, k) => centre + spread * (0.7 * value + 0.3 * own[k]!)),
        weight.shape as number[],
      );
    }),
  );
}

/** Engine and objective over checkpoints on disk. Dispose of both. */
export async function openObjective(
  task: TaskFile,
  checkpoints: readonly string[],
  seed = 1,
): Promise<{ engine: TaskEngine; objective: TfjsObjective; headers: CheckpointHeader[] }> {
  const headers: CheckpointHeader[] = [];
  for (const checkpoint of checkpoints) headers.push(await requireComplete(checkpoint));
  const engine = await TaskEngine.open(task, headers.at(-1)!, { fitData: 'validation', seed });
  const stack = await loadStack(
    headers,
    engine.model.weights.map(({ name }) => name),
  );
  return { engine, objective: new TfjsObjective(engine, stack), headers };
}

export function relativeError(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  let difference = 0;
  let norm = 0;
  for (let k = 0; k < expected.length; k++) {
    difference += (found[k]! - expected[k]!) ** 2;
    norm += expected[k]! ** 2;
  }
  return found.length === expected.length ? Math.sqrt(difference / norm) : Infinity;
}

export function readFixture(name: string): unknown {
  return JSON.parse(readFileSync(path.join(import.meta.dirname, '../../fixtures/compute', name), 'utf8'));
}

/** The gradient of sum(y * known weights) with respect to each input. */
export function gradients(
  operation: (...inputs: Tensor[]) => Tensor,
  inputs: readonly Tensor[],
): Float32Array[] {
  const computed = tf.tidy(() =>
    tf.grads((...x: Tensor[]) => {
      const y = operation(...x);
      return tf.sum(tf.mul(y, tf.tensor(noise(y.size, 7), y.shape)));
    })([...inputs]),
  );
  const values = computed.map((gradient) => gradient.dataSync<'float32'>());
  tf.dispose(computed);
  return values;
}
