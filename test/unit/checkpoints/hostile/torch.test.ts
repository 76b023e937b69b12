/** PyTorch files that somebody made to do harm: by their pickle, by their tensors, by their archive. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, open, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { deflateRawSync, gzipSync } from 'node:zlib';

import { FIXTURES, temporaryDirectory } from '../help.ts';
import { PYTHON, skipWithout } from '../python.ts';
import {
  bytes,
  call,
  dict,
  global,
  int,
  list,
  pickle,
  tensor,
  text,
  tuple,
  u32,
  u64,
  weights,
  type Piece,
  type Tensor,
} from './pickle.ts';
import { describeHostile, type Hostile } from './refused.ts';
import { archive, zip } from './zip.ts';

const directory = await temporaryDirectory();
let count = 0;

async function file(content: Uint8Array, name = 'hostile.pt'): Promise<string> {
  const path = join(directory, `${++count}-${name}`);
  await writeFile(path, content);
  return path;
}

const inArchive = (what: string, root: Piece, why: RegExp): Hostile => ({
  what,
  make: () => file(archive(pickle(root))),
  why,
});

// Code that Python would run ---------------------------------------------------------------------------------------

/** A file that appears when a payload is run. */
const canary = join(directory, 'canary');
const command = text(`echo > ${canary}`);
const system = global('os', 'system');

/** Each gives Python something to run, by another operation or from another place. */
const PAYLOADS: readonly (readonly [what: string, root: Piece, why: RegExp])[] = [
  [
    'a call, beside weights',
    weights([text('x'), call(system, command)]),
    /names os\.system, which no checkpoint needs/,
  ],
  ['a call of nothing but a string', call(global('posix', 'system'), command), /names posix\.system/],
  ['INST', weights([text('x'), ['(', command, 'iposix\nsystem\n']]), /names posix\.system/],
  ['OBJ', weights([text('x'), ['(', system, command, 'o']]), /names os\.system/],
  [
    'STACK_GLOBAL, the name put together from the memo',
    weights([
      text('x'),
      ['X', u32(2), 'osq\x05X', u32(6), 'systemq\x06', '00h\x05h\x06\x93', tuple(command), 'R'],
    ]),
    /names os\.system/,
  ],
  [
    'NEWOBJ and BUILD: __setstate__ becomes a function',
    weights([
      text('x'),
      [global('types', 'SimpleNamespace'), ')\x81', dict([text('__setstate__'), system]), 'b', command, 'b'],
    ]),
    /names os\.system/,
  ],
  [
    'eval',
    weights([
      text('x'),
      call(global('builtins', 'eval'), text(`__import__("os").system("echo > ${canary}")`)),
    ]),
    /names builtins\.eval/,
  ],
  [
    'exec, as Python 2 called it',
    weights([
      text('x'),
      call(global('__builtin__', 'eval'), text(`__import__("os").system("echo > ${canary}")`)),
    ]),
    /names __builtin__\.eval/,
  ],
  [
    'getattr on __import__',
    weights([
      text('x'),
      call(
        call(
          global('builtins', 'getattr'),
          call(global('builtins', '__import__'), text('os')),
          text('system'),
        ),
        command,
      ),
    ]),
    /names builtins\.__import__/,
  ],
  [
    'a pickle in the pickle',
    weights([text('x'), call(global('_pickle', 'loads'), ['C', ...innerPickle()])]),
    /names _pickle\.loads/,
  ],
  ['the place of a storage', dict([text('w'), [call(system, command), 'Q']]), /names os\.system/],
  ['a key', weights([call(system, command), int(1)]), /names os\.system/],
  [
    "an OrderedDict's arguments",
    call(global('collections', 'OrderedDict'), list(tuple(text('w'), call(system, command)))),
    /names os\.system/,
  ],
  [
    'the state of the optimizer',
    dict(
      [text('model'), weights()],
      [text('optimizer'), dict([text('state'), call(system, command)], [text('param_groups'), list()])],
    ),
    /names os\.system/,
  ],
  [
    'subprocess',
    weights([text('x'), call(global('subprocess', 'getoutput'), command)]),
    /names subprocess\.getoutput/,
  ],
  [
    'runpy',
    weights([
      text('x'),
      call(global('runpy', '_run_code'), text(`import os; os.system("echo > ${canary}")`), dict()),
    ]),
    /names runpy\._run_code/,
  ],
];

