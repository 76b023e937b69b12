import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import {
  changesByLayer,
  cosine,
  differencesBetween,
  layerOf,
  relativeChange,
  type TensorChange,
} from '../../../src/core/checkpoints/changes.ts';
import { requireComplete } from '../../../src/core/checkpoints/registry.ts';
import { compareTensors, tensorStatistics } from '../../../src/core/checkpoints/statistics.ts';
import type { TensorInfo } from '../../../src/core/checkpoints/types.ts';
import { FIXTURES, safetensorsBytes, temporaryDirectory, twaError, writeFloats } from './help.ts';

type Row = Readonly<Record<string, unknown>> & { readonly name: string };
const { statistics, changes } = JSON.parse(readFileSync(join(FIXTURES, 'mixed/statistics.json'), 'utf8')) as {
  readonly statistics: readonly Row[];
  readonly changes: readonly Row[];
};
const mixed = (epoch: number) => requireComplete(join(FIXTURES, `mixed/epoch-00${epoch}.safetensors`));
const directory = await temporaryDirectory();

/** Sums of at most 36 float64 numbers: each of the few roundings is 2^-53 of the sum of magnitudes. */
const TOLERANCE = 1e-14;

function assertRow(actual: object, expected: Row): void {
  for (const [key, value] of Object.entries(expected)) {
    const got = (actual as Record<string, unknown>)[key];
    if (typeof value !== 'number') assert.deepEqual(Number.isNaN(got) ? null : got, value, expected.name);
    else {
      const off = Math.abs(Number(got) - value);
      assert.ok(off <= TOLERANCE * Math.max(1, Math.abs(value)), `${expected.name}.${key}: ${String(got)}`);
    }
  }
}

test('every dtype: minimum, maximum, mean and deviation as NumPy has them', async () => {
  const rows = await tensorStatistics(await mixed(1));
  assert.equal(rows.length, statistics.length);
  for (const expected of statistics) {
    const row = rows.find(({ name }) => name === expected.name);
    assert.ok(row !== undefined, expected.name);
    assertRow(row, expected);
    assert.deepEqual([row.nan, row.infinite], [0, 0]);
  }
});

test('every dtype: norms, distance and largest change as NumPy has them', async () => {
  const rows = await compareTensors(await mixed(1), await mixed(4));
  assert.equal(rows.length, changes.length);
  for (const expected of changes) {
    const row = rows.find(({ name }) => name === expected.name);
    assert.ok(row !== undefined, expected.name);
    assertRow(row, expected);
  }
});

test('many chunks far from zero: no digits are lost', async () => {
  const count = 8 * 50_000; // more than three chunks, the last one short
  const file = join(directory, 'long.safetensors');
  await writeFloats(file, { w: Float32Array.from({ length: count }, (_, i) => 65536 + (i % 8)) });
  const fractions: number[] = [];
  const [row] = await tensorStatistics(await requireComplete(file), undefined, {
    onProgress: (fraction) => fractions.push(fraction),
  });
  assert.equal(row!.mean, 65539.5);
  // A naive E[x^2] - E[x]^2 is wrong by 1e-6 here; two roundings of chunk sums are all that is left.
  assert.ok(Math.abs(row!.std - Math.sqrt(63 / 12)) < 1e-14);
  assert.equal(fractions.length, 4);
  assert.equal(fractions.at(-1), 1);
});

test('numbers that are none are counted, and the others still described', async () => {
  const file = join(directory, 'diverged.safetensors');
  await writeFloats(file, { w: [1, NaN, 3, Infinity, -Infinity, NaN], dead: [NaN, NaN] });
  const [w, dead] = await tensorStatistics(await requireComplete(file));
  assert.deepEqual(w, { name: 'w', min: 1, max: 3, mean: 2, std: 1, nan: 2, infinite: 2 });
  assert.deepEqual(dead, { name: 'dead', min: NaN, max: NaN, mean: NaN, std: NaN, nan: 2, infinite: 0 });

  const sound = join(directory, 'sound.safetensors');
  await writeFloats(sound, { w: [1, 1, 7, 1, 1, 1], dead: [0, 0] });
  const [change] = await compareTensors(await requireComplete(sound), await requireComplete(file));
  assert.equal(change!.notFinite, 4);
  assert.deepEqual([change!.distance, change!.largest, change!.dot], [4, 4, 22]);
});

