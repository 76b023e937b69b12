/** Task modules: every way to give model, data, loss and metrics, and what a user is told when one goes wrong. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { before, describe, test } from 'node:test';
import { selectBackend } from '../../../src/compute/backends/select.ts';
import { tf } from '../../../src/compute/tf.ts';
import { TwaError } from '../../../src/core/errors.ts';
import { loadTask } from '../../../src/core/task/load.ts';
import { noise, temporaryDirectory, writeSafetensors, writeText } from './files.ts';
import { openObjective } from './helpers.ts';

const directory = temporaryDirectory();
const checkpoints: string[] = [];
let count = 0;

before(async () => {
  await selectBackend('wasm', []);
  for (const seed of [1, 2]) {
    checkpoints.push(
      writeSafetensors(path.join(directory, `step-${seed}.safetensors`), {
        'linear/slope': { shape: [2, 1], values: noise(2, seed) },
        'linear/offset': { shape: [1], values: noise(1, seed + 10) },
      }),
    );
  }
});

/** Linear regression with everything in the module. Sizes: 20 train, 20 validation, 10 test. */
const MODEL = `
export function model({ tf }) {
  const variable = (shape) => tf.tidy(() => tf.variable(tf.zeros(shape)));
  const weights = { 'linear/slope': variable([2, 1]), 'linear/offset': variable([1]) };
  return { weights, apply: (x) => tf.add(tf.matMul(x, weights['linear/slope']), weights['linear/offset']) };
}`;
const ROWS = `
const rows = (size) => Array.from({ length: size }, (_, i) => [Math.sin(i), Math.cos(2 * i)]);
const sizes = { train: 20, validation: 20, test: 10 };
const tensors = (tf, list) => ({ xs: tf.tensor2d(list), ys: tf.tensor2d(list.map(([a, b]) => [a - b])) });`;
const DATA = `${ROWS}
export const data = (split, { tf }) => tensors(tf, rows(sizes[split]));`;

async function open(source: string, more: Readonly<Record<string, unknown>> = {}) {
  const name = `module-${count++}`;
  writeText(path.join(directory, `${name}.mjs`), source);
  const task = writeText(
    path.join(directory, `${name}.json`),
    JSON.stringify({
      module: `${name}.mjs`,
      output: 'logits',
      loss: 'meanSquaredError',
      metric: 'meanAbsoluteError',
      batchSize: 6,
      ...more,
    }),
  );
  return {
    ...(await openObjective(await loadTask(task), checkpoints)),
    file: path.join(directory, `${name}.mjs`),
  };
}

const uniform = Float64Array.of(0.5, 0.5);
const stop = async (source: string, more: Readonly<Record<string, unknown>> = {}) => {
  const { engine, objective } = await open(source, more);
  const evaluation = await objective.evaluate({ kind: 'mix', coefficients: uniform }, 'stop', 'average');
  engine.dispose();
  return evaluation;
};

describe('data', () => {
  const forms = {
    'an object of tensors': DATA,
    'a list of batches': `${ROWS}
export const data = (split, { tf }) => {
  const all = rows(sizes[split]);
  return [tensors(tf, all.slice(0, 7)), tensors(tf, all.slice(7))];
};`,
    'an asynchronous generator': `${ROWS}
export async function* data(split, { tf }) {
  const all = rows(sizes[split]);
  yield tensors(tf, all.slice(0, 3));
  yield tensors(tf, all.slice(3));
}`,
    'a loader by index': `${ROWS}
export const data = async (split, { tf }) => {
  const all = rows(sizes[split]);
  return { size: all.length, batch: async (indices) => tensors(tf, Array.from(indices, (i) => all[i])) };
};`,
  };
  test('every form gives the same numbers and leaves no tensor', async () => {
    const before = tf.memory().numTensors;
    const evaluations = [];
    for (const form of Object.values(forms)) evaluations.push(await stop(MODEL + form));
    assert.equal(tf.memory().numTensors, before);
    for (const evaluation of evaluations) assert.deepEqual(evaluation, evaluations[0]);
    assert.equal(evaluations[0]!.loss.length, 8);
  });

  test('lengths that differ are refused', () =>
    assert.rejects(
      open(`${MODEL} export const data = (s, { tf }) => ({ xs: tf.zeros([5, 2]), ys: tf.zeros([4, 1]) });`),
      { code: 'bad-task', message: /tensors of different lengths: 5, 4 examples/ },
    ));

  test('something else is refused with what it is', () =>
    assert.rejects(open(`${MODEL} export const data = () => ({ images: 3 });`), {
      code: 'bad-task',
      message: /data\('train'\) gave an object with images: give \{ xs, ys \}/,
    }));
});

