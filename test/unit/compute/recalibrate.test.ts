/** Recalibrated BatchNorm statistics against a direct float64 computation. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { before, test } from 'node:test';
import { selectBackend } from '../../../src/compute/backends/select.ts';
import { Moments, recalibrate } from '../../../src/compute/objective/recalibrate.ts';
import { tf } from '../../../src/compute/tf.ts';
import type { LayersModel } from '../../../src/compute/tf.ts';
import { loadTask } from '../../../src/core/task/load.ts';
import { noise, temporaryDirectory, writeTask } from './files.ts';
import { fillModel, openObjective, saveLayersModel } from './helpers.ts';

const ROWS = 100;
const TRAIN = 60;
const WIDTH = 4;
const UNITS = 3;
const BATCH = 16;
const EPSILON = 1e-3;
const directory = temporaryDirectory();
let checkpoint = '';
let model: LayersModel;

// Columns with different means, and drifting from row to row so that batches differ.
const features = Float32Array.from(
  noise(ROWS * WIDTH, 5),
  (value, k) => value + (k % WIDTH) + k / (ROWS * WIDTH),
);
const targets = Float32Array.from(noise(ROWS, 6));

before(async () => {
  await selectBackend('wasm', []);
  const { layers } = tf;
  model = tf.sequential({
    layers: [
      layers.batchNormalization({ name: 'first', inputShape: [WIDTH], epsilon: EPSILON, momentum: 0.9 }),
      layers.dense({ name: 'dense', units: UNITS, activation: 'tanh' }),
      layers.batchNormalization({ name: 'second', epsilon: EPSILON }),
      layers.dense({ name: 'out', units: 1 }),
    ],
  });
  fillModel(model, 1);
  checkpoint = await saveLayersModel(model, path.join(directory, 'epoch-1'));
  writeTask(
    directory,
    { inputs: { shape: [ROWS, WIDTH], values: features }, targets: { shape: [ROWS, 1], values: targets } },
    { batchSize: BATCH, loss: 'meanSquaredError', metric: 'meanAbsoluteError', model: 'checkpoint' },
  );
});

/** Column means and biased variances in float64. */
function moments(rows: readonly (readonly number[])[]): { mean: number[]; variance: number[] } {
  const width = rows[0]!.length;
  const columns = Array.from({ length: width }, (_, c) => rows.map((row) => row[c]!));
  const mean = columns.map((column) => column.reduce((sum, value) => sum + value, 0) / rows.length);
  const variance = columns.map(
    (column, c) => column.reduce((sum, value) => sum + (value - mean[c]!) ** 2, 0) / rows.length,
  );
  return { mean, variance };
}

function weight(name: string): Float32Array {
  const found = model.weights.find(
    (one) => (one as unknown as { originalName: string }).originalName === name,
  );
  return found!.read().dataSync<'float32'>();
}

/** The first two layers in training mode, in float64: normalised by the batch itself. */
function hidden(batch: readonly (readonly number[])[]): number[][] {
  const { mean, variance } = moments(batch);
  const gamma = weight('first/gamma');
  const beta = weight('first/beta');
  const kernel = weight('dense/kernel');
  const bias = weight('dense/bias');
  return batch.map((row) => {
    const normal = row.map(
      (x, c) => ((x - mean[c]!) / Math.sqrt(variance[c]! + EPSILON)) * gamma[c]! + beta[c]!,
    );
    return Array.from({ length: UNITS }, (_, u) =>
      Math.tanh(normal.reduce((sum, x, c) => sum + x * kernel[c * UNITS + u]!, bias[u]!)),
    );
  });
}

const assertClose = (found: ArrayLike<number>, expected: readonly number[], tolerance: number): void =>
  expected.forEach((value, index) => {
    assert.ok(Math.abs(found[index]! - value) < tolerance, `${index}: ${found[index]!}, expected ${value}`);
  });

/** Batch statistics come out of float32 kernels: 2^-24 times the largest square, about 30, times a few roundings. */
const FLOAT32 = 2e-5;

