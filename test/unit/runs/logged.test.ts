import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { requireComplete } from '../../../src/core/checkpoints/registry.ts';
import { bestByLog } from '../../../src/core/runs/logged.ts';
import { temporaryDirectory, writeSafetensors, writeText } from '../compute/files.ts';

test('the best checkpoints by a logged metric, in training order', async () => {
  const run = temporaryDirectory();
  mkdirSync(path.join(run, 'checkpoints'));
  writeText(
    path.join(run, 'metrics.csv'),
    'epoch,val/loss,val/accuracy\n1,0.9,0.5\n2,0.4,0.7\n3,nan,0.7\n4,0.5,0.6\n5,0.4,0.9\n',
  );
  const headers = await Promise.all(
    [1, 2, 3, 4, 5].map((epoch) =>
      requireComplete(
        writeSafetensors(path.join(run, 'checkpoints', `epoch-${epoch}.safetensors`), {
          w: { shape: [1], values: [epoch] },
        }),
      ),
    ),
  );
  const best = async (metric: string, k: number): Promise<(number | undefined)[]> =>
    (await bestByLog(headers, metric, k)).map(({ epoch }) => epoch);
  assert.deepEqual(await best('val/loss', 3), [2, 4, 5]);
  // Of equals the newest: epoch 5 before 2, 3 before 2.
  assert.deepEqual(await best('val/loss', 1), [5]);
  assert.deepEqual(await best('val/accuracy', 2), [3, 5]);
  // A loss that is not a number is not among the best, however many are wanted.
  await assert.rejects(best('val/loss', 5), /knows "val\/loss" at 4 of 5 checkpoints, and 5 are wanted/);
  await assert.rejects(best('f1', 1), /knows "f1" at 0 of 5 .*: it has val\/accuracy, val\/loss\.$/);
});
