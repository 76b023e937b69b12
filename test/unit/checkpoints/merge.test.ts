import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  cp,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  statfs,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { before, describe, test } from 'node:test';

import { isFloat } from '../../../src/core/checkpoints/dtype.ts';
import { mergeCheckpoints, readParameter, type MergeRequest } from '../../../src/core/checkpoints/merge.ts';
import { partialPathFor } from '../../../src/core/checkpoints/publish.ts';
import { requireComplete } from '../../../src/core/checkpoints/registry.ts';
import { safetensors } from '../../../src/core/checkpoints/safetensors/format.ts';
import type { CheckpointHeader } from '../../../src/core/checkpoints/types.ts';
import { FIXTURES, safetensorsBytes, temporaryDirectory, twaError, writeFloats } from './help.ts';

const root = await temporaryDirectory();
let count = 0;
/** A directory per case, so that what is left over can be listed. */
async function fresh(): Promise<string> {
  const directory = join(root, `case-${count++}`);
  await mkdir(directory);
  return directory;
}

function headersOf(paths: readonly string[]): Promise<CheckpointHeader[]> {
  return Promise.all(paths.map((path) => requireComplete(path)));
}

function merge(headers: readonly CheckpointHeader[], output: string, more: Partial<MergeRequest> = {}) {
  return mergeCheckpoints({
    headers,
    coefficients: headers.map(() => 1 / headers.length),
    output,
    partial: partialPathFor(output),
    ...more,
  });
}

async function sha256(...paths: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const path of paths) hash.update(await readFile(path));
  return hash.digest('hex');
}

interface Expected {
  readonly coefficients: Readonly<Record<'uniform' | 'free', readonly number[]>>;
  readonly tensors: readonly { readonly name: string; readonly uniform: string; readonly free: string }[];
}

describe('safetensors, every dtype', () => {
  const sources = [1, 2, 3, 4].map((n) => join(FIXTURES, `mixed/epoch-00${n}.safetensors`));
  let expected: Expected;
  before(async () => {
    expected = JSON.parse(await readFile(join(FIXTURES, 'mixed/expected.json'), 'utf8')) as Expected;
  });

  for (const mix of ['uniform', 'free'] as const) {
    test(`${mix}: bit for bit NumPy's float64 mix, rounded once`, async () => {
      const output = join(await fresh(), 'mix.safetensors');
      const headers = await headersOf(sources);
      const result = await merge(headers, output, { coefficients: expected.coefficients[mix] });
      const header = await requireComplete(output);
      const reader = await safetensors.open(header);
      for (const { name, [mix]: hex } of expected.tensors) {
        const tensor = header.tensors.find((item) => item.name === name)!;
        const bytes = await reader.read(
          tensor,
          0,
          tensor.shape.reduce((a, b) => a * b, 1),
        );
        assert.equal(Buffer.from(bytes).toString('hex'), hex, name);
      }
      await reader.close();

      const newest = await readFile(sources[3]!);
      const headerEnd = 8 + Number(newest.readBigUInt64LE(0));
      const merged = await readFile(output);
      assert.ok(
        merged.subarray(0, headerEnd).equals(newest.subarray(0, headerEnd)),
        "the newest's header, byte for byte",
      );
      assert.equal(result.outputSha256, await sha256(output));
      assert.deepEqual(
        result.sources,
        await Promise.all(
          sources.map(async (path, i) => ({
            path,
            size: newest.length,
            sha256: await sha256(path),
            step: 100 * (i + 1),
            epoch: i + 1,
          })),
        ),
      );
      assert.deepEqual(await readdir(dirname(output)), ['mix.safetensors']);
    });
  }

  test('a coefficient of one gives back the numbers of its checkpoint', async () => {
    const output = join(await fresh(), 'same.safetensors');
    const headers = await headersOf(sources);
    await merge(headers, output, { coefficients: [0, 1, 0, 0] });
    const [second, mixed] = [headers[1]!, await requireComplete(output)];
    const readers = await Promise.all([safetensors.open(second), safetensors.open(mixed)]);
    const floats = mixed.tensors.filter((tensor) => isFloat(tensor.dtype));
    assert.equal(floats.length, 9);
    for (const tensor of floats) {
      const [theirs, ours] = await Promise.all(readers.map((reader) => readParameter(reader, tensor)));
      // Not by bytes: -0 added to +0 is +0.
      assert.ok(
        ours!.every((x, i) => x === theirs![i]),
        tensor.name,
      );
    }
    await Promise.all(readers.map((reader) => reader.close()));
  });
});