test('statistics over a pass are those of all its examples, as a float64 pass finds them', async () => {
  const { engine } = await openObjective(await loadTask(path.join(directory, 'twa.json')), [checkpoint]);
  fillModel(model, 1);
  const rows = Array.from({ length: TRAIN }, (_, row) => [...features.slice(row * WIDTH, (row + 1) * WIDTH)]);
  const order = Int32Array.from({ length: TRAIN }, (_, k) => (k * 7) % TRAIN);

  const momenta = engine.model.norms.map((norm) => norm.momentum);
  engine.model.weights.forEach(({ variable }, index) => variable.assign(model.weights[index]!.read()));
  const tensors = tf.memory().numTensors;
  const found = new Map((await recalibrate(engine, order)).map(({ name, values }) => [name, values]));
  assert.equal(tf.memory().numTensors, tensors);
  assert.deepEqual(
    engine.model.norms.map((norm) => norm.momentum),
    momenta,
  );

  // The first layer's input does not depend on the batches, so its statistics are simply those of the split.
  const first = moments(rows);
  assertClose(found.get('first/moving_mean')!, first.mean, FLOAT32);
  assertClose(found.get('first/moving_variance')!, first.variance, FLOAT32);

  // The second layer sees what the first made of each batch: 60 examples in four batches of 15.
  const activations = [0, 15, 30, 45].flatMap((start) =>
    hidden(Array.from(order.subarray(start, start + 15), (index) => rows[index]!)),
  );
  const second = moments(activations);
  assertClose(found.get('second/moving_mean')!, second.mean, FLOAT32);
  assertClose(found.get('second/moving_variance')!, second.variance, FLOAT32);
  engine.dispose();
});

test('a recalibrated mix is evaluated with the new statistics, and they do not depend on what ran before', async () => {
  const open = () =>
    loadTask(path.join(directory, 'twa.json')).then((task) => openObjective(task, [checkpoint, checkpoint]));
  const { engine, objective } = await open();
  const coefficients = Float64Array.of(0.25, 0.75);
  const own = await objective.evaluate({ kind: 'checkpoint', index: 0 }, 'stop', 'recalibrate');
  const mixed = await objective.evaluate({ kind: 'mix', coefficients }, 'stop', 'recalibrate');
  assert.notDeepEqual(mixed.loss, own.loss, 'the checkpoint keeps its own statistics, the mix has new ones');
  const averaged = await objective.evaluate({ kind: 'mix', coefficients }, 'stop', 'average');
  // The same checkpoint twice: mixing its statistics gives its own again, but for float32 rounding.
  averaged.loss.forEach((value, index) => assert.ok(Math.abs(value - own.loss[index]!) < 1e-5));

  const measured = await objective.recalibrate(coefficients);
  const variance = measured.find(({ name }) => name === 'first/moving_variance')!;
  const rows = Array.from({ length: TRAIN }, (_, row) => [...features.slice(row * WIDTH, (row + 1) * WIDTH)]);
  assertClose(variance.values, moments(rows).variance, FLOAT32);

  const fresh = await open();
  assert.deepEqual(await fresh.objective.recalibrate(coefficients), measured);
  engine.dispose();
  fresh.engine.dispose();
});

test('moments of batches of different sizes add up to those of all values', () => {
  const values = Array.from(noise(90, 8), (value) => [value * 1000 + 1e6, value]);
  const sum = new Moments(2);
  for (const [start, end] of [
    [0, 1],
    [1, 40],
    [40, 47],
    [47, 90],
  ] as const) {
    const { mean, variance } = moments(values.slice(start, end));
    sum.add(end - start, mean, variance);
  }
  const expected = moments(values);
  sum.mean.forEach((value, c) => assert.ok(Math.abs(value / expected.mean[c]! - 1) < 1e-12));
  sum.variance.forEach((value, c) => assert.ok(Math.abs(value / expected.variance[c]! - 1) < 1e-9));
});
