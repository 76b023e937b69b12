import assert from 'node:assert/strict';
import { cp, mkdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { readParameter } from '../../../src/core/checkpoints/merge.ts';
import { tfjsLayers } from '../../../src/core/checkpoints/tfjs-layers/format.ts';
import { ManifestError, parseManifest } from '../../../src/core/checkpoints/tfjs-layers/manifest.ts';
import type { Inspection } from '../../../src/core/checkpoints/types.ts';
import { FIXTURES, temporaryDirectory } from './help.ts';

const directory = await temporaryDirectory();
const source = join(FIXTURES, 'tfjs/epoch-1');
const expected = JSON.parse(await readFile(join(FIXTURES, 'tfjs/expected.json'), 'utf8')) as {
  epochs: readonly { weights: Record<string, number[]> }[];
};

let count = 0;
async function copyOfReal(): Promise<string> {
  const path = join(directory, `epoch-${count++}`);
  await cp(source, path, { recursive: true });
  return path;
}

function reasonOf(inspection: Inspection, state: 'incomplete' | 'unreadable'): string {
  assert.ok(inspection.state === state, JSON.stringify(inspection));
  return inspection.reason;
}

test("a model of TensorFlow.js: the model's weights, across shards, as getWeights gives them", async () => {
  const inspection = await tfjsLayers.inspect(source);
  assert.ok(inspection.state === 'complete');
  const { header } = inspection;
  assert.equal(header.epoch, 1);
  assert.equal(header.step, 4);
  assert.equal(header.metadata['note'], 'three epochs of noise');
  assert.equal(header.files.length, 9);
  assert.deepEqual(
    header.tensors.map((tensor) => tensor.name).sort(),
    Object.keys(expected.epochs[0]!.weights).sort(),
    "the optimizer's weights are not among them",
  );
  const reader = await tfjsLayers.open(header);
  for (const tensor of header.tensors) {
    assert.deepEqual(
      [...(await readParameter(reader, tensor))],
      expected.epochs[0]!.weights[tensor.name],
      tensor.name,
    );
  }
  await reader.close();
});

test('a reader gives any part of a tensor', async () => {
  const inspection = await tfjsLayers.inspect(source);
  assert.ok(inspection.state === 'complete');
  const tensor = inspection.header.tensors.find(({ name }) => name === 'dense/kernel')!;
  const reader = await tfjsLayers.open(inspection.header);
  const values = expected.epochs[0]!.weights['dense/kernel']!;
  for (const [start, length] of [
    [5, 7],
    [0, 1],
    [23, 1],
    [10, 0],
    [0, 24],
  ] as const) {
    const bytes = (await reader.read(tensor, start, length)).slice();
    assert.deepEqual([...new Float32Array(bytes.buffer)], values.slice(start, start + length));
  }
  await assert.rejects(reader.read(tensor, 20, 5), RangeError);
  await reader.close();
});

describe('still being written', () => {
  test('a shard is missing', async () => {
    const path = await copyOfReal();
    await rm(join(path, 'group1-shard5of8.bin'));
    assert.match(
      reasonOf(await tfjsLayers.inspect(path), 'incomplete'),
      /group1-shard5of8\.bin is not there/,
    );
  });
  test('a shard is short', async () => {
    const path = await copyOfReal();
    await truncate(join(path, 'group1-shard8of8.bin'), 10);
    assert.match(reasonOf(await tfjsLayers.inspect(path), 'incomplete'), /has 710 of 772 bytes of weights/);
  });
  test('model.json is cut off anywhere', async () => {
    const path = await copyOfReal();
    const text = await readFile(join(path, 'model.json'), 'utf8');
    for (let length = 0; length < text.length; length += 7) {
      await writeFile(join(path, 'model.json'), text.slice(0, length));
      assert.match(reasonOf(await tfjsLayers.inspect(path), 'incomplete'), /front part of its model\.json/);
    }
  });
  test('model.json is not there', async () => {
    const path = await copyOfReal();
    await rm(join(path, 'model.json'));
    assert.match(reasonOf(await tfjsLayers.inspect(path), 'incomplete'), /model\.json is not there/);
  });
});

describe('refused for good', () => {
  test('more bytes than the manifest describes', async () => {
    const path = await copyOfReal();
    await truncate(join(path, 'group1-shard8of8.bin'), 100);
    assert.match(reasonOf(await tfjsLayers.inspect(path), 'unreadable'), /describes 772 bytes .* hold 800/);
  });
  test('quantized weights', async () => {
    const inspection = await tfjsLayers.inspect(join(FIXTURES, 'tfjs-quantized'));
    assert.match(reasonOf(inspection, 'unreadable'), /conv\/kernel quantized to uint8/);
  });
  test('JSON that is none', async () => {
    const path = await copyOfReal();
    await writeFile(join(path, 'model.json'), '{"a": nonsense}');
    assert.match(reasonOf(await tfjsLayers.inspect(path), 'unreadable'), /not valid JSON/);
  });
  test('model.json or a shard that links to itself', async () => {
    const model = join(directory, 'loop-model');
    await mkdir(model);
    await symlink('model.json', join(model, 'model.json'));
    assert.match(reasonOf(await tfjsLayers.inspect(model), 'unreadable'), /model\.json is a symbolic link/);
    const path = await copyOfReal();
    await rm(join(path, 'group1-shard2of8.bin'));
    await symlink('group1-shard2of8.bin', join(path, 'group1-shard2of8.bin'));
    assert.match(reasonOf(await tfjsLayers.inspect(path), 'unreadable'), /shard2of8\.bin is a symbolic link/);
  });
  test('a shard that is a directory', async () => {
    const path = await copyOfReal();
    await rm(join(path, 'group1-shard2of8.bin'));
    await mkdir(join(path, 'group1-shard2of8.bin'));
    assert.match(reasonOf(await tfjsLayers.inspect(path), 'unreadable'), /is not a file/);
  });
});

describe('manifests', () => {
  const weight = { name: 'w', shape: [2], dtype: 'float32' };
  const manifest = (paths: unknown, weights: unknown = [weight]) => ({
    weightsManifest: [{ paths, weights }],
  });

  test('a path may lie in a directory inside', () => {
    assert.deepEqual(parseManifest(manifest(['weights/a.bin'])).groups[0]!.paths, ['weights/a.bin']);
  });

  const outside = [
    '../x',
    'a/../../x',
    '/etc/passwd',
    'C:\\x',
    'c:x',
    '..\\x',
    './x',
    'a//b',
    'a/.',
    '',
    'x\0',
    'file:x',
    'model.json',
    7,
  ];
  for (const path of outside) {
    test(`the path ${JSON.stringify(path)} is refused`, () => {
      assert.throws(() => parseManifest(manifest([path])), ManifestError);
    });
  }

  const bad: readonly (readonly [string, unknown, RegExp])[] = [
    ['a number', 7, /not a JSON object/],
    ["somebody else's model.json", { learner: {}, version: [2, 0, 0] }, /no weightsManifest/],
    ['a graph model', { format: 'graph-model', weightsManifest: [] }, /graph model/],
    ['an unknown format', { format: 'other', weightsManifest: [] }, /format "other"/],
    ['a group without paths', { weightsManifest: [{ weights: [] }] }, /group 0/],
    ['a shard twice', manifest(['a', 'a']), /a twice/],
    ['a weight twice', manifest(['a'], [weight, weight]), /w twice/],
    ['a weight without a name', manifest(['a'], [{ shape: [], dtype: 'float32' }]), /without a name/],
    [
      'text weights',
      manifest(['a'], [{ ...weight, dtype: 'string' }]),
      /"string", a type that is not supported/,
    ],
    ['a dtype from the prototype', manifest(['a'], [{ ...weight, dtype: 'constructor' }]), /not supported/],
    ['a shape that is none', manifest(['a'], [{ ...weight, shape: [2, -1] }]), /shape that is none/],
    [
      'a shape that overflows',
      manifest(['a'], [{ ...weight, shape: [2 ** 40, 2 ** 40] }]),
      /shape that is none/,
    ],
  ];
  for (const [what, model, reason] of bad) {
    test(`${what} is refused`, () => assert.throws(() => parseManifest(model), { message: reason }));
  }

  test('a weight called __proto__ is a weight, and metadata of that name stays a key', () => {
    const text =
      '{"userDefinedMetadata":{"__proto__":"x"},"weightsManifest":[{"paths":["a"],"weights":[{"name":"__proto__","shape":[],"dtype":"int32"}]}]}';
    const parsed = parseManifest(JSON.parse(text));
    assert.deepEqual(parsed.groups[0]!.tensors, [{ name: '__proto__', dtype: 'I32', shape: [] }]);
    assert.deepEqual(Object.keys(parsed.metadata), ['__proto__']);
  });
});

test('candidates: the directory of a model.json', () => {
  assert.equal(tfjsLayers.candidate('/runs/a/epoch-1/model.json'), '/runs/a/epoch-1');
  assert.equal(tfjsLayers.candidate('/runs/a/epoch-1/my-model.json'), undefined);
  assert.equal(tfjsLayers.candidate('/runs/a/epoch-1'), undefined);
});