describe('tfjs layers model', () => {
  const sources = [1, 2, 3].map((n) => join(FIXTURES, `tfjs/epoch-${n}`));

  test('TensorFlow.js loads the mean; optimizer and topology are the newest, byte for byte', async () => {
    const expected = JSON.parse(await readFile(join(FIXTURES, 'tfjs/expected.json'), 'utf8')) as {
      epochs: readonly { weights: Record<string, number[]> }[];
    };
    const output = join(await fresh(), 'mean');
    const result = await merge(await headersOf(sources), output);
    const names = (await readdir(output)).sort();
    assert.deepEqual(names, (await readdir(sources[2]!)).sort());
    assert.deepEqual(
      await readFile(join(output, 'model.json')),
      await readFile(join(sources[2]!, 'model.json')),
    );
    const shards = names.filter((name) => name.endsWith('.bin'));
    const inOrder = (directory: string) => ['model.json', ...shards].map((name) => join(directory, name));
    assert.equal(result.outputSha256, await sha256(...inOrder(output)));
    for (const [i, source] of sources.entries()) {
      assert.equal(result.sources[i]!.sha256, await sha256(...inOrder(source)));
      assert.equal(result.sources[i]!.epoch, i + 1);
    }

    await import('@tensorflow/tfjs-backend-cpu');
    const { io } = await import('@tensorflow/tfjs-core');
    const { loadLayersModel } = await import('@tensorflow/tfjs-layers');
    const bytes = Buffer.concat(await Promise.all(shards.map((name) => readFile(join(output, name)))));
    const json = JSON.parse(await readFile(join(output, 'model.json'), 'utf8')) as Parameters<
      typeof io.getModelArtifactsForJSON
    >[0];
    const model = await loadLayersModel({
      load: () =>
        io.getModelArtifactsForJSON(json, (manifest) =>
          Promise.resolve([manifest.flatMap((group) => group.weights), new Uint8Array(bytes).buffer]),
        ),
    });
    for (const weight of model.weights) {
      const values = expected.epochs.map((epoch) => epoch.weights[weight.originalName]!);
      // The same order of operations as ours, so that the float64 sums are the same.
      const mean = values[0]!.map((_, k) => Math.fround(values.reduce((sum, v) => sum + (1 / 3) * v[k]!, 0)));
      assert.deepEqual([...(await weight.read().data())], mean, weight.originalName);
    }
    model.dispose();

    // Behind the model's 272 bytes lies the optimizer, which no mean touches.
    const newest = Buffer.concat(await Promise.all(shards.map((name) => readFile(join(sources[2]!, name)))));
    const modelBytes = 4 * model.countParams();
    assert.ok(bytes.subarray(modelBytes).equals(newest.subarray(modelBytes)));
    assert.ok(!bytes.subarray(0, modelBytes).equals(newest.subarray(0, modelBytes)));
  });

  test('a directory that appears in the last moment is not touched', async () => {
    const directory = await fresh();
    const output = join(directory, 'mean');
    const onProgress = (): void =>
      void mkdir(output).then(
        () => writeFile(join(output, 'theirs'), 'theirs'),
        () => undefined,
      );
    await assert.rejects(merge(await headersOf(sources), output, { onProgress }), twaError('exists'));
    assert.deepEqual(await readdir(directory), ['mean']);
    assert.deepEqual(await readdir(output), ['theirs']);
  });

  test('cancelled half way, nothing is left', async () => {
    const directory = await fresh();
    const controller = new AbortController();
    const merging = merge(await headersOf(sources), join(directory, 'averages', 'mean'), {
      signal: controller.signal,
      onProgress: () => controller.abort(),
    });
    await assert.rejects(merging, twaError('cancelled'));
    assert.deepEqual(await readdir(directory), []);
  });

  test('a shard that goes half way is noticed', async () => {
    const directory = await fresh();
    const copy = join(directory, 'epoch-1');
    await cp(sources[0]!, copy, { recursive: true });
    const headers = await headersOf([copy, sources[1]!]);
    const output = join(directory, 'mean');
    await rm(join(copy, 'group1-shard3of8.bin'));
    await assert.rejects(merge(headers, output), twaError('not-found', /group1-shard3of8\.bin/));
    assert.deepEqual(await readdir(directory), ['epoch-1']);
  });
});

