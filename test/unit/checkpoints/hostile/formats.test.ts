/** Files and directories that somebody made to do harm, of every format but PyTorch's. */
import { execFileSync } from 'node:child_process';
import { cp, mkdir, readFile, symlink, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe } from 'node:test';
import { deflateRawSync } from 'node:zlib';

import { maskedCrc32c } from '../../../../src/core/crc32c.ts';
import { FIXTURES, safetensorsBytes, temporaryDirectory } from '../help.ts';
import { bytes, u32, u64, type Piece } from './pickle.ts';
import { describeHostile, type Hostile } from './refused.ts';
import { zip, type Entry } from './zip.ts';

const directory = await temporaryDirectory();
let count = 0;

async function file(content: Uint8Array, name: string): Promise<string> {
  const path = join(directory, `${++count}-${name}`);
  await writeFile(path, content);
  return path;
}

/** A directory of files, or a copy of a fixture that is then changed. */
async function folder(
  files: Readonly<Record<string, Uint8Array | string>>,
  fixture?: string,
): Promise<string> {
  const path = join(directory, `${++count}-folder`);
  if (fixture === undefined) await mkdir(path);
  else await cp(join(FIXTURES, fixture), path, { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(path, name)), { recursive: true });
    await writeFile(join(path, name), content);
  }
  return path;
}

/** A fixture with bytes of it changed. */
async function changed(fixture: string, name: string, change: (bytes: Buffer) => void): Promise<string> {
  const content = await readFile(join(FIXTURES, fixture));
  change(content);
  return file(content, name);
}

const crafted =
  (name: string) =>
  (what: string, content: () => Uint8Array, why: RegExp, code?: Hostile['code']): Hostile => ({
    what,
    make: () => file(content(), name),
    why,
    ...(code === undefined ? {} : { code }),
  });

const DEEP = 100_000;

// safetensors ------------------------------------------------------------------------------------------------------

const w = (fields: object = {}): object => ({ dtype: 'F32', shape: [2], data_offsets: [0, 8], ...fields });

describe('safetensors', () => {
  const safetensors = crafted('hostile.safetensors');
  const header = (what: string, value: unknown, why: RegExp, data = 8, code?: Hostile['code']): Hostile =>
    safetensors(what, () => safetensorsBytes(value, new Uint8Array(data)), why, code);
  describeHostile([
    safetensors('a header of 2^63 bytes', () => bytes(u64(1n << 63n), '{}'), /are not allowed/),
    safetensors(
      'a header longer than the file',
      () => bytes(u64(20_000_000), '{}'),
      /fewer than its header/,
      'incomplete-checkpoint',
    ),
    header('tensors that overlap', { a: w(), b: w({ data_offsets: [4, 12] }) }, /overlap: a and b/, 12),
    header('a hole between tensors', { a: w(), b: w({ data_offsets: [9, 17] }) }, /belong to no tensor/, 17),
    header(
      'data behind the end',
      { a: w({ shape: [2 ** 40], data_offsets: [0, 2 ** 42] }) },
      /has \d+ of/,
      8,
      'incomplete-checkpoint',
    ),
    header(
      'offsets the wrong way round',
      { a: w({ shape: [-2], data_offsets: [8, 0] }) },
      /a shape that is none/,
    ),
    header('a negative offset', { a: w({ data_offsets: [-8, 0] }) }, /data offsets that are none/),
    header(
      'a shape of NaN',
      '{"a":{"dtype":"F32","shape":[null,1e999],"data_offsets":[0,8]}}',
      /a shape that is none/,
    ),
    header(
      'a shape whose product overflows',
      { a: w({ shape: [2 ** 32, 2 ** 32, 0.5] }) },
      /a shape that is none/,
    ),
    header(
      'one name twice',
      '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"\\u0061":{}}',
      /"a" twice/,
    ),
    header('a tensor __proto__ that is none', '{"__proto__":{"polluted":1},"constructor":{}}', /__proto__/),
    header('metadata __proto__', '{"__metadata__":{"__proto__":{"polluted":"x"}}}', /metadata "__proto__"/),
    header('a type of the prototype', { a: w({ dtype: 'constructor' }) }, /in constructor, a type/),
    header(
      'lists in lists',
      `{"a":${'['.repeat(DEEP)}${']'.repeat(DEEP)}}`,
      /something that is not an object/,
    ),
    header('objects in objects', '{"a":'.repeat(DEEP) + '1' + '}'.repeat(DEEP), /no dtype/),
    safetensors(
      'a million tensors of nothing',
      () => {
        const entry = (_: unknown, i: number): string =>
          `"${i}":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`;
        return safetensorsBytes(`{${Array.from({ length: 1_000_000 }, entry).join()}}`);
      },
      /more than/,
    ),
    safetensors(
      'metadata of 90 MB',
      () => safetensorsBytes(`{"__metadata__":{"a":"${'x'.repeat(90_000_000)}"}}`),
      /are not allowed/,
    ),
  ]);
});

