import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { test } from 'node:test';

import { convertToSafetensors, planConversion } from '../../../src/core/checkpoints/convert.ts';
import { elementCount } from '../../../src/core/checkpoints/dtype.ts';
import { partialPathFor } from '../../../src/core/checkpoints/publish.ts';
import { formatById, requireComplete } from '../../../src/core/checkpoints/registry.ts';
import type { CheckpointHeader } from '../../../src/core/checkpoints/types.ts';
import { FIXTURES, safetensorsBytes, temporaryDirectory, twaError } from './help.ts';
import { PYTHON, skipWithout } from './python.ts';

const directory = await temporaryDirectory();
let count = 0;

async function convert(
  header: CheckpointHeader,
  more: Partial<Parameters<typeof convertToSafetensors>[0]> = {},
): Promise<CheckpointHeader> {
  const output = join(directory, `${++count}-${basename(header.path)}.safetensors`);
  await convertToSafetensors({ header, output, partial: partialPathFor(output), ...more });
  return requireComplete(output);
}

async function hexOf(header: CheckpointHeader): Promise<Map<string, string>> {
  const reader = await formatById(header.format).open(header);
  const found = new Map<string, string>();
  for (const tensor of header.tensors) {
    const stored = tensor.aliasOf === undefined ? tensor : { ...tensor, name: tensor.aliasOf };
    const bytes = await reader.read(stored, 0, elementCount(tensor.shape)!);
    found.set(tensor.name, `${tensor.dtype} [${tensor.shape.join()}] ${Buffer.from(bytes).toString('hex')}`);
  }
  await reader.close();
  return new Map([...found].sort());
}

const without = (header: CheckpointHeader, name: string): CheckpointHeader => ({
  ...header,
  tensors: header.tensors.filter((tensor) => tensor.name !== name),
});

for (const path of [
  ...['plain', 'lightning', 'module', 'odd-legacy', 'odd'].map((kind) => `torch/torch-2.13/${kind}-1.pt`),
  'torch/torch-1.13/lightning-legacy-2.pt',
  'huggingface/checkpoint-4',
  'sharded/epoch-2',
  'peft/epoch-1',
  'mixed/epoch-002.safetensors',
  'keras/zip/epoch-1.keras',
  'keras/weights/epoch-1.weights.h5',
  'keras/legacy/epoch-1.h5',
  'flax/step-10.msgpack',
  'npz/stored/epoch-1.npz',
  'tfjs/epoch-1',
]) {
  test(`${path}: every tensor comes out bit for bit`, async () => {
    const source = without(await requireComplete(join(FIXTURES, path)), 'c128');
    const converted = await convert(source);
    assert.equal(converted.format, 'safetensors');
    assert.deepEqual(await hexOf(converted), await hexOf(source));
    assert.ok(converted.tensors.every(({ aliasOf }) => aliasOf === undefined));
    assert.equal(converted.step, source.step);
    assert.equal(converted.epoch, source.epoch);
    for (const [key, value] of Object.entries(source.metadata)) assert.equal(converted.metadata[key], value);
  });
}

test(
  'the safetensors library loads all of it, views, ties and 8-bit floats included, as torch has them',
  skipWithout(['safetensors', 'torch', 'numpy']),
  async () => {
    const source = without(await requireComplete(join(FIXTURES, 'torch/torch-2.13/odd-2.pt')), 'c128');
    const { path } = await convert(source);
    const script = `
import json, sys
from safetensors.torch import load_file
from safetensors import safe_open
import torch
expected = json.load(open(sys.argv[2]))["odd-2"]
found = load_file(sys.argv[1])
assert set(found) == set(expected) - {"c128"}, set(found) ^ set(expected)
for name, tensor in found.items():
    data = tensor.contiguous().reshape(-1)
    data = data.view(torch.uint8).numpy().tobytes().hex() if data.numel() else ""
    assert data == expected[name], name
assert safe_open(sys.argv[1], "pt").metadata()["format"] == "pt"
print("equal", len(found))
`;
    const expected = join(FIXTURES, 'torch/torch-2.13/expected.json');
    const { stdout, stderr } = spawnSync(PYTHON, ['-c', script, path, expected], { encoding: 'utf8' });
    assert.match(stdout, /^equal \d\d$/m, stderr);
  },
);

