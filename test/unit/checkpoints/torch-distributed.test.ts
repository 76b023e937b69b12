import assert from 'node:assert/strict';
import { appendFile, cp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { mergeCheckpoints } from '../../../src/core/checkpoints/merge.ts';
import { partialPathFor } from '../../../src/core/checkpoints/publish.ts';
import {
  candidateFor,
  expandPaths,
  formatById,
  requireComplete,
} from '../../../src/core/checkpoints/registry.ts';
import { covers, type Piece } from '../../../src/core/checkpoints/sharded.ts';
import { FIXTURES, temporaryDirectory, twaError } from './help.ts';
import { describeReal } from './real.ts';

for (const name of ['single', 'sharded']) {
  describeReal({
    folder: `torch/distributed/${name}`,
    format: 'torch-distributed',
    modules: ['torch.distributed.checkpoint', 'numpy'],
  });
}

const directory = await temporaryDirectory();
const source = join(FIXTURES, 'torch/distributed/sharded/step-30');
let count = 0;

async function copy(): Promise<string> {
  const path = join(directory, `step-${++count}`);
  await cp(source, path, { recursive: true });
  return path;
}

test('any file of it names the directory', () => {
  for (const name of ['.metadata', '__0_0.distcp'])
    assert.equal(candidateFor(join(source, name))?.path, source);
});

test('any part of a tensor in pieces is read, by rows and by columns', async () => {
  const header = await requireComplete(source);
  const reader = await formatById(header.format).open(header);
  for (const tensor of header.tensors) {
    const total = tensor.shape.reduce((product, length) => product * length, 1);
    const all = Buffer.from(await reader.read(tensor, 0, total));
    const size = all.length / total;
    for (let start = 0; start < total; start++) {
      for (let end = start + 1; end <= total; end++) {
        const part = Buffer.from(await reader.read(tensor, start, end - start));
        assert.ok(part.equals(all.subarray(start * size, end * size)), `${tensor.name} ${start}..${end}`);
      }
    }
  }
  await reader.close();
});

test('the optimizer is no weight, and comes out byte for byte', async () => {
  const headers = [];
  for (const path of await expandPaths([join(FIXTURES, 'torch/distributed/sharded')]))
    headers.push(await requireComplete(path));
  assert.ok(headers.at(-1)!.tensors.every(({ name }) => !/exp_avg/.test(name)));
  assert.match(headers.at(-1)!.notes!.join('\n'), /holds: optimizer/);
  const output = join(directory, 'mean');
  await mergeCheckpoints({
    headers,
    coefficients: [0.25, 0.25, 0.5],
    output,
    partial: partialPathFor(output),
  });
  // The last piece in either file is one of exp_avg.
  for (const name of ['__0_0.distcp', '__1_0.distcp']) {
    const [before, after] = [await readFile(join(source, name)), await readFile(join(output, name))];
    assert.ok(before.subarray(-1577).equals(after.subarray(-1577)), name);
    assert.ok(!before.equals(after), name);
  }
});

test('without its metadata, without a file, or with a short one it is incomplete', async () => {
  const early = await copy();
  await rename(join(early, '.metadata'), join(early, '.metadata.tmp'));
  await assert.rejects(requireComplete(early), twaError('incomplete-checkpoint', /no \.metadata \(yet\)/));
  const missing = await copy();
  await rm(join(missing, '__1_0.distcp'));
  await assert.rejects(requireComplete(missing), twaError('incomplete-checkpoint', /lacks __1_0\.distcp/));
  const short = await copy();
  await writeFile(join(short, '__1_0.distcp'), (await readFile(join(short, '__1_0.distcp'))).subarray(0, -1));
  await assert.rejects(requireComplete(short), twaError('incomplete-checkpoint', /bytes of __1_0\.distcp/));
});

/** Of the same length, so that no length in the pickle changes. */
async function edited(from: string, to: string): Promise<string> {
  const path = await copy();
  const metadata = (await readFile(join(path, '.metadata'))).toString('latin1');
  assert.ok(metadata.includes(from) && from.length === to.length);
  await writeFile(join(path, '.metadata'), Buffer.from(metadata.replaceAll(from, to), 'latin1'));
  return path;
}

test('a piece outside the directory is never opened', async () => {
  await assert.rejects(
    requireComplete(await edited('__1_0.distcp', '../0/passwd.')),
    twaError('bad-checkpoint', /outside its directory/),
  );
  const linked = await copy();
  await rename(join(linked, '__1_0.distcp'), join(directory, 'elsewhere'));
  await symlink(join(directory, 'elsewhere'), join(linked, '__1_0.distcp'));
  await assert.rejects(requireComplete(linked), twaError('bad-checkpoint', /leads out of it/));
});

test('metadata that names code to run, or is none, is refused', async () => {
  await assert.rejects(
    requireComplete(await edited('pathlib', '_thread')),
    twaError('bad-checkpoint', /names _thread\.PosixPath/),
  );
  const other = await copy();
  await writeFile(join(other, '.metadata'), Buffer.from('80047d2e', 'hex'));
  await assert.rejects(requireComplete(other), twaError('bad-checkpoint', /not one that torch\.distributed/));
});

test('a piece that the checksum of its archive denies is found while merging', async () => {
  const path = await copy();
  const file = join(path, '__0_0.distcp');
  const bytes = await readFile(file);
  const header = await requireComplete(path);
  const reader = await formatById(header.format).open(header);
  const rows = header.tensors.find(({ name }) => name === 'rows.weight')!;
  const first = Buffer.from(await reader.read(rows, 0, 9));
  await reader.close();
  bytes[bytes.indexOf(first)]! ^= 1;
  await writeFile(file, bytes);
  const headers = [await requireComplete(source), await requireComplete(path)];
  const output = join(directory, 'damaged');
  await assert.rejects(
    mergeCheckpoints({ headers, coefficients: [0.5, 0.5], output, partial: partialPathFor(output) }),
    twaError('bad-checkpoint', /do not match their checksum/),
  );
  await appendFile(file, 'x');
  await assert.rejects(formatById('torch-distributed').open(headers[1]!), twaError('incomplete-checkpoint'));
});

test('boxes make up a tensor when each element is in one of them', () => {
  const piece = (offsets: readonly number[], shape: readonly number[]): Piece => ({
    tensor: { name: 'p', dtype: 'F32', shape },
    offsets,
  });
  assert.ok(covers([], [piece([], [])]));
  assert.ok(covers([4, 4], [piece([0, 0], [4, 2]), piece([0, 2], [1, 2]), piece([1, 2], [3, 2])]));
  assert.ok(!covers([4], [piece([0], [2])]), 'a gap');
  assert.ok(!covers([4], [piece([0], [3]), piece([2], [2])]), 'too many');
  assert.ok(!covers([4], [piece([0], [3]), piece([2], [1])]), 'an overlap and a gap');
  assert.ok(!covers([4], [piece([2], [4])]), 'outside');
  assert.ok(!covers([4], [piece([0, 0], [4, 1])]), 'another rank');
});