describe('loss and metrics', () => {
  const declared = MODEL + DATA;
  test('a per-example loss of the module equals the declared one, gradient included', async () => {
    const own = `${declared}
export const loss = (model, { xs, ys }, { tf }) => tf.reshape(tf.squaredDifference(model.apply(xs), ys), [-1]);
export const metrics = (model, { xs, ys }, { tf }) => ({
  meanAbsoluteError: tf.reshape(tf.abs(tf.sub(model.apply(xs), ys)), [-1]),
});`;
    const a = await open(declared);
    const b = await open(own);
    const examples = Int32Array.of(0, 2, 4);
    const first = await a.objective.lossAndGradient(uniform, examples);
    const second = await b.objective.lossAndGradient(uniform, examples);
    assert.ok(Math.abs(first.loss - second.loss) < 1e-6);
    first.gradient.forEach((value, i) => assert.ok(Math.abs(value - second.gradient[i]!) < 1e-6));
    const point = { kind: 'mix', coefficients: uniform } as const;
    assert.deepEqual(
      (await b.objective.evaluate(point, 'report', 'average')).loss,
      (await a.objective.evaluate(point, 'report', 'average')).loss,
    );
    a.engine.dispose();
    b.engine.dispose();
  });

  test('scalars stand for their batch', async () => {
    const { loss, metrics, weights } = await stop(
      `${declared}
export const metrics = (model, { xs, ys }, { tf }) => ({ bias: tf.mean(tf.sub(model.apply(xs), ys)) });`,
      {
        metric: { name: 'bias', goal: 'minimize' },
      },
    );
    // 8 examples in batches of 6.
    assert.deepEqual([...weights], [6, 2]);
    assert.equal(loss.length, 2);
    assert.equal(metrics['bias']!.length, 2);
    const perExample = await stop(declared);
    const mean = perExample.loss.slice(0, 6).reduce((sum, value) => sum + value / 6, 0);
    assert.ok(Math.abs(loss[0]! - mean) < 1e-6);
  });

  test('training is told apart from evaluation', async () => {
    const { engine, objective } = await open(`${declared}
export const loss = (model, { xs }, { tf, training }) =>
  tf.add(tf.mul(0, tf.sum(model.apply(xs), 1)), training ? 2 : 1);`);
    const { loss: training } = await objective.lossAndGradient(uniform, Int32Array.of(0));
    assert.equal(training, 2);
    const { loss } = await objective.evaluate({ kind: 'mix', coefficients: uniform }, 'stop', 'average');
    assert.ok(loss.every((value) => value === 1));
    engine.dispose();
  });

  for (const [what, source, message] of [
    ['a promise', 'export const loss = async () => 1;', /loss\(\) must give a tensor at once, not a promise/],
    ['nothing', 'export const loss = () => undefined;', /loss\(\) must give one number per example/],
    [
      'a matrix',
      'export const loss = (m, { xs }, { tf }) => tf.square(xs);',
      /not a tensor of shape \[\d, 2\]/,
    ],
    [
      'too few numbers',
      'export const loss = (m, b, { tf }) => tf.zeros([3]);',
      /loss has the shape \[3\] for 6 examples/,
    ],
    [
      'another metric',
      'export const metrics = (m, { xs }, { tf }) => ({ speed: tf.scalar(1) });',
      /metrics\(\) gives speed, but .* asks for "meanAbsoluteError"/,
    ],
  ] as const) {
    test(`${what} is refused`, () =>
      assert.rejects(stop(`${declared}\n${source}`), { code: 'bad-task', message }));
  }

  test('a task without any loss is refused before anything is loaded', () =>
    assert.rejects(open(declared, { loss: undefined }), {
      code: 'bad-task',
      message: /there is no loss: name one as "loss", or export "loss" from the module/,
    }));

  test('a metric that nobody computes is refused before anything is loaded', () =>
    assert.rejects(open(declared, { metric: { name: 'f1', goal: 'maximize' } }), {
      code: 'bad-task',
      message: /the metric "f1" needs a module that exports "metrics"/,
    }));
});