// Directories ------------------------------------------------------------------------------------------------------

const INDEX = 'model.safetensors.index.json';

describe('directories of safetensors', () => {
  const indexed = (what: string, index: unknown, why: RegExp, code?: Hostile['code']): Hostile => ({
    what,
    make: () =>
      folder({
        [INDEX]: typeof index === 'string' ? index : JSON.stringify(index),
        'a.safetensors': safetensorsBytes({ a: w() }, new Uint8Array(8)),
      }),
    why,
    ...(code === undefined ? {} : { code }),
  });
  const linked = (what: string, name: string, to: string, why: RegExp): Hostile => ({
    what,
    async make() {
      const path = await folder({}, 'huggingface/checkpoint-2');
      await symlink(to, join(path, name));
      return path;
    },
    why,
  });
  describeHostile([
    indexed('a shard elsewhere', { weight_map: { a: '../../secret.safetensors' } }, /no safetensors file/),
    indexed('a shard at the root', { weight_map: { a: '/etc/passwd.safetensors' } }, /no safetensors file/),
    indexed('a shard by a backslash', { weight_map: { a: '..\\a.safetensors' } }, /no safetensors file/),
    indexed('a shard that is a list', { weight_map: { a: ['a.safetensors'] } }, /no safetensors file/),
    indexed('a tensor in another shard', { weight_map: { b: 'a.safetensors' } }, /which does not have it/),
    indexed(
      '__proto__ as the map',
      '{"weight_map":{"__proto__":{"a":"a.safetensors"}}}',
      /no safetensors file/,
    ),
    indexed(
      'a shard that is not there',
      { weight_map: { a: 'b.safetensors' } },
      /not there/,
      'incomplete-checkpoint',
    ),
    indexed('lists in lists', '['.repeat(DEEP) + ']'.repeat(DEEP), /without a weight_map/),
    {
      what: 'an index of 90 MB',
      make: () => folder({ [INDEX]: `{"weight_map":{"a":"${'x'.repeat(90_000_000)}"}}` }),
      why: /of \d+ bytes/,
    },
    linked('a link out of it', 'vocabulary.txt', '/etc/passwd', /has a link that leads out of it/),
    linked('a link that leads nowhere', 'vocabulary.txt', 'gone.txt', /has a link that leads out of it/),
    {
      what: 'a shard that is a pipe',
      async make() {
        const path = await folder({ [INDEX]: JSON.stringify({ weight_map: { a: 'a.safetensors' } }) });
        execFileSync('mkfifo', [join(path, 'a.safetensors')]);
        return path;
      },
      why: /is not a file/,
    },
    {
      what: 'a shard that links to itself',
      async make() {
        const path = await folder({ [INDEX]: JSON.stringify({ weight_map: { a: 'a.safetensors' } }) });
        await symlink('a.safetensors', join(path, 'a.safetensors'));
        return path;
      },
      why: /leads back to itself/,
    },
    {
      what: 'directories in directories',
      make: () => folder({ 'a/b/c/d/e/f/g/h.txt': '' }, 'huggingface/checkpoint-2'),
      why: /levels of directories/,
    },
  ]);
});

// TensorFlow.js ----------------------------------------------------------------------------------------------------