function innerPickle(): Piece[] {
  const inner = pickle(call(system, command));
  return [Uint8Array.of(inner.length), inner];
}

/** Runs a pickle as Python does, with nothing in place of PyTorch. */
const RUN = `
import pickle, sys, zipfile
class Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        return (lambda *args: None) if module.startswith("torch") else super().find_class(module, name)
    def persistent_load(self, id):
        return None
try:
    Unpickler(zipfile.ZipFile(sys.argv[1]).open("archive/data.pkl")).load()
except TypeError:
    pass
`;

describe('code', () => {
  describeHostile(PAYLOADS.map(([what, root, why]) => inArchive(`code in ${what}`, root, why)));
  describeHostile([
    inArchive(
      'a rebuilder of another kind',
      dict([
        text('w'),
        call(
          global('torch._tensor', '_rebuild_from_type_v2'),
          global('webbrowser', 'open'),
          global('torch', 'Tensor'),
          tuple(text('x')),
          '}',
        ),
      ]),
      /names webbrowser\.open/,
    ),
    inArchive(
      'an extension that some program may have registered',
      weights([text('x'), '\x82\x01']),
      /operation 0x82/,
    ),
    inArchive('a persistent id in text', weights([text('x'), 'Pstorage\n']), /operation 0x50/),
    inArchive(
      'an unknown call in the place of a tensor',
      dict([text('w'), call(global('torch._utils', '_rebuild_evil'), int(1))]),
      /kind that is not known \(torch\._utils\._rebuild_evil\)/,
    ),
    {
      what: 'code in a legacy file, after its magic number',
      make: () =>
        file(
          bytes(
            Buffer.from('80028a0a6cfc9c46f9206aa850192e', 'hex'),
            pickle(int(1001)),
            pickle(dict([text('little_endian'), '\x88'])),
            pickle(weights([text('x'), call(system, command)])),
            pickle(list(text('0'))),
            u64(2),
            new Uint8Array(8),
          ),
        ),
      why: /names os\.system/,
    },
  ]);

  test('what was refused above would have run: Python does run it', skipWithout(['pickle']), async () => {
    await rm(canary, { force: true });
    for (const [what, root] of PAYLOADS) {
      const path = await file(archive(pickle(root)));
      const { stderr } = spawnSync(PYTHON, ['-c', RUN, path], { encoding: 'utf8' });
      assert.ok(existsSync(canary), `${what}: ${stderr}`);
      await rm(canary);
    }
  });

  // Runs after the tests above, which would have made it.
  test('nothing was executed', () => assert.ok(!existsSync(canary)));
  after(() => rm(canary, { force: true }));
});

// More than a checkpoint is ----------------------------------------------------------------------------------------

/** Each list holds the one before it twice: 2^60 paths. */
const dag: Piece = [
  list(tensor()),
  'r',
  u32(0),
  ...Array.from({ length: 60 }, (_, i): Piece => ['0](', ['j', u32(i)], ['j', u32(i)], 'er', u32(i + 1)]),
];

