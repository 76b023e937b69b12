/** The supplied wasm kernels against tfjs's plain JavaScript backend, which has its own code for every one of them. */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { cpu } from '../../../src/compute/backends/cpu.ts';
import { startWasm } from '../../../src/compute/backends/wasm.ts';
import { tf } from '../../../src/compute/tf.ts';
import type { Rank, Tensor, Tensor4D } from '../../../src/compute/tf.ts';
import { noise } from './files.ts';
import { gradients, relativeError } from './helpers.ts';

type Tensor5D = Tensor<Rank.R5>;

/** Both backends compute in float32 with sums in different order; a wrong element would show as 1e-2 or more. */
const TOLERANCE = 1e-5;

type Explicit = [[number, number], [number, number], [number, number], [number, number]];
type Padding = 'same' | 'valid' | Explicit;
const explicit = (top: number, bottom: number, left: number, right: number): Explicit => [
  [0, 0],
  [top, bottom],
  [left, right],
  [0, 0],
];

before(async () => {
  await cpu.start({ roots: [], asked: true });
  await startWasm();
});

/** Results and gradients. */
async function compare(
  operation: (...inputs: Tensor[]) => Tensor,
  shapes: readonly number[][],
): Promise<void> {
  const byBackend: Float32Array[][] = [];
  for (const backend of ['cpu', 'wasm']) {
    await tf.setBackend(backend);
    const inputs = shapes.map((shape, index) =>
      tf.tensor(noise(tf.util.sizeFromShape(shape), index + 1), shape),
    );
    const before = tf.memory().numTensors;
    const result = tf.tidy(() => operation(...inputs));
    byBackend.push([result.dataSync<'float32'>(), ...gradients(operation, inputs)]);
    result.dispose();
    assert.equal(tf.memory().numTensors, before, `${backend} leaks tensors`);
    tf.dispose(inputs);
  }
  const [expected, found] = byBackend;
  expected!.forEach((values, index) => {
    const error = relativeError(found![index]!, values);
    const what = index === 0 ? 'result' : `gradient of input ${index - 1}`;
    assert.ok(error < TOLERANCE, `${what}: relative error ${error}`);
  });
}

describe('conv2d gradients', () => {
  const cases: [size: number, kernel: number, stride: number, padding: Padding][] = [];
  for (const [stride, padding] of [
    [1, 'same'],
    [2, 'same'],
    [1, 'valid'],
    [2, 'valid'],
    [3, 'valid'],
    [2, explicit(1, 1, 1, 1)],
    [1, explicit(3, 1, 0, 2)],
  ] as const) {
    for (const kernel of [1, 3, 5]) for (const size of [8, 9]) cases.push([size, kernel, stride, padding]);
  }
  for (const [size, kernel, stride, padding] of cases) {
    test(`${size} x ${size + 1}, kernel ${kernel}, stride ${stride}, ${JSON.stringify(padding)}`, () =>
      compare(
        (x, w) => tf.conv2d(x as Tensor4D, w as Tensor4D, stride, padding),
        [
          [2, size, size + 1, 3],
          [kernel, kernel, 3, 4],
        ],
      ));
  }
});

describe('conv2d of many channels and images, in whole tiles and not', () => {
  for (const [batch, size, kernel, stride, from, to] of [
    [3, 16, 3, 1, 8, 16],
    [5, 7, 3, 2, 16, 24],
    [9, 4, 3, 1, 13, 5],
    [70, 1, 1, 1, 9, 33],
    [3, 5, 5, 1, 1, 32],
    [2, 40, 3, 1, 4, 8],
    [2, 9, 2, 3, 6, 8],
    [1, 2, 3, 1, 3, 3],
  ] as const) {
    test(`${batch} x ${size}^2 x ${from} to ${to}, kernel ${kernel}, stride ${stride}`, () =>
      compare(
        (x, w) => tf.conv2d(x as Tensor4D, w as Tensor4D, stride, 'same'),
        [
          [batch, size, size, from],
          [kernel, kernel, from, to],
        ],
      ));
  }
});

test('conv2d with dilation', async () => {
  const results: Float32Array[] = [];
  for (const backend of ['cpu', 'wasm']) {
    await tf.setBackend(backend);
    const y = tf.tidy(() =>
      tf.conv2d(
        tf.tensor4d(noise(2 * 9 * 8 * 3, 1), [2, 9, 8, 3]),
        tf.tensor4d(noise(9 * 3 * 8, 2), [3, 3, 3, 8]),
        1,
        'same',
        'NHWC',
        2,
      ),
    );
    results.push(y.dataSync<'float32'>());
    y.dispose();
  }
  assert.ok(relativeError(results[1]!, results[0]!) < TOLERANCE);
});