describe('many chunks', () => {
  // Two and a half chunks of the largest size, so that chunk borders, hashing and the overlap of reading, mixing and
  // writing all happen.
  const length = 655_360;
  let sources: string[];
  const values = (k: number): Float32Array => Float32Array.from({ length }, (_, i) => Math.sin(i * (k + 1)));
  before(async () => {
    const directory = await fresh();
    sources = [];
    for (let k = 0; k < 3; k++) {
      const path = join(directory, `epoch-${k}.safetensors`);
      await writeFloats(path, { first: [k], long: values(k), last: [10 * k] });
      sources.push(path);
    }
  });

  test('the mix is right everywhere, progress rises to 1, and hashes are those of the files', async () => {
    const output = join(await fresh(), 'mix.safetensors');
    const coefficients = [0.5, -0.25, 0.75];
    const seen: number[] = [];
    const result = await merge(await headersOf(sources), output, {
      coefficients,
      onProgress: (f) => seen.push(f),
    });
    const header = await requireComplete(output);
    const reader = await safetensors.open(header);
    const mixed = await readParameter(
      reader,
      header.tensors.find(({ name }) => name === 'long')!,
    );
    await reader.close();
    const [a, b, c] = [values(0), values(1), values(2)];
    for (let i = 0; i < length; i++) {
      const exact = 0.5 * a[i]! + -0.25 * b[i]! + 0.75 * c[i]!;
      if (mixed[i] !== Math.fround(exact))
        assert.fail(`element ${i}: ${mixed[i]!}, expected ${Math.fround(exact)}`);
    }
    assert.ok(seen.length > 4 && seen.at(-1) === 1);
    assert.deepEqual(
      seen,
      seen.toSorted((x, y) => x - y),
    );
    assert.equal(result.outputSha256, await sha256(output));
    assert.deepEqual(
      result.sources.map((source) => source.sha256),
      await Promise.all(sources.map((path) => sha256(path))),
    );
  });

  test('cancelled at any chunk, nothing is left and no source is touched', async () => {
    const before = await Promise.all(sources.map((path) => sha256(path)));
    for (const stopAt of [0, 1, 3, 4]) {
      const directory = await fresh();
      const controller = new AbortController();
      let calls = 0;
      const merging = merge(await headersOf(sources), join(directory, 'new', 'mix.safetensors'), {
        signal: controller.signal,
        onProgress: () => {
          if (calls++ === stopAt) controller.abort();
        },
      });
      await assert.rejects(merging, twaError('cancelled'));
      assert.deepEqual(await readdir(directory), [], 'the directory that was made for it is gone, too');
    }
    assert.deepEqual(await Promise.all(sources.map((path) => sha256(path))), before);
  });

  test('aborted before it starts, nothing is made', async () => {
    const directory = await fresh();
    const merging = merge(await headersOf(sources), join(directory, 'new/mix.safetensors'), {
      signal: AbortSignal.abort(),
    });
    await assert.rejects(merging, twaError('cancelled'));
    assert.deepEqual(await readdir(directory), []);
  });

  const disturbances: readonly (readonly [
    string,
    (path: string) => Promise<void>,
    Parameters<typeof twaError>,
  ])[] = [
    ['vanishes', (path) => rm(path), ['not-found', /epoch-0\.safetensors is not there any more/]],
    ['is renamed', (path) => rename(path, `${path}.old`), ['not-found', /epoch-0\.safetensors/]],
    ['shrinks', (path) => truncate(path, 1000), ['incomplete-checkpoint', /epoch-0\.safetensors changed/]],
    [
      'is written to again',
      async (path) => {
        const handle = await open(path, 'r+');
        await handle.write(Buffer.from('x'), 0, 1, 5000);
        await handle.close();
        // File systems date changes to some milliseconds only.
        await utimes(path, new Date(), new Date(Date.now() + 1000));
      },
      ['incomplete-checkpoint', /epoch-0\.safetensors changed/],
    ],
  ];
  for (const [what, disturb, error] of disturbances) {
    test(`a source that ${what} meanwhile fails the merge, and nothing is left`, async () => {
      const directory = await fresh();
      const copy = join(directory, 'epoch-0.safetensors');
      await cp(sources[0]!, copy);
      const headers = await headersOf([copy, sources[1]!, sources[2]!]);
      let disturbing: Promise<void> | undefined;
      const merging = merge(headers, join(directory, 'mix.safetensors'), {
        onProgress: () => void (disturbing ??= disturb(copy)),
      });
      await assert.rejects(merging, twaError(...error));
      await disturbing;
      const left = await readdir(directory);
      assert.ok(
        left.every((name) => name.startsWith('epoch-0')),
        left.join(),
      );
    });
  }

  test('a source that changed since its header was read is refused', async () => {
    const directory = await fresh();
    const copy = join(directory, 'epoch-0.safetensors');
    await cp(sources[0]!, copy);
    const headers = await headersOf([copy, sources[1]!]);
    await writeFloats(copy, { first: [1], long: [2], last: [3] });
    await assert.rejects(
      merge(headers, join(directory, 'mix.safetensors')),
      twaError('incomplete-checkpoint'),
    );
    assert.deepEqual(await readdir(directory), ['epoch-0.safetensors']);
  });

  test('a file that appears in the last moment is not touched', async () => {
    const directory = await fresh();
    const output = join(directory, 'mix.safetensors');
    const onProgress = (): void => void writeFile(output, 'theirs', { flag: 'wx' }).catch(() => undefined);
    await assert.rejects(merge(await headersOf(sources), output, { onProgress }), twaError('exists'));
    assert.deepEqual(await readdir(directory), ['mix.safetensors']);
    assert.equal(await readFile(output, 'utf8'), 'theirs');
  });
});