describe('TensorFlow.js', () => {
  const model = (
    what: string,
    manifest: unknown,
    why: RegExp,
    more: object = {},
    code?: Hostile['code'],
  ): Hostile => ({
    what,
    make: () =>
      folder({
        'model.json': JSON.stringify({ format: 'layers-model', weightsManifest: manifest, ...more }),
        'a.bin': new Uint8Array(8),
      }),
    why,
    ...(code === undefined ? {} : { code }),
  });
  const weights = [{ name: 'a', shape: [2], dtype: 'float32' }];
  describeHostile([
    model('weights elsewhere', [{ paths: ['../a.bin'], weights }], /not a file inside/),
    model('weights at the root', [{ paths: ['/etc/passwd'], weights }], /not a file inside/),
    model('weights on a drive', [{ paths: ['C:a.bin'], weights }], /not a file inside/),
    model('the same weights twice', [{ paths: ['a.bin', 'a.bin'], weights }], /twice/),
    model('one name twice', [{ paths: ['a.bin'], weights: [...weights, ...weights] }], /twice/),
    model(
      'a shape that overflows',
      [{ paths: ['a.bin'], weights: [{ name: 'a', dtype: 'float32', shape: [2 ** 53, 2] }] }],
      /shape that is none/,
    ),
    model(
      'a negative shape',
      [{ paths: ['a.bin'], weights: [{ name: 'a', dtype: 'float32', shape: [-1, -2] }] }],
      /shape that is none/,
    ),
    model(
      'more weights than there are',
      [{ paths: ['a.bin'], weights: [{ name: 'a', dtype: 'float32', shape: [2 ** 40] }] }],
      /has 8 of/,
      {},
      'incomplete-checkpoint',
    ),
    model('a manifest that is an object', { length: 2 ** 32 }, /no weightsManifest/),
    model(
      'a type of the prototype',
      [{ paths: ['a.bin'], weights: [{ name: '__proto__', dtype: '__proto__', shape: [2] }] }],
      /a type that is not supported/,
    ),
    {
      what: 'lists in lists',
      make: () => folder({ 'model.json': '['.repeat(DEEP) + ']'.repeat(DEEP) }),
      why: /not a JSON object/,
    },
  ]);
});

// NumPy ------------------------------------------------------------------------------------------------------------

describe('npz', () => {
  const npz = crafted('hostile.npz');
  const npy = (text: string, data = 8, length = text.length): Buffer =>
    bytes('\x93NUMPY\x01\0', u32(length).subarray(0, 2), text, new Uint8Array(data));
  const dictionary = (shape: string, descr = '<f4'): string =>
    `{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }\n`;
  const array = (what: string, content: Buffer, why: RegExp, more: Partial<Entry> = {}): Hostile =>
    npz(what, () => zip([{ name: 'a.npy', data: content, ...more }]), why);
  const bomb = (): Buffer => deflateRawSync(Buffer.concat([npy(dictionary('(2,)')), Buffer.alloc(1 << 28)]));
  const good = npy(dictionary('(2,)'));
  describeHostile([
    array('a shape that overflows', npy(dictionary(`(${2 ** 53}, 2)`)), /does not fit/),
    array('a negative shape', npy(dictionary('(-1, -2)')), /does not fit/),
    array('a shape of code', npy(dictionary('(__import__("os").system("x"),)')), /does not fit/),
    array('ten thousand dimensions', npy(dictionary(`(${'1,'.repeat(10_000)}2)`)), /does not fit/),
    array('a header longer than its entry', npy(dictionary('(2,)'), 0, 60_000), /ends within its header/),
    array('a header of 4 GB', bytes('\x93NUMPY\x02\0', u32(0xffffffff)), /of a kind that is not known/),
    array('objects, which are pickles', npy(dictionary('(2,)', '|O')), /never unpickled/),
    array('a bomb of 256 MB that says it is small', bomb(), /damaged/, { method: 8, size: good.length }),
    array('a few bytes that say they are 2 GB', deflateRawSync(npy(dictionary(`(${2 ** 29},)`))), /damaged/, {
      method: 8,
      size: npy(dictionary(`(${2 ** 29},)`), 0).length + 2 ** 31,
    }),
    array('deflated bytes that are none', Buffer.from('hello world, hello'), /unpacked/, {
      method: 8,
      size: 100,
    }),
    array('a method that is not known', good, /method that is not known/, { method: 12 }),
    array('a password', good, /encrypted/, { flags: 1 }),
    array('another checksum', good, /do not match their checksum/, { crc: 1 }),
    npz(
      'one array twice',
      () =>
        zip([
          { name: 'a.npy', data: good },
          { name: 'a.npy', data: good },
        ]),
      /two entries/,
    ),
    npz(
      'entries that overlap, as in the best bombs',
      () =>
        zip([
          { name: 'a.npy', data: good },
          { name: 'b.npy', data: good, at: 0, localName: 'a.npy' },
        ]),
      /in one place and not in another|overlap/,
    ),
    npz('a name that leads out', () => zip([{ name: '../a.npy', data: good }]), /leads out/),
    npz(
      'more entries than there are',
      () => zip([{ name: 'a.npy', data: good }], { count: 65_000 }),
      /lies outside/,
    ),
    npz(
      'a table of contents of 2^60 bytes',
      () => zip([{ name: 'a.npy', data: good }], { zip64: { size: 1n << 60n } }),
      /table of contents/,
    ),
    npz('an array __proto__', () => zip([{ name: '__proto__.npy', data: npy('{}') }]), /__proto__ in a type/),
  ]);
});

