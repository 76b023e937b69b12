/** The supplied wasm kernels against tfjs's plain JavaScript backend, which has its own code for every one of them. */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { cpu } from '../../../src/compute/backends/cpu.ts';
import { startWasm } from '../../../src/compute/backends/wasm.ts';
import { tf } from '../../../src/compute/tf.ts';
import type { Tensor, Tensor4D } from '../../../src/compute/tf.ts';
import { noise } from './files.ts';
import { gradients, relativeError } from './helpers.ts';

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
  await cpu.start([]);
  await startWasm();
});

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
    byBackend.push(gradients(operation, inputs));
    assert.equal(tf.memory().numTensors, before, `${backend} leaks tensors`);
    tf.dispose(inputs);
  }
  const [expected, found] = byBackend;
  expected!.forEach((gradient, index) => {
    const error = relativeError(found![index]!, gradient);
    assert.ok(error < TOLERANCE, `input ${index}: relative error ${error}`);
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

for (const stride of [1, 2]) {
  for (const multiplier of [1, 2]) {
    test(`depthwiseConv2d gradients, stride ${stride}, multiplier ${multiplier}`, () =>
      compare(
        (x, w) => tf.depthwiseConv2d(x as Tensor4D, w as Tensor4D, stride, 'same'),
        [
          [2, 7, 8, 3],
          [3, 3, 3, multiplier],
        ],
      ));
  }
}

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

test('tile, repeating axes of one and longer axes', async () => {
  await compare((x) => tf.tile(x, [3, 1, 4, 1]), [[1, 2, 1, 5]]);
  await compare((x) => tf.tile(x, [2, 3]), [[3, 4]]);
});
