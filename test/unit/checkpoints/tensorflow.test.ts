import assert from 'node:assert/strict';
import { cp, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describe, test } from 'node:test';

import { mergeCheckpoints } from '../../../src/core/checkpoints/merge.ts';
import { partialPathFor } from '../../../src/core/checkpoints/publish.ts';
import {
  candidateFor,
  expandPaths,
  formatById,
  inspectPath,
  requireComplete,
} from '../../../src/core/checkpoints/registry.ts';
import { readTable } from '../../../src/core/checkpoints/tensorflow/table.ts';
import { isSlotName } from '../../../src/core/checkpoints/tensorflow/weights.ts';
import { FIXTURES, temporaryDirectory, twaError } from './help.ts';
import { describeReal } from './real.ts';

const modules = ['tensorflow'];
for (const kind of ['objects', 'sharded', 'version-1']) {
  describeReal({ folder: `tensorflow/${kind}`, format: 'tensorflow-checkpoint', modules });
}
describeReal({ folder: 'tensorflow/saved-model', format: 'tensorflow-saved-model', modules });

const REAL = join(FIXTURES, 'tensorflow');

test('what optimizers keep for themselves is no weight, and it is said how much that is', async () => {
  const objects = await requireComplete(join(REAL, 'objects/ckpt-2.index'));
  assert.deepEqual(objects.notes, ['Kept from the newest checkpoint: 12 variables of the optimizer.']);
  assert.equal(objects.step, 2);
  const older = await requireComplete(join(REAL, 'version-1/model.ckpt-3.index'));
  assert.match(older.notes!.join(), /10 variables of the optimizer/);
  const names = new Set(['a/kernel', 'a/kernel/Adam', 'a/kernel/Adam_1', 'Adam', 'b/Momentum']);
  const slots = [...names, 'beta1_power'].filter((name) => isSlotName(name, names));
  assert.deepEqual(slots, ['a/kernel/Adam', 'a/kernel/Adam_1', 'beta1_power']);
});

test('a checkpoint is named by its index, whichever of its files or its prefix is given', async () => {
  const index = join(REAL, 'sharded/ckpt-1.index');
  assert.equal(candidateFor(join(REAL, 'sharded/ckpt-1.data-00001-of-00002'))?.path, index);
  assert.equal((await requireComplete(join(REAL, 'sharded/ckpt-1'))).path, index);
  assert.deepEqual(await expandPaths([join(REAL, 'sharded/ckpt-1')]), [index]);
  const model = join(REAL, 'saved-model/epoch-1');
  for (const file of ['saved_model.pb', 'variables/variables.index']) {
    assert.equal(candidateFor(join(model, file))?.path, model);
  }
  assert.equal(
    formatById('tensorflow-checkpoint').outputName('uniform-1', await requireComplete(index)),
    'uniform-1.index',
  );
});

describe('damage', async () => {
  const directory = await temporaryDirectory();
  const fresh = async (name: string): Promise<string> => {
    const copy = join(directory, name);
    await cp(join(REAL, 'sharded'), copy, { recursive: true });
    return copy;
  };
  const merge = async (folder: string, output = join(folder, 'mean.index')): Promise<void> => {
    const headers = await Promise.all([1, 2].map((n) => requireComplete(join(folder, `ckpt-${n}.index`))));
    const coefficients = [0.5, 0.5];
    await mergeCheckpoints({ headers, coefficients, output, partial: partialPathFor(output) });
  };

  test('a flipped bit in the data is found by its checksum, and nothing is written', async () => {
    const folder = await fresh('flipped');
    const names = await readdir(folder);
    const header = await requireComplete(join(folder, 'ckpt-1.index'));
    const weight = header.tensors.find(({ dtype, shape }) => dtype === 'F32' && shape.join() === '4,3')!;
    const reader = await formatById(header.format).open(header);
    const values = Buffer.from(await reader.read(weight, 0, 12));
    await reader.close();
    for (const { path } of header.files) {
      const data = await readFile(path);
      const at = data.indexOf(values);
      if (at === -1) continue;
      data[at]! ^= 1;
      await writeFile(path, data);
    }
    await assert.rejects(merge(folder), twaError('bad-checkpoint', /do not match their checksum/));
    assert.deepEqual((await readdir(folder)).sort(), names.sort());
  });

  test('a flipped bit in the index is found by the checksum of its table', async () => {
    const folder = await fresh('index');
    const path = join(folder, 'ckpt-1.index');
    const bytes = await readFile(path);
    bytes[60]! ^= 1;
    await writeFile(path, bytes);
    const inspection = await inspectPath(path);
    assert.ok(inspection.state === 'unreadable');
    assert.match(inspection.reason, /ckpt-1.index is damaged/);
  });

  test('data that is missing or short is waited for', async () => {
    const folder = await fresh('short');
    const [last] = (await readdir(folder))
      .filter((name) => name.startsWith('ckpt-1.data'))
      .sort()
      .slice(-1);
    await truncate(join(folder, last!), 3);
    const inspection = await inspectPath(join(folder, 'ckpt-1.index'));
    assert.ok(inspection.state === 'incomplete');
    assert.match(inspection.reason, new RegExp(basename(last!)));
  });

  test('an average never replaces data that is there already, and takes back what it wrote', async () => {
    const folder = await fresh('taken');
    const shards = (await readdir(folder)).filter((name) => name.startsWith('ckpt-2.data')).length;
    const taken = join(folder, `mean.data-00000-of-${String(shards).padStart(5, '0')}`);
    await writeFile(taken, 'mine');
    await assert.rejects(merge(folder), twaError('exists'));
    assert.equal(await readFile(taken, 'utf8'), 'mine');
    assert.deepEqual(
      (await readdir(folder)).filter((name) => /mean/.test(name)),
      [basename(taken)],
    );
  });
});

test('something else under this name, and a table that is compressed', () => {
  assert.throws(() => readTable(Buffer.from('x'.repeat(100))), {
    message: /is not the index of a TensorFlow/,
  });
  assert.throws(() => readTable(Buffer.alloc(10)), { message: /only 10 bytes/ });
});

test('every block is checked, and its compression', async () => {
  const bytes = await readFile(join(REAL, 'objects/ckpt-1.index'));
  const [block] = readTable(bytes).checksums;
  bytes[block!.end - 1] = 1;
  assert.throws(() => readTable(bytes), { message: /is compressed/ });
});