describe('refused before any work', () => {
  let headers: CheckpointHeader[];
  before(async () => {
    const directory = await fresh();
    for (const k of [1, 2]) await writeFloats(join(directory, `e${k}.safetensors`), { w: [k, k], b: [k] });
    headers = await headersOf([1, 2].map((k) => join(directory, `e${k}.safetensors`)));
  });

  test('an output that exists stays as it is', async () => {
    const output = join(await fresh(), 'kept.safetensors');
    await writeFile(output, 'kept');
    await assert.rejects(merge(headers, output), twaError('exists', /nothing is ever overwritten/));
    assert.equal(await readFile(output, 'utf8'), 'kept');
    await assert.rejects(merge(headers, headers[0]!.path), twaError('exists'));
  });

  test('a partial file of somebody else is neither used nor removed', async () => {
    const directory = await fresh();
    const partial = join(directory, 'x.partial');
    await writeFile(partial, 'theirs');
    await assert.rejects(merge(headers, join(directory, 'x'), { partial }), twaError('exists'));
    assert.equal(await readFile(partial, 'utf8'), 'theirs');
    assert.deepEqual(await readdir(directory), ['x.partial']);
  });

  test('different architectures, with every difference', async () => {
    const directory = await fresh();
    const other = join(directory, 'e3.safetensors');
    await writeFloats(other, { w: [1, 2, 3], c: [1] });
    const output = join(directory, 'mix.safetensors');
    const mismatched = [...headers, ...(await headersOf([other]))];
    await assert.rejects(
      merge(mismatched, output),
      twaError(
        'mismatch',
        /e1\.safetensors: w is F32 \[2\], not F32 \[3\]/,
        /e2\.safetensors: it has a tensor b/,
        /e2\.safetensors: it has no tensor c/,
      ),
    );
    assert.deepEqual(await readdir(directory), ['e3.safetensors']);
  });

  test('a disk without room', async () => {
    const directory = await fresh();
    const { bavail, bsize } = await statfs(directory);
    // Larger than what is free, and sparse: it takes no room itself.
    const bytes = Math.ceil((bavail * bsize) / 4 + 2 ** 20) * 4;
    const path = join(directory, 'large.safetensors');
    const head = safetensorsBytes({ w: { dtype: 'F32', shape: [bytes / 4], data_offsets: [0, bytes] } });
    await writeFile(path, head);
    await truncate(path, head.length + bytes);
    await assert.rejects(
      merge(await headersOf([path]), join(directory, 'new/mix.safetensors')),
      twaError('no-space', /MB free/),
    );
    assert.deepEqual(await readdir(directory), ['large.safetensors']);
  });

  const senseless: readonly (readonly [string, Partial<MergeRequest>, Parameters<typeof twaError>])[] = [
    ['too few coefficients', { coefficients: [1] }, ['usage', /2 checkpoints need as many/]],
    ['a coefficient that is no number', { coefficients: [0.5, NaN] }, ['usage', /NaN/]],
    ['a partial path that is not named so', { partial: '/tmp/x' }, ['usage', /\.partial/]],
    [
      'buffers for a tensor that is not there',
      { buffers: new Map([['x', Float32Array.of(1)]]) },
      ['mismatch', /no tensor x/],
    ],
    [
      'buffers of another size',
      { buffers: new Map([['w', Float32Array.of(1)]]) },
      ['mismatch', /w is F32 \[2\]; 1 new/],
    ],
  ];
  for (const [what, more, error] of senseless) {
    test(what, async () => {
      const directory = await fresh();
      await assert.rejects(merge(headers, join(directory, 'mix.safetensors'), more), twaError(...error));
      assert.deepEqual(await readdir(directory), []);
    });
  }
});

