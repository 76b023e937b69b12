import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFile, mkdtemp, open, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describe, test } from 'node:test';

import { mergeCheckpoints } from '../../../src/core/checkpoints/merge.ts';
import { partialPathFor } from '../../../src/core/checkpoints/publish.ts';
import { requireComplete } from '../../../src/core/checkpoints/registry.ts';
import { torch } from '../../../src/core/checkpoints/torch/format.ts';
import { elementCount } from '../../../src/core/checkpoints/dtype.ts';
import type { CheckpointHeader } from '../../../src/core/checkpoints/types.ts';
import { bytesAt, readZip } from '../../../src/core/checkpoints/zip.ts';
import { FIXTURES, temporaryDirectory, twaError } from './help.ts';
import { PYTHON, skipWithout } from './python.ts';

const directory = await temporaryDirectory();
const VERSIONS = ['torch-1.13', 'torch-2.13'];
const KINDS = ['odd', 'plain', 'lightning', 'ema', 'module', 'pair', 'odd-legacy', 'lightning-legacy'];

type Expected = Readonly<Record<string, Readonly<Record<string, string>>>>;

async function expectedOf(version: string): Promise<Expected> {
  return JSON.parse(await readFile(join(FIXTURES, 'torch', version, 'expected.json'), 'utf8')) as Expected;
}

async function hexOf(header: CheckpointHeader): Promise<Map<string, string>> {
  const reader = await torch.open(header, { hash: true });
  try {
    const found = new Map<string, string>();
    for (const tensor of header.tensors) {
      const stored = tensor.aliasOf === undefined ? tensor : { ...tensor, name: tensor.aliasOf };
      const bytes = await reader.read(stored, 0, elementCount(tensor.shape)!);
      found.set(tensor.name, Buffer.from(bytes).toString('hex'));
    }
    await reader.sha256();
    return found;
  } finally {
    await reader.close();
  }
}

async function mergeOf(version: string, kind: string, name: string): Promise<string> {
  const headers = await Promise.all(
    [1, 2].map((n) => requireComplete(join(FIXTURES, 'torch', version, `${kind}-${n}.pt`))),
  );
  const output = join(directory, name);
  await mergeCheckpoints({ headers, coefficients: [0.5, 0.5], output, partial: partialPathFor(output) });
  return output;
}

for (const version of VERSIONS) {
  describe(`files of ${version}`, () => {
    for (const kind of KINDS) {
      test(`${kind}: every weight is read bit for bit as torch has it`, async () => {
        const expected = await expectedOf(version);
        const header = await requireComplete(join(FIXTURES, 'torch', version, `${kind}-2.pt`));
        const found = await hexOf(header);
        assert.deepEqual(new Map([...found].sort()), new Map(Object.entries(expected[`${kind}-2`]!).sort()));
      });
    }
    test('epoch, step, ties and what is kept are known from the header', async () => {
      const header = await requireComplete(join(FIXTURES, 'torch', version, 'lightning-2.pt'));
      assert.equal(header.epoch, 2);
      assert.equal(header.step, 200);
      assert.match(header.notes!.join(' '), /optimizer_states/);
      const tied = header.tensors.find((tensor) => tensor.name === 'model.tied.weight');
      assert.equal(tied?.aliasOf, 'model.head.weight');
      const module = await requireComplete(join(FIXTURES, 'torch', version, 'module-1.pt'));
      assert.match(module.notes!.join(' '), /__main__\.Net/);
    });
    for (const [file, reason] of [
      ['script', /TorchScript/],
      ['sparse', /sparse; call to_dense/],
      ['quantised', /quantised/],
    ] as const) {
      test(`${file} is refused with the way out`, async () => {
        const found = await torch.inspect(join(FIXTURES, 'torch', version, `${file}.pt`));
        assert.equal(found.state, 'unreadable');
        assert.match(found.reason, reason);
      });
    }
    for (const kind of KINDS) {
      test(`${kind}: the float64 mean of two, rounded once, is in the copy; the rest is as it was`, async () => {
        const expected = await expectedOf(version);
        const path = await mergeOf(version, kind, `${version}-${kind}.pt`);
        const merged = await requireComplete(path);
        const found = await hexOf(merged);
        const floats = merged.tensors.filter(({ dtype }) => dtype === 'F32' || dtype === 'F64');
        assert.ok(floats.length > 0);
        for (const { name, dtype } of floats) {
          const [a, b, mean] = [
            expected[`${kind}-1`]![name]!,
            expected[`${kind}-2`]![name]!,
            found.get(name)!,
          ].map((hex) => Buffer.from(hex, 'hex'));
          const size = dtype === 'F32' ? 4 : 8;
          for (let at = 0; at < a!.length; at += size) {
            const value = (bytes: Buffer): number =>
              size === 4 ? bytes.readFloatLE(at) : bytes.readDoubleLE(at);
            const exact = 0.5 * value(a!) + 0.5 * value(b!);
            assert.equal(value(mean!), size === 4 ? Math.fround(exact) : exact, `${name} at ${at}`);
          }
        }
        const newest = await readFile(join(FIXTURES, 'torch', version, `${kind}-2.pt`));
        assert.equal((await readFile(path)).length, newest.length);
      });
    }
  });
}