test('what safetensors cannot hold is refused by the name of the tensor, and nothing is written', async () => {
  const header = await requireComplete(join(FIXTURES, 'torch/torch-2.13/odd-1.pt'));
  const output = join(directory, 'refused.safetensors');
  await assert.rejects(
    convertToSafetensors({ header, output, partial: partialPathFor(output) }),
    twaError('unsupported', /odd-1\.pt holds tensor c128, complex numbers of 128 bits/),
  );
  assert.ok(!(await readdir(directory)).some((name) => name.includes('refused')));
});

test('a tied tensor is written in full, and the notes say so', async () => {
  const header = await requireComplete(join(FIXTURES, 'torch/torch-2.13/lightning-1.pt'));
  const { notes, bytes } = planConversion(header);
  assert.match(notes.join('\n'), /model\.tied\.weight \(the same as model\.head\.weight\)/);
  const { files } = await convert(header);
  assert.equal(files[0]!.size, bytes);
});

/** The nearest float16 of the float64 values, by NumPy's rules, written out: 1, 65504, the smallest, a tie to even. */
const DOUBLES = [1, 65504, 2 ** -24, 2048 + 1, NaN, -Infinity];
const HALVES = ['003c', 'ff7b', '0100', '0068', '007e', '00fc'];

async function doubles(values: readonly number[]): Promise<CheckpointHeader> {
  const path = join(directory, `doubles-${++count}.safetensors`);
  const header = {
    w: { dtype: 'F64', shape: [values.length], data_offsets: [0, 8 * values.length] },
    n: { dtype: 'I64', shape: [1], data_offsets: [8 * values.length, 8 * values.length + 8] },
  };
  const data = new Uint8Array(Float64Array.from([...values, 0]).buffer);
  await writeFile(path, safetensorsBytes(header, data));
  return requireComplete(path);
}

test('another float type: each number rounded once, what is not finite kept, integers untouched', async () => {
  const converted = await convert(await doubles(DOUBLES), { dtype: 'F16' });
  assert.deepEqual(
    await hexOf(converted),
    new Map([
      ['n', 'I64 [1] 0000000000000000'],
      ['w', `F16 [6] ${HALVES.join('')}`],
    ]),
  );
});

test('a number that the type cannot hold is an error that names it, and leaves nothing behind', async () => {
  const header = await doubles([1, 70000]);
  await assert.rejects(
    convert(header, { dtype: 'F16', output: join(directory, 'large.safetensors') }),
    twaError('non-finite', /has 70000 in w \(element 1\), more than F16 can hold/),
  );
  assert.ok(!(await readdir(directory)).some((name) => /large|partial/.test(name)));
});

test('nothing is overwritten; a cancelled conversion leaves nothing', async () => {
  const header = await doubles([1]);
  await assert.rejects(convert(header, { output: header.path }), twaError('exists'));
  const controller = new AbortController();
  const output = join(directory, 'cancelled.safetensors');
  await assert.rejects(
    convert(header, { output, signal: controller.signal, onProgress: () => controller.abort() }),
    twaError('cancelled'),
  );
  await assert.rejects(
    convert(header, { output: join(directory, 'none/x.safetensors') }),
    twaError('not-found'),
  );
  assert.ok(!(await readdir(directory)).some((name) => /cancelled|partial/.test(name)));
});

test('a damaged source is found by its checksums', async () => {
  const source = await readFile(join(FIXTURES, 'torch/torch-2.13/plain-1.pt'));
  const good = await requireComplete(join(FIXTURES, 'torch/torch-2.13/plain-1.pt'));
  const reader = await formatById('torch').open(good);
  const first = Buffer.from(await reader.read(good.tensors[0]!, 0, 4));
  await reader.close();
  source[source.indexOf(first)]! ^= 1;
  const path = join(directory, 'damaged.pt');
  await writeFile(path, source);
  await assert.rejects(convert(await requireComplete(path)), twaError('bad-checkpoint', /checksum/));
});