describe('numbers that are none', () => {
  async function three(
    bad: Readonly<Record<number, number>>,
  ): Promise<{ directory: string; headers: CheckpointHeader[] }> {
    const directory = await fresh();
    const paths: string[] = [];
    for (const k of [0, 1, 2]) {
      const w = new Float32Array(6).fill(k);
      if (bad[k] !== undefined) w[4] = bad[k];
      const path = join(directory, `e${k}.safetensors`);
      const data = Buffer.concat([Buffer.from(w.buffer), Buffer.from(Float32Array.of(1).buffer)]);
      await writeFile(
        path,
        safetensorsBytes(
          {
            'conv.weight': { dtype: 'F32', shape: [2, 3], data_offsets: [0, 24] },
            b: { dtype: 'F32', shape: [1], data_offsets: [24, 28] },
          },
          data,
        ),
      );
      paths.push(path);
    }
    return { directory, headers: await headersOf(paths) };
  }

  for (const [what, bad, patterns] of [
    ['NaN', { 1: NaN }, [/^e1\.safetensors has NaN in conv\.weight\[1, 1\]; leave that checkpoint out/]],
    ['infinity', { 2: -Infinity }, [/e2\.safetensors has -Infinity in conv\.weight\[1, 1\]/]],
    [
      'infinities that cancel',
      { 0: Infinity, 2: -Infinity },
      [/e0\.safetensors has Infinity/, /e2\.safetensors has -Infinity/],
    ],
  ] as const) {
    test(`${what} in a source is named by file, tensor and index`, async () => {
      const { directory, headers } = await three(bad);
      await assert.rejects(
        merge(headers, join(directory, 'mix.safetensors')),
        twaError('non-finite', ...patterns),
      );
      assert.equal((await readdir(directory)).length, 3);
    });
  }

  test('also where the coefficient is zero', async () => {
    const { directory, headers } = await three({ 1: NaN });
    const merging = merge(headers, join(directory, 'mix.safetensors'), { coefficients: [1, 0, 0] });
    await assert.rejects(merging, twaError('non-finite', /e1\.safetensors has NaN/));
  });

  test('but not where new values replace the tensor', async () => {
    const { directory, headers } = await three({ 1: NaN });
    const output = join(directory, 'mix.safetensors');
    const values = Float64Array.of(0.1, 0.2, 0.3, 0.4, 0.5, 0.6);
    const result = await merge(headers, output, { buffers: new Map([['conv.weight', values]]) });
    const header = await requireComplete(output);
    const reader = await safetensors.open(header);
    assert.deepEqual(await readParameter(reader, header.tensors[0]!), Float32Array.from(values));
    await reader.close();
    assert.deepEqual(
      result.sources.map((source) => source.sha256),
      await Promise.all(headers.map(({ path }) => sha256(path))),
    );
  });

  test('new values that are none are named, too', async () => {
    const { directory, headers } = await three({});
    const buffers = new Map([['b', Float32Array.of(NaN)]]);
    const merging = merge(headers, join(directory, 'mix.safetensors'), { buffers });
    await assert.rejects(merging, twaError('non-finite', /recalibrated b\[0\] is NaN/));
  });

  test('a mix that its type cannot hold', async () => {
    const { directory, headers } = await three({ 1: 3e38 });
    const merging = merge(headers, join(directory, 'mix.safetensors'), { coefficients: [0, 2, 0] });
    await assert.rejects(
      merging,
      twaError('non-finite', /conv\.weight\[1, 1\], more than F32 can hold; use smaller/),
    );
  });
});

