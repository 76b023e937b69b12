import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { test } from 'node:test';

import { elementCount } from '../../../src/core/checkpoints/dtype.ts';
import { mergeCheckpoints } from '../../../src/core/checkpoints/merge.ts';
import { optimizerNote } from '../../../src/core/checkpoints/optimizer.ts';
import { partialPathFor } from '../../../src/core/checkpoints/publish.ts';
import { formatById, requireComplete } from '../../../src/core/checkpoints/registry.ts';
import { withoutEntries } from '../../../src/core/checkpoints/torch/pickleEdit.ts';
import {
  Dictionary,
  PickleError,
  unpickle,
  type Value,
} from '../../../src/core/checkpoints/torch/unpickle.ts';
import type { CheckpointHeader } from '../../../src/core/checkpoints/types.ts';
import { FIXTURES, temporaryDirectory, twaError } from './help.ts';
import { dict, list, pickle, text, tuple, type Piece } from './hostile/pickle.ts';
import { PYTHON, skipWithout } from './python.ts';

const directory = await temporaryDirectory();
let count = 0;

async function merge(paths: readonly string[], dropOptimizer: boolean): Promise<string> {
  const headers = await Promise.all(paths.map((path) => requireComplete(path)));
  const output = join(directory, `${++count}-${basename(paths[0]!)}`);
  const coefficients = headers.map(() => 1 / headers.length);
  await mergeCheckpoints({ headers, coefficients, output, partial: partialPathFor(output), dropOptimizer });
  return output;
}

async function hexOf(header: CheckpointHeader): Promise<Map<string, string>> {
  const reader = await formatById(header.format).open(header, { hash: true });
  const found = new Map<string, string>();
  for (const tensor of header.tensors) {
    const stored = tensor.aliasOf === undefined ? tensor : { ...tensor, name: tensor.aliasOf };
    const bytes = await reader.read(stored, 0, elementCount(tensor.shape)!);
    found.set(tensor.name, Buffer.from(bytes).toString('hex'));
  }
  // Verifies every checksum.
  await reader.sha256();
  await reader.close();
  return found;
}

const fixture = (version: string, kind: string) =>
  [1, 2].map((n) => join(FIXTURES, 'torch', version, `${kind}-${n}.pt`));

for (const [version, kind, gone] of [
  ['torch-2.13', 'lightning', ['optimizer_states']],
  ['torch-1.13', 'lightning', ['optimizer_states']],
  ['torch-2.13', 'ema', ['optimizer']],
  ['torch-1.13', 'ema', ['optimizer']],
] as const) {
  test(`${version} ${kind}: the weights are those of the whole average; the optimizer and its storages are gone`, async () => {
    const [whole, dropped] = [
      await merge(fixture(version, kind), false),
      await merge(fixture(version, kind), true),
    ];
    const [a, b] = [await requireComplete(whole), await requireComplete(dropped)];
    assert.deepEqual(a.optimizer, gone);
    assert.equal(b.optimizer, undefined);
    assert.deepEqual(b.tensors, a.tensors);
    assert.deepEqual(await hexOf(b), await hexOf(a));
    assert.deepEqual(b.metadata, a.metadata);
    assert.ok((await stat(dropped)).size < 0.7 * (await stat(whole)).size);
    if (process.platform !== 'win32')
      execFileSync('python3', ['-m', 'zipfile', '-t', dropped], { stdio: 'ignore' });
  });
}

test(
  'torch loads what is left, with weights_only and mapped into memory, and the rest is equal',
  skipWithout(['torch', 'numpy']),
  async () => {
    const pairs: string[] = [];
    for (const kind of ['lightning', 'ema']) {
      pairs.push(
        await merge(fixture('torch-2.13', kind), false),
        await merge(fixture('torch-2.13', kind), true),
      );
    }
    const script = `
import sys, torch
modern = not torch.__version__.startswith("1.")
def same(a, b):
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b
for whole, dropped in zip(sys.argv[1::2], sys.argv[2::2]):
    a = torch.load(whole, weights_only=modern)
    for options in [{}, {"mmap": True}] if modern else [{}]:
        b = torch.load(dropped, weights_only=modern, **options)
        for key in ("optimizer", "optimizer_states"):
            a.pop(key, None)
            assert key not in b
        assert same(a, b), dropped
        storages = {t.data_ptr() % 64 for t in b.get("state_dict", b.get("model")).values() if t.numel()}
print("equal")
`;
    const { stdout, stderr } = spawnSync(PYTHON, ['-c', script, ...pairs], { encoding: 'utf8' });
    assert.match(stdout, /^equal$/m, stderr);
  },
);