// HDF5 -------------------------------------------------------------------------------------------------------------

describe('HDF5', () => {
  const LEGACY = 'keras/legacy/epoch-1.h5';
  const h5 = (
    what: string,
    change: (bytes: Buffer) => void,
    why: RegExp,
    code?: Hostile['code'],
  ): Hostile => ({
    what,
    make: () => changed(LEGACY, 'hostile.h5', change),
    why,
    ...(code === undefined ? {} : { code }),
  });
  /** Where the root's table and heap lie: superblock 0, then a symbol table message in the root's header. */
  const TREE = 136;
  const HEAP = 680;
  describeHostile([
    h5(
      'a table that leads back to itself',
      (b) => b.writeBigUInt64LE(BigInt(TREE), TREE + 32),
      /back to itself/,
    ),
    h5(
      'a table of 65,535 ways back to itself',
      (b) => {
        b.writeUInt16LE(0xffff, TREE + 6);
        for (let at = TREE + 32; at < b.length - 8; at += 16) b.writeBigUInt64LE(BigInt(TREE), at);
      },
      /outside|back to itself|none/,
    ),
    h5('names of 2^60 bytes', (b) => b.writeBigUInt64LE(1n << 60n, HEAP + 8), /outside|name that is none/),
    h5('names without an end', (b) => b.fill(0x61, HEAP + 32), /name that is none|none/),
    h5('a root outside', (b) => b.writeBigUInt64LE(1n << 40n, 64), /outside/),
    h5('a root before the beginning', (b) => b.writeBigInt64LE(-8n, 64), /outside/),
    h5('an end far away', (b) => b.writeBigUInt64LE(1n << 50n, 40), /of \d+ bytes/, 'incomplete-checkpoint'),
    h5('a base elsewhere', (b) => b.writeBigUInt64LE(512n, 24), /block before its HDF5 part/),
    h5('addresses of one byte', (b) => (b[13] = 1), /addresses that are not of 8 bytes/),
    h5('a root that is its own member', (b) => selfLink(b), /holds no weights|none/),
    h5('a header that goes on in itself', (b) => continuation(b), /back to itself|none|outside/),
    h5(
      'datasets of negative sizes',
      (b) => everyDataset(b, (at) => b.writeBigInt64LE(-4n, at)),
      /none|outside/,
    ),
    h5(
      'datasets of 2^50 numbers',
      (b) => everyDataset(b, (at) => b.writeBigUInt64LE(1n << 50n, at)),
      /not known|none|outside/,
    ),
    {
      what: 'a file in an archive that ends too early',
      make: () =>
        file(
          zip([{ name: 'model.weights.h5', data: Buffer.from('\x89HDF\r\n\x1a\n', 'latin1') }]),
          'a.keras',
        ),
      why: /has only 8 bytes/,
      code: 'incomplete-checkpoint',
    },
    {
      what: 'an archive with another one in it',
      make: () => file(zip([{ name: '../model.weights.h5', data: Buffer.alloc(10) }]), 'a.keras'),
      why: /leads out/,
    },
  ]);

  /** Datasets in chunks: a node of their table is a leaf of kind 1, its first entry 24 bytes behind its beginning. */
  const chunks = (what: string, change: (bytes: Buffer, node: number) => void, why: RegExp): Hostile => ({
    what,
    make: () =>
      changed('hdf5-chunked/epoch-1.h5', 'hostile.h5', (b) => {
        for (let at = b.indexOf('TREE\x01'); at !== -1; at = b.indexOf('TREE\x01', at + 4)) change(b, at);
      }),
    why,
  });
  describeHostile([
    {
      what: 'a list of links that ends before its address',
      make: () =>
        changed('hdf5/epoch-1.h5', 'hostile.h5', (b) => {
          // The table of symbols of the root, a message of 16 bytes: as a list of links it would have 18 or more.
          const at = b.indexOf(Buffer.from([0x11, 0, 0x10, 0]));
          b.writeUInt16LE(2, at);
          b[at + 9] = 1;
        }),
      why: /group without names/,
    },
    chunks('chunks of 4 GB', (b, at) => b.writeUInt32LE(0xffffffff, at + 24), /outside the file/),
    chunks('chunks beyond the dataset', (b, at) => b.writeBigUInt64LE(1n << 40n, at + 32), /outside of it/),
    chunks('chunks before the dataset', (b, at) => b.writeBigInt64LE(-8n, at + 32), /outside of it/),
    chunks(
      'fewer chunks than the dataset has',
      (b, at) => b.writeUInt16LE(0, at + 6),
      /not stored all values/,
    ),
    chunks('more chunks than there are', (b, at) => b.writeUInt16LE(0xffff, at + 6), /outside|twice/),
    chunks(
      'a table of chunks that leads back to itself',
      (b, at) => {
        b[at + 5] = 1;
        for (let child = at + 24; child < at + 200; child += 8) b.writeBigUInt64LE(BigInt(at), child);
      },
      /back to itself|outside/,
    ),
    {
      what: 'a chunk that is no zlib stream',
      make: () =>
        changed('hdf5-chunked/epoch-1.h5', 'hostile.h5', (b) =>
          b.fill(0xff, b.indexOf('\x78\x5e', 0, 'latin1'), b.indexOf('\x78\x5e', 0, 'latin1') + 8),
        ),
      why: /damaged/,
    },
  ]);

  /** The links of the root's first node, made to lead to the root's header. */
  function selfLink(b: Buffer): void {
    const root = b.readBigUInt64LE(64);
    for (let at = b.indexOf('SNOD'); at !== -1; at = b.indexOf('SNOD', at + 4)) {
      for (let i = 0; i < b.readUInt16LE(at + 6); i++) b.writeBigUInt64LE(root, at + 8 + i * 40 + 8);
    }
  }

  /** The first message of the root becomes a continuation that is where the root's messages are. */
  function continuation(b: Buffer): void {
    const at = Number(b.readBigUInt64LE(64)) + 16;
    b.writeUInt16LE(16, at);
    b.writeBigUInt64LE(BigInt(at), at + 8);
    b.writeBigUInt64LE(24n, at + 16);
  }

  /** Every dataspace of one dimension: version 1, rank 1, its size. */
  function everyDataset(b: Buffer, change: (at: number) => void): void {
    const space = Buffer.from([1, 1, 0, 0, 0, 0, 0, 0]);
    for (let at = b.indexOf(space); at !== -1; at = b.indexOf(space, at + 8)) change(at + 8);
    const wide = Buffer.from([1, 1, 1, 0, 0, 0, 0, 0]);
    for (let at = b.indexOf(wide); at !== -1; at = b.indexOf(wide, at + 8)) change(at + 8);
  }
});

