import assert from 'node:assert/strict';
import { appendFile, mkdir, open, readFile, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { safetensors } from '../../../src/core/checkpoints/safetensors/format.ts';
import { parseHeader } from '../../../src/core/checkpoints/safetensors/header.ts';
import type { Inspection } from '../../../src/core/checkpoints/types.ts';
import { FIXTURES, safetensorsBytes, temporaryDirectory } from './help.ts';

const directory = await temporaryDirectory();
const real = await readFile(join(FIXTURES, 'mixed/epoch-002.safetensors'));

let count = 0;
async function inspectBytes(bytes: Uint8Array): Promise<Inspection> {
  const path = join(directory, `case-${count++}.safetensors`);
  await writeFile(path, bytes);
  return safetensors.inspect(path);
}

function reasonOf(inspection: Inspection): string {
  assert.notEqual(inspection.state, 'complete');
  return inspection.state === 'complete' ? '' : inspection.reason;
}

const f32 = (shape: readonly number[], begin: number, end: number) => ({
  dtype: 'F32',
  shape,
  data_offsets: [begin, end],
});

test('a file of the safetensors library is read as it was written', async () => {
  const inspection = await safetensors.inspect(join(FIXTURES, 'mixed/epoch-002.safetensors'));
  assert.ok(inspection.state === 'complete');
  const { header } = inspection;
  assert.equal(header.epoch, 2);
  assert.equal(header.step, 200);
  assert.deepEqual(header.metadata, { epoch: '2', global_step: '200', format: 'np' });
  assert.equal(header.files[0]!.size, real.length);
  const tensors = new Map(
    header.tensors.map((tensor) => [tensor.name, `${tensor.dtype} ${tensor.shape.join()}`]),
  );
  assert.equal(tensors.size, 19);
  assert.equal(tensors.get('layer.bf16'), 'BF16 33');
  assert.equal(tensors.get('scalar'), 'F32 ');
  assert.equal(tensors.get('empty'), 'F32 0,7');
  assert.equal(tensors.get('__proto__'), 'F32 1');
  assert.equal(({} as Record<string, unknown>)['dtype'], undefined, 'no prototype was touched');
});

test('every way of cutting a real file off is incomplete, and growing back completes it', async () => {
  const path = join(directory, 'growing.safetensors');
  await writeFile(path, '');
  for (let size = 0; size < real.length; size++) {
    const inspection = await safetensors.inspect(path);
    assert.equal(inspection.state, 'incomplete', `${size} bytes`);
    assert.match(reasonOf(inspection), /growing\.safetensors .*cut off or still being written/);
    await appendFile(path, real.subarray(size, size + 1));
  }
  assert.equal((await safetensors.inspect(path)).state, 'complete');
});

test('a file preallocated with zeros is incomplete until its header is there', async () => {
  const zeros = Buffer.alloc(real.length);
  assert.equal((await inspectBytes(zeros)).state, 'incomplete');
  for (const written of [8, 9, 100]) {
    assert.equal(
      (await inspectBytes(Buffer.concat([real.subarray(0, written), zeros.subarray(written)]))).state,
      'incomplete',
    );
  }
});

describe('refused for good, with the reason', () => {
  const cases: readonly (readonly [string, Uint8Array, RegExp])[] = [
    [
      'bytes after the last tensor',
      Buffer.concat([real, Buffer.alloc(3)]),
      /3 bytes that belong to no tensor/,
    ],
    [
      'a text file',
      Buffer.from('version https://git-lfs.github.com/spec/v1\n'),
      /more than 32000000 are not allowed/,
    ],
    ['a header that is a list', safetensorsBytes('[]'), /does not start with \{/],
    ['a header with a blank first', safetensorsBytes(' {}'), /does not start with \{/],
    ['JSON that is none', safetensorsBytes('{"a":}'), /not valid JSON/],
    [
      'text that is no UTF-8',
      Buffer.concat([safetensorsBytes('{"a').subarray(0, 11), Buffer.from([0xff])]).fill(4, 0, 1),
      /not valid JSON/,
    ],
    [
      'a tensor name twice',
      safetensorsBytes(
        '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"\\u0061":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}',
        Buffer.alloc(8),
      ),
      /"a" twice/,
    ],
    [
      'a field twice',
      safetensorsBytes('{"a":{"dtype":"F32","shape":[1],"shape":[2],"data_offsets":[0,8]}}', Buffer.alloc(8)),
      /"shape" twice/,
    ],
    [
      'tensors that overlap',
      safetensorsBytes({ a: f32([2], 0, 8), b: f32([2], 4, 12) }, Buffer.alloc(12)),
      /overlap: a and b/,
    ],
    [
      'tensors that are the same bytes',
      safetensorsBytes({ a: f32([2], 0, 8), b: f32([2], 0, 8) }, Buffer.alloc(8)),
      /overlap/,
    ],
    [
      'a hole',
      safetensorsBytes({ a: f32([1], 0, 4), b: f32([1], 8, 12) }, Buffer.alloc(12)),
      /4 bytes before tensor b/,
    ],
    [
      'a hole at the start',
      safetensorsBytes({ a: f32([1], 4, 8) }, Buffer.alloc(8)),
      /4 bytes before tensor a/,
    ],
    [
      'offsets the wrong way round',
      safetensorsBytes({ a: f32([1], 4, 0) }, Buffer.alloc(4)),
      /gives tensor a -4 bytes/,
    ],
    [
      'negative offsets',
      safetensorsBytes({ a: f32([1], -4, 0) }, Buffer.alloc(4)),
      /data offsets that are none/,
    ],
    [
      'fractional offsets',
      safetensorsBytes({ a: f32([1], 0.5, 4.5) }, Buffer.alloc(4)),
      /data offsets that are none/,
    ],
    [
      'three offsets',
      safetensorsBytes({ a: { dtype: 'F32', shape: [1], data_offsets: [0, 4, 4] } }, Buffer.alloc(4)),
      /data offsets that are none/,
    ],
    [
      'offsets beyond 2^53',
      safetensorsBytes('{"a":{"dtype":"U8","shape":[1],"data_offsets":[9007199254740993,9007199254740994]}}'),
      /data offsets that are none/,
    ],
    [
      'a shape that does not fit the bytes',
      safetensorsBytes({ a: f32([3], 0, 8) }, Buffer.alloc(8)),
      /8 bytes, where F32 \[3\] takes 12/,
    ],
    [
      'a shape that overflows',
      safetensorsBytes({ a: f32([2 ** 40, 2 ** 40], 0, 4) }, Buffer.alloc(4)),
      /a shape that is none/,
    ],
    [
      'a negative shape',
      safetensorsBytes({ a: f32([-1, -1], 0, 4) }, Buffer.alloc(4)),
      /a shape that is none/,
    ],
    [
      'no shape',
      safetensorsBytes({ a: { dtype: 'F32', data_offsets: [0, 4] } }, Buffer.alloc(4)),
      /a shape that is none/,
    ],
    ['no dtype', safetensorsBytes({ a: { shape: [1], data_offsets: [0, 4] } }, Buffer.alloc(4)), /no dtype/],
    [
      'an unknown dtype',
      safetensorsBytes({ a: { dtype: 'F4', shape: [2], data_offsets: [0, 1] } }, Buffer.alloc(1)),
      /in F4, a type that is not supported/,
    ],
    [
      'a dtype from the prototype',
      safetensorsBytes({ a: { dtype: 'constructor', shape: [1], data_offsets: [0, 1] } }, Buffer.alloc(1)),
      /in constructor, a type/,
    ],
    ['a tensor that is a number', safetensorsBytes({ a: 1 }), /something that is not an object/],
    ['metadata that is a list', safetensorsBytes({ __metadata__: [] }), /__metadata__ that is not an object/],
    [
      'metadata that is no text',
      safetensorsBytes({ __metadata__: { epoch: 3 } }),
      /metadata "epoch" that is not text/,
    ],
    [
      'a very deep header',
      safetensorsBytes('{"a":' + '['.repeat(200_000) + ']'.repeat(200_000) + '}'),
      /something that is not an object/,
    ],
  ];
  for (const [what, bytes, reason] of cases) {
    test(what, async () => {
      const inspection = await inspectBytes(bytes);
      assert.equal(inspection.state, 'unreadable', JSON.stringify(inspection));
      assert.match(reasonOf(inspection), reason);
      assert.match(
        reasonOf(inspection),
        /^case-\d+\.safetensors .*\.$/,
        'a sentence that starts with the name',
      );
    });
  }
});

test('a header length beyond the limit is refused without reading or allocating it', async () => {
  const path = join(directory, 'huge.safetensors');
  for (const length of [32_000_001n, 2n ** 40n, 2n ** 64n - 1n]) {
    const prefix = Buffer.alloc(9, '{');
    prefix.writeBigUInt64LE(length);
    await writeFile(path, prefix);
    // Sparse: the file is long enough for the first of them.
    await truncate(path, 200_000_000);
    const before = process.memoryUsage().arrayBuffers;
    const inspection = await safetensors.inspect(path);
    assert.equal(inspection.state, 'unreadable');
    assert.match(reasonOf(inspection), new RegExp(`has ${length} bytes; more than 32000000`));
    assert.ok(process.memoryUsage().arrayBuffers - before < 1e6);
  }
});

test('a header length within the limit but beyond the file is incomplete, and not allocated', async () => {
  const prefix = Buffer.alloc(9, '{');
  prefix.writeBigUInt64LE(31_999_999n);
  const before = process.memoryUsage().arrayBuffers;
  assert.equal((await inspectBytes(prefix)).state, 'incomplete');
  assert.ok(process.memoryUsage().arrayBuffers - before < 1e6);
});

test('valid corners: no tensors, padding after the JSON, empty tensors between others', async () => {
  assert.equal((await inspectBytes(safetensorsBytes('{}'))).state, 'complete');
  const corner = { b: f32([0], 4, 4), a: f32([1], 0, 4), c: f32([2, 0], 4, 4), d: f32([], 4, 8) };
  const inspection = await inspectBytes(safetensorsBytes(JSON.stringify(corner) + '   ', Buffer.alloc(8)));
  assert.equal(inspection.state, 'complete', JSON.stringify(inspection));
});

test('a metadata key __proto__ stays a key', () => {
  const json = Buffer.from('{"__metadata__":{"__proto__":"x","epoch":"1"}}');
  const { metadata } = parseHeader(json);
  assert.deepEqual(Object.keys(metadata), ['__proto__', 'epoch']);
  assert.equal(Object.getPrototypeOf(metadata), Object.prototype);
});

test('no single damaged byte of a header is an exception or makes tensors lie outside the file', async () => {
  const headerEnd = 8 + Number(real.readBigUInt64LE(0));
  const path = join(directory, 'damaged.safetensors');
  await writeFile(path, real);
  const handle = await open(path, 'r+');
  for (let at = 0; at < headerEnd; at++) {
    const byte = real[at]!;
    await handle.write(Buffer.of([byte ^ 1, byte ^ 0x80, 0][at % 3]!), 0, 1, at);
    const inspection = await safetensors.inspect(path);
    if (inspection.state === 'complete') assert.equal(inspection.header.files[0]!.size, real.length);
    else assert.ok(inspection.reason.endsWith('.'));
    await handle.write(Buffer.of(byte), 0, 1, at);
  }
  await handle.close();
});

test('what is no file: gone, a directory, a link to itself', async () => {
  const gone = await safetensors.inspect(join(directory, 'gone.safetensors'));
  assert.equal(gone.state, 'incomplete');
  await mkdir(join(directory, 'folder.safetensors'));
  const folder = await safetensors.inspect(join(directory, 'folder.safetensors'));
  assert.equal(folder.state, 'unreadable');
  assert.match(reasonOf(folder), /is not a file/);
  await symlink('loop.safetensors', join(directory, 'loop.safetensors'));
  const loop = await safetensors.inspect(join(directory, 'loop.safetensors'));
  assert.equal(loop.state, 'unreadable');
  assert.match(reasonOf(loop), /symbolic link/);
});

test('candidates: by name, without shards of a set', () => {
  assert.equal(safetensors.candidate('/a/b.safetensors'), '/a/b.safetensors');
  assert.equal(safetensors.candidate('/a/model-00001-of-00005.safetensors'), undefined);
  assert.equal(safetensors.candidate('/a/model.safetensors.index.json'), undefined);
  assert.equal(safetensors.candidate('/a/b.pt'), undefined);
});