describe('bombs', () => {
  describeHostile(
    [
      inArchive('a list of 2,000,000 lists', ['](', ']'.repeat(2_000_000), 'e'], /more than 400000 objects/),
      inArchive(
        '2,000,000 numbers in one tuple',
        ['(', 'K\x01'.repeat(2_000_000), 't'],
        /holds more values in its pickle/,
      ),
      inArchive(
        '2,000,000 values in the memo',
        ['N', Buffer.concat(Array.from({ length: 2_000_000 }, (_, i) => bytes('r', u32(i))))],
        /holds more values in its pickle/,
      ),
      inArchive(
        'a million long texts',
        ['](', '\x8c\x18abcdefghijklmnopqrstuvwx'.repeat(1_100_000), 'e'],
        /holds more values in its pickle/,
      ),
      inArchive(
        'lists in lists, 300,000 deep',
        [']'.repeat(300_000), 'a'.repeat(299_999)],
        /holds no weights/,
      ),
      inArchive(
        'dictionaries in dictionaries, 100,000 deep',
        ['}', bytes(text('a'), '}').toString('latin1').repeat(100_000), 's'.repeat(100_000)],
        /nests its weights deeper|holds no weights/,
      ),
      inArchive('399,000 empty dictionaries', ['](', '}'.repeat(399_000), 'e'], /holds no weights/),
      inArchive('two million marks', '('.repeat(2_000_000), /nests deeper/),
      inArchive(
        'a list that holds the one before twice, sixty times',
        dict([text('model'), dict([text('w'), dag])]),
        /holds no weights|nests its weights/,
      ),
      inArchive(
        'a dictionary that holds itself',
        ['}q\x00', text('model'), 'h\x00s'],
        /nests its weights|holds no weights/,
      ),
      inArchive(
        'five million steps that do nothing',
        ['N', 'N0'.repeat(2_500_000)],
        /more than 4000000 steps/,
      ),
      inArchive(
        '20,000 names of Python objects',
        ['](', Array.from({ length: 20_000 }, (_, i) => `cm\nn${i}\n`).join(''), 'e'],
        /names more Python objects/,
      ),
      {
        what: 'a pickle of 1 GiB of zeros, deflated a thousandfold',
        make: () => {
          const packed = deflateRawSync(Buffer.alloc(1 << 26));
          return file(zip([{ name: 'archive/data.pkl', data: packed, method: 8, size: 2 ** 30 }]));
        },
        why: /is compressed/,
      },
      {
        what: 'a stored pickle of 100 MB',
        make: () => file(archive(Buffer.alloc(100 << 20, 'N'))),
        why: /has a pickle of 104857600 bytes/,
      },
      {
        what: 'a legacy file that never ends its first pickle',
        make: () =>
          file(bytes(Buffer.from('80028a0a6cfc9c46f9206aa85019', 'hex'), Buffer.alloc(80 << 20, 'N'))),
        why: /holds more values/,
      },
    ],
    1,
  );
});

// Lies about sizes -------------------------------------------------------------------------------------------------

const lying = (what: string, lie: Tensor, why: RegExp): Hostile =>
  inArchive(what, dict([text('w'), tensor(lie)]), why);