// MessagePack ------------------------------------------------------------------------------------------------------

describe('MessagePack', () => {
  const msgpack = crafted('hostile.msgpack');
  const repeated = (piece: string, times: number): Piece => Buffer.from(piece.repeat(times), 'latin1');
  describeHostile([
    msgpack('maps in maps, 100,000 deep', () => bytes(repeated('\x81\xa1a', DEEP), '\x01'), /levels deep/),
    msgpack('lists in lists, 100,000 deep', () => bytes(repeated('\x91', DEEP), '\x01'), /levels deep/),
    msgpack(
      'a map of 4 billion',
      () => bytes('\xdf\xff\xff\xff\xff\xa1a\x01'),
      /has only/,
      'incomplete-checkpoint',
    ),
    msgpack('a key of 4 GB', () => bytes('\x81\xdb\xff\xff\xff\xff'), /key of 4294967295 bytes/),
    msgpack(
      'bytes of 4 GB',
      () => bytes('\x81\xa1a\xc6\xff\xff\xff\xff'),
      /has only/,
      'incomplete-checkpoint',
    ),
    msgpack(
      'an array of 4 GB',
      () => bytes('\x81\xa1a\xc9\xff\xff\xff\xff\x01\x93'),
      /has only/,
      'incomplete-checkpoint',
    ),
    msgpack(
      'four million numbers',
      () => bytes('\x81\xa1a\xdd', Buffer.from([0, 0x3d, 9, 0]), new Uint8Array(4_000_000)),
      /more than \d+ values/,
    ),
    msgpack(
      'an array of negative size',
      () => bytes('\x81\xa1a\xc7\x10\x01\x93\x91\xff\xa7float32\xc4\x04abcd'),
      /no array|belong/,
    ),
    msgpack('__proto__ as a key', () => bytes('\x81\xa9__proto__\x81\xa8polluted\x01'), /no array of Flax/),
  ]);
});

