import assert from 'node:assert/strict';
import { cp, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import {
  candidateFor,
  expandPaths,
  inspectPath,
  requireComplete,
} from '../../../src/core/checkpoints/registry.ts';
import { safetensorsDirectory } from '../../../src/core/checkpoints/safetensors-directory/format.ts';
import { FIXTURES, temporaryDirectory, writeFloats } from './help.ts';
import { describeReal } from './real.ts';

const FORMAT = 'safetensors-directory';
describeReal({ folder: 'huggingface', format: FORMAT, modules: ['transformers', 'torch'] });
describeReal({ folder: 'sharded', format: FORMAT, modules: ['transformers', 'torch'] });
describeReal({ folder: 'peft', format: FORMAT, modules: ['peft', 'safetensors'] });

const directory = await temporaryDirectory();
let count = 0;
async function copyOf(folder: string): Promise<string> {
  const path = join(directory, `checkpoint-${++count}`);
  await cp(join(FIXTURES, folder), path, { recursive: true });
  return path;
}

test('the directory is the checkpoint, whichever of its weights files is named', async () => {
  assert.equal(candidateFor('/r/checkpoint-500/model.safetensors')?.path, '/r/checkpoint-500');
  assert.equal(candidateFor('/r/m/model.safetensors.index.json')?.path, '/r/m');
  assert.equal(candidateFor('/r/m/adapter_model.safetensors')?.path, '/r/m');
  assert.equal(candidateFor('/r/averages/uniform-1/model.safetensors')?.path, '/r/averages/uniform-1');
  assert.equal(candidateFor('/r/model.safetensors')?.format.id, 'safetensors');
  assert.equal(candidateFor('/r/m/model-00001-of-00002.safetensors'), undefined);
  const path = join(FIXTURES, 'huggingface/checkpoint-2');
  assert.deepEqual(await expandPaths([join(path, 'model.safetensors')]), [path]);
});

test('a copied model directory of any name is one checkpoint, a run with checkpoints in it is not', async () => {
  const model = join(directory, 'final');
  await cp(join(FIXTURES, 'huggingface/checkpoint-2'), model, { recursive: true });
  assert.equal((await requireComplete(model)).format, FORMAT);
  await cp(join(FIXTURES, 'huggingface/checkpoint-4'), join(model, 'checkpoint-4'), { recursive: true });
  assert.deepEqual((await expandPaths([model])).sort(), [
    join(model, 'checkpoint-4'),
    join(model, 'model.safetensors'),
  ]);
});

test('all that lies beside the weights belongs to it; step from the name', async () => {
  const header = await requireComplete(join(FIXTURES, 'huggingface/checkpoint-4'));
  assert.equal(header.step, 4);
  assert.deepEqual(
    header.files.map(({ path }) => path.split('/').at(-1)),
    [
      'model.safetensors',
      'config.json',
      'optimizer.pt',
      'rng_state.pth',
      'scheduler.pt',
      'trainer_state.json',
      'training_args.bin',
    ],
  );
});

test('of an adapter it is said that the mean of factors is not the mean of products', async () => {
  const { metadata } = await requireComplete(join(FIXTURES, 'peft/epoch-1'));
  assert.match(metadata['note']!, /not the average of their products/);
});

describe('still being written', () => {
  test('a shard is missing', async () => {
    const path = await copyOf('sharded/epoch-1');
    await rm(join(path, 'model-00002-of-00002.safetensors'));
    const inspection = await inspectPath(path);
    assert.ok(inspection.state === 'incomplete');
    assert.match(inspection.reason, /00002-of-00002\.safetensors is not there/);
  });
  test('an adapter without its configuration', async () => {
    const path = await copyOf('peft/epoch-1');
    await rm(join(path, 'adapter_config.json'));
    assert.equal((await inspectPath(path)).state, 'incomplete');
  });
});

describe('refused for good', () => {
  const index = 'model.safetensors.index.json';
  const cases: readonly (readonly [string, object, RegExp])[] = [
    ['a shard elsewhere', { w: '../secret.safetensors' }, /no safetensors file/],
    ['an absolute shard', { w: '/etc/x.safetensors' }, /no safetensors file/],
    ['a shard that is no safetensors', { w: 'model.bin' }, /no safetensors file/],
    ['a tensor that its shard has not', { v: 'a.safetensors' }, /places tensor v in a\.safetensors/],
    ['a tensor in two shards', { w: 'a.safetensors', u: 'b.safetensors' }, /tensor w is in/],
  ];
  for (const [what, map, reason] of cases) {
    test(what, async () => {
      const path = join(directory, `bad-${++count}`);
      await mkdir(path);
      await writeFloats(join(path, 'a.safetensors'), { w: [1] });
      await writeFloats(join(path, 'b.safetensors'), { w: [1], u: [2] });
      await writeFile(join(path, index), JSON.stringify({ weight_map: map }));
      const inspection = await inspectPath(path);
      assert.ok(inspection.state === 'unreadable', JSON.stringify(inspection));
      assert.match(inspection.reason, reason);
    });
  }
  test('a weight map with the name of the prototype is a tensor like any other', async () => {
    const path = join(directory, `bad-${++count}`);
    await mkdir(path);
    await writeFloats(join(path, 'a.safetensors'), { w: [1] });
    await writeFile(join(path, index), '{"weight_map": {"__proto__": "a.safetensors"}}');
    assert.equal((await inspectPath(path)).state, 'unreadable');
  });
  test('a link that leads out of the directory, which a copy would publish', async () => {
    const path = await copyOf('huggingface/checkpoint-2');
    await writeFile(join(directory, 'secret'), 'secret');
    await symlink(join(directory, 'secret'), join(path, 'tokenizer.json'));
    const inspection = await safetensorsDirectory.inspect(path);
    assert.ok(inspection.state === 'unreadable');
    assert.match(inspection.reason, /leads out of it, tokenizer\.json/);
  });
});

test('links inside, and into the blobs of a Hugging Face cache, are followed', async () => {
  const snapshot = join(directory, 'models--x/snapshots/checkpoint-7');
  await mkdir(join(directory, 'models--x/blobs'), { recursive: true });
  await cp(join(FIXTURES, 'huggingface/checkpoint-2'), snapshot, { recursive: true });
  const blob = join(directory, 'models--x/blobs/abc');
  await cp(join(snapshot, 'config.json'), blob);
  await rm(join(snapshot, 'config.json'));
  await symlink('../../blobs/abc', join(snapshot, 'config.json'));
  const header = await requireComplete(snapshot);
  const config = header.files.find(({ path }) => path.endsWith('config.json'))!;
  assert.equal(config.size, (await readFile(blob)).length);
});