describe('lies about sizes', () => {
  describeHostile([
    { ...inArchive('a text of 2^63 bytes', ['\x8d', u64(2n ** 63n - 1n)], /says that a value has/) },
    {
      ...inArchive('bytes of 4 GB', ['B', u32(0xffffffff)], /ends in the middle/),
      code: 'incomplete-checkpoint',
    },
    { ...inArchive('an integer of 2 GB', ['\x8b', u32(0x7fffffff)], /an integer of 2147483647 bytes/) },
    {
      ...inArchive(
        'a frame longer than everything',
        ['\x95', u64(2n ** 62n), weights()],
        /says that a value has/,
      ),
    },
    lying(
      'a storage of 2^40 elements',
      { elements: 2 ** 40 },
      /has 8 of the 4398046511104 bytes of storage 0/,
    ),
    lying('a storage of 2^63 - 1 elements', { elements: 2n ** 63n - 1n }, /gives tensor w no storage/),
    lying('a storage that is not there', { key: '7' }, /lacks the storage 7/),
    lying('a storage called constructor', { key: 'constructor' }, /lacks the storage constructor/),
    lying('a storage called like a file', { key: '../../../etc/passwd' }, /lacks the storage/),
    lying('an offset behind the storage', { offset: 1 }, /outside its storage/),
    lying('an offset of 2^52', { offset: 2 ** 52 }, /outside its storage/),
    lying('an offset below it', { offset: -1 }, /offset that are none/),
    lying('a stride behind the storage', { stride: [2] }, /outside its storage/),
    lying('a stride backwards', { stride: [-1] }, /shape, strides or an offset that are none/),
    lying('a stride of 2^53', { stride: [2n ** 53n] }, /shape, strides or an offset that are none/),
    lying('a dimension below zero', { size: [-2] }, /shape, strides or an offset that are none/),
    lying(
      'a shape whose product is no number',
      { size: [2 ** 30, 2 ** 30, 2 ** 30], stride: [0, 0, 0] },
      /a shape that is none/,
    ),
    lying('one number expanded to 2^50', { size: [2 ** 25, 2 ** 25], stride: [0, 0] }, /expands tensor w/),
    lying(
      'a hundred dimensions',
      { size: Array<number>(100).fill(1), stride: Array<number>(100).fill(1) },
      /shape, strides or an offset that are none/,
    ),
    lying('more strides than dimensions', { stride: [1, 1] }, /shape, strides or an offset that are none/),
    lying(
      'a storage of a type that is none',
      { type: 'EvilStorage' },
      /torch\.EvilStorage, a type that is not supported/,
    ),
    inArchive(
      'the same bytes as two types',
      dict([text('a'), tensor()], [text('b'), tensor({ type: 'IntStorage' })]),
      /reads the same bytes as F32 \(a\) and I32 \(b\)/,
    ),
    inArchive(
      'two tensors of one name',
      dict([text('model'), dict([text('1'), tensor()], [int(1), tensor({ elements: 1, size: [1] })])]),
      /has two tensors called 1/,
    ),
    inArchive(
      'a name of a megabyte',
      dict([text('model'), dict([text('n'.repeat(1 << 20)), tensor()])]),
      /names a tensor by 1048576 characters/,
    ),
    {
      what: 'a legacy file whose storage says 2^62 elements',
      make: () =>
        file(
          bytes(
            Buffer.from('80028a0a6cfc9c46f9206aa850192e', 'hex'),
            pickle(int(1001)),
            pickle(dict([text('little_endian'), '\x88'])),
            pickle(weights()),
            pickle(list(text('0'))),
            u64(2n ** 62n),
            new Uint8Array(8),
          ),
        ),
      why: /gives storage 0 .* bytes in one place and 8 in another/,
    },
  ]);
});

// Archives ---------------------------------------------------------------------------------------------------------

const good = pickle(weights());
const data = { name: 'archive/data/0', data: new Uint8Array(8) };
const main = { name: 'archive/data.pkl', data: good };
const crafted = (what: string, content: () => Uint8Array, why: RegExp, code?: Hostile['code']): Hostile => ({
  what,
  make: () => file(content()),
  why,
  ...(code === undefined ? {} : { code }),
});