// TensorFlow -------------------------------------------------------------------------------------------------------

/** A number in groups of seven bits, the lowest first. */
function varint(value: number): Buffer {
  const out: number[] = [];
  for (; value >= 128; value = Math.floor(value / 128)) out.push((value % 128) | 128);
  return Buffer.from([...out, value]);
}

interface Row {
  readonly key: string;
  readonly value: Uint8Array;
  /** Bytes of the key before that it says it shares. */
  readonly shared?: number;
}

function block(rows: readonly Row[]): Buffer {
  const entries = rows.map(({ key, value, shared = 0 }) =>
    bytes(varint(shared), varint(key.length), varint(value.length), key, value),
  );
  const content = Buffer.concat([...entries, u32(0), u32(1), Buffer.from([0])]);
  return Buffer.concat([content, u32(maskedCrc32c(content, 0, content.length))]);
}

/** An `.index` file whose checksums are right. */
function table(rows: readonly Row[], times = 1): Buffer {
  const data = block(rows);
  const handle = Buffer.concat([varint(0), varint(data.length - 5)]);
  const index = block(Array.from({ length: times }, () => ({ key: '~', value: handle })));
  const footer = Buffer.alloc(48);
  Buffer.concat([varint(0), varint(0), varint(data.length), varint(index.length - 5)]).copy(footer);
  footer.writeBigUInt64LE(0xdb4775248b80fb57n, 40);
  return Buffer.concat([data, index, footer]);
}

const field = (number: number, value: number | Buffer): Buffer =>
  typeof value === 'number'
    ? Buffer.concat([varint(number * 8), varint(value)])
    : Buffer.concat([varint(number * 8 + 2), varint(value.length), value]);

