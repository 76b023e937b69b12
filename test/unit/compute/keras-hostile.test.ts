/** Architectures that are wrong, made to harm, or not supported: a typed error each, and nothing is run. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { before, test } from 'node:test';
import { selectBackend } from '../../../src/compute/backends/select.ts';
import { customLayers } from '../../../src/compute/keras/custom.ts';
import { readArchitecture } from '../../../src/core/keras/architecture.ts';
import { TwaError } from '../../../src/core/errors.ts';
import { tf } from '../../../src/compute/tf.ts';
import type { Tensor } from '../../../src/compute/tf.ts';
import { temporaryDirectory, writeText } from './files.ts';
import { apply, modelOfCase } from './keras.ts';

before(() => selectBackend('cpu', []));

const input = {
  class_name: 'InputLayer',
  config: { batch_shape: [null, 4], name: 'in' },
  name: 'in',
  inbound_nodes: [],
};
const tensor = (name: string, call = 0): object => ({
  class_name: '__keras_tensor__',
  config: { shape: [null, 4], dtype: 'float32', keras_history: [name, call, 0] },
});
const layer = (
  className: string,
  config: object = {},
  name = className,
  from = 'in',
): Record<string, unknown> => ({
  module: 'keras.layers',
  class_name: className,
  config: { name, trainable: true, dtype: 'float32', ...config },
  registered_name: null,
  name,
  inbound_nodes: [{ args: [tensor(from)], kwargs: {} }],
});
const graph = (layers: readonly unknown[], output = 'last'): Record<string, unknown> => ({
  class_name: 'Functional',
  config: {
    name: 'model',
    layers: [input, ...layers],
    input_layers: ['in', 0, 0],
    output_layers: [output, 0, 0],
  },
});
const sequence = (...layers: readonly unknown[]): Record<string, unknown> => ({
  class_name: 'Sequential',
  config: { name: 'model', layers: [input, ...layers] },
});
const build = (model: Record<string, unknown>) =>
  modelOfCase({ model, weights: {}, inputs: [], outputs: { shape: [], values: [] } });

async function refusalOf(model: Record<string, unknown>): Promise<TwaError> {
  try {
    (await build(model)).dispose();
  } catch (error) {
    assert.ok(error instanceof TwaError, String(error));
    return error;
  }
  throw new assert.AssertionError({ message: 'It was built.' });
}

test('every layer that is not known is named, and how to bring one', async () => {
  const error = await refusalOf(
    sequence(
      layer('Flatten'),
      layer('Sparkle'),
      layer('Dense', { units: -3 }, 'head'),
      layer('Lambda', {}, 'code'),
    ),
  );
  assert.equal(error.code, 'unsupported');
  assert.match(
    error.message,
    /Sparkle "Sparkle" is not known here: export it from a task module as one of its "layers"\. There are 3 such layers in all\.$/,
  );
  assert.match(error.details[1]!, /^Dense "head" has a units that is -3, not 1 or more\.$/);
  assert.match(
    error.details[2]!,
    /^Lambda "code" runs Python code that is in the file, which is never executed here\.$/,
  );
});

test("a class of one's own that is called like one of Keras's is not taken for it", async () => {
  const own = { ...layer('Dense', { units: 2 }), module: 'my.package', registered_name: 'my>Dense' };
  assert.match((await refusalOf(sequence(own))).message, /Dense "Dense" is not known here/);
});

test('circles, missing layers and nonsense end in an error', async () => {
  const circle = graph([layer('ReLU', {}, 'a', 'last'), layer('ReLU', {}, 'last', 'a')]);
  assert.match((await refusalOf(circle)).message, /go round in a circle/);
  assert.match(
    (await refusalOf(graph([layer('ReLU', {}, 'a')]))).message,
    /outputs that are none of its layers/,
  );
  assert.match(
    (await refusalOf(graph([layer('ReLU', {}, 'last', 'nowhere')]))).message,
    /an input that no layer gives/,
  );
  assert.match(
    (await refusalOf(graph([{ ...layer('ReLU', {}, 'last'), inbound_nodes: [7] }]))).message,
    /a call that is none/,
  );
  assert.match((await refusalOf(sequence(7))).message, /a layer without class_name and config/);
  assert.match((await refusalOf({ class_name: 'Sequential', config: {} })).message, /has no list of layers/);
});

test('models in models, far too deep or far too many', async () => {
  let deep: unknown = layer('ReLU');
  for (let i = 0; i < 5000; i++) deep = sequence(deep);
  assert.match((await refusalOf(deep as Record<string, unknown>)).message, /more than 32 levels deep/);
  const many = sequence(...new Array<unknown>(20_001).fill(layer('ReLU')));
  assert.match((await refusalOf(many)).message, /more than 20000 layers/);
});

test('names of JavaScript itself are ordinary names', async () => {
  for (const name of ['__proto__', 'constructor', 'toString']) {
    assert.match((await refusalOf(sequence(layer(name)))).message, /is not known here/);
    assert.match(
      (await refusalOf(sequence(layer('Activation', { activation: name })))).message,
      /the activation .* which is not known here/,
    );
  }
  const polluted = JSON.parse(
    '{"class_name": "Sequential", "config": {"layers": [{"class_name": "ReLU", "config": {"__proto__": {"threshold": 7}, "name": "r", "trainable": true}}]}}',
  ) as Record<string, unknown>;
  const model = await build(polluted);
  const y = apply(model, [{ shape: [1, 2], values: [-1, 3] }], false);
  assert.deepEqual([...(await y.data())], [0, 3]);
  assert.equal(({} as Record<string, unknown>)['threshold'], undefined);
  y.dispose();
  model.dispose();
});

test('sizes that no memory holds are refused before anything is allocated', async () => {
  for (const [className, config] of [
    ['RepeatVector', { n: 1e9 }],
    ['RepeatVector', { n: 1e300 }],
  ] as const) {
    assert.equal((await refusalOf(sequence(layer(className, config)))).code, 'unsupported');
  }
  for (const one of [
    layer('UpSampling1D', { size: 2_000_000_000 }),
    layer('ZeroPadding1D', { padding: 2_000_000_000 }),
  ]) {
    const model = await build(sequence(one));
    assert.throws(
      () => apply(model, [{ shape: [1, 2, 2], values: [1, 2, 3, 4] }], false),
      /more than there is memory for/,
    );
    model.dispose();
  }
});

test('weights that are not those of the architecture are all named', async () => {
  const error = await refusalOf(sequence(layer('Dense', { units: 2 })));
  assert.equal(error.code, 'mismatch');
  assert.match(
    error.message,
    /Dense "Dense", kernel: there is no layers\/dense\/vars\/0 in the checkpoint\. There are 2 differences in all\.$/,
  );
});

test('files that hold no architecture say so', async () => {
  const directory = temporaryDirectory();
  const file = (name: string, text: string): string => writeText(path.join(directory, name), text);
  await assert.rejects(readArchitecture(file('a.json', '[1, 2')), {
    code: 'bad-task',
    message: /is not valid JSON/,
  });
  await assert.rejects(readArchitecture(file('b.json', '{"a": 1}')), {
    code: 'bad-task',
    message: /does not describe a Keras model/,
  });
  const deep = '{"class_name": "A", "config": {"a": '.concat('['.repeat(100_000), ']'.repeat(100_000), '}}');
  await assert.rejects(readArchitecture(file('deep.json', deep)), {
    code: 'bad-task',
    message: /300 levels deep/,
  });
  await assert.rejects(readArchitecture(file('c.keras', 'PK')), { code: 'bad-task' });
  await assert.rejects(
    readArchitecture(file('d.h5', 'no HDF5 at all, but long enough to be looked at all the same, is it')),
    { code: 'bad-task', message: /not an HDF5 file/ },
  );
  await assert.rejects(readArchitecture(path.join(directory, 'none.keras')), { code: 'not-found' });
});

test('a layer of a task module takes part, with its weights', async () => {
  const custom = customLayers(
    {
      'my>Scale': ({
        config,
        weight,
      }: {
        config: Record<string, unknown>;
        weight: (name: string, shape: number[]) => { read(): Tensor };
      }) => {
        const factor = weight('factor', [config['size'] as number]);
        return (x: Tensor) => tf.mul(x, factor.read());
      },
    },
    (message) => new Error(message),
  );
  const scale = { ...layer('Scale', { size: 2 }), module: 'my', registered_name: 'my>Scale' };
  const model = await modelOfCase(
    {
      model: sequence(scale),
      weights: { 'layers/scale/vars/0': { shape: [2], values: [3, 5] } },
      inputs: [],
      outputs: { shape: [], values: [] },
    },
    custom,
  );
  const y = apply(model, [{ shape: [1, 2], values: [1, 2] }], false);
  assert.deepEqual([...(await y.data())], [3, 10]);
  y.dispose();
  model.dispose();
});