test('a Hugging Face directory: optimizer and scheduler stay behind, every other file is copied', async () => {
  const paths = [2, 4, 6].map((step) => join(FIXTURES, `huggingface/checkpoint-${step}`));
  const newest = await requireComplete(paths.at(-1)!);
  assert.deepEqual(newest.optimizer, ['optimizer.pt', 'scheduler.pt']);
  const output = await merge(paths, true);
  const names = await readdir(output);
  const kept = (await readdir(paths.at(-1)!)).filter((name) => !newest.optimizer!.includes(name));
  assert.deepEqual(names.sort(), kept.sort());
  for (const name of names.filter((each) => each !== 'model.safetensors')) {
    assert.ok((await readFile(join(output, name))).equals(await readFile(join(paths.at(-1)!, name))), name);
  }
  const whole = await requireComplete(await merge(paths, false));
  assert.deepEqual(await hexOf(await requireComplete(output)), await hexOf(whole));
});

test('a file of before PyTorch 1.6 is refused, with the way out; one without an optimizer is not', async () => {
  await assert.rejects(
    merge(fixture('torch-2.13', 'lightning-legacy'), true),
    twaError('unsupported', /before 1\.6.*convert its weights/),
  );
  assert.deepEqual(
    (await readdir(directory)).filter((name) => /partial|legacy/.test(name)),
    [],
  );
  await merge(fixture('torch-2.13', 'plain'), true);
});

test('what is said of it', async () => {
  const header = await requireComplete(fixture('torch-2.13', 'lightning')[0]!);
  assert.match(
    optimizerNote(header, false)!,
    /that of the newest checkpoint, not averaged \(optimizer_states\)/,
  );
  assert.equal(optimizerNote(header, true), 'Optimizer state was left out (optimizer_states).');
  assert.equal(optimizerNote({ ...header, optimizer: [] }, false), undefined);
  assert.match(optimizerNote({ ...header, optimizer: [] }, true)!, /no optimizer state/);
});

// The pickle -------------------------------------------------------------------------------------------------------

/** As plain data. */
function plain(value: Value): unknown {
  if (value instanceof Dictionary) return [...value.entries].map(([key, item]) => [plain(key), plain(item)]);
  if (typeof value === 'object' && value !== null && 'items' in value && value.items !== undefined) {
    return value.items.map(plain);
  }
  return value;
}

const drop = (content: Uint8Array): unknown =>
  plain(unpickle(withoutEntries(content, new Set(['opt', 'opt2']))).value);
const put = (index: number): Piece => ['q', Uint8Array.of(index)];
const get = (index: number): Piece => ['h', Uint8Array.of(index)];

test('entries leave, in whatever way they were set', () => {
  assert.deepEqual(
    drop(pickle(dict([text('a'), 'K\x01'], [text('opt'), list('K\x02')], [text('b'), 'K\x03']))),
    [
      ['a', 1],
      ['b', 3],
    ],
  );
  assert.deepEqual(drop(pickle('}', text('opt'), 'K\x01s', text('a'), 'K\x02s')), [['a', 2]], 'one by one');
  assert.deepEqual(drop(pickle('(', text('opt'), 'K\x01', text('a'), 'K\x02', 'd')), [['a', 2]], 'DICT');
  assert.deepEqual(drop(pickle(dict([text('opt'), 'K\x01']))), [], 'the only one');
  const inner = dict([text('opt'), 'K\x01']);
  assert.deepEqual(drop(pickle(dict([text('a'), inner]))), [['a', [['opt', 1]]]], 'not those of others');
});