for (const [stride, padding] of [
  [1, 'same'],
  [2, 'same'],
  [2, 'valid'],
] as const) {
  test(`conv3d, stride ${stride}, ${padding}`, () =>
    compare(
      (x, w) => tf.conv3d(x as Tensor5D, w as Tensor5D, stride, padding),
      [
        [2, 4, 5, 6, 3],
        [2, 3, 3, 3, 4],
      ],
    ));
}

for (const equation of ['ab,bc->ac', 'abc,abd->acd', 'bqhd,bkhd->bhqk', 'abc,dc->ab', 'abc->ca', 'ab,ab->']) {
  test(`einsum ${equation}`, () => {
    const lengths: Readonly<Record<string, number>> = { a: 3, b: 4, c: 5, d: 6, h: 2, q: 7, k: 5 };
    const operands = equation.split('->')[0]!.split(',');
    return compare(
      (...inputs) => tf.einsum(equation, ...inputs),
      operands.map((labels) => Array.from(labels).map((label) => lengths[label]!)),
    );
  });
}

// Channels around the loops' 16, 4 and 1; filters that are larger than the image, and smaller than the stride.
for (const stride of [1, 2, 3]) {
  for (const [channels, multiplier] of [
    [1, 1],
    [3, 1],
    [3, 2],
    [21, 1],
  ] as const) {
    for (const [rows, columns, padding] of [
      [3, 3, 'same'],
      [2, 3, 'valid'],
      [9, 1, 'same'],
    ] as const) {
      test(`depthwiseConv2d gradients, stride ${stride}, ${channels} x ${multiplier}, ${rows} x ${columns} ${padding}`, () =>
        compare(
          (x, w) => tf.depthwiseConv2d(x as Tensor4D, w as Tensor4D, stride, padding),
          [
            [2, 7, 8, channels],
            [rows, columns, channels, multiplier],
          ],
        ));
    }
  }
}

test('a filter that does not fit into the image is an error, and harms nobody else', async () => {
  await tf.setBackend('wasm');
  for (const rows of [8, 9]) {
    const [x, w] = [tf.ones<Rank.R4>([2, 7, 8, 4]), tf.ones<Rank.R4>([rows, 1, 4, 4])];
    const wrong = new RegExp(`A filter of ${rows} x 1 does not fit into an image of 7 x 8`);
    assert.throws(() => tf.conv2d(x, w, 2, 'valid'), wrong);
    assert.throws(() => tf.depthwiseConv2d(x, w, 2, 'valid'), wrong);
    tf.dispose([x, w]);
  }
});

for (const [size, stride, padding] of [
  [2, 2, 'valid'],
  [3, 2, 'same'],
  [3, 1, 'valid'],
] as const) {
  test(`maxPool gradient with several channels, window ${size}, stride ${stride}, ${padding}`, () =>
    compare((x) => tf.maxPool(x as Tensor4D, size, stride, padding), [[2, 7, 8, 5]]));
}

test('gather gradient adds up rows that were taken twice', () =>
  compare((x) => tf.gather(x, tf.tensor2d([1, 2, 3, 3, 3, 0], [2, 3], 'int32')), [[5, 4]]));

for (const [transposeA, transposeB] of [
  [true, false],
  [false, true],
  [true, true],
] as const) {
  test(`batched matMul, transposed ${transposeA} ${transposeB}`, () =>
    compare(
      (a, b) => tf.matMul(a, b, transposeA, transposeB),
      [transposeA ? [2, 7, 5] : [2, 5, 7], transposeB ? [2, 9, 7] : [2, 7, 9]],
    ));
}

