/** Small models, data and checkpoints for the tests of the compute process. */
import { after } from 'node:test';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { CheckpointHeader } from '../../../src/core/checkpoints/types.ts';
import { requireComplete } from '../../../src/core/checkpoints/registry.ts';
import type { TaskFile } from '../../../src/core/task/types.ts';
import { TaskEngine } from '../../../src/compute/objective/engine.ts';
import { TfjsObjective } from '../../../src/compute/objective/objective.ts';
import { loadStack } from '../../../src/compute/objective/stack.ts';
import { tf } from '../../../src/compute/tf.ts';
import type { LayersModel, Tensor } from '../../../src/compute/tf.ts';

export interface Values {
  readonly shape: readonly number[];
  readonly values: ArrayLike<number>;
}

/** A directory that is gone when the tests of the file are done. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'twa-compute-'));
  after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export function writeText(file: string, text: string): string {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}

/** Float32 tensors as a safetensors file: length of the header, header, bytes. */
export function writeSafetensors(file: string, tensors: Readonly<Record<string, Values>>): string {
  const header: Record<string, unknown> = {};
  const parts: Uint8Array[] = [];
  let offset = 0;
  for (const [name, { shape, values }] of Object.entries(tensors)) {
    const bytes = new Uint8Array(Float32Array.from(values).buffer);
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, offset + bytes.length] };
    parts.push(bytes);
    offset += bytes.length;
  }
  const text = Buffer.from(JSON.stringify(header));
  const padded = Buffer.concat([text, Buffer.alloc(-text.length & 7, ' ')]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, Buffer.concat([length, padded, ...parts]));
  return file;
}

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

/** Numbers between -1 and 1, the same every time. */
export function noise(length: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state / 2 ** 31;
  });
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

/** A task over arrays written as a CSV, with 60 % train, 25 % validation and 15 % test rows. */
export function writeTask(
  directory: string,
  { inputs, targets }: { readonly inputs: Values; readonly targets: Values },
  more: Readonly<Record<string, unknown>> = {},
): string {
  const rows = inputs.shape[0]!;
  const width = inputs.values.length / rows;
  const targetWidth = targets.values.length / rows;
  const lines = Array.from({ length: rows }, (_, row) =>
    [
      ...Array.from(inputs.values).slice(row * width, (row + 1) * width),
      ...Array.from(targets.values).slice(row * targetWidth, (row + 1) * targetWidth),
    ].join(),
  );
  writeText(path.join(directory, 'data.csv'), `${lines.join('\n')}\n`);
  const all = Array.from({ length: rows }, (_, row) => row);
  const splits = {
    train: all.slice(0, 0.6 * rows),
    validation: all.slice(0.6 * rows, 0.85 * rows),
    test: all.slice(0.85 * rows),
  };
  writeText(path.join(directory, 'splits.json'), JSON.stringify(splits));
  const source = (columns: string, shape: readonly number[]) => ({ file: 'data.csv', header: false, columns, shape });
  return writeText(
    path.join(directory, 'twa.json'),
    JSON.stringify({
      data: {
        inputs: source(`0-${width - 1}`, inputs.shape.slice(1)),
        targets: source(`${width}-${width + targetWidth - 1}`, targets.shape.slice(1)),
        splits: 'splits.json',
      },
      output: 'logits',
      loss: 'softmaxCrossEntropy',
      metric: 'accuracy',
      ...more,
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
export function gradients(operation: (...inputs: Tensor[]) => Tensor, inputs: readonly Tensor[]): Float32Array[] {
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
