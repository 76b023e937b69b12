import assert from 'node:assert/strict';
import { test } from 'node:test';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { listDevices, selectBackend } from '../../../src/compute/backends/select.ts';
import { selfTest } from '../../../src/compute/backends/self-test.ts';
import { tf } from '../../../src/compute/tf.ts';
import type { TensorInfo } from '../../../src/compute/tf.ts';
import { TwaError } from '../../../src/core/errors.ts';
import { temporaryDirectory, writeText } from './files.ts';

/** Runs `work` while a wasm kernel gives zeros of the right shape, as a silently wrong backend would. */
async function withBrokenKernel(kernelName: string, work: () => Promise<void>): Promise<void> {
  const kernel = tf.getKernel(kernelName, 'wasm');
  tf.unregisterKernel(kernelName, 'wasm');
  tf.registerKernel({
    ...kernel,
    kernelFunc: (call) => tf.zeros((kernel.kernelFunc(call) as TensorInfo).shape),
  });
  try {
    await work();
  } finally {
    tf.unregisterKernel(kernelName, 'wasm');
    tf.registerKernel(kernel);
  }
}

test('auto takes wasm where nothing is installed, and says why not the others', async () => {
  const { name, label, passedOver } = await selectBackend('auto', [temporaryDirectory()]);
  assert.equal(name, 'wasm');
  assert.equal(tf.getBackend(), 'wasm');
  assert.match(label, /^wasm \(1 thread, SIMD\)$/);
  assert.deepEqual(
    passedOver.map((device) => [device.name, device.usable]),
    [
      ['tensorflow', false],
      ['webgpu', false],
    ],
  );
  assert.match(passedOver[0]!.reason!, /twa setup-gpu.*npm install @tensorflow\/tfjs-node/);
});

test('every backend is listed, the usable ones with the time of their self-test', async () => {
  const { chosen, devices } = await listDevices([temporaryDirectory()]);
  assert.equal(chosen, 'wasm');
  assert.deepEqual(
    devices.map((device) => [
      device.name,
      device.usable,
      device.reason === undefined,
      device.selfTestMs !== undefined,
    ]),
    [
      ['tensorflow', false, false, false],
      ['webgpu', false, false, false],
      ['wasm', true, true, true],
      ['cpu', true, true, true],
    ],
  );
});

test('the self-test leaves no tensor behind', async () => {
  await selectBackend('wasm', []);
  const before = tf.memory().numTensors;
  await selfTest();
  assert.equal(tf.memory().numTensors, before);
});

for (const [kernel, operation] of [
  ['Conv2DBackpropFilter', 'conv2d'],
  ['Conv2DBackpropInput', 'conv2d'],
  ['MaxPoolGrad', 'maxPool'],
  ['UnsortedSegmentSum', 'gather'],
  ['DepthwiseConv2dNativeBackpropInput', 'depthwiseConv2d'],
] as const) {
  test(`a wrong ${kernel} is found out`, async () => {
    await selectBackend('wasm', []);
    await withBrokenKernel(kernel, async () => {
      await assert.rejects(selfTest(), new RegExp(`wrong gradient of ${operation}`));
      await assert.rejects(
        selectBackend('auto', [temporaryDirectory()]),
        (error) =>
          error instanceof TwaError &&
          error.code === 'no-backend' &&
          error.details.some((detail) => detail.startsWith('wasm: Self-test failed: wrong gradient of')),
      );
    });
  });
}

test('an optional package that does not load is named with its place', async () => {
  const root = temporaryDirectory();
  const folder = path.join(root, 'node_modules/@tensorflow/tfjs-node');
  writeText(
    path.join(folder, 'index.js'),
    "throw new Error('libtensorflow.so.2: cannot open shared object file');",
  );
  writeFileSync(path.join(folder, 'package.json'), '{"name": "@tensorflow/tfjs-node", "version": "4.22.0"}');
  await assert.rejects(selectBackend('tensorflow', [root]), (error) => {
    assert.ok(error instanceof TwaError);
    assert.equal(error.code, 'no-backend');
    assert.ok(error.message.includes(folder), error.message);
    assert.match(error.message, /libtensorflow\.so\.2: cannot open/);
    return true;
  });
});

test('the gradients that an optional package brings do not replace ours, even where it does not load', async () => {
  const root = temporaryDirectory();
  const folder = path.join(root, 'node_modules/@tensorflow/tfjs-node');
  writeText(
    path.join(folder, 'index.js'),
    `const core = require('${process.cwd()}/node_modules/@tensorflow/tfjs-core');
     core.registerGradient({ kernelName: 'Sum', gradFunc: () => { throw new Error('Not ours.'); } });
     throw new Error('no binding');`,
  );
  writeText(path.join(folder, 'package.json'), '{"name": "@tensorflow/tfjs-node", "version": "4.22.0"}');
  const { name } = await selectBackend('auto', [root]);
  assert.equal(name, 'wasm');
  const gradient = tf.grad((x) => tf.sum(x))(tf.ones([3]));
  assert.deepEqual([...(await gradient.data())], [1, 1, 1]);
  gradient.dispose();
});

/** A package `webgpu` whose only adapter is this one, and computes nothing. */
function stubWebgpu(root: string, info: string): void {
  const folder = path.join(root, 'node_modules/webgpu');
  writeText(
    path.join(folder, 'index.js'),
    `export const globals = {}; export const create = () => ({ requestAdapter: async () => (${info}) });`,
  );
  writeText(path.join(folder, 'package.json'), '{"name": "webgpu", "type": "module", "main": "index.js"}');
}

test('a software WebGPU adapter is not taken unless it is asked for', async () => {
  const root = temporaryDirectory();
  stubWebgpu(
    root,
    '{ limits: {}, info: { vendor: "mesa", device: "llvmpipe (LLVM 19)", description: "", architecture: "" } }',
  );
  const { name, passedOver } = await selectBackend('auto', [root]);
  assert.equal(name, 'wasm');
  assert.match(passedOver[1]!.reason!, /llvmpipe.*slower than wasm; asked for by name, it is used/);
  await assert.rejects(selectBackend('webgpu', [root]), /requestDevice is not a function/);
});

test('no adapter is a reason, too, and nothing of WebGPU is left behind', async () => {
  const root = temporaryDirectory();
  stubWebgpu(root, 'null');
  await assert.rejects(selectBackend('webgpu', [root]), /finds no graphics adapter/);
  assert.ok(!('gpu' in navigator) || (navigator.gpu as unknown) === undefined);
});

test('a backend that failed is not tried again', async () => {
  await assert.rejects(
    selectBackend('auto', [temporaryDirectory()], { without: new Set(['wasm']) }),
    (error) =>
      error instanceof TwaError &&
      error.code === 'no-backend' &&
      error.details.every((detail) => !detail.startsWith('wasm')),
  );
});