describe('files so large that other threads hash them', () => {
  const sources: string[] = [];
  before(async () => {
    const directory = await fresh();
    for (const k of [1, 2, 3]) {
      const path = join(directory, `epoch-${k}.safetensors`);
      await writeFloats(path, { w: new Float32Array(5_000_000).map((_, i) => (i % 1000) * k), b: [k] });
      sources.push(path);
    }
  });

  test('the mix and all digests are right', async () => {
    const output = join(await fresh(), 'mix.safetensors');
    const result = await merge(await headersOf(sources), output, { coefficients: [1, -2, 4] });
    assert.equal(result.outputSha256, await sha256(output));
    for (const [i, source] of result.sources.entries())
      assert.equal(source.sha256, await sha256(sources[i]!));
    const header = await requireComplete(output);
    const reader = await safetensors.open(header);
    const values = await readParameter(
      reader,
      header.tensors.find(({ name }) => name === 'w')!,
    );
    await reader.close();
    // 1 - 2 * 2 + 4 * 3 = 9 times small integers: exact.
    assert.ok(values.every((value, i) => value === 9 * (i % 1000)));
  });

  test('cancelled half way, nothing is left', async () => {
    const directory = await fresh();
    const controller = new AbortController();
    const merging = merge(await headersOf(sources), join(directory, 'mix.safetensors'), {
      signal: controller.signal,
      onProgress: (fraction) => {
        if (fraction > 0.5) controller.abort();
      },
    });
    await assert.rejects(merging, twaError('cancelled'));
    assert.deepEqual(await readdir(directory), []);
  });
});

test('readParameter: integers as numbers, complex refused', async () => {
  const header = await requireComplete(join(FIXTURES, 'mixed/epoch-003.safetensors'));
  const reader = await safetensors.open(header);
  const tensor = (name: string) => header.tensors.find((item) => item.name === name)!;
  for (const name of ['i64', 'i32', 'i16', 'i8', 'u64', 'u32', 'u16', 'u8']) {
    assert.deepEqual(await readParameter(reader, tensor(`count.${name}`)), Float64Array.of(2, 3, 4), name);
  }
  assert.deepEqual(await readParameter(reader, tensor('mask')), Float64Array.of(1, 1, 0));
  assert.deepEqual(await readParameter(reader, tensor('scalar')), Float32Array.of(0.3));
  await assert.rejects(readParameter(reader, tensor('complex')), twaError('unsupported'));
  await reader.close();
});

test('sources keep size and time', async () => {
  const directory = await fresh();
  const path = join(directory, 'e1.safetensors');
  await writeFloats(path, { w: [1, 2] });
  const before = await stat(path);
  await merge(await headersOf([path]), join(directory, 'mix.safetensors'));
  const after = await stat(path);
  assert.deepEqual([after.size, after.mtimeMs, after.nlink], [before.size, before.mtimeMs, 1]);
});