test('what the rest recalls from an entry that is gone is made where it is recalled', () => {
  const shared = [
    text('opt'),
    [tuple(text('x'), put(1), 'K\x07'), put(2)],
    text('a'),
    get(2),
    text('b'),
    get(1),
    text('c'),
    get(2),
  ];
  assert.deepEqual(drop(pickle('}(', ...shared, 'u')), [
    ['a', ['x', 7]],
    ['b', 'x'],
    ['c', ['x', 7]],
  ]);
  const filled = [text('opt'), [']', put(1), 'K\x05a'], text('a'), get(1), text('b'), get(1)];
  const root = unpickle(withoutEntries(pickle('}(', ...filled, 'u'), new Set(['opt']))).value as Dictionary;
  assert.deepEqual(plain(root), [
    ['a', [5]],
    ['b', [5]],
  ]);
  const [a, b] = [...root.entries.values()];
  assert.equal(a, b, 'still one list');
});

test('a memo that counts by itself, and frames', () => {
  // {"opt": ("x",), "a": "y", "b": the same "y"}, protocol 4
  const content = Buffer.concat([
    Buffer.from('8004', 'hex'),
    Buffer.from('95', 'hex'),
    Buffer.from('1e00000000000000', 'hex'),
    Buffer.from(
      '}\x94(\x8c\x03opt\x94\x8c\x01x\x94\x85\x94\x8c\x01a\x94\x8c\x01y\x94\x8c\x01b\x94h\x05u.',
      'latin1',
    ),
  ]);
  assert.deepEqual(plain(unpickle(content).value), [
    ['opt', ['x']],
    ['a', 'y'],
    ['b', 'y'],
  ]);
  assert.deepEqual(drop(content), [
    ['a', 'y'],
    ['b', 'y'],
  ]);
});

test('a list that holds itself still does; what cannot be told apart is refused', () => {
  const cycle = ['}(', text('opt'), [']', put(1), get(1), 'a'], text('a'), get(1), 'u'];
  const { entries } = unpickle(withoutEntries(pickle(...cycle), new Set(['opt']))).value as Dictionary;
  const [held] = entries.values();
  assert.equal((held as { readonly items: readonly unknown[] }).items[0], held);
  const twice = ['}(', text('opt'), ['K\x01', put(1)], text('a'), ['K\x02', put(1)], 'u'];
  assert.throws(() => withoutEntries(pickle(...twice), new Set(['opt'])), PickleError);
});

test('Python reads what is left of its own pickles, of every protocol', skipWithout(['pickle']), async () => {
  const make = `
import pickle, sys
from collections import OrderedDict
shared = ("adam", 0.5, 2**70)
big = list(range(2500))
state = OrderedDict(a=[shared, {"x": 1}], opt={"state": {0: shared, "big": big}, "param_groups": [shared]}, b=(shared, big), opt2="x")
for i in range(1500):
    state[f"k{i}"] = ("k", i, shared)
state["c"] = state["b"]
for protocol in range(2, 6):
    pickle.dump(state, open(f"{sys.argv[1]}/p{protocol}", "wb"), protocol)
`;
  const check = `
import pickle, sys
for protocol in range(2, 6):
    state = pickle.load(open(f"{sys.argv[1]}/p{protocol}", "rb"))
    left = pickle.load(open(f"{sys.argv[1]}/p{protocol}.left", "rb"))
    del state["opt"], state["opt2"]
    assert state == left and type(left) is type(state) and left["b"] is left["c"], protocol
print("equal")
`;
  const python = (code: string) => spawnSync(PYTHON, ['-c', code, directory], { encoding: 'utf8' });
  assert.equal(python(make).status, 0);
  for (const protocol of [2, 3, 4, 5]) {
    const content = await readFile(join(directory, `p${protocol}`));
    await writeFile(join(directory, `p${protocol}.left`), withoutEntries(content, new Set(['opt', 'opt2'])));
  }
  const { stdout, stderr } = python(check);
  assert.match(stdout, /^equal$/m, stderr);
});

for (const path of [
  'keras/zip/epoch-3.keras',
  'keras/legacy/epoch-3.h5',
  'flax/step-30.msgpack',
  'torch/distributed/sharded/step-30',
]) {
  test(`${path}: its optimizer is known, and not silently kept where it should be left out`, async () => {
    const header = await requireComplete(join(FIXTURES, path));
    assert.ok(header.optimizer!.length > 0);
    assert.match(optimizerNote(header, false)!, /that of the newest checkpoint/);
    await assert.rejects(formatById(header.format).requireDroppable!(header), twaError('unsupported'));
    await assert.rejects(merge([join(FIXTURES, path)], true), twaError('unsupported', /cannot be left out/));
  });
}