describe('archives', () => {
  describeHostile([
    crafted(
      'entries that overlap',
      () =>
        zip([
          main,
          { ...data, data: Buffer.alloc(200) },
          { name: 'archive/data/1', data: new Uint8Array(8), at: 34 + main.data.length + 46 - 34 + 30 },
        ]),
      /overlap|outside its data/,
    ),
    crafted(
      'two entries at one place',
      () => zip([main, data, { ...data, name: 'archive/data/1', at: 0 }]),
      /outside its data|not in another|overlap/,
    ),
    crafted('two entries of one name', () => zip([main, data, data]), /has two entries archive\/data\/0/),
    crafted(
      'two pickles',
      () => zip([main, data, { name: 'other/data.pkl', data: good }]),
      /has two pickles/,
    ),
    crafted(
      'an absolute name',
      () => zip([main, data, { name: '/etc/passwd', data: new Uint8Array(1) }]),
      /leads out of it: \/etc\/passwd/,
    ),
    crafted(
      'a name with ..',
      () => zip([main, data, { name: 'archive/../../x', data: new Uint8Array(1) }]),
      /leads out of it/,
    ),
    crafted(
      'a name for Windows',
      () => zip([main, data, { name: 'C:\\x', data: new Uint8Array(1) }]),
      /leads out of it/,
    ),
    crafted(
      'a name with a zero',
      () => zip([main, data, { name: 'archive/a\0b', data: new Uint8Array(1) }]),
      /leads out of it/,
    ),
    crafted(
      'another name in the local header',
      () => zip([{ ...main, localName: 'archive/evil.pkl' }, data]),
      /not in another/,
    ),
    crafted('an encrypted pickle', () => zip([{ ...main, flags: 1 }, data]), /is encrypted/),
    crafted('a wrong checksum', () => zip([{ ...main, crc: 1 }, data]), /do not match their checksum/),
    crafted(
      '65,535 entries that are not there',
      () => zip([main, data], { count: 0xfffe }),
      /lies outside it/,
    ),
    crafted(
      'a table of contents of 4 GB',
      () => zip([main, data], { directorySize: 0xfffffffe }),
      /table of contents/,
    ),
    crafted(
      'a table of contents behind the end',
      () => zip([main, data], { directoryAt: 0x7fffffff }),
      /lies outside it/,
    ),
    crafted(
      '2^62 entries in 64 bits',
      () => zip([main, data], { zip64: { count: 2n ** 62n } }),
      /lies outside it/,
    ),
    crafted(
      'a 64-bit table of contents at 2^63',
      () => zip([main, data], { zip64: { at: 2n ** 63n } }),
      /lies outside it/,
    ),
    crafted(
      'a 64-bit record that is elsewhere',
      () => zip([main, data], { zip64: { record: 2n ** 40n } }),
      /lies outside it/,
    ),
    crafted(
      'a comment full of ends',
      () =>
        zip([main, data], {
          comment: Buffer.from('PK\x05\x06'.repeat(16_000), 'latin1').subarray(0, 60_000),
        }).subarray(0, -1),
      /table of contents/,
      'incomplete-checkpoint',
    ),
    crafted('no entry at all', () => zip([]), /without data\.pkl/),
    crafted(
      '65,534 empty entries',
      () =>
        zip(
          Array.from({ length: 65_534 }, (_, i) => ({ name: `archive/data/${i}`, data: new Uint8Array(0) })),
        ),
      /without data\.pkl/,
    ),
  ]);
});

// What is not a checkpoint of PyTorch ------------------------------------------------------------------------------

const fixture = (name: string) => (): Promise<string> =>
  Promise.resolve(join(FIXTURES, 'torch/torch-2.13', name));

async function linked(to: string): Promise<string> {
  const path = join(directory, `${++count}-link.pt`);
  await symlink(to, path);
  return path;
}

