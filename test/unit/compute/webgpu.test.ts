/** WebGPU for real, on a device in software: what is particular to it. Its gradients: gradient.test.ts. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { backendFailure, selectBackend, stopBackend } from '../../../src/compute/backends/select.ts';
import type { JobContext } from '../../../src/compute/jobs/context.ts';
import { openTfjsEngine } from '../../../src/compute/objective/tfjs-engine.ts';
import { tf } from '../../../src/compute/tf.ts';
import { runPass } from '../../../src/core/averaging/pass.ts';
import type { PassResult } from '../../../src/core/averaging/types.ts';
import { requireComplete } from '../../../src/core/checkpoints/registry.ts';
import { loadTask } from '../../../src/core/task/load.ts';
import { noise, temporaryDirectory, writeTask } from './files.ts';
import { fillModel, relativeError, saveLayersModel } from './helpers.ts';
import { NO_VULKAN, useSoftwareVulkan } from './software-vulkan.ts';

const skip = useSoftwareVulkan() ? false : NO_VULKAN;
const roots = [process.cwd()];

interface WithDevice {
  readonly device: {
    destroy(): void;
    createShaderModule(descriptor: { code: string }): unknown;
    createBuffer(descriptor: { size: number; usage: number }): unknown;
  };
}
const device = (): WithDevice['device'] => (tf.backend() as unknown as WithDevice).device;

describe('WebGPU', { skip }, () => {
  before(() => selectBackend('webgpu', roots));
  after(() => stopBackend('webgpu'));

  test('a sum of many tensors is their sum, and leaves no tensor behind', async () => {
    const before = tf.memory();
    for (const count of [7, 8, 13, 14, 20]) {
      const terms = Array.from({ length: count }, (_, k) => tf.fill([5], k + 1));
      const sum = tf.addN(terms);
      assert.deepEqual([...(await sum.data())], new Array(5).fill((count * (count + 1)) / 2));
      tf.dispose([terms, sum]);
    }
    const { numTensors, numBytes } = tf.memory();
    assert.deepEqual([numTensors, numBytes], [before.numTensors, before.numBytes]);
  });

  test('a command that the device refuses makes everything after it an error, not a zero', async () => {
    assert.equal(await backendFailure('webgpu'), undefined);
    device().createBuffer({ size: 2 ** 50, usage: 0x80 });
    const sum = tf.add(tf.ones([3]), 1);
    await assert.rejects(sum.data(), /The GPU refused a command/);
    assert.match((await backendFailure('webgpu'))!, /refused/);
    sum.dispose();
    await selectBackend('webgpu', roots);
    assert.equal(await backendFailure('webgpu'), undefined, 'a new device has a clean slate');
  });
});

describe('A pass whose GPU is lost', { skip }, () => {
  const directory = temporaryDirectory();
  const checkpoints: string[] = [];
  let task = '';
  before(async () => {
    await selectBackend('wasm', []);
    const { layers } = tf;
    const model = tf.sequential({
      layers: [
        layers.conv2d({ name: 'conv', inputShape: [4, 4, 1], filters: 3, kernelSize: 3, useBias: false }),
        layers.batchNormalization({ name: 'norm' }),
        layers.activation({ activation: 'relu' }),
        layers.flatten(),
        layers.dropout({ rate: 0.3 }),
        layers.dense({ name: 'dense', units: 2 }),
      ],
    });
    for (const index of [1, 2, 3]) {
      fillModel(model, index);
      checkpoints.push(await saveLayersModel(model, path.join(directory, `epoch-${index}`)));
    }
    model.dispose();
    const rows = 80;
    const labels = Array.from(noise(rows, 2), (value) => (value > 0 ? 1 : 0));
    task = writeTask(
      directory,
      {
        inputs: { shape: [rows, 4, 4, 1], values: noise(rows * 16, 1) },
        targets: { shape: [rows, 2], values: labels.flatMap((label) => [1 - label, label]) },
      },
      { batchSize: 10, model: 'checkpoint' },
    );
  });

  /** TWA for two epochs; `atStep` is called before every gradient, with how many there were. */
  async function pass(
    backend: 'wasm' | 'webgpu',
    atStep: (step: number) => void = () => undefined,
  ): Promise<{ result: PassResult; notes: readonly string[]; warnings: string[]; label: string }> {
    const warnings: string[] = [];
    const { signal } = new AbortController();
    const context: JobContext = {
      signal,
      onProgress: () => undefined,
      log: (level, text) => {
        if (level === 'warn') warnings.push(text);
      },
    };
    const headers = await Promise.all(checkpoints.map((checkpoint) => requireComplete(checkpoint)));
    const engine = await openTfjsEngine(
      { task: await loadTask(task), template: headers.at(-1)!, fitData: 'validation', seed: 1, backend },
      context,
    );
    const objective = await engine.load(headers, { signal });
    const ask = objective.lossAndGradient.bind(objective);
    let steps = 0;
    objective.lossAndGradient = (...question) => {
      atStep(steps++);
      return ask(...question);
    };
    const result = await runPass(
      objective,
      { method: 'twa', options: { epochs: 2, batchSize: 4 }, buffers: 'recalibrate', seed: 1 },
      { signal },
    );
    const { label } = engine;
    const notes = (await engine.findings?.(Float64Array.from(result.coefficients))) ?? [];
    await objective.dispose();
    await engine.dispose();
    return { result, notes, warnings, label };
  }

  test('goes on from where it was, on the next backend, and says so', async (context) => {
    const onWasm = await pass('wasm');
    const left = tf.memory().numTensors;
    const lost = await pass('webgpu', (step) => {
      if (step === 2) device().destroy();
    });
    assert.deepEqual(onWasm.notes, []);
    assert.match(lost.label, /^wasm \(/);
    assert.equal(lost.notes.length, 1);
    assert.match(lost.notes[0]!, /^webgpu .*The GPU was lost \(destroyed.*From there on wasm/);
    assert.deepEqual(lost.warnings, lost.notes);
    assert.equal(tf.memory().numTensors, left, 'tensors are left over');
    // float32 in another order of summation moves a gradient by 1e-5 of its length at most (gradient.test.ts), and the
    // coefficients are as many sums of them as there are steps; a step with another dropout mask would be off by 0.1.
    assert.equal(lost.result.lossCurve.length, onWasm.result.lossCurve.length);
    const error = relativeError(lost.result.coefficients, onWasm.result.coefficients);
    context.diagnostic(`coefficients differ by ${error.toExponential(1)}`);
    assert.ok(error < 1e-4, `coefficients are off by ${error}`);
  });
});
