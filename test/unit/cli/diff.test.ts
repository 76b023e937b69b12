import assert from 'node:assert/strict';
import { copyFileSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { directoryWith } from '../task/temporary.ts';
import { checkpoints, onlyDocument, twa } from './cli.ts';

const mixed = (epoch: number) => path.join(checkpoints, `mixed/epoch-00${epoch}.safetensors`);
const tfjs = (epoch: number) => path.join(checkpoints, `tfjs/epoch-${epoch}`);

interface Change {
  readonly relative: number | string;
  readonly largest: number;
  readonly cosine: number | string;
  readonly notFinite: number;
}
type Layer = Change & { readonly layer: string; readonly tensors: readonly (Change & { name: string })[] };

test('diff --json: every tensor as NumPy measures it, the largest relative change first', async () => {
  const outcome = await twa(['diff', mixed(1), mixed(4), '--json']);
  assert.equal(outcome.code, 0, outcome.stderr);
  const { a, b, differences, layers } = onlyDocument(outcome) as unknown as Record<'a' | 'b', string> & {
    readonly differences: readonly unknown[];
    readonly layers: readonly Layer[];
  };
  assert.deepEqual([a, b, differences], [mixed(1), mixed(4), []]);
  const relative = layers.map((layer) => Number(layer.relative));
  assert.deepEqual(
    relative,
    relative.toSorted((x, y) => (x === y ? 0 : y - x)),
  );
  const found = new Map(layers.flatMap(({ tensors }) => tensors.map((tensor) => [tensor.name, tensor])));
  const { changes } = JSON.parse(readFileSync(path.join(checkpoints, 'mixed/statistics.json'), 'utf8')) as {
    readonly changes: readonly Record<'normA' | 'normB' | 'distance' | 'dot' | 'largest', number>[];
  };
  for (const expected of changes as readonly ((typeof changes)[number] & { readonly name: string })[]) {
    const change = found.get(expected.name);
    assert.ok(change !== undefined, expected.name);
    const { distance, normA, normB, dot, largest } = expected;
    assert.equal(change.largest, largest);
    if (normA === 0) {
      assert.deepEqual([change.relative, change.cosine], [distance === 0 ? 0 : 'Infinity', 'NaN']);
      continue;
    }
    // Both sides round a few times, in float64.
    assert.ok(Math.abs(Number(change.relative) - distance / normA) < 1e-14, expected.name);
    assert.ok(Math.abs(Number(change.cosine) - dot / normA / normB) < 1e-14, expected.name);
  }
  // Zero in the first, three in the fourth.
  assert.deepEqual(found.get('__proto__'), {
    ...{ name: '__proto__', relative: 'Infinity', largest: 3, cosine: 'NaN', notFinite: 0 },
  });
});

test('diff for people: layers with their tensors below', async () => {
  const { stdout, code } = await twa(['diff', tfjs(1), tfjs(2)]);
  assert.equal(code, 0);
  const names = stdout.split('\n').map((line) => /^ *[\w/]*/.exec(line)![0]);
  assert.deepEqual(names.slice(4, 7), ['dense', '  dense/bias', '  dense/kernel']);
  assert.match(stdout, /^layer +relative +largest +cosine +not finite$/m);
});

test('diff of a checkpoint with its copy finds nothing', async (context) => {
  const directory = directoryWith(context, {});
  copyFileSync(mixed(2), path.join(directory, 'copy.safetensors'));
  const document = onlyDocument(
    await twa(['diff', mixed(2), path.join(directory, 'copy.safetensors'), '--json']),
  );
  for (const layer of document['layers'] as readonly Layer[]) {
    assert.deepEqual([layer.relative, layer.largest, layer.notFinite], [0, 0, 0], layer.layer);
  }
});

test('diff of two models says what only one of them has', async () => {
  const document = onlyDocument(await twa(['diff', mixed(1), tfjs(1), '--json']));
  const differences = document['differences'] as readonly Record<string, unknown>[];
  assert.equal(differences.length, 19 + 8);
  assert.deepEqual(
    differences.find(({ name }) => name === 'layer.f16'),
    { kind: 'only-a', name: 'layer.f16', a: { dtype: 'F16', shape: [33] }, b: null },
  );
  assert.deepEqual(document['layers'], []);
  const { stdout } = await twa(['diff', mixed(1), tfjs(1)]);
  assert.match(stdout, /^only in b: dense\/bias F32 \[2\]$/m);
});

test('diff wants two checkpoints that are there', async () => {
  assert.equal((await twa(['diff', mixed(1)])).code, 2);
  const outcome = await twa(['diff', mixed(1), path.join(checkpoints, 'nothing.safetensors')]);
  assert.equal(outcome.code, 1);
  assert.match(outcome.stderr, /^twa: nothing\.safetensors does not exist/m);
});