describe('errors in the module', () => {
  /** The module's own line 1 is the first line of the source. */
  async function failure(source: string): Promise<TwaError> {
    try {
      await stop(source);
    } catch (error) {
      assert.ok(error instanceof TwaError, String(error));
      return error;
    }
    throw new Error('nothing was thrown');
  }

  test('one thrown in a function comes with file, line and stack', async () => {
    const error = await failure(`${MODEL}${DATA}
export function loss() {
  const labels = undefined;
  return labels.length;
}`);
    const line = `${MODEL}${DATA}`.split('\n').length + 3;
    assert.equal(error.code, 'bad-task');
    assert.equal(error.place.line, line);
    assert.ok(
      error.message.startsWith(`${error.place.path!}:${line}: loss() failed: Cannot read properties`),
    );
    assert.ok(error.details.some((detail) => detail.includes(`:${line}:`)));
  });

  test('one in apply, deep inside the model', async () => {
    const error = await failure(`${MODEL.replace('tf.add(', 'tf.nothing(')}${DATA}`);
    assert.equal(error.place.line, 5);
    assert.match(error.message, /apply\(\) failed: tf\.nothing is not a function/);
  });

  test('a rejected promise in data', async () => {
    const error = await failure(
      `${MODEL}\nexport async function data(split) {\n  throw new Error('no ' + split);\n}`,
    );
    assert.equal(error.place.line, MODEL.split('\n').length + 2);
    assert.match(error.message, /data\(\) failed: no train/);
  });

  test('a syntax error has its line, which Node does not tell by itself', async () => {
    const error = await failure('export const a = 1;\n\nexport function data( {\n');
    assert.equal(error.place.line, 4);
    assert.match(error.message, /cannot be loaded: /);
  });

  test('a package that is not installed', async () => {
    const error = await failure("import 'no-such-package';\n");
    assert.match(error.message, /Cannot find package 'no-such-package'/);
  });

  test('no export by a known name', async () => {
    assert.match(
      (await failure('export const dataset = 1;')).message,
      /exports none of model, data, loss, metrics/,
    );
  });

  test('an export that is no function', async () => {
    assert.match((await failure('export const data = [];')).message, /"data" is not a function/);
  });
});

test('a LayersModel from the module, matched by weight name', async () => {
  const { engine, objective } = await open(`${DATA}
export function model({ tf }) {
  const x = tf.input({ shape: [2] });
  class Named extends tf.layers.Layer {
    build() {
      this.slope = this.addWeight('slope', [2, 1], 'float32', tf.initializers.zeros());
      this.offset = this.addWeight('offset', [1], 'float32', tf.initializers.zeros());
    }
    computeOutputShape() { return [null, 1]; }
    call(inputs) { return tf.add(tf.matMul(inputs[0] ?? inputs, this.slope.read()), this.offset.read()); }
    static className = 'Named';
  }
  return tf.model({ inputs: x, outputs: new Named({ name: 'linear' }).apply(x) });
}`);
  const point = { kind: 'mix', coefficients: uniform } as const;
  const expected = await stop(MODEL + DATA);
  assert.deepEqual((await objective.evaluate(point, 'stop', 'average')).loss, expected.loss);
  engine.dispose();
});