test('every way of cutting a file off is incomplete, never complete and never an exception', async () => {
  for (const kind of ['plain', 'lightning-legacy']) {
    const bytes = await readFile(join(FIXTURES, 'torch/torch-2.13', `${kind}-1.pt`));
    const path = join(directory, `cut-${kind}.pt`);
    for (let size = 0; size < bytes.length; size += 37) {
      await writeFile(path, bytes.subarray(0, size));
      const found = await torch.inspect(path);
      assert.notEqual(found.state, 'complete', `${kind} ${size}`);
      if (size > 14) assert.equal(found.state, 'incomplete', `${kind} ${size}`);
    }
  }
});

test('a flipped bit in a storage is found by its checksum while merging', async () => {
  const source = join(FIXTURES, 'torch/torch-2.13/plain-1.pt');
  const path = join(directory, 'flipped.pt');
  const header = await requireComplete(source);
  const first = await torch.open(header);
  const value = Buffer.from(await first.read(header.tensors[0]!, 0, 4));
  await first.close();
  const bytes = await readFile(source);
  const at = bytes.indexOf(value);
  bytes[at]! ^= 1;
  await writeFile(path, bytes);
  const output = join(directory, 'flipped-out.pt');
  const headers = [await requireComplete(path), header];
  await assert.rejects(
    mergeCheckpoints({ headers, coefficients: [0.5, 0.5], output, partial: partialPathFor(output) }),
    twaError('bad-checkpoint', /do not match their checksum/),
  );
});

for (const version of VERSIONS) {
  for (const kind of ['lightning', 'ema', 'module', 'odd']) {
    test(`${version} ${kind}: what is no weight survives byte for byte`, async () => {
      const paths = [1, 2].map((n) => join(FIXTURES, 'torch', version, `${kind}-${n}.pt`));
      const headers = await Promise.all(paths.map((path) => requireComplete(path)));
      const newest = await readFile(paths[1]!);
      const same = join(directory, `${version}-${kind}-same.pt`);
      await mergeCheckpoints({ headers, coefficients: [0, 1], output: same, partial: partialPathFor(same) });
      assert.ok((await readFile(same)).equals(newest), 'the newest alone');

      const [before, after] = await Promise.all(
        [paths[1]!, await mergeOf(version, kind, `${version}-${kind}-other.pt`)].map(entriesOf),
      );
      const changed = [...before!]
        .filter(([name, bytes]) => !bytes.equals(after!.get(name)!))
        .map(([name]) => name);
      const weights = headers[1]!.tensors.filter(
        ({ aliasOf, dtype }) => aliasOf === undefined && !/^[IUB](?!F)/.test(dtype),
      );
      // Views of one storage are one entry.
      assert.ok(changed.length > 0 && changed.length <= weights.length, changed.join());
      assert.ok(
        changed.every((name) => /^[^/]+\/data\/\d+$/.test(name)),
        changed.join(),
      );
    });
  }
}

async function entriesOf(path: string): Promise<Map<string, Buffer>> {
  const handle = await open(path, 'r');
  try {
    const entries = await readZip(handle, (await handle.stat()).size);
    const read = entries.map(
      async ({ name, start, size }) => [name, await bytesAt(handle, start, size)] as const,
    );
    return new Map(await Promise.all(read));
  } finally {
    await handle.close();
  }
}

/** PyTorch 2 by TWA_PYTHON, and the one of the system, which is often older. */
for (const python of new Set([PYTHON, '/usr/bin/python3'])) {
  test(
    `torch loads the averages, and each number is the float64 mean rounded once (${python})`,
    skipWithout(['torch', 'numpy'], python),
    async () => {
      const { stdout: found } = spawnSync(python, ['-c', 'import torch; print(torch.__version__)'], {
        encoding: 'utf8',
      });
      const version = found.startsWith('1.') ? 'torch-1.13' : 'torch-2.13';
      const folder = await mkdtemp(join(directory, 'mean-'));
      const paths: string[] = [];
      // PyTorch 2.13 cannot load the legacy files with 8-bit floats that it writes.
      const loadable = KINDS.filter((kind) => version === 'torch-1.13' || kind !== 'odd-legacy');
      for (const kind of loadable)
        paths.push(await mergeOf(version, kind, join(basename(folder), `${kind}.pt`)));
      const script = join(FIXTURES, 'torch/check_mean.py');
      const run = spawnSync(python, ['-B', script, join(FIXTURES, 'torch', version), ...paths], {
        encoding: 'utf8',
      });
      assert.match(run.stdout, /^equal: \d+ values$/m, run.stderr.slice(-2000));
    },
  );
}

test('candidates: by name, without what only lies beside checkpoints', async () => {
  for (const name of ['a.pt', 'b.PTH', 'last.ckpt', 'model_best.pth.tar', 'pytorch_model.bin']) {
    assert.equal(torch.candidate(`/x/${name}`), `/x/${name}`);
  }
  for (const name of [
    'optimizer.pt',
    'rng_state_0.pth',
    'training_args.bin',
    'weights.bin',
    'scheduler.pt',
  ]) {
    assert.equal(torch.candidate(`/x/${name}`), undefined, name);
  }
  await copyFile(join(FIXTURES, 'torch/torch-2.13/plain-1.pt'), join(directory, 'x.pth.tar'));
  const header = await requireComplete(join(directory, 'x.pth.tar'));
  assert.equal(torch.outputName('twa-1', header), 'twa-1.pth.tar');
});