test('only the tensors asked for are read; a name that is gone is said', async () => {
  const rows = await tensorStatistics(await mixed(2), ['scalar', 'mask']);
  assert.deepEqual(rows.map(({ name }) => name).sort(), ['mask', 'scalar']);
  await assert.rejects(tensorStatistics(await mixed(2), ['scalar', 'gone']), twaError('mismatch', /gone/));
});

test('a change of dtype or of format alone is no change of the numbers', async () => {
  const narrow = join(directory, 'narrow.safetensors');
  const wide = join(directory, 'wide.safetensors');
  await writeFloats(narrow, { w: [0.5, -2, 1.25] });
  const bytes = new Uint8Array(Float64Array.of(0.5, -2, 1.25).buffer);
  await writeFile(wide, safetensorsBytes({ w: { dtype: 'F64', shape: [3], data_offsets: [0, 24] } }, bytes));
  const [a, b] = [await requireComplete(narrow), await requireComplete(wide)];
  assert.deepEqual(
    (await compareTensors(a, b)).map(({ distance, largest }) => [distance, largest]),
    [[0, 0]],
  );
  assert.deepEqual(
    differencesBetween(a.tensors, b.tensors).map(({ kind, name }) => [kind, name]),
    [['differs', 'w']],
  );
});

test('can be cancelled, and says when the file is gone', async () => {
  const controller = new AbortController();
  const stop = { signal: controller.signal, onProgress: () => controller.abort() };
  await assert.rejects(tensorStatistics(await mixed(1), undefined, stop), twaError('cancelled'));
  const file = join(directory, 'gone.safetensors');
  await writeFloats(file, { w: [1] });
  const header = await requireComplete(file);
  rmSync(file);
  await assert.rejects(tensorStatistics(header), twaError('not-found'));
  await assert.rejects(compareTensors(await mixed(1), header), twaError('not-found'));
});

const tensor = (name: string, shape: readonly number[], dtype: TensorInfo['dtype'] = 'F32'): TensorInfo => ({
  name,
  shape,
  dtype,
});

test('differences of the headers: on one side only, another shape, another dtype', () => {
  const a = [tensor('same', [2]), tensor('shape', [2, 3]), tensor('dtype', [2]), tensor('old', [1])];
  const b = [tensor('new', [1]), tensor('dtype', [2], 'BF16'), tensor('shape', [3, 2]), tensor('same', [2])];
  assert.deepEqual(
    differencesBetween(a, b).map(({ kind, name }) => `${kind} ${name}`),
    ['differs shape', 'differs dtype', 'only-a old', 'only-b new'],
  );
  assert.deepEqual(differencesBetween(a, a), []);
});

const change = (name: string, normA: number, distance: number): TensorChange => ({
  ...{ name, normA, distance, normB: normA, dot: normA * normA - (distance * distance) / 2 },
  ...{ largest: distance, notFinite: 0 },
});

test('relative change and cosine at their ends', () => {
  assert.equal(relativeChange({ distance: 0, normA: 0 }), 0);
  assert.equal(relativeChange({ distance: 1, normA: 0 }), Infinity);
  assert.equal(relativeChange({ distance: 3, normA: 4 }), 0.75);
  assert.equal(cosine({ dot: -6, normA: 2, normB: 3 }), -1);
  assert.ok(Number.isNaN(cosine({ dot: 0, normA: 0, normB: 3 })));
});

test('per layer: norms of all its tensors as one vector, the largest change first', () => {
  const layers = changesByLayer([
    change('head.bias', 3, 0),
    change('body.0.weight', 3, 0.3),
    change('body.0.bias', 4, 2),
    change('scale', 0, 1),
  ]);
  assert.deepEqual(
    layers.map(({ layer }) => layer),
    ['scale', 'body.0', 'head'],
  );
  const [, body] = layers;
  assert.equal(body!.normA, 5);
  assert.ok(Math.abs(relativeChange(body!) - Math.sqrt(0.09 + 4) / 5) < 1e-15);
  assert.deepEqual(
    body!.tensors.map(({ name }) => name),
    ['body.0.bias', 'body.0.weight'],
  );
  assert.equal(body!.largest, 2);
  for (const [name, layer] of [
    ['a.b.c', 'a.b'],
    ['conv1/kernel', 'conv1'],
    ['w', 'w'],
    ['.hidden', '.hidden'],
    ['m.layer/kernel:0', 'm.layer'],
  ]) {
    assert.equal(layerOf(name!), layer);
  }
});
