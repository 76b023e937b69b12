import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { runJob } from '../../../src/compute/client.ts';
import type { PassProgress } from '../../../src/core/averaging/types.ts';
import type { CheckpointGeometry } from '../../../src/core/checkpoints/geometry.ts';
import { temporaryDirectory, writeSafetensors } from '../compute/files.ts';
import { checkpoints, onlyDocument, root, twa } from './cli.ts';

const directory = temporaryDirectory();
// On a line in steps of 5 (3-4-5 triangles), and one further off the line; a statistic that says nothing.
const files = [
  [0, 0],
  [3, 4],
  [6, 8],
  [2, 11],
].map((w, i) =>
  writeSafetensors(path.join(directory, `epoch-${i + 1}.safetensors`), {
    'fc.weight': { shape: [2], values: w },
    'bn.running_mean': { shape: [1], values: [1000 * i] },
  }),
);

test('geometry --json: in training order, whatever the order of the arguments', async () => {
  const outcome = await twa(['geometry', ...files.toReversed(), '--json']);
  assert.equal(outcome.code, 0, outcome.stderr);
  const found = onlyDocument(outcome) as unknown as CheckpointGeometry;
  assert.deepEqual(
    found.checkpoints,
    files.map((file, i) => ({ path: file, step: null, epoch: i + 1 })),
  );
  assert.deepEqual([found.elements, found.tensors, found.runningStatistics], [2, 1, 1]);
  const rounded = (numbers: readonly number[]): number[] => numbers.map((x) => Math.round(x * 1e9) / 1e9);
  assert.deepEqual(rounded(found.path.steps), [5, 5, 5]);
  assert.deepEqual(rounded(found.path.turns), [1, 0]);
  assert.deepEqual(rounded(found.distances[0]!), [0, 5, 10, rounded([Math.sqrt(125)])[0]]);
  assert.deepEqual(rounded(found.norms), rounded([0, 5, 10, Math.sqrt(125)]));
  assert.equal(found.rank, 2);
  assert.deepEqual([found.duplicates, found.outliers], [[], []]);
  for (const [i, p] of found.map.points.entries()) {
    for (const [j, q] of found.map.points.entries()) {
      assert.ok(Math.abs(Math.hypot(p[0] - q[0], p[1] - q[1]) - found.distances[i]![j]!) < 1e-9);
    }
  }
});

test('the job gives the same, and tells how far it is', async () => {
  const computePath = path.join(root, 'src/compute/main.ts');
  const seen: PassProgress[] = [];
  const job = await runJob(
    'geometry',
    { checkpoints: files },
    { computePath, onProgress: (p) => seen.push(p) },
  );
  const verb = onlyDocument(await twa(['geometry', directory, '--json']));
  assert.deepEqual(JSON.parse(JSON.stringify({ ...job, checkpoints: [] })), { ...verb, checkpoints: [] });
  assert.equal(seen.at(-1)?.fraction, 1);
});

test('geometry for people: a row each, and sentences', async () => {
  const { stdout, code } = await twa(['geometry', path.join(checkpoints, 'mixed')]);
  assert.equal(code, 0);
  const lines = stdout.split('\n');
  assert.match(lines[0]!, /^checkpoint +step +epoch +norm +from mean +from before +map x +map y$/);
  assert.equal(lines.indexOf(''), 5);
  assert.match(stdout, /differ in 3 independent directions/);
  assert.match(stdout, /^The path is .* \(straightness 0\.\d+; 1 is a straight line\)\.$/m);
  assert.match(stdout, /^The map shows \d+\.\d % of the squared distances/m);
});

test('different architectures are refused with what differs', async () => {
  const { code, stderr } = await twa([
    'geometry',
    files[0]!,
    path.join(checkpoints, 'mixed/epoch-001.safetensors'),
  ]);
  assert.equal(code, 1);
  assert.match(stderr, /fc\.weight/);
});
