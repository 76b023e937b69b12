import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { lookup3 } from '../../../src/core/checkpoints/hdf5/lookup3.ts';
import { mergeCheckpoints } from '../../../src/core/checkpoints/merge.ts';
import { partialPathFor } from '../../../src/core/checkpoints/publish.ts';
import { formatById, inspectPath, requireComplete } from '../../../src/core/checkpoints/registry.ts';
import { FIXTURES, temporaryDirectory, twaError } from './help.ts';
import { zip } from './hostile/zip.ts';
import { describeReal } from './real.ts';

for (const precision of ['keras', 'keras-bfloat16', 'keras-float16']) {
  describeReal({ folder: `${precision}/weights`, format: 'keras-hdf5', modules: ['keras', 'tensorflow'] });
  describeReal({ folder: `${precision}/zip`, format: 'keras', modules: ['keras', 'tensorflow'] });
}
describeReal({ folder: 'keras/legacy', format: 'keras-hdf5', modules: ['keras', 'tensorflow'] });
describeReal({ folder: 'hdf5', format: 'keras-hdf5', modules: ['h5py'] });
// With the same numbers, each chunk takes no more room than before, though not every compressor makes the same bytes.
for (const folder of ['hdf5-chunked', 'hdf5-chunked-v108']) {
  describeReal({ folder, format: 'keras-hdf5', modules: ['h5py'], repacked: true });
}

const directory = await temporaryDirectory();

test("an average keeps the extension that Keras wants, and the optimizer's variables are no weights", async () => {
  const header = await requireComplete(join(FIXTURES, 'keras/weights/epoch-2.weights.h5'));
  assert.equal(formatById('keras-hdf5').outputName('uniform-1', header), 'uniform-1.weights.h5');
  assert.equal(header.epoch, 2);
  assert.ok(!header.tensors.some(({ name }) => name.startsWith('optimizer')));
  const legacy = await requireComplete(join(FIXTURES, 'keras/legacy/epoch-2.h5'));
  assert.equal(formatById('keras-hdf5').outputName('uniform-1', legacy), 'uniform-1.h5');
});

test('other compression than that of HDF5 itself is refused by its name, with the way out', async () => {
  const inspection = await inspectPath(join(FIXTURES, 'keras/compressed.h5'));
  assert.ok(inspection.state === 'unreadable');
  assert.match(inspection.reason, /compresses model_weights\/w by LZF, .* save it with gzip or without/);
});

test('chunks that have grown are put at the end, and the first block says where that is', async () => {
  for (const folder of ['hdf5-chunked', 'hdf5-chunked-v108']) {
    const paths = [1, 2].map((epoch) => join(FIXTURES, folder, `epoch-${epoch}.h5`));
    const output = join(directory, `${folder}.h5`);
    await merge(paths, output);
    const bytes = await readFile(output);
    assert.ok(bytes.length > (await stat(paths[1]!)).size);
    const [at, checksum] = bytes[8] === 0 ? [40, undefined] : [28, 44];
    assert.equal(bytes.readBigUInt64LE(at), BigInt(bytes.length));
    if (checksum !== undefined) {
      assert.equal(bytes.readUInt32LE(checksum), lookup3(bytes.subarray(0, checksum)));
      // As HDF5 itself computed it for the source.
      const source = await readFile(paths[1]!);
      assert.equal(source.readUInt32LE(checksum), lookup3(source.subarray(0, checksum)));
    }
  }
});

test('compressed weights in an archive are read, and cannot be replaced there', async () => {
  const paths: string[] = [];
  for (const epoch of [1, 2]) {
    const path = join(directory, `packed-${epoch}.keras`);
    const data = await readFile(join(FIXTURES, `hdf5-chunked/epoch-${epoch}.h5`));
    await writeFile(
      path,
      zip([
        { name: 'config.json', data: Buffer.from('{}') },
        { name: 'model.weights.h5', data },
      ]),
    );
    paths.push(path);
  }
  const { last } = JSON.parse(await readFile(join(FIXTURES, 'hdf5-chunked/expected.json'), 'utf8')) as {
    last: Record<string, { shape: readonly number[] }>;
  };
  const header = await requireComplete(paths[0]!);
  assert.deepEqual(header.tensors.map(({ name }) => name).sort(), Object.keys(last).sort());
  const reader = await formatById('keras').open(header, { hash: true });
  const tensor = header.tensors.find(({ name }) => name.endsWith('/plain'))!;
  assert.equal((await reader.read(tensor, 0, 210)).length, 840);
  await reader.sha256();
  await reader.close();
  const output = join(directory, 'never.keras');
  await assert.rejects(
    merge(paths, output),
    twaError('unsupported', /convert the checkpoints to safetensors/),
  );
  await assert.rejects(stat(output));
});

async function merge(paths: readonly string[], output: string): Promise<void> {
  const headers = await Promise.all(paths.map((path) => requireComplete(path)));
  const coefficients = paths.map(() => 1 / paths.length);
  await mergeCheckpoints({ headers, coefficients, output, partial: partialPathFor(output) });
}

test('a flipped bit in an archive is found by its checksum', async () => {
  const path = join(directory, 'flipped.keras');
  const bytes = await readFile(join(FIXTURES, 'keras/zip/epoch-3.keras'));
  const { last } = JSON.parse(await readFile(join(FIXTURES, 'keras/zip/expected.json'), 'utf8')) as {
    last: Record<string, { hex: string }>;
  };
  // The last checkpoint's first kernel is found by its values.
  const kernel = Buffer.from(last['layers/dense/vars/0']!.hex, 'hex');
  bytes[bytes.indexOf(kernel)]! ^= 1;
  await writeFile(path, bytes);
  const reader = await formatById('keras').open(await requireComplete(path), { hash: true });
  await assert.rejects(reader.sha256(), twaError('bad-checkpoint', /do not match their checksum/));
  await reader.close();
});

test('something else under this name', async () => {
  const path = join(directory, 'text.h5');
  await writeFile(path, 'x'.repeat(100));
  const inspection = await inspectPath(path);
  assert.ok(inspection.state === 'unreadable');
  assert.match(inspection.reason, /not an HDF5 file/);
});
