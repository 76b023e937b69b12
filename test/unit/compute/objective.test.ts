import assert from 'node:assert/strict';
import path from 'node:path';
import { before, test } from 'node:test';
import { selectBackend } from '../../../src/compute/backends/select.ts';
import { readBack } from '../../../src/compute/jobs/read-back.ts';
import { openTfjsEngine } from '../../../src/compute/objective/tfjs-engine.ts';
import { tf } from '../../../src/compute/tf.ts';
import type { LayersModel, Tensor } from '../../../src/compute/tf.ts';
import { score } from '../../../src/core/averaging/summary.ts';
import type { BufferMode, PassResult } from '../../../src/core/averaging/types.ts';
import { requireComplete } from '../../../src/core/checkpoints/registry.ts';
import { TwaError } from '../../../src/core/errors.ts';
import { loadTask } from '../../../src/core/task/load.ts';
import { noise, temporaryDirectory, writeSafetensors, writeTask } from './files.ts';
import { fillModel, openObjective, relativeError, saveLayersModel } from './helpers.ts';

const ROWS = 80;
const CLASSES = 3;
const directory = temporaryDirectory();
const checkpoints: string[] = [];
let task = '';
let model: LayersModel;

const inputs = { shape: [ROWS, 4, 4, 2], values: noise(ROWS * 32, 1) };
const labels = Array.from(noise(ROWS, 2), (value) => Math.floor(((value + 1) / 2) * CLASSES));
const targets = {
  shape: [ROWS, CLASSES],
  values: labels.flatMap((label) => Array.from({ length: CLASSES }, (_, c) => (c === label ? 1 : 0))),
};

before(async () => {
  await selectBackend('wasm', []);
  const { layers } = tf;
  model = tf.sequential({
    layers: [
      layers.conv2d({ name: 'conv', inputShape: [4, 4, 2], filters: 5, kernelSize: 3, useBias: false }),
      layers.batchNormalization({ name: 'norm' }),
      layers.activation({ activation: 'relu' }),
      layers.flatten(),
      layers.dropout({ rate: 0.5 }),
      layers.dense({ name: 'dense', units: CLASSES }),
    ],
  });
  for (const index of [1, 2, 3]) {
    fillModel(model, index);
    checkpoints.push(await saveLayersModel(model, path.join(directory, `epoch-${index}`)));
  }
  task = writeTask(directory, { inputs, targets }, { batchSize: 7, model: 'checkpoint' });
});

/** Cross-entropy per example in float64 from the model's own predictions, for rows of the whole data. */
function directLoss(rows: readonly number[]): number[] {
  const predicted = tf.tidy(() =>
    (model.predict(tf.tensor(inputs.values, inputs.shape)) as Tensor).dataSync<'float32'>(),
  );
  return rows.map((row) => {
    const logits = Array.from(predicted.subarray(row * CLASSES, (row + 1) * CLASSES));
    const top = Math.max(...logits);
    const sum = logits.reduce((total, logit) => total + Math.exp(logit - top), 0);
    return top + Math.log(sum) - logits[labels[row]!]!;
  });
}

/** Validation rows start after 60 %, test rows after 85 %. */
const VALIDATION = 48;
const TEST = 68;
const SPLIT_START = { validation: VALIDATION, test: TEST, train: 0 };

test('a checkpoint evaluates to what its model predicts, example by example', async () => {
  const { engine, objective } = await openObjective(await loadTask(task), checkpoints);
  for (const index of [0, 1, 2]) {
    fillModel(model, index + 1);
    for (const split of ['fit', 'stop', 'report'] as const) {
      const part = engine.splits[split];
      const rows = Array.from(part.indices, (k) => SPLIT_START[part.from] + k);
      const { loss, metrics, weights } = await objective.evaluate(
        { kind: 'checkpoint', index },
        split,
        'recalibrate',
      );
      // float32 on both sides, once by way of mean and difference.
      assert.ok(relativeError(loss, directLoss(rows)) < 1e-5);
      assert.equal(weights.length, rows.length);
      assert.ok(metrics['accuracy']!.every((value) => value === 0 || value === 1));
    }
  }
  engine.dispose();
});

for (const [buffers, running] of [
  ['average', [0.5, 0.75, -0.25]],
  ['newest', [0, 0, 1]],
] as const satisfies readonly [BufferMode, readonly number[]][]) {
  test(`a mix with buffers "${buffers}" evaluates like a model with those weights`, async () => {
    const a = [0.5, 0.75, -0.25];
    const { engine, objective } = await openObjective(await loadTask(task), checkpoints);
    const weights = [1, 2, 3].map((index) => {
      fillModel(model, index);
      return model.getWeights().map((weight) => weight.dataSync<'float32'>().slice());
    });
    model.setWeights(
      model.weights.map((weight, t) => {
        const { originalName } = weight as unknown as { originalName: string };
        const mix = originalName.includes('moving') ? running : a;
        const values = weights[0]![t]!.map((_, k) =>
          mix.reduce((sum, share, i) => sum + share * weights[i]![t]![k]!, 0),
        );
        return tf.tensor(values, weight.shape as number[]);
      }),
    );
    const part = engine.splits.report;
    const rows = Array.from(part.indices, (k) => SPLIT_START[part.from] + k);
    const point = { kind: 'mix', coefficients: Float64Array.from(a) } as const;
    const { loss } = await objective.evaluate(point, 'report', buffers);
    assert.ok(relativeError(loss, directLoss(rows)) < 1e-5);
    engine.dispose();
  });
}