describe('other things', () => {
  describeHostile([
    { what: 'a tar archive, as the first PyTorch wrote', make: () => tar(), why: /is a tar archive/ },
    { what: 'a TorchScript program', make: fixture('script.pt'), why: /TorchScript/ },
    { what: 'quantised tensors', make: fixture('quantised.pt'), why: /average before quantising/ },
    { what: 'sparse tensors', make: fixture('sparse.pt'), why: /to_dense/ },
    crafted(
      'a model of scikit-learn',
      () => pickle(call(global('sklearn.linear_model._base', 'LinearRegression'))),
      /is a pickle of scikit-learn/,
    ),
    crafted(
      'a model of scikit-learn, by joblib',
      () => pickle(call(global('joblib.numpy_pickle', 'NumpyArrayWrapper'))),
      /is a pickle of joblib/,
    ),
    inArchive(
      'arrays of Python objects',
      dict([
        text('w'),
        call(global('numpy.core.multiarray', '_reconstruct'), global('numpy', 'ndarray'), tuple(int(0)), [
          'C\x01',
          'b',
        ]),
      ]),
      /holds no weights/,
    ),
    crafted('a plain pickle', () => pickle(weights()), /is a plain pickle/),
    crafted('a compressed file', () => gzipSync(archive(good)), /is compressed/),
    crafted(
      'a pointer of Git LFS',
      () => Buffer.from('version https://git-lfs.github.com/spec/v1\n'),
      /git lfs pull/,
    ),
    {
      what: 'a link to itself',
      make: async () => linked(join(directory, `${count + 1}-link.pt`)),
      why: /leads back to itself/,
    },
    { what: 'a link to a device that never ends', make: () => linked('/dev/zero'), why: /is not a file/ },
    { what: 'a pipe', make: () => pipe(), why: /is not a file/ },
    {
      what: 'a terabyte of nothing',
      make: () => sparse(),
      why: /only zeros so far/,
      code: 'incomplete-checkpoint',
    },
    {
      what: 'a directory',
      make: async () => {
        const path = join(directory, 'folder.pt');
        await cp(join(FIXTURES, 'npz'), path, { recursive: true });
        return path;
      },
      why: /not a checkpoint of a known format|is not a file/,
      code: 'unsupported',
    },
  ]);
});

async function tar(): Promise<string> {
  const inside = await file(Buffer.from('sys_info'), 'storages');
  const path = join(directory, `${++count}-old.pt`);
  execFileSync('tar', ['--format=ustar', '-cf', path, '-C', directory, inside.slice(directory.length + 1)]);
  return path;
}

async function pipe(): Promise<string> {
  const path = join(directory, `${++count}-pipe.pt`);
  execFileSync('mkfifo', [path]);
  return Promise.resolve(path);
}

async function sparse(): Promise<string> {
  const path = join(directory, `${++count}-sparse.pt`);
  const handle = await open(path, 'w');
  await handle.truncate(2 ** 40);
  await handle.close();
  return path;
}

test('keys that are named like prototypes are keys like any other', async () => {
  const { requireComplete } = await import('../../../../src/core/checkpoints/registry.ts');
  const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'prototype'];
  const inner = dict(...names.map((name): [Piece, Piece] => [text(name), tensor()]));
  const path = await file(
    archive(
      pickle(dict([text('model'), dict([text('__proto__'), inner])], [text('__proto__'), text('polluted')])),
    ),
  );
  const header = await requireComplete(path);
  assert.deepEqual(
    header.tensors.map(({ name }) => name),
    names.map((name) => `__proto__.${name}`),
  );
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
  assert.equal(Object.getPrototypeOf(header.metadata), Object.prototype);
  assert.ok((await readFile(path)).length > 0);
});

test('a log in a checkpoint is read as numbers, and one list in place of many columns is none', async () => {
  const { requireComplete } = await import('../../../../src/core/checkpoints/registry.ts');
  const told = async (...entries: readonly (readonly [Piece, Piece])[]) =>
    requireComplete(
      await file(
        archive(pickle(dict([text('model'), weights()], [text('train_results'), dict(...entries)]))),
      ),
    );
  const epochs = list(int(1), int(2));
  const { history } = await told(
    [text('epoch'), epochs],
    [text('loss'), list(text('x'), int(3))],
    [text('__proto__'), epochs],
    [int(7), epochs],
    [text('args'), dict()],
  );
  assert.deepEqual(Object.entries(history!), [
    ['epoch', [1, 2]],
    ['loss', [null, 3]],
    ['__proto__', [1, 2]],
  ]);
  assert.equal((await told([text('epoch'), epochs], [text('loss'), list(int(3))])).history, undefined);
  const long: Piece = [list(...Array.from({ length: 100_000 }, () => int(1))), 'q\x00'];
  const columns = Array.from({ length: 50 }, (_, column): [Piece, Piece] => [
    text(`c${column}`),
    column === 0 ? long : 'h\x00',
  ]);
  assert.equal((await told(...columns)).history, undefined);
});