describe('matMul of all sizes', () => {
  for (const [rows, depth, columns] of [
    [1, 1, 1],
    [4, 8, 8],
    [5, 3, 9],
    [300, 7, 16],
    [6, 1100, 10],
    [3, 600, 24],
  ] as const) {
    for (const [transposeA, transposeB] of [
      [false, false],
      [true, false],
      [false, true],
      [true, true],
    ] as const) {
      test(`${rows} x ${depth} x ${columns}, transposed ${transposeA} ${transposeB}`, () =>
        compare(
          (a, b) => tf.matMul(a, b, transposeA, transposeB),
          [transposeA ? [depth, rows] : [rows, depth], transposeB ? [columns, depth] : [depth, columns]],
        ));
    }
  }
  test('one right factor for many left ones', async () => {
    const results: Float32Array[] = [];
    for (const backend of ['cpu', 'wasm']) {
      await tf.setBackend(backend);
      const y = tf.tidy(() =>
        tf.matMul(tf.tensor3d(noise(105, 1), [3, 5, 7]), tf.tensor3d(noise(63, 2), [1, 7, 9])),
      );
      results.push(y.dataSync<'float32'>());
      y.dispose();
    }
    assert.ok(relativeError(results[1]!, results[0]!) < TOLERANCE);
  });
});

for (const [shape, axes] of [
  [
    [3, 4, 5, 6],
    [0, 1, 2],
  ],
  [
    [3, 4, 5, 6],
    [1, 2],
  ],
  [[3, 4, 5, 20], [3]],
  [[2, 2100, 3], [1]],
  [
    [2, 1, 2100],
    [1, 2],
  ],
  [
    [3, 4, 5],
    [0, 2],
  ],
  [[7], [0]],
] as const) {
  test(`sum and mean of [${shape.join()}] over ${axes.join()}`, async () => {
    await compare((x) => tf.sum(x, [...axes]), [[...shape]]);
    await compare((x) => tf.mean(x, [...axes], true), [[...shape]]);
  });
}

test('batch normalisation with the statistics of the batch', () =>
  compare(
    (x, scale, offset) => {
      const { mean, variance } = tf.moments(x, [0, 1, 2]);
      return tf.batchNorm(x, mean, variance, offset, scale);
    },
    [[3, 4, 5, 6], [6], [6]],
  ));

for (const [begin, size] of [
  [
    [0, 1, 0],
    [2, 2, 5],
  ],
  [
    [1, 0, 2],
    [1, 3, 2],
  ],
  [
    [0, 0, 1],
    [-1, -1, 1],
  ],
] as const) {
  test(`slice at ${begin.join()} of ${size.join()}`, () =>
    compare((x) => tf.slice(x, [...begin], [...size]), [[2, 3, 5]]));
}

test('split', () => compare((x) => tf.concat(tf.split(x, [1, 3, 2], 1).reverse(), 1), [[2, 6, 5]]));

test('tanh, from nothing to saturation', async () => {
  for (const size of [3, 4, 41]) await compare((x) => tf.tanh(x), [[size]]);
  await tf.setBackend('wasm');
  const values = Float32Array.from({ length: 4001 }, (_, k) => (k - 2000) / 100);
  const found = tf.tidy(() => tf.tanh(tf.tensor1d(values)).dataSync());
  values.forEach((x, k) => assert.ok(Math.abs(found[k]! - Math.tanh(x)) < 1e-6, `tanh(${x}) = ${found[k]}`));
  assert.deepEqual(
    [...tf.tidy(() => tf.tanh([NaN, Infinity, -Infinity, 0, NaN]).dataSync())],
    [NaN, 1, -1, 0, NaN],
  );
});

test('identity and casts share their data, and free it once', async () => {
  await tf.setBackend('wasm');
  const before = tf.memory().numDataBuffers;
  const x = tf.tensor1d([1, 2, 3]);
  const [same, cast, whole] = [tf.clone(x), tf.cast(x, 'float32'), tf.cast(x, 'int32')];
  x.dispose();
  assert.deepEqual([...same.dataSync()], [1, 2, 3]);
  same.dispose();
  assert.deepEqual([...cast.dataSync()], [1, 2, 3]);
  assert.deepEqual([...whole.dataSync()], [1, 2, 3]);
  tf.dispose([cast, whole]);
  assert.equal(tf.memory().numDataBuffers, before);
});

test('tile, repeating axes of one and longer axes', async () => {
  await compare((x) => tf.tile(x, [3, 1, 4, 1]), [[1, 2, 1, 5]]);
  await compare((x) => tf.tile(x, [2, 3]), [[3, 4]]);
  await compare((x) => tf.tile(x, [1, 3]), [[3, 4]]);
  await compare((x) => tf.tile(x, [7, 1]), [[3, 4]]);
  await compare((x) => tf.tile(x, [1, 6]), [[3, 1]]);
  await compare((x) => tf.tile(x, [5, 6, 1]), [[1, 1, 5]]);
});