test('a seed fixes dropout, another seed gives another mask, and Math.random is left alone', async () => {
  const original = Math.random;
  const a = Float64Array.from([0.2, 0.3, 0.5]);
  const run = async (seed: number) => {
    const { engine, objective } = await openObjective(await loadTask(task), checkpoints, seed);
    const examples = Int32Array.of(0, 1, 2, 3, 4, 5, 6, 7);
    const first = await objective.lossAndGradient(a, examples);
    // What lies between does not change what the next step draws.
    if (seed === 1) await objective.evaluate({ kind: 'mix', coefficients: a }, 'stop', 'recalibrate');
    const second = await objective.lossAndGradient(a, examples);
    engine.dispose();
    return { first, second };
  };
  const one = await run(1);
  const again = await run(1);
  const other = await run(2);
  assert.deepEqual(one, again);
  assert.notEqual(one.first.loss, one.second.loss, 'every step has its own mask');
  assert.notEqual(one.first.loss, other.first.loss);
  assert.equal(Math.random, original);
});

test('no operation leaves tensors behind, and disposing frees the model', async () => {
  const untouched = tf.memory().numTensors;
  const { engine, objective } = await openObjective(await loadTask(task), checkpoints);
  const a = Float64Array.from([0.2, 0.3, 0.5]);
  const before = tf.memory().numTensors;
  const unchanged = (what: string) => assert.equal(tf.memory().numTensors, before, what);
  await objective.gram();
  unchanged('gram');
  await objective.lossAndGradient(a, Int32Array.of(0, 1, 2));
  unchanged('lossAndGradient');
  await objective.evaluate({ kind: 'checkpoint', index: 1 }, 'stop', 'recalibrate');
  unchanged('evaluate a checkpoint');
  for (const buffers of ['recalibrate', 'average', 'newest'] as const) {
    await objective.evaluate({ kind: 'mix', coefficients: a }, 'stop', buffers);
    unchanged(`evaluate with ${buffers}`);
  }
  await objective.recalibrate(Float64Array.from([1, 1, -1]));
  unchanged('recalibrate');
  engine.dispose();
  assert.equal(tf.memory().numTensors, untouched, 'dispose');
});

test('a cancelled signal stops every operation', async () => {
  const { engine, objective } = await openObjective(await loadTask(task), checkpoints);
  const a = Float64Array.from([0.2, 0.3, 0.5]);
  const signal = AbortSignal.abort();
  const isCancelled = { code: 'cancelled' };
  await assert.rejects(objective.gram(signal), isCancelled);
  await assert.rejects(objective.lossAndGradient(a, Int32Array.of(0), signal), isCancelled);
  await assert.rejects(
    objective.evaluate({ kind: 'mix', coefficients: a }, 'stop', 'recalibrate', signal),
    isCancelled,
  );
  await assert.rejects(objective.recalibrate(a, signal), isCancelled);
  engine.dispose();
});

test('a checkpoint that is not of the model is refused with every difference', async () => {
  const before = tf.memory().numTensors;
  const other = writeSafetensors(path.join(directory, 'other.safetensors'), {
    'conv/kernel': { shape: [3, 3, 2, 4], values: noise(72, 1) },
    'norm/gamma': { shape: [5], values: noise(5, 1) },
    'norm/beta': { shape: [5], values: noise(5, 1) },
    'norm/moving_mean': { shape: [5], values: noise(5, 1) },
    'norm/moving_variance': { shape: [5], values: [1, 1, 1, 1, 1] },
    'dense/kernel': { shape: [20, 3], values: noise(60, 1) },
    'extra/kernel': { shape: [2], values: [1, 2] },
  });
  const withModel = writeTask(directory, { inputs, targets }, { model: 'epoch-1/model.json' });
  await assert.rejects(openObjective(await loadTask(withModel), [other]), (error) => {
    assert.ok(error instanceof TwaError);
    assert.equal(error.code, 'mismatch');
    assert.deepEqual(error.details, [
      'conv/kernel is [3, 3, 2, 5] in the model and [3, 3, 2, 4] in the checkpoint.',
      'The model has dense/bias [3], the checkpoint has not.',
      'The checkpoint has extra/kernel [2], the model has not.',
    ]);
    return true;
  });
  assert.equal(tf.memory().numTensors, before, 'the model that was built is freed');
});

test('a written file that does not evaluate to what was found in memory is no result', async () => {
  const loaded = await loadTask(task);
  const { engine: opened, objective } = await openObjective(loaded, checkpoints);
  const evaluation = await objective.evaluate({ kind: 'checkpoint', index: 1 }, 'report', 'newest');
  const found = score(evaluation, 'accuracy');
  opened.dispose();
  const { signal } = new AbortController();
  const template = await requireComplete(checkpoints.at(-1)!);
  const engine = await openTfjsEngine(
    { task: loaded, template, fitData: 'validation', seed: 1, backend: 'wasm' },
    { signal, onProgress: () => undefined, log: () => undefined },
  );
  const check = (file: string, loss: number): Promise<string> => {
    const result = { method: 'twa', metric: objective.metric, table: [{ id: 'twa', loss }] };
    return readBack(file, engine, result as unknown as PassResult, signal);
  };
  const before = tf.memory().numTensors;
  assert.match(await check(checkpoints[1]!, found.loss), /read back and evaluated: loss .*, as in memory\.$/);
  await assert.rejects(
    check(checkpoints[1]!, 1.01 * found.loss),
    /evaluates to .*, the mix in memory to loss/,
  );
  await assert.rejects(check(checkpoints[2]!, found.loss), /evaluates to/);
  assert.equal(tf.memory().numTensors, before);
  await engine.dispose();
});