describe('TensorFlow', () => {
  const header: Row = { key: '', value: field(1, 1) };
  const crc = Buffer.concat([varint(6 * 8 + 5), u32(0)]);
  const variable = (
    key: string,
    fields: Readonly<Record<'type' | 'offset' | 'size', number>>,
    shape: readonly number[],
  ): Row => ({
    key,
    value: Buffer.concat([
      field(1, fields.type),
      field(2, Buffer.concat(shape.map((size) => field(2, field(1, size))))),
      field(4, fields.offset),
      field(5, fields.size),
      crc,
    ]),
  });
  const bundle = (
    what: string,
    index: () => Buffer,
    why: RegExp,
    code?: Hostile['code'],
    data: Uint8Array = new Uint8Array(64),
  ): Hostile => ({
    what,
    async make() {
      const path = await folder({ 'a.index': index(), 'a.data-00000-of-00001': data });
      return join(path, 'a.index');
    },
    why,
    ...(code === undefined ? {} : { code }),
  });
  const float = { type: 1, offset: 0, size: 8 };
  describeHostile([
    bundle(
      'a variable behind the end',
      () => table([header, variable('a', { ...float, offset: 2 ** 40 }, [2])]),
      /behind the end/,
      'incomplete-checkpoint',
    ),
    bundle(
      'variables that overlap',
      () => table([header, variable('a', float, [2]), variable('b', { ...float, offset: 4 }, [2])]),
      /overlap: a and b/,
    ),
    bundle(
      'a shape that overflows',
      () => table([header, variable('a', float, [2 ** 40, 2 ** 40])]),
      /shape that does not fit/,
    ),
    bundle(
      'a shape that is negative',
      () =>
        table([
          header,
          {
            key: 'a',
            value: Buffer.concat([
              field(1, 1),
              field(2, field(2, bytes('\x08', '\xff'.repeat(9), '\x01'))),
              field(5, 8),
              crc,
            ]),
          },
        ]),
      /shape that does not fit/,
    ),
    bundle(
      'a variable in a file that is not its own',
      () => table([header, { key: 'a', value: Buffer.concat([field(1, 1), field(3, 7), field(5, 8), crc]) }]),
      /none of its own/,
    ),
    bundle(
      'one variable twice',
      () => table([header, variable('a', float, [2]), variable('a', float, [2])]),
      /lists a twice/,
    ),
    bundle('a block that is read a thousand times', () => table([header], 1000), /overlap/),
    bundle(
      'names that unfold to gigabytes',
      () =>
        table([
          header,
          { key: 'x'.repeat(4000), value: new Uint8Array(0) },
          ...Array.from({ length: 100_000 }, () => ({
            key: 'y'.repeat(200),
            shared: 4000,
            value: new Uint8Array(0),
          })),
        ]),
      /name in its table that is none/,
    ),
    bundle(
      'a name that shares more than there is',
      () => table([header, { key: 'a', shared: 9, value: new Uint8Array(0) }]),
      /name in its table that is none/,
    ),
    bundle(
      '99,999 files of data',
      () => table([{ key: '', value: field(1, 99_999) }]),
      /not there/,
      'incomplete-checkpoint',
    ),
    bundle('files without number', () => table([{ key: '', value: field(1, 2 ** 40) }]), /speaks of/),
    bundle(
      'an entry of wild bytes',
      () => table([header, { key: 'a', value: Buffer.from('\xff'.repeat(40), 'latin1') }]),
      /no entry/,
    ),
    bundle(
      'a number without an end',
      () => {
        const content = table([header]);
        content.fill(0xff, content.length - 48, content.length - 8);
        return content;
      },
      /number in its table that is none/,
    ),
    bundle(
      'numbers that count as quantised',
      () => table([header, variable('a', { ...float, type: 11 }, [2])]),
      /quantised/,
    ),
    bundle(
      'objects that are their own children',
      () => table([header, variable('_CHECKPOINTABLE_OBJECT_GRAPH', { type: 7, offset: 0, size: 64 }, [])]),
      /lists no weights|graph of objects/,
      undefined,
      bytes(
        varint(59),
        u32(0),
        ...Array.from({ length: 10 }, () => field(1, field(1, Buffer.concat([field(1, 0)])))),
      ),
    ),
    {
      what: 'data that is a device',
      async make() {
        const path = await folder({ 'a.index': table([header]) });
        await symlink('/dev/zero', join(path, 'a.data-00000-of-00001'));
        return join(path, 'a.index');
      },
      why: /is not a file/,
    },
    {
      what: 'a SavedModel with a link out of it',
      async make() {
        const path = await folder({}, 'tensorflow/saved-model/epoch-1');
        await symlink('/etc/passwd', join(path, 'assets', 'words.txt'));
        return path;
      },
      why: /link that leads out of it/,
    },
    {
      what: 'an index of a terabyte of nothing',
      async make() {
        const path = await file(new Uint8Array(0), 'sparse.index');
        await truncate(path, 2 ** 40);
        return path;
      },
      why: /are not read/,
    },
  ]);
});
